//! What apt says, read: the files that it would fetch, which packages it knows, and why it cannot do as it is told. A guest
//! says it, so that nothing of it is believed beyond which URLs to ask for; whether those may be had is the session's matter.

use preflight_dep8::log::harmless;

/// A file that apt would fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedFile {
    /// Where from, as the guest would ask for it.
    pub(super) url: String,
    /// Its name, as apt would store it.
    pub(super) name: String,
    /// Bytes, as the index says.
    pub(super) size: u64,
}

/// The longest name and the longest complaint that are shown, in characters.
const LONGEST_NAME: usize = 200;
const LONGEST_COMPLAINT: usize = 400;

/// The files that `apt-get --print-uris` names: `'URL' NAME SIZE DIGEST` (apt-get(8)). What else it says is for people.
pub(super) fn files(said: &[u8]) -> Vec<NamedFile> {
    String::from_utf8_lossy(said).lines().filter_map(file).collect()
}

fn file(line: &str) -> Option<NamedFile> {
    let (url, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut words = rest.split_whitespace();
    let (name, size) = (words.next()?, words.next()?);
    Some(NamedFile {
        url: url.to_owned(),
        name: bounded(name, LONGEST_NAME),
        size: size.parse().ok()?,
    })
}

/// The packages of which `apt-cache policy` knows a version that can be installed.
pub(super) fn candidates(said: &[u8]) -> Vec<String> {
    let said = String::from_utf8_lossy(said);
    let mut known = Vec::new();
    let mut package = None;
    for line in said.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = Some(name);
        } else if let Some(version) = line.trim_start().strip_prefix("Candidate: ")
            && version != "(none)"
        {
            known.extend(package.take().map(str::to_owned));
        }
    }
    known
}

/// Why apt cannot do as it is told: what it names as unmet, and its errors.
pub(super) fn complaint(said: &[u8], errors: &[u8]) -> String {
    let (said, errors) = (String::from_utf8_lossy(said), String::from_utf8_lossy(errors));
    let unmet = said
        .lines()
        .skip_while(|line| !line.ends_with("have unmet dependencies:"))
        .skip(1)
        .take_while(|line| line.starts_with(' '));
    let errors = errors.lines().filter_map(|line| line.strip_prefix("E: "));
    let mut parts: Vec<String> = unmet
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    // That something is broken says nothing beside what.
    let generic = "Unable to correct problems, you have held broken packages.";
    let has_unmet = !parts.is_empty();
    parts.extend(
        errors
            .filter(|error| !(has_unmet && *error == generic))
            .map(str::to_owned),
    );
    if parts.is_empty() {
        return "apt cannot do it, and does not say why".to_owned();
    }
    bounded(&parts.join("; "), LONGEST_COMPLAINT)
}

fn bounded(text: &str, longest: usize) -> String {
    let text = harmless(text);
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_that_apt_names() {
        let said = b"Reading package lists...\n\
            'http://mirror.example/debian/pool/main/h/hello/hello_2.10-3_amd64.deb' hello_2.10-3_amd64.deb 52968 SHA256:3f\n\
            'http://mirror.example/x_1%3a2_all.deb' x_1%3a2_all.deb 7\n\
            'http://mirror.example/y' y\n\
            'http://mirror.example/z z 12\n\
            'u' \x1b[2J 1\n";
        let read = files(said);
        let expected = [
            (
                "http://mirror.example/debian/pool/main/h/hello/hello_2.10-3_amd64.deb",
                "hello_2.10-3_amd64.deb",
                52968,
            ),
            ("http://mirror.example/x_1%3a2_all.deb", "x_1%3a2_all.deb", 7),
        ];
        for ((url, name, size), file) in expected.into_iter().zip(&read) {
            assert_eq!((file.url.as_str(), file.name.as_str(), file.size), (url, name, size));
        }
        assert_eq!(read.len(), 3, "{read:?}");
        assert!(!read[2].name.contains('\x1b'));
    }

    #[test]
    fn candidates_are_those_that_can_be_installed() {
        let said = b"hello:\n  Installed: (none)\n  Candidate: 2.10-3\n  Version table:\n     2.10-3 500\n        500 http://mirror.example x\n\
            gone:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\nlibc6:\n  Installed: 2.36\n  Candidate: 2.36\n";
        assert_eq!(candidates(said), ["hello", "libc6"]);
    }

    #[test]
    fn complaints_name_what_is_unmet() {
        for (said, errors, expected) in [
            (
                "",
                "E: Unable to locate package nosuch\n",
                "Unable to locate package nosuch",
            ),
            (
                "The following packages have unmet dependencies:\n satisfy:command-line : Depends: nosuch but it is not installable\n",
                "E: Unable to correct problems, you have held broken packages.\n",
                "satisfy:command-line : Depends: nosuch but it is not installable",
            ),
            (
                "The following packages have unmet dependencies:\n builddeps:/run/x : Depends: a but it is not installable\n                    Depends: b (>= 2)\nMore\n and more\n",
                "",
                "builddeps:/run/x : Depends: a but it is not installable; Depends: b (>= 2)",
            ),
            ("", "", "apt cannot do it, and does not say why"),
        ] {
            assert_eq!(complaint(said.as_bytes(), errors.as_bytes()), expected);
        }
        assert!(
            complaint(b"", format!("E: {}", "x".repeat(10_000)).as_bytes())
                .chars()
                .count()
                <= LONGEST_COMPLAINT + 1
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_guest_says_is_read(said in ".{0,300}") {
            files(said.as_bytes());
            candidates(said.as_bytes());
            complaint(said.as_bytes(), said.as_bytes());
        }
    }
}
