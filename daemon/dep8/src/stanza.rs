//! The dialect of deb822 in which autopkgtest reads `debian/tests/control` and `debian/control`: comments begin
//! anywhere in a line, continuation lines are joined by a space. Knows no field by name.

use deb822_fast::Deb822;

/// Larger files are refused: no package comes near, and the file is the guest's or a stranger's.
pub(crate) const MAX_FILE: usize = 4 << 20;

/// Why a file could not be read as stanzas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StanzaError {
    /// Not UTF-8.
    #[error("is not UTF-8 (byte {0})")]
    NotUtf8(usize),
    /// Larger than any real file of its kind.
    #[error("is {0} bytes long, more than the {MAX_FILE} that are read")]
    TooLarge(usize),
    /// A line that is neither a field nor a continuation.
    #[error("cannot be parsed: {0}")]
    Syntax(String),
}

/// One stanza: fields in order of appearance, names capitalised as autopkgtest shows them (`X-foo-bar`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The field's value; `name` in any case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// Reads all stanzas.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Fields>, StanzaError> {
    if bytes.len() > MAX_FILE {
        return Err(StanzaError::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| StanzaError::NotUtf8(error.valid_up_to()))?;
    let stanzas: Deb822 = without_comments(text).parse().map_err(|error| match error {
        deb822_fast::Error::UnexpectedToken(line) => StanzaError::Syntax(format!(
            "unexpected line '{}'",
            line.escape_debug().take(120).collect::<String>()
        )),
        other => StanzaError::Syntax(other.to_string()),
    })?;
    Ok(stanzas
        .iter()
        .map(|paragraph| {
            let mut fields: Vec<(String, String)> = Vec::new();
            for (name, value) in paragraph.iter() {
                let name = capitalised(name);
                let value = value
                    .lines()
                    .map(str::trim_end)
                    .collect::<Vec<_>>()
                    .join(" ")
                    .replace("  ", " ");
                // A field that is given twice: the last one counts, as in python-debian.
                match fields.iter_mut().find(|(field, _)| *field == name) {
                    Some(field) => field.1 = value,
                    None => fields.push((name, value)),
                }
            }
            Fields(fields)
        })
        .collect())
}

fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let line = match line.split_once('#') {
            // A line that is nothing but a comment must vanish: left blank it would end the stanza.
            Some((before, _)) if before.trim().is_empty() => continue,
            Some((before, _)) => before,
            None => line,
        };
        kept.push_str(if line.trim().is_empty() { "" } else { line.trim_end() });
        kept.push('\n');
    }
    kept
}

/// `string.capwords`: each word's first letter upper case, the rest lower case.
fn capitalised(name: &str) -> String {
    name.split_whitespace()
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first
                    .to_uppercase()
                    .chain(letters.flat_map(char::to_lowercase))
                    .collect()
            })
        })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_vanish_wherever_they_begin() {
        let read =
            parse(b"# head\nTests: a, # first\n   # between\n b\n#x\nDepends: @\n\n\nTest-Command: true\n").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].get("tests"), Some("a, b"));
        assert_eq!(read[0].get("depends"), Some("@"));
        assert_eq!(read[1].names().collect::<Vec<_>>(), ["Test-command"]);
    }

    #[test]
    fn names_are_shown_as_autopkgtest_shows_them() {
        let read = parse(b"X-FOO-Bar: 1\n").unwrap();
        assert_eq!(read[0].names().collect::<Vec<_>>(), ["X-foo-bar"]);
    }

    #[test]
    fn what_is_no_stanza_is_refused() {
        assert!(matches!(parse(b"Tests a\n"), Err(StanzaError::Syntax(_))));
        assert!(matches!(parse(b" indented\n"), Err(StanzaError::Syntax(_))));
        assert!(matches!(parse(b"Tests: \xff\n"), Err(StanzaError::NotUtf8(7))));
        assert!(matches!(
            parse(&vec![b'\n'; MAX_FILE + 1]),
            Err(StanzaError::TooLarge(_))
        ));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = parse(&bytes);
        }
    }
}
