//! `debian/tests/control`: stanzas as they are written, checked for what makes the whole file invalid. What a stanza
//! means on a given testbed is for [`crate::plan`] to say.
//! Format: autopkgtest's README.package-tests, and what version 5.28 does where that is silent.

use crate::{
    name::{NameError, TestName},
    stanza::{self, Fields, StanzaError},
};

/// The directory of tests unless `Tests-Directory` names another.
pub const TESTS_DIRECTORY: &str = "debian/tests";

const KNOWN_FIELDS: &[&str] = &[
    "Tests",
    "Test-command",
    "Restrictions",
    "Features",
    "Depends",
    "Tests-directory",
    "Classes",
    "Architecture",
];

/// What a stanza runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// Executables in the tree; each name is a test.
    Tests {
        /// Relative to the tree, without `..`.
        directory: String,
        /// As written; a name with a `/` is for the plan to skip.
        names: Vec<String>,
    },
    /// One shell command.
    Command {
        /// For `bash -ec`.
        command: String,
        /// From `Features: test-name=`.
        name: Option<String>,
    },
}

/// A stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// What it runs.
    pub runs: Runs,
    /// Words of `Depends`, `@` when the field is absent.
    pub depends: String,
    /// Words of `Restrictions`, unknown ones included.
    pub restrictions: Vec<String>,
    /// Words of `Architecture`.
    pub architectures: Vec<String>,
    /// Fields that nobody knows; one is enough to skip the stanza.
    pub unknown_fields: Vec<String>,
}

/// A test control file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestControl {
    /// In order.
    pub stanzas: Vec<Stanza>,
}

/// The package's tests are described wrongly: the package is erroneous (exit code 12).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidControl {
    /// In autopkgtest's words.
    #[error("InvalidControl test {test}: {message}")]
    Test {
        /// The test, or `*` for the file.
        test: String,
        /// What is wrong.
        message: String,
    },
    /// The file is no deb822.
    #[error("{file} {error}")]
    File {
        /// Relative to the tree.
        file: &'static str,
        /// What is wrong.
        error: StanzaError,
    },
}

impl InvalidControl {
    pub(crate) fn new(test: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Test {
            test: test.into(),
            message: message.into(),
        }
    }
}

impl TestControl {
    /// Reads `debian/tests/control`.
    ///
    /// # Errors
    /// What makes the package erroneous: a file that is no deb822, a stanza with both or neither of `Tests` and
    /// `Test-Command`, a wrong `test-name`, a name or directory that leads out of the tree.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidControl> {
        let stanzas = stanza::parse(bytes).map_err(|error| InvalidControl::File {
            file: "debian/tests/control",
            error,
        })?;
        Ok(Self {
            stanzas: stanzas.iter().map(Stanza::new).collect::<Result<_, _>>()?,
        })
    }
}

impl Stanza {
    fn new(fields: &Fields) -> Result<Self, InvalidControl> {
        let restrictions = words(fields.get("Restrictions"));
        let mut depends = fields.get("Depends").unwrap_or("@").to_owned();
        if restrictions.iter().any(|word| word == "needs-recommends") {
            depends.push_str(",@recommends@");
        }
        Ok(Self {
            runs: runs(fields)?,
            depends,
            restrictions,
            architectures: words(fields.get("Architecture")),
            unknown_fields: fields
                .names()
                .filter(|name| !KNOWN_FIELDS.contains(name))
                .map(str::to_owned)
                .collect(),
        })
    }

    /// The name under which autopkgtest reports trouble with the stanza's dependencies.
    pub(crate) fn label(&self) -> &str {
        match &self.runs {
            Runs::Tests { names, .. } => names.first().map_or("*", String::as_str),
            Runs::Command { command, .. } => command,
        }
    }
}

