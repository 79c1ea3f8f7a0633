//! Names that end up in commands, file names and apt's configuration, each checked once where it enters. What these
//! types let through needs no quoting anywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that breaks its type's rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                let accepts: fn(&[u8]) -> bool = $accepts;
                if (1..=128).contains(&text.len()) && accepts(text.as_bytes()) {
                    Ok(Self(text))
                } else {
                    Err(NameError { kind: $kind, rule: $rule, text })
                }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

checked_name!(
    /// A distribution, component, architecture or alias.
    Word,
    "name",
    "lower-case letters, digits, `-` and `.` are allowed, and a letter or digit comes first",
    |text| lower(text[0]) && text.iter().all(|&byte| lower(byte) || b"-.".contains(&byte))
);

checked_name!(
    /// A suite or pocket as in an archive's `dists/`.
    SuiteName,
    "suite",
    "letters, digits and `-._` are allowed, and a letter or digit comes first",
    |text| text[0].is_ascii_alphanumeric() && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
);

checked_name!(
    /// A binary package's name (Debian Policy 5.6.1).
    PackageName,
    "package name",
    "lower-case letters, digits and `+-.` are allowed, and a letter or digit comes first",
    |text| text.len() >= 2 && lower(text[0]) && text.iter().all(|&byte| lower(byte) || b"+-.".contains(&byte))
);

checked_name!(
    /// A systemd unit's name (systemd.unit(5)).
    UnitName,
    "unit name",
    "letters, digits and `-_.@:` are allowed, and it ends in a unit type such as .service or .timer",
    |text| {
        text[0] != b'.'
            && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.@:".contains(&byte))
            && [".service", ".timer", ".socket", ".path", ".mount", ".target", ".automount"]
                .iter()
                .any(|end| text.ends_with(end.as_bytes()))
    }
);

checked_name!(
    /// A login name (useradd(8)).
    UserName,
    "user name",
    "at most 32 lower-case letters, digits, `_` and `-`, a letter first",
    |text| text.len() <= 32 && text[0].is_ascii_lowercase() && text.iter().all(|&byte| lower(byte) || b"_-".contains(&byte))
);

checked_name!(
    /// The beginning of a program's version: two numbers.
    ProgramVersion,
    "version",
    "two numbers are expected, such as 5.28",
    |text| {
        let is_number = |part: &[u8]| (1..=4).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
        let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
        parts.len() == 2 && parts.into_iter().all(is_number)
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_needs_no_quoting() {
        for good in ["linux-image-cloud-amd64", "g++", "libc6.1"] {
            assert!(PackageName::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a", "-o=x", "a b", "a;b", "a\nb", "A", "a/../b", "a$b"] {
            assert!(PackageName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for bad in ["../x.service", "a/b.service", "x", ".service", "a b.timer"] {
            assert!(UnitName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for bad in ["..", "a/b", "-x", "a b"] {
            assert!(SuiteName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        assert!(ProgramVersion::try_from("5.28".to_owned()).is_ok());
        for bad in ["5", "5.", ".5", "5.28.1", "v5.28", "5.99999"] {
            assert!(ProgramVersion::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
        for bad in ["root x", "0a", "Root", "a:b"] {
            assert!(UserName::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }
}
