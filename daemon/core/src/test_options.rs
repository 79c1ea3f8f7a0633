//! How a ticket's tests are run, beyond what their packages ask for: network policy, time-outs, triggers, environment. Plain
//! data; who runs tests reads it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What becomes of tests that want the internet (autopkgtest's `--needs-internet`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum InternetPolicy {
    /// They are skipped: testbeds have no network.
    #[default]
    Skip,
    /// They are run; one that ends with another status than 0 counts as skipped.
    Try,
    /// They are run like any other.
    Run,
}

/// Which tests are held against the same test without the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum BaselinePolicy {
    /// None, unless somebody asks later.
    #[default]
    Never,
    /// Those that fail.
    Failed,
    /// All that are run.
    All,
}

/// Which tests something is about: those of a source, or one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestPattern {
    source: String,
    test: Option<String>,
}

/// A package whose new version a test run is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trigger {
    source: String,
    version: String,
}

/// A variable that tests find in their environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestVariable {
    name: String,
    value: String,
}

/// A text that is no [`TestPattern`], [`Trigger`] or [`TestVariable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTestOption {
    text: String,
    expected: &'static str,
}

/// How a ticket's tests are run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestOptions {
    /// What becomes of tests that want the internet.
    pub internet: InternetPolicy,
    /// After how long tests are ended, where that is not as for all tests of the ticket. Of those that match a test, the one
    /// that names it goes before the one that names its source, the later before the earlier.
    pub timeouts: Vec<(TestPattern, Duration)>,
    /// What the run is about, told to tests as `ADT_TEST_TRIGGERS`.
    pub triggers: Vec<Trigger>,
    /// More variables for tests, later ones before earlier ones of the same name.
    pub env: Vec<TestVariable>,
    /// How often a test that has failed is run once more, to tell a flaky one.
    pub rerun_failed: u32,
    /// Which tests are run without the change, too, once they have been run with it.
    pub baseline: BaselinePolicy,
    /// Build nothing: the tests are run against the packages that the archive has.
    pub no_build: bool,
}

impl TestOptions {
    /// After how long a test is ended, where that was said of it or its source.
    #[must_use]
    pub fn timeout_of(&self, source: &str, test: &str) -> Option<Duration> {
        TestPattern::best(&self.timeouts, source, test)
    }

    /// `ADT_TEST_TRIGGERS` as the archive's infrastructure sets it: `SOURCE/VERSION` by blanks; None where there are none.
    #[must_use]
    pub fn trigger_list(&self) -> Option<String> {
        let words: Vec<String> = self.triggers.iter().map(ToString::to_string).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

impl TestPattern {
    /// The source package.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The test, where it is about one.
    #[must_use]
    pub fn test(&self) -> Option<&str> {
        self.test.as_deref()
    }

    /// What is said of a test: by what names it, before what names its source; of equals, by the last.
    #[must_use]
    pub fn best(said: &[(Self, Duration)], source: &str, test: &str) -> Option<Duration> {
        let matching = |exact: bool| {
            said.iter().rev().find_map(|(pattern, what)| {
                let matches = pattern.test.is_some() == exact && pattern.matches(source, test);
                matches.then_some(*what)
            })
        };
        matching(true).or_else(|| matching(false))
    }

    /// Whether it is about this test.
    #[must_use]
    pub fn matches(&self, source: &str, test: &str) -> bool {
        self.source == source && self.test.as_deref().is_none_or(|named| named == test)
    }
}

impl FromStr for TestPattern {
    type Err = BadTestOption;

    /// `SOURCE` or `SOURCE/TEST`.
    fn from_str(text: &str) -> Result<Self, BadTestOption> {
        let (source, test) = match text.split_once('/') {
            Some((source, test)) => (source, Some(test)),
            None => (text, None),
        };
        if !is_word(source) || test.is_some_and(|test| !is_word(test)) {
            return Err(BadTestOption::new(text, "SOURCE or SOURCE/TEST"));
        }
        Ok(Self {
            source: source.to_owned(),
            test: test.map(str::to_owned),
        })
    }
}

impl fmt::Display for TestPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Some(test) => write!(f, "{}/{test}", self.source),
            None => f.write_str(&self.source),
        }
    }
}

