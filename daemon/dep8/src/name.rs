//! Names of tests. They come from the package and end in file names, so a [`TestName`] exists only for a name that
//! is one harmless path component.

use std::fmt;

/// The longest name, in bytes: `NAME-packages.all` has to fit in a file name.
pub const MAX_NAME: usize = 200;

/// The name of a test that may run; safe as one path component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestName(String);

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It holds a `/`; the words are autopkgtest's.
    #[error("test name may not contain / character")]
    Slash,
    /// `.`, `..`, empty, or the summary's name for the whole package.
    #[error("test name may not be '{0}'")]
    Reserved(String),
    /// More than [`MAX_NAME`] bytes.
    #[error("test name may not be longer than {MAX_NAME} bytes")]
    TooLong,
    /// White space or a control character.
    #[error("test name may not contain white space or control characters")]
    Unprintable,
}

impl TestName {
    /// Checks a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, NameError> {
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        if name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(NameError::Unprintable);
        }
        if matches!(name, "" | "." | ".." | "*") {
            return Err(NameError::Reserved(name.to_owned()));
        }
        if name.contains('/') {
            return Err(NameError::Slash);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_component_is_a_name() {
        for good in ["a", "command1", "smoke-test", "-x", "ünïcode", "a..b", "..."] {
            assert!(TestName::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("a/b", NameError::Slash),
            ("../a", NameError::Slash),
            ("..", NameError::Reserved("..".into())),
            ("*", NameError::Reserved("*".into())),
            ("", NameError::Reserved(String::new())),
            ("a\u{1b}[2J", NameError::Unprintable),
            ("a b", NameError::Unprintable),
        ] {
            assert_eq!(TestName::new(bad), Err(why), "{bad:?}");
        }
        assert_eq!(TestName::new(&"x".repeat(MAX_NAME + 1)), Err(NameError::TooLong));
    }
}
