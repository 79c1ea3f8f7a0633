//! Names of source packages, binary packages and architectures, checked by Debian policy 5.6.1 and 5.6.7, so that a
//! name which has been parsed can be shown, and put into a path or an argument, as it is.

use std::fmt;
use std::str::FromStr;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no valid {what}: it wants {rule}")]
pub struct NameError {
    text: String,
    what: &'static str,
    rule: &'static str,
}

/// Longer names exist nowhere; file systems allow 255 for name, version and suffix together.
const LONGEST: usize = 128;

fn check(
    text: &str,
    what: &'static str,
    least: usize,
    allowed: fn(u8) -> bool,
    rule: &'static str,
) -> Result<(), NameError> {
    let bytes = text.as_bytes();
    let good = (least..=LONGEST).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|&b| allowed(b));
    if good {
        Ok(())
    } else {
        Err(NameError {
            text: text.chars().take(LONGEST).collect(),
            what,
            rule,
        })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $least:literal, $allowed:expr, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                check(text, $what, $least, $allowed, $rule)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

fn package_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.')
}

fn architecture_byte(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
}

name!(
    /// The name of a source package.
    SourceName, "source package name", 2, package_byte,
    "two or more of a-z 0-9 + - . that start with a letter or a digit"
);
name!(
    /// The name of a binary package.
    PackageName, "package name", 2, package_byte,
    "two or more of a-z 0-9 + - . that start with a letter or a digit"
);
name!(
    /// A Debian architecture or wildcard (`amd64`, `all`, `any`, `linux-any`).
    Architecture, "architecture", 2, architecture_byte, "a-z 0-9 - that start with a letter or a digit"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_policy() {
        for good in ["hello", "libstdc++6", "0ad", "gtk+3.0", "a-"] {
            assert!(good.parse::<PackageName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "Hello",
            "-a",
            "a/b",
            "..",
            "a b",
            "a_b",
            "ä1",
            &"a".repeat(129),
        ] {
            assert!(bad.parse::<SourceName>().is_err(), "{bad}");
        }
        assert!("linux-any".parse::<Architecture>().is_ok());
        assert!("linux_any".parse::<Architecture>().is_err());
    }
}
