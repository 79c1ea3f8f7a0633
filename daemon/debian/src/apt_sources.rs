//! apt's `.sources` files (sources.list(5), "DEB822-style format"): stanzas of repositories and who may sign them. What
//! would have apt trust a repository without a signature is refused. Values are not quoted in errors: a URI may hold a
//! password.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::certificate::Fingerprint;
use crate::error::{Error, Place, Problem};
use crate::input::Document;

/// Who may sign a repository: the field `Signed-By`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// An armored key in the field itself.
    Embedded(String),
    /// Keys in files.
    Files {
        /// Keyrings, absolute.
        files: Vec<PathBuf>,
        /// The keys among them that count; all where it is empty.
        fingerprints: Vec<Fingerprint>,
    },
}

/// One enabled stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// `Types` has `deb`.
    pub binaries: bool,
    /// `Types` has `deb-src`.
    pub sources: bool,
    /// `URIs`, at least one.
    pub uris: Vec<String>,
    /// `Suites`, at least one; one that ends in a slash is the folder of a flat repository.
    pub suites: Vec<String>,
    /// `Components`; none for flat repositories only.
    pub components: Vec<String>,
    /// `Architectures`; all where it is empty.
    pub architectures: Vec<String>,
    /// `Signed-By`.
    pub signed_by: Option<SignedBy>,
    places: BTreeMap<&'static str, Place>,
}

const FIELDS: [&str; 6] = ["Types", "URIs", "Suites", "Components", "Architectures", "Signed-By"];
/// Fields that take the signature's weight away.
const UNSAFE: [&str; 4] = ["Trusted", "Allow-Insecure", "Allow-Weak", "Allow-Downgrade-To-Insecure"];
const MOST_STANZAS: usize = 100;

impl AptSource {
    /// All enabled stanzas of the file's `text`; `path` is used in messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Vec<Self>, Error> {
        let document = Document::parse(path, text).map_err(without_content)?;
        let of_file = |problem| Error::new(Place::file(path), problem);
        if document.stanzas.len() > MOST_STANZAS {
            return Err(of_file(Problem::TooMany { limit: MOST_STANZAS }));
        }
        let mut found = Vec::new();
        for stanza in 0..document.stanzas.len() {
            if is_yes(document.field(stanza, "Enabled").unwrap_or("yes")) {
                found.push(Self::read(&document, stanza)?);
            }
        }
        if found.is_empty() {
            let problem = "no stanza is enabled; at least Types, URIs and Suites are wanted";
            return Err(of_file(Problem::Malformed(problem.to_owned())));
        }
        Ok(found)
    }

    fn read(document: &Document<'_>, stanza: usize) -> Result<Self, Error> {
        let malformed = |field: &str, what: &str| document.error(stanza, field, Problem::Malformed(what.to_owned()));
        for field in UNSAFE {
            if document.field(stanza, field).is_some_and(is_yes) {
                return Err(malformed(
                    field,
                    "only repositories with a signature are accepted; remove the field",
                ));
            }
        }
        let words = |field: &str| -> Vec<String> {
            let value = document.field(stanza, field).unwrap_or_default();
            value.split_ascii_whitespace().map(str::to_owned).collect()
        };
        document.required(stanza, "Types")?;
        document.required(stanza, "URIs")?;
        document.required(stanza, "Suites")?;
        let types = words("Types");
        if types.iter().any(|word| !matches!(word.as_str(), "deb" | "deb-src")) {
            return Err(malformed("Types", "only deb and deb-src are known"));
        }
        let (suites, components) = (words("Suites"), words("Components"));
        let flat = suites.iter().filter(|suite| suite.ends_with('/')).count();
        if flat == 0 && components.is_empty() {
            let what =
                "at least one component is wanted; only a flat repository, whose suite ends in a slash, has none";
            return Err(malformed("Components", what));
        }
        if flat > 0 && !components.is_empty() {
            let what = "a suite that ends in a slash is a flat repository, which has no components";
            return Err(malformed("Suites", what));
        }
        if let Some(field) = ["Architectures-Add", "Architectures-Remove"]
            .into_iter()
            .find(|field| document.field(stanza, field).is_some())
        {
            return Err(malformed(field, "write out the list in Architectures instead"));
        }
        let signed_by = match document.field(stanza, "Signed-By") {
            Some(value) => Some(signed_by(value).map_err(|what| malformed("Signed-By", &what))?),
            None => None,
        };
        Ok(Self {
            binaries: types.iter().any(|word| word == "deb"),
            sources: types.iter().any(|word| word == "deb-src"),
            uris: words("URIs"),
            suites,
            components,
            architectures: words("Architectures"),
            signed_by,
            places: FIELDS
                .into_iter()
                .map(|field| (field, document.place(stanza, field)))
                .collect(),
        })
    }

    /// Where one of the fields of this type is, for what its user finds wrong with it.
    #[must_use]
    pub fn place(&self, field: &str) -> Place {
        self.places.get(field).cloned().unwrap_or_default()
    }
}

/// apt's words for true (`StringToBool`).
fn is_yes(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    matches!(value.as_str(), "yes" | "true" | "with" | "on" | "enable" | "1")
}

