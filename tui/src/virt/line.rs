//! The protocol's lines: a request as it is read, a word as it is written. Sans I/O; what a request means in which state is
//! [`super::session`]'s matter.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// The longest line that is read, in bytes. A path has no more than 4 KiB, three times that when it is encoded.
pub(super) const LONGEST: usize = 64 * 1024;

/// What Python's `urllib.parse.quote` leaves alone.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~');

/// What a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// What this server can do.
    Capabilities,
    /// Have a testbed.
    Open,
    /// Have a fresh one in its place.
    Revert,
    /// Restart it.
    Reboot {
        /// What is in it restarts it: only what gets lost over that is to be kept.
        prepare_only: bool,
    },
    /// Give it back.
    Close,
    /// How a command is run in it.
    PrintExecuteCommand,
    /// Copy out of it, or into it.
    Copy(Copy),
    /// A shell in it, on this process's terminal.
    Shell {
        /// The folder.
        folder: Vec<u8>,
        /// Variables, as `NAME=VALUE`.
        env: Vec<Vec<u8>>,
    },
    /// Say what may help to understand a failure.
    DebugFail,
    /// End.
    Quit,
}

/// What is copied where; both paths are folders, or neither is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    /// Out of the testbed, or into it.
    pub(super) up: bool,
    /// A folder's content rather than a file.
    pub(super) is_folder: bool,
    /// Where it is.
    pub(super) from: Vec<u8>,
    /// Where it goes.
    pub(super) to: Vec<u8>,
}

/// A line that is no request; the words are those of autopkgtest's own servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoRequest {
    /// Nothing in it.
    #[error("empty commands are not permitted")]
    Empty,
    /// Longer than any request.
    #[error("a line of more than {LONGEST} bytes")]
    TooLong,
    /// No such request.
    #[error("unknown command `{0}'")]
    Unknown(String),
    /// It wants more.
    #[error("too few arguments to command `{0}'")]
    TooFew(String),
    /// It wants less.
    #[error("too many arguments to command `{0}'")]
    TooMany(String),
    /// A copy from or to nowhere.
    #[error("{0} paths must be nonempty")]
    NoPath(&'static str),
    /// A copy of a folder to a file, or the other way round.
    #[error("{0} paths must agree about directoryness (presence or absence of trailing /)")]
    Directoryness(&'static str),
}

/// Reads a request.
///
/// # Errors
/// It is none.
pub(super) fn parse(line: &[u8]) -> Result<Request, NoRequest> {
    if line.len() > LONGEST {
        return Err(NoRequest::TooLong);
    }
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut words = words.map(|word| Cow::from(percent_decode(word)).into_owned());
    let name = words.next().ok_or(NoRequest::Empty)?;
    let name = String::from_utf8_lossy(&name).into_owned();
    let mut words = Words {
        name: &name,
        left: words.collect::<Vec<_>>().into_iter(),
    };
    let request = match name.replace('-', "_").as_str() {
        "capabilities" => Request::Capabilities,
        "open" => Request::Open,
        "revert" => Request::Revert,
        "reboot" => Request::Reboot {
            prepare_only: words.left.next().as_deref() == Some(b"prepare-only"),
        },
        "close" => Request::Close,
        "print_execute_command" => Request::PrintExecuteCommand,
        "copyup" => words.copy("copyup", true)?,
        "copydown" => words.copy("copydown", false)?,
        "shell" => Request::Shell {
            folder: words.next()?,
            env: words.left.by_ref().collect(),
        },
        "auxverb_debug_fail" => Request::DebugFail,
        "quit" => Request::Quit,
        _ => return Err(NoRequest::Unknown(name)),
    };
    words.end()?;
    Ok(request)
}

struct Words<'a> {
    name: &'a str,
    left: std::vec::IntoIter<Vec<u8>>,
}

