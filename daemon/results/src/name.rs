//! Names of files as archives and folders have them, made fit to be created below a folder of ours. Touches no file.

use std::fmt;
use std::path::{Component, Path};

use crate::limits::{DEEPEST, LONGEST_PATH};

/// The longest name of one file or folder, in bytes.
const LONGEST_PART: usize = 255;

/// A relative name without `.`, `..` or anything that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryName(String);

impl EntryName {
    /// The name, if it is fit; `./` at its beginning goes.
    pub(crate) fn new(raw: &[u8]) -> Option<Self> {
        let text = str::from_utf8(raw).ok()?;
        if text.len() > LONGEST_PATH || text.contains('\0') {
            return None;
        }
        let mut parts = Vec::new();
        for component in Path::new(text).components() {
            match component {
                Component::CurDir => {}
                Component::Normal(part) => parts.push(part.to_str().filter(|part| part.len() <= LONGEST_PART)?),
                Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
            }
        }
        let is_fit = !parts.is_empty() && parts.len() <= DEEPEST;
        is_fit.then(|| Self(parts.join("/")))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

/// Whether a test's or an attachment's name can be that of one file as it stands.
#[must_use]
pub fn is_file_name(text: &str) -> bool {
    EntryName::new(text.as_bytes()).is_some_and(|name| name.as_str() == text && !text.contains('/'))
        && !text.starts_with('.')
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_out() {
        for (raw, expected) in [
            ("./log", Some("log")),
            ("artifacts//a/./b", Some("artifacts/a/b")),
            ("a/../b", None),
            ("/etc/passwd", None),
            ("..", None),
            (".", None),
            ("", None),
            ("a\0b", None),
        ] {
            let name = EntryName::new(raw.as_bytes());
            assert_eq!(name.as_ref().map(EntryName::as_str), expected, "{raw:?}");
        }
        assert_eq!(EntryName::new(b"\xff"), None);
        assert_eq!(EntryName::new("a/".repeat(DEEPEST + 1).as_bytes()), None);
        assert_eq!(EntryName::new("a".repeat(LONGEST_PART + 1).as_bytes()), None);
    }

    #[test]
    fn names_of_single_files() {
        for (text, expected) in [
            ("stdout", true),
            ("upstream tests", true),
            (".hidden", false),
            ("a/b", false),
            ("..", false),
            ("", false),
            ("a\nb", false),
        ] {
            assert_eq!(is_file_name(text), expected, "{text:?}");
        }
    }
}