fn signed_by(value: &str) -> Result<SignedBy, String> {
    if value.contains("-----BEGIN PGP") {
        // deb822 writes an empty line as a single dot.
        let lines = value
            .lines()
            .map(str::trim)
            .map(|line| if line == "." { "" } else { line });
        let text = lines.collect::<Vec<_>>().join("\n");
        return Ok(SignedBy::Embedded(format!("{}\n", text.trim())));
    }
    let (mut files, mut fingerprints) = (Vec::new(), Vec::new());
    for word in value
        .split(|c: char| c.is_ascii_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
    {
        if word.starts_with('/') {
            files.push(PathBuf::from(word));
        } else {
            let fingerprint = word.trim_end_matches('!').parse();
            fingerprints.push(fingerprint.map_err(|_| {
                "an absolute path of a key file, a fingerprint, or a key in armor is wanted".to_owned()
            })?);
        }
    }
    Ok(SignedBy::Files { files, fingerprints })
}

/// The parser's words quote the line that it did not like.
fn without_content(error: Error) -> Error {
    match *error.problem {
        Problem::Malformed(_) if error.place.field.is_none() => {
            let what = "not in deb822 form: each line must be `Field: value`, or begin with a blank";
            Error::new(*error.place, Problem::Malformed(what.to_owned()))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const EMBEDDED: &str = "Types: deb deb-src\nURIs: https://mirror.example/a http://mirror.example/b\nSuites: stable\n  stable-updates\nComponents: main contrib\nArchitectures: amd64\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n =5NZE\n -----END PGP PUBLIC KEY BLOCK-----\n\n# A comment.\nEnabled: no\nTypes: deb\n\nTypes: deb\nURIs: https://mirror.example/flat\nSuites: ./\nSigned-By: /usr/share/keyrings/x.gpg, 0123456789abcdef0123456789ABCDEF01234567!\nX-Repolib-Name: anything\n";

    #[test]
    fn enabled_stanzas_are_read() {
        let found = AptSource::parse(Path::new("x.sources"), EMBEDDED).unwrap();
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert!(first.binaries && first.sources);
        assert_eq!(first.uris, ["https://mirror.example/a", "http://mirror.example/b"]);
        assert_eq!(first.suites, ["stable", "stable-updates"]);
        assert_eq!(first.components, ["main", "contrib"]);
        assert_eq!(first.architectures, ["amd64"]);
        let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n=5NZE\n-----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(first.signed_by, Some(SignedBy::Embedded(key.to_owned())));
        assert_eq!(found[1].suites, ["./"]);
        assert_eq!(
            found[1].signed_by,
            Some(SignedBy::Files {
                files: vec!["/usr/share/keyrings/x.gpg".into()],
                fingerprints: vec!["0123456789ABCDEF0123456789ABCDEF01234567".parse().unwrap()],
            })
        );
        assert_eq!(found[1].place("Suites").to_string(), "x.sources:20, field Suites");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_its_content() {
        let stanza = |from: &str, to: &str| {
            let good = "Types: deb\nURIs: https://u:hush@mirror.example/a\nSuites: stable\nComponents: main\nSigned-By: /k.asc\n";
            good.replace(from, to)
        };
        for (text, wanted) in [
            (stanza("Types: deb\n", ""), "x, field Types: the field is missing"),
            (
                stanza("URIs: https://u:hush@mirror.example/a\n", ""),
                "field URIs: the field is missing",
            ),
            (
                stanza("Types: deb", "Types: rpm"),
                "x:1, field Types: only deb and deb-src are known",
            ),
            (
                stanza("Components: main\n", ""),
                "field Components: at least one component is wanted",
            ),
            (
                stanza("stable", "./"),
                "x:3, field Suites: a suite that ends in a slash",
            ),
            (stanza("/k.asc", "k.asc"), "x:5, field Signed-By: an absolute path"),
            (
                stanza("Signed-By: /k.asc", "Trusted: yes"),
                "x:5, field Trusted: only repositories with a signature",
            ),
            (
                stanza("Signed-By: /k.asc", "Allow-Insecure: true"),
                "x:5, field Allow-Insecure: only",
            ),
            (stanza("URIs: ", "URIs:\n"), "field URIs: the field is missing"),
            (stanza("Types: deb", "Types: deb\nhush"), "x:2: not in deb822 form"),
            (
                stanza("Types: deb", "Types: deb\nTypes: deb"),
                "field types: the field occurs twice",
            ),
            (stanza("Types", "Enabled: no\nTypes"), "x: no stanza is enabled"),
            (String::new(), "x: no stanza is enabled"),
        ] {
            let told = AptSource::parse(Path::new("x"), &text).unwrap_err().to_string();
            assert!(told.contains(wanted), "{told:?} for {text:?}");
            assert!(!told.contains("hush"), "{told:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "((Types|URIs|Suites|Components|Signed-By|Enabled|x):?[ -~é]{0,12}\n? ?\n?){0,8}") {
            let _ = AptSource::parse(Path::new("x"), &text);
        }
    }
}
