//! Reading text files with a bound, and finding the line of a field in them. The one place that opens the files
//! that this crate parses.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use deb822_fast::{Deb822, Paragraph};

use crate::error::{Error, Place, Problem};

/// The largest control file, changelog or `.dsc` that is read, in bytes; the kernel's changelog has about 3 MiB.
pub const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes and the file that they come from, for messages.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// The file's path, used in messages only.
    pub path: PathBuf,
    /// The content.
    pub bytes: Vec<u8>,
}

impl TextFile {
    /// Reads a regular file of at most [`MAX_TEXT_BYTES`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let at = |problem| Error::new(Place::file(path), problem);
        // Opening a FIFO or a device would block for ever: look first.
        let metadata = std::fs::metadata(path).map_err(|error| at(Problem::Unreadable(error)))?;
        if !metadata.is_file() {
            return Err(at(Problem::NotAFile {
                name: path.display().to_string(),
            }));
        }
        let file = File::open(path).map_err(|error| at(Problem::Unreadable(error)))?;
        let mut bytes = Vec::new();
        file.take(MAX_TEXT_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| at(Problem::Unreadable(error)))?;
        if bytes.len() as u64 > MAX_TEXT_BYTES {
            return Err(at(Problem::TooLarge { limit: MAX_TEXT_BYTES }));
        }
        Ok(Self {
            path: path.to_owned(),
            bytes,
        })
    }

    /// The content as text.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let line = 1 + self.bytes[..error.valid_up_to()]
                .iter()
                .filter(|&&b| b == b'\n')
                .count();
            Error::new(Place::line(&self.path, line), Problem::NotUtf8)
        })
    }
}

/// A parsed deb822 document (deb822(5)) that remembers where it came from.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    path: &'a Path,
    text: Cow<'a, str>,
    pub(crate) stanzas: Vec<Paragraph>,
}

impl<'a> Document<'a> {
    pub(crate) fn parse(path: &'a Path, text: &'a str) -> Result<Self, Error> {
        // dpkg takes a line of blanks for the end of a stanza, deb822-fast for a continuation: they must not differ.
        let text = match text.lines().any(|line| !line.is_empty() && line.trim().is_empty()) {
            true => Cow::Owned(
                text.lines()
                    .map(|line| if line.trim().is_empty() { "" } else { line })
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            false => Cow::Borrowed(text),
        };
        let parsed: Deb822 = text.parse().map_err(|error: deb822_fast::Error| {
            let line = first_odd_line(&text);
            Error::new(
                Place {
                    file: path.to_owned(),
                    line,
                    field: None,
                },
                Problem::Malformed(format!("not in deb822 form: {error}")),
            )
        })?;
        let document = Self {
            path,
            text,
            stanzas: parsed.into(),
        };
        for (number, stanza) in document.stanzas.iter().enumerate() {
            let mut names: Vec<String> = stanza.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            names.sort_unstable();
            // With two fields of one name it is anyone's guess which one the next tool takes.
            if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(document.error(
                    number,
                    &twice[0],
                    Problem::Malformed("the field occurs twice".to_owned()),
                ));
            }
        }
        Ok(document)
    }

    pub(crate) fn field(&self, stanza: usize, name: &str) -> Option<&str> {
        self.stanzas.get(stanza)?.get(name)
    }

    /// The field's value without blanks around it; missing or empty is an error.
    pub(crate) fn required(&self, stanza: usize, name: &str) -> Result<&str, Error> {
        match self.field(stanza, name).map(str::trim) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(self.error(stanza, name, Problem::MissingField)),
        }
    }

    /// A required field that some type parses.
    pub(crate) fn parsed<T>(&self, stanza: usize, name: &str) -> Result<T, Error>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.required(stanza, name)?
            .parse()
            .map_err(|error: T::Err| self.error(stanza, name, Problem::Malformed(error.to_string())))
    }

    pub(crate) fn error(&self, stanza: usize, field: &str, problem: Problem) -> Error {
        Error::new(self.place(stanza, field), problem)
    }

    pub(crate) fn place(&self, stanza: usize, field: &str) -> Place {
        Place {
            file: self.path.to_owned(),
            line: self.line_of(stanza, field),
            field: Some(field.to_owned()),
        }
    }

    fn line_of(&self, stanza: usize, field: &str) -> Option<usize> {
        let mut at = 0;
        let mut inside = false;
        for (number, line) in self.text.lines().enumerate() {
            if line.trim().is_empty() {
                if inside {
                    at += 1;
                    inside = false;
                }
                continue;
            }
            if line.starts_with('#') {
                continue;
            }
            inside = true;
            if at == stanza
                && line
                    .split_once(':')
                    .is_some_and(|(name, _)| name.eq_ignore_ascii_case(field))
            {
                return Some(number + 1);
            }
        }
        None
    }
}

fn first_odd_line(text: &str) -> Option<usize> {
    text.lines()
        .position(|line| !line.is_empty() && !line.starts_with([' ', '\t', '#']) && !line.contains(':'))
        .map(|number| number + 1)
}
