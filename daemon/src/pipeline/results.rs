//! Which line of a log says what went wrong: asks the report room, and puts its answer into the ticket's words.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

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

/// The line that says why it failed. None where the log says nothing at all, or cannot be read.
pub(super) fn first_error(context: &JobContext, job: JobKind, ending: Ending<'_>, part: Part) -> Option<FirstError> {
    let read = || -> std::io::Result<Option<findings::FirstError>> {
        let mut log = File::open(&context.order.log)?;
        // What is written meanwhile, such as our own last words, does not count.
        let length = log.metadata()?.len().saturating_sub(part.offset);
        log.seek(SeekFrom::Start(part.offset))?;
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
