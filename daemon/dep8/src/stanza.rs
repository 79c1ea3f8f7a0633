//! The dialect of deb822 in which autopkgtest reads `debian/tests/control` and `debian/control`: comments begin anywhere in
//! a line, continuation lines are joined to the line before, and a line that is neither field nor continuation counts for
//! nothing. Knows no field by name.
//!
//! What is read must be what autopkgtest reads, down to the white space of a test command and to what is wrong with a file;
//! stricter readers of deb822 refuse what it takes. The reference is its `parse_rfc822` over python-debian's
//! `Deb822.iter_paragraphs`, and a test holds the two against each other.

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
}

/// One stanza: fields in order of appearance, names capitalised as autopkgtest shows them (`X-foo-bar`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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

    /// A field that is given twice: the last one counts.
    fn set(&mut self, name: &str, value: String) {
        let name = capitalised(name);
        match self.0.iter_mut().find(|(field, _)| *field == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name, value)),
        }
    }
}

/// Reads all stanzas, up to the first that has no field at all.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Fields>, StanzaError> {
    if bytes.len() > MAX_FILE {
        return Err(StanzaError::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| StanzaError::NotUtf8(error.valid_up_to()))?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = text.split('\n').filter_map(without_comment);
    let mut stanzas = Vec::new();
    while let Some(stanza) = stanza(&mut lines) {
        stanzas.push(stanza);
    }
    Ok(stanzas)
}

/// A line that is nothing but a comment is none: a blank one would end the stanza.
fn without_comment(line: &str) -> Option<&str> {
    match line.split_once('#') {
        Some((before, _)) if before.chars().all(is_space) => None,
        Some((before, _)) => Some(before),
        None => Some(line),
    }
}

fn stanza<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Option<Fields> {
    let is_blank = |line: &&str| line.bytes().all(|byte| byte.is_ascii_whitespace() || byte == b'\x0b');
    let mut fields = Fields::default();
    let mut open: Option<(&str, String)> = None;
    let first = lines.find(|line| !is_blank(line))?;
    for line in std::iter::once(first).chain(lines.take_while(|line| !is_blank(line))) {
        if let Some((name, value)) = field(line) {
            if let Some((name, value)) = open.replace((name, value.to_owned())) {
                fields.set(name, value);
            }
        } else if let Some((_, value)) = &mut open
            && line.starts_with(is_space)
        {
            value.push_str(line);
        }
    }
    if let Some((name, value)) = open {
        fields.set(name, value);
    }
    for (_, value) in &mut fields.0 {
        *value = value.replace("  ", " ");
    }
    (!fields.0.is_empty()).then_some(fields)
}

/// A name without white space, a colon, a value.
fn field(line: &str) -> Option<(&str, &str)> {
    let (before, value) = line.split_once(':')?;
    let ends_name = |letter: char| matches!(letter, ' ' | '\t' | '\n' | '\r' | '\x0c' | '\x0b');
    let name = before.split(ends_name).next().filter(|name| !name.is_empty())?;
    let is_field = before[name.len()..].chars().all(is_space);
    is_field.then(|| (name, value.trim_matches(is_space)))
}

/// What Python takes for white space.
fn is_space(letter: char) -> bool {
    letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter)
}

/// `string.capwords`: each word's first letter upper case, the rest lower case.
fn capitalised(name: &str) -> String {
    name.split(is_space)
        .filter(|word| !word.is_empty())
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
    fn white_space_of_a_command_is_its_own() {
        let read = parse(b"Test-Command: echo  'a\n    b'; \\\n\tc\r\nTests : x\n").unwrap();
        assert_eq!(read[0].get("Test-Command"), Some("echo 'a  b'; \\\tc"));
        assert_eq!(read[0].get("Tests"), Some("x"));
    }

    #[test]
    fn what_is_no_stanza_counts_for_nothing() {
        assert_eq!(parse(b"Tests a\n").unwrap(), []);
        assert_eq!(parse(b" indented\n\nTests: a\n").unwrap(), []);
        let read = parse(b"Tests: a\nnonsense\nDepends:\n").unwrap();
        assert_eq!(read[0].names().collect::<Vec<_>>(), ["Tests", "Depends"]);
        assert!(matches!(parse(b"Tests: \xff\n"), Err(StanzaError::NotUtf8(7))));
        assert!(matches!(
            parse(&vec![b'\n'; MAX_FILE + 1]),
            Err(StanzaError::TooLarge(_))
        ));
    }

    proptest::proptest! {
        #[test]
        fn fuzz_stanzas(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn fuzz_stanzas_of_text(text in "(([A-Z][a-z -]{0,5}:?|[ \t]?)[a-z@,#:.\r ]{0,12}\n?){0,12}") {
            proptest::prop_assert!(parse(text.as_bytes()).is_ok());
        }
    }
}