fn runs(fields: &Fields) -> Result<Runs, InvalidControl> {
    let mut test_name = None;
    for feature in words(fields.get("Features")) {
        match feature.split_once('=') {
            Some(("test-name", _)) if test_name.is_some() => {
                return Err(InvalidControl::new("*", "only one test-name feature allowed"));
            }
            Some(("test-name", name)) => test_name = Some(checked_name(name)?),
            None if feature == "test-name" => {
                return Err(InvalidControl::new("*", "test-name feature with no argument"));
            }
            _ => {}
        }
    }
    match (fields.get("Tests"), fields.get("Test-Command")) {
        (Some(_), Some(_)) => Err(InvalidControl::new(
            "*",
            "Only one of \"Tests\" or \"Test-Command\" may be given",
        )),
        (Some(_), None) if test_name.is_some() => {
            Err(InvalidControl::new("*", "test-name feature incompatible with Tests"))
        }
        (Some(names), None) => {
            let names = words(Some(names))
                .into_iter()
                .map(|name| checked_name(&name))
                .collect::<Result<Vec<_>, _>>()?;
            if names.is_empty() {
                return Err(InvalidControl::new("*", "\"Tests\" field is empty"));
            }
            let directory = fields
                .get("Tests-Directory")
                .unwrap_or(TESTS_DIRECTORY)
                .trim()
                .to_owned();
            if directory.starts_with('/')
                || directory.split('/').any(|part| part == "..")
                || directory.contains(char::is_control)
            {
                return Err(InvalidControl::new(
                    "*",
                    "\"Tests-Directory\" leads out of the source tree",
                ));
            }
            Ok(Runs::Tests { directory, names })
        }
        (None, Some(command)) => Ok(Runs::Command {
            command: command.to_owned(),
            name: test_name,
        }),
        (None, None) => Err(InvalidControl::new("*", "missing \"Tests\" or \"Test-Command\" field")),
    }
}

/// Names that no output directory could hold make the file invalid; one with a `/` is merely skipped, as autopkgtest does.
fn checked_name(name: &str) -> Result<String, InvalidControl> {
    match TestName::new(name) {
        Ok(_) | Err(NameError::Slash) => Ok(name.to_owned()),
        Err(error) => {
            let shown: String = name.escape_debug().take(80).collect();
            Err(InvalidControl::new(shown, error.to_string()))
        }
    }
}

fn words(field: Option<&str>) -> Vec<String> {
    let separator = |letter: char| letter == ',' || letter.is_whitespace();
    field
        .unwrap_or_default()
        .split(separator)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn reads_stanzas() {
        let control = TestControl::parse(
            b"Tests: smoke, units\nDepends: @, curl\nRestrictions: allow-stderr, needs-root\nClasses: desktop\n\n\
              Test-Command: echo 'a'\n  | grep a\nFeatures: test-name=greps some-feature\nX-Odd: 1\nArchitecture: linux-any\n",
        )
        .unwrap();
        assert_eq!(
            control.stanzas,
            [
                Stanza {
                    runs: Runs::Tests {
                        directory: "debian/tests".into(),
                        names: vec!["smoke".into(), "units".into()]
                    },
                    depends: "@, curl".into(),
                    restrictions: vec!["allow-stderr".into(), "needs-root".into()],
                    architectures: vec![],
                    unknown_fields: vec![],
                },
                Stanza {
                    runs: Runs::Command {
                        command: "echo 'a' | grep a".into(),
                        name: Some("greps".into())
                    },
                    depends: "@".into(),
                    restrictions: vec![],
                    architectures: vec!["linux-any".into()],
                    unknown_fields: vec!["X-odd".into()],
                },
            ]
        );
    }

    #[test]
    fn refuses_in_autopkgtests_words() {
        for (text, message) in [
            (
                "Tests: a\nTest-Command: b\n",
                "Only one of \"Tests\" or \"Test-Command\" may be given",
            ),
            ("Depends: @\n", "missing \"Tests\" or \"Test-Command\" field"),
            ("Tests: ,\n", "\"Tests\" field is empty"),
            (
                "Tests: a\nFeatures: test-name=b\n",
                "test-name feature incompatible with Tests",
            ),
            (
                "Test-Command: a\nFeatures: test-name\n",
                "test-name feature with no argument",
            ),
            (
                "Test-Command: a\nFeatures: test-name=b test-name=c\n",
                "only one test-name feature allowed",
            ),
            (
                "Tests: a\nTests-Directory: ../../etc\n",
                "\"Tests-Directory\" leads out of the source tree",
            ),
            (
                "Tests: a\nTests-Directory: /etc\n",
                "\"Tests-Directory\" leads out of the source tree",
            ),
        ] {
            assert_eq!(
                TestControl::parse(text.as_bytes()),
                Err(InvalidControl::new("*", message)),
                "{text}"
            );
        }
        assert_eq!(
            TestControl::parse(b"Tests: ..\n"),
            Err(InvalidControl::new("..", "test name may not be '..'"))
        );
        assert!(TestControl::parse("Test-Command: a\nFeatures: test-name=\u{7}x\n".as_bytes()).is_err());
    }

    #[test]
    fn recommends_are_added_for_the_old_restriction() {
        let control = TestControl::parse(b"Tests: a\nRestrictions: needs-recommends\n").unwrap();
        assert_eq!(control.stanzas[0].depends, "@,@recommends@");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "((Tests|Test-Command|Depends|Features|X)?:? ?[a-z@=,./#\n -]{0,20}\n){0,6}") {
            let _ = TestControl::parse(text.as_bytes());
        }
    }
}
