//! A word as Linux has it: bytes without NUL, which mostly are text. In JSON it is a string where it is UTF-8, and
//! `{"base64": "…"}` (RFC 4648, padded) where it is not. What a word means is its user's matter.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An argument, a variable's name or value, a path: any bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(into = "Written", try_from = "Written")]
#[schemars(with = "Written")]
pub struct Word(pub Vec<u8>);

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    /// UTF-8.
    Text(String),
    /// Other bytes.
    Bytes {
        /// In base64 (RFC 4648, padded).
        base64: String,
    },
}

impl From<Word> for Written {
    fn from(word: Word) -> Self {
        match String::from_utf8(word.0) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes {
                base64: STANDARD.encode(error.as_bytes()),
            },
        }
    }
}

impl TryFrom<Written> for Word {
    type Error = base64::DecodeError;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Text(text) => Ok(Self(text.into_bytes())),
            Written::Bytes { base64 } => STANDARD.decode(base64).map(Self),
        }
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.escape_ascii().to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let json = serde_json::to_string(&Word(bytes.clone())).unwrap();
            prop_assert_eq!(serde_json::from_str::<Word>(&json).unwrap().0, bytes);
        }
    }

    #[test]
    fn text_is_text_and_other_bytes_are_base64() {
        assert_eq!(serde_json::to_string(&Word::from("ä")).unwrap(), "\"ä\"");
        assert_eq!(
            serde_json::to_string(&Word(vec![0xff])).unwrap(),
            r#"{"base64":"/w=="}"#
        );
        assert!(serde_json::from_str::<Word>(r#"{"base64":"/w="}"#).is_err());
    }
}