impl Words<'_> {
    fn next(&mut self) -> Result<Vec<u8>, NoRequest> {
        self.left.next().ok_or_else(|| NoRequest::TooFew(self.name.to_owned()))
    }

    fn end(mut self) -> Result<(), NoRequest> {
        match self.left.next() {
            None => Ok(()),
            Some(_) => Err(NoRequest::TooMany(self.name.to_owned())),
        }
    }

    fn copy(&mut self, name: &'static str, up: bool) -> Result<Request, NoRequest> {
        let (from, to) = (self.next()?, self.next()?);
        let (Some(last_from), Some(last_to)) = (from.last(), to.last()) else {
            return Err(NoRequest::NoPath(name));
        };
        let is_folder = *last_from == b'/';
        if is_folder != (*last_to == b'/') {
            return Err(NoRequest::Directoryness(name));
        }
        Ok(Request::Copy(Copy {
            up,
            is_folder,
            from,
            to,
        }))
    }
}

/// A word as it is written: nothing in it ends it.
pub(super) fn quote(word: &[u8]) -> String {
    percent_encode(word, QUOTED).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn copy(up: bool, is_folder: bool, from: &str, to: &str) -> Result<Request, NoRequest> {
        Ok(Request::Copy(Copy {
            up,
            is_folder,
            from: from.into(),
            to: to.into(),
        }))
    }

    #[test]
    fn requests_are_read_as_autopkgtest_writes_them() {
        let table: [(&str, Result<Request, NoRequest>); 24] = [
            ("capabilities\n", Ok(Request::Capabilities)),
            ("  open \r\n", Ok(Request::Open)),
            ("revert", Ok(Request::Revert)),
            ("reboot", Ok(Request::Reboot { prepare_only: false })),
            ("reboot prepare-only", Ok(Request::Reboot { prepare_only: true })),
            ("reboot now", Ok(Request::Reboot { prepare_only: false })),
            ("close", Ok(Request::Close)),
            ("print-execute-command", Ok(Request::PrintExecuteCommand)),
            ("print_execute_command", Ok(Request::PrintExecuteCommand)),
            ("auxverb_debug_fail", Ok(Request::DebugFail)),
            ("quit", Ok(Request::Quit)),
            ("copyup /tmp/a%20b /tmp/c", copy(true, false, "/tmp/a b", "/tmp/c")),
            ("copydown /a/ /b/", copy(false, true, "/a/", "/b/")),
            ("copydown /100% /%zz", copy(false, false, "/100%", "/%zz")),
            (
                "shell /tmp A=b%0Ac",
                Ok(Request::Shell {
                    folder: "/tmp".into(),
                    env: vec!["A=b\nc".into()],
                }),
            ),
            ("", Err(NoRequest::Empty)),
            (" \t", Err(NoRequest::Empty)),
            ("open sesame", Err(NoRequest::TooMany("open".into()))),
            ("copyup /a", Err(NoRequest::TooFew("copyup".into()))),
            ("copyup /a /b /c", Err(NoRequest::TooMany("copyup".into()))),
            ("copyup /a/ /b", Err(NoRequest::Directoryness("copyup"))),
            ("shell", Err(NoRequest::TooFew("shell".into()))),
            ("reboot a b", Err(NoRequest::TooMany("reboot".into()))),
            ("bogus", Err(NoRequest::Unknown("bogus".into()))),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn words_are_quoted_as_python_does() {
        assert_eq!(quote(b"/tmp/a-b_c.d~e/f"), "/tmp/a-b_c.d~e/f");
        assert_eq!(quote(b"a,b c%\n\xff"), "a%2Cb%20c%25%0A%FF");
    }

    proptest! {
        #[test]
        fn fuzz_virt_lines(line in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Request::Copy(copy)) = parse(&line) {
                prop_assert_eq!(copy.from.last() == Some(&b'/'), copy.is_folder);
                prop_assert_eq!(copy.to.last() == Some(&b'/'), copy.is_folder);
            }
        }

        #[test]
        fn what_is_quoted_is_read_as_it_was(
            from in prop::collection::vec(any::<u8>(), 1..60),
            to in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let line = format!("copyup {} {}", quote(&from), quote(&to));
            match parse(line.as_bytes()) {
                Ok(Request::Copy(copy)) => prop_assert_eq!((copy.from, copy.to), (from, to)),
                other => prop_assert_eq!(other, Err(NoRequest::Directoryness("copyup"))),
            }
        }
    }
}
