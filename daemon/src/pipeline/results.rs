//! Which line of a log says what went wrong: asks the report room, and puts its answer into the ticket's words.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::fs::FileExt;

use preflight_core::FirstError;
use preflight_report::findings::{self, Ending, JobKind};

use crate::executor::JobContext;

/// A part of a log: from this byte on, which is the beginning of this line (counted from 1).
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) line: u64,
}

/// The whole log.
pub(super) const WHOLE: Part = Part { offset: 0, line: 1 };

/// A log from some place on, while others write to its end.
pub(super) struct LogPart {
    pub(super) content: File,
    pub(super) at: u64,
}

impl Read for LogPart {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.content.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// The line that says why it failed. None where the log says nothing at all, or cannot be read.
pub(super) fn first_error(context: &JobContext, job: JobKind, ending: Ending<'_>, part: Part) -> Option<FirstError> {
    let read = || -> std::io::Result<Option<findings::FirstError>> {
        let log = LogPart {
            content: context.log.content()?,
            at: part.offset,
        };
        // What is written meanwhile, such as our own last words, does not count.
        let length = context.log.size().saturating_sub(part.offset);
        findings::first_error(BufReader::new(log).take(length), job, ending)
    };
    match read() {
        Ok(found) => found.map(|found| context.first_error(part.line + found.line - 1, found.text)),
        Err(error) => {
            tracing::warn!(log = %context.order.log.display(), %error, "no first error can be found");
            None
        }
    }
}