impl Trigger {
    /// The source package.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl FromStr for Trigger {
    type Err = BadTestOption;

    /// `SOURCE/VERSION`.
    fn from_str(text: &str) -> Result<Self, BadTestOption> {
        match text.split_once('/') {
            Some((source, version)) if is_word(source) && is_word(version) => Ok(Self {
                source: source.to_owned(),
                version: version.to_owned(),
            }),
            _ => Err(BadTestOption::new(text, "SOURCE/VERSION")),
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.version)
    }
}

impl TestVariable {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl FromStr for TestVariable {
    type Err = BadTestOption;

    /// `NAME=VALUE`; the name is one that a shell can have.
    fn from_str(text: &str) -> Result<Self, BadTestOption> {
        let bad = || BadTestOption::new(text, "NAME=VALUE");
        let (name, value) = text.split_once('=').ok_or_else(bad)?;
        let letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
        let is_name = name.starts_with(letter) && name.chars().all(|one| letter(one) || one.is_ascii_digit());
        if !is_name || value.contains('\0') {
            return Err(bad());
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

impl fmt::Display for TestVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl BadTestOption {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}

impl fmt::Display for BadTestOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not {}", self.text, self.expected)
    }
}

impl std::error::Error for BadTestOption {}

/// What can stand in a list by blanks, between slashes.
fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|letter: char| letter == '/' || letter.is_whitespace() || letter.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_and_written() {
        for text in ["hello", "hello/smoke", "0ad/test.py"] {
            assert_eq!(text.parse::<TestPattern>().unwrap().to_string(), text);
        }
        for text in ["hello/2.10-3", "glibc/2:2.36~rc1+b1"] {
            assert_eq!(text.parse::<Trigger>().unwrap().to_string(), text);
        }
        for text in ["A=", "_x1=a=b\n c"] {
            assert_eq!(text.parse::<TestVariable>().unwrap().to_string(), text);
        }
        for text in ["", "/", "a/", "/b", "a/b/c", "a b", "a/\u{7}"] {
            assert!(text.parse::<TestPattern>().is_err(), "{text}");
        }
        for text in ["", "a", "a/", "a/1 b/2", "a/b/1"] {
            assert!(text.parse::<Trigger>().is_err(), "{text}");
        }
        for text in ["", "a", "=b", "1=b", "a b=c", "a-b=c", "a=\0"] {
            assert!(text.parse::<TestVariable>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_a_test_goes_before_what_names_its_source() {
        let seconds = Duration::from_secs;
        let timeouts = [("a/x", 1), ("a", 2), ("b", 3), ("a/y", 4), ("b", 5)];
        let options = TestOptions {
            timeouts: timeouts.map(|(of, after)| (of.parse().unwrap(), seconds(after))).into(),
            ..TestOptions::default()
        };
        for (source, test, after) in [("a", "x", 1), ("a", "y", 4), ("a", "z", 2), ("b", "x", 5)] {
            assert_eq!(
                options.timeout_of(source, test),
                Some(seconds(after)),
                "{source}/{test}"
            );
        }
        assert_eq!(options.timeout_of("c", "x"), None);
    }

    #[test]
    fn triggers_are_a_list_by_blanks() {
        let triggers = |texts: &[&str]| TestOptions {
            triggers: texts.iter().map(|text| text.parse().unwrap()).collect(),
            ..TestOptions::default()
        };
        assert_eq!(triggers(&[]).trigger_list(), None);
        assert_eq!(triggers(&["a/1", "b/2-3"]).trigger_list().as_deref(), Some("a/1 b/2-3"));
    }
}
