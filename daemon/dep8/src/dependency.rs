//! Dependency fields: parsing, and reducing to what holds for one architecture and no build profile, as dpkg's
//! `deps_parse(…, reduce_restrictions)` does. The result is a string that `apt-get satisfy` takes.
//! Format: Debian Policy 7.1.

use std::{fmt, sync::LazyLock};

use regex::Regex;

use crate::arch;

/// One package with its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The package's name.
    pub package: String,
    /// What follows the name's colon: `any`, or an architecture. `native` is dropped, since test and testbed have
    /// one architecture and apt takes the word only in build dependencies.
    pub qualifier: Option<String>,
    /// Relation (`>=` …) and version.
    pub version: Option<(&'static str, String)>,
    /// `[amd64 !i386]`.
    pub architectures: Vec<String>,
    /// `<!nocheck> <a b>`: one of the lists must hold, and of a list all terms.
    pub profiles: Vec<Vec<String>>,
}

/// A comma-separated list of `|`-separated alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dependencies(Vec<Vec<Alternative>>);

/// A dependency that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid dependency '{0}'")]
pub struct DependencyError(pub String);

static ALTERNATIVE: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "a constant pattern that every test of this module compiles")]
    Regex::new(
        r"(?x)^ (?<package>[a-zA-Z0-9][a-zA-Z0-9+.-]*) (?: : (?<qualifier>[a-zA-Z0-9][a-zA-Z0-9-]*) )?
        \s* (?: \( \s* (?<relation> << | <= | = | >= | >> | < | > ) \s* (?<version> [A-Za-z0-9.+~-] [A-Za-z0-9.+:~-]* ) \s* \) )?
        \s* (?: \[ \s* (?<architectures> [a-z0-9!\ -]+ ) \] )?
        \s* (?<profiles> (?: < [^<>()\[\]]* > \s* )* ) $",
    )
    .expect("a valid pattern")
});

impl Alternative {
    fn parse(text: &str) -> Result<Self, DependencyError> {
        let refused = || DependencyError(text.chars().take(200).collect());
        let parts = ALTERNATIVE.captures(text.trim()).ok_or_else(refused)?;
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let version = match (parts.name("relation"), parts.name("version")) {
            (Some(relation), Some(version)) => {
                Some((canonical_relation(relation.as_str()), version.as_str().to_owned()))
            }
            _ => None,
        };
        Ok(Self {
            package: parts["package"].to_owned(),
            qualifier: parts
                .name("qualifier")
                .map(|found| found.as_str())
                .filter(|word| *word != "native")
                .map(str::to_owned),
            version,
            architectures: parts
                .name("architectures")
                .map(|found| words(found.as_str()))
                .unwrap_or_default(),
            profiles: parts["profiles"]
                .split('>')
                .filter_map(|list| list.trim().strip_prefix('<'))
                .map(words)
                .collect(),
        })
    }

    /// Whether it holds on `architecture` when no build profile is active.
    #[must_use]
    pub fn concerns(&self, architecture: &str) -> bool {
        let profiles_hold = self.profiles.is_empty()
            || self
                .profiles
                .iter()
                .any(|list| list.iter().all(|term| term.starts_with('!')));
        profiles_hold && arch::list_concerns(&self.architectures, architecture)
    }
}

/// `<` and `>` are old spellings of `<=` and `>=`.
fn canonical_relation(relation: &str) -> &'static str {
    match relation {
        "<<" => "<<",
        "<" | "<=" => "<=",
        ">" | ">=" => ">=",
        ">>" => ">>",
        _ => "=",
    }
}

impl Dependencies {
    /// Reads a field's value. Empty entries, as trailing commas leave them, are dropped.
    ///
    /// # Errors
    /// Names the first entry that is no dependency.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(|entry| entry.split('|').map(Alternative::parse).collect::<Result<Vec<_>, _>>())
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    /// What is left on `architecture` with no build profile active; all conditions are gone from it.
    #[must_use]
    pub fn reduced(&self, architecture: &str) -> Self {
        let reduce = |alternatives: &Vec<Alternative>| {
            alternatives
                .iter()
                .filter(|one| one.concerns(architecture))
                .map(|one| Alternative {
                    architectures: Vec::new(),
                    profiles: Vec::new(),
                    ..one.clone()
                })
                .collect::<Vec<_>>()
        };
        Self(
            self.0
                .iter()
                .map(reduce)
                .filter(|alternatives| !alternatives.is_empty())
                .collect(),
        )
    }

    /// Adds the entries of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The entries: each a list of alternatives.
    pub fn entries(&self) -> impl Iterator<Item = &[Alternative]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.package)?;
        if let Some(qualifier) = &self.qualifier {
            write!(out, ":{qualifier}")?;
        }
        if let Some((relation, version)) = &self.version {
            write!(out, " ({relation} {version})")?;
        }
        if !self.architectures.is_empty() {
            write!(out, " [{}]", self.architectures.join(" "))?;
        }
        for list in &self.profiles {
            write!(out, " <{}>", list.join(" "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Dependencies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, alternatives) in self.0.iter().enumerate() {
            if position > 0 {
                out.write_str(", ")?;
            }
            for (position, alternative) in alternatives.iter().enumerate() {
                if position > 0 {
                    out.write_str(" | ")?;
                }
                alternative.fmt(out)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[&str] = &[
        "debhelper-compat (= 13), python3:any (>= 3.9~), libfoo-dev [linux-any] | libbar-dev [!linux-any],",
        "a <!nocheck>, b <nocheck>, c <!nocheck !nodoc>, d <!nocheck> <stage1>, e <stage1 !nodoc>",
        "g++ [any-amd64 any-arm], x [!amd64], y [arm64], z [!arm64 !i386] <!cross>",
        "exim4|mail-transport-agent ,foo(>=1:2.0-1)|bar (<< 3)",
        "gcc:native, libc6:amd64",
        "  ",
    ];

    #[test]
    fn what_is_read_is_written() {
        for field in FIELDS {
            let read = Dependencies::parse(field).unwrap();
            assert_eq!(Dependencies::parse(&read.to_string()).unwrap(), read, "{field}");
        }
    }

    #[test]
    fn what_is_no_dependency_is_refused() {
        for bad in [
            "foo bar",
            "foo (1.0)",
            "foo (>= )",
            "${misc:Depends}",
            "foo; rm -rf /",
            "$(id)",
            "foo (>= a b)",
            "-o",
        ] {
            assert!(Dependencies::parse(bad).is_err(), "{bad}");
        }
    }

    /// Oracle: dpkg's own reduction.
    #[test]
    fn reduces_as_dpkg_does() {
        for architecture in ["amd64", "arm64", "hurd-i386"] {
            for field in FIELDS {
                let script = r#"use Dpkg::Deps; my $d = deps_parse($ARGV[0], reduce_restrictions => 1, build_dep => 1,
                    host_arch => $ARGV[1], build_profiles => []); print $d->output();"#;
                let answer = std::process::Command::new("perl")
                    .args(["-e", script, field, architecture])
                    .output()
                    .expect("perl and libdpkg-perl are installed (package dpkg-dev)");
                assert!(
                    answer.status.success(),
                    "install dpkg-dev: {}",
                    String::from_utf8_lossy(&answer.stderr)
                );
                let expected = String::from_utf8(answer.stdout).unwrap().replace(":native", "");
                let ours = Dependencies::parse(field).unwrap().reduced(architecture).to_string();
                assert_eq!(ours, expected, "{architecture}: {field}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[ -~]{0,80}") {
            let _ = Dependencies::parse(&text);
        }
    }
}
