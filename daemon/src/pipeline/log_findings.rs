//! The lines of an attempt's log that matter, once it has ended: read on a thread of its own, for a bounded time, and put into
//! the ticket's words. What a line is, is the report room's matter.

use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

use preflight_core::{Ending, Finding, JobKind, Outcome};
use preflight_report::findings::{self, Reading, SourceFiles, log_findings};

use super::results::LogPart;
use super::source_names;
use crate::executor::JobContext;

/// So much of a log is read; what failed first is known beside that.
const MOST_BYTES: u64 = 64 << 20;
/// Nobody waits longer for the end of an attempt.
const LONGEST: Duration = Duration::from_secs(20);

/// What an attempt's log says, the first error first. Nothing of a log that is no build's, image's or test's, or that cannot
/// be read; what was found until then where it takes too long.
pub(crate) async fn of(context: &JobContext, ending: &Ending) -> Vec<Finding> {
    let kind = match context.order.kind {
        JobKind::Source | JobKind::Build => findings::JobKind::Build,
        JobKind::Image => findings::JobKind::Image,
        JobKind::Test => findings::JobKind::Test,
        JobKind::Snapshot | JobKind::BaseImage | JobKind::Prefetch => return vec![],
    };
    if ending.outcome == Outcome::Cancelled {
        return vec![];
    }
    let log = match context.log.content() {
        Ok(content) => LogPart { content, at: 0 },
        Err(error) => return unread(context, &error),
    };
    let has_failed = !ending.outcome.is_good();
    let own_log = context.log_name();
    let first = ending.first_error.clone().filter(|error| error.log == own_log);
    let staged = context.staged().ok();
    let length = context.log.size().min(MOST_BYTES);
    let read = tokio::task::spawn_blocking(move || {
        let sources = staged.map_or_else(SourceFiles::default, |staged| source_names::of(&staged));
        let log = InTime {
            log: BufReader::new(log.take(length)),
            until: Instant::now() + LONGEST,
        };
        let reading = Reading {
            job: kind,
            has_failed,
            first: first.as_ref().map(|error| (error.line, error.text.as_str())),
            sources: &sources,
        };
        log_findings(log, reading)
    });
    match read.await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => unread(context, &error),
        Err(fault) => unread(context, &fault.into()),
    }
}

fn unread(context: &JobContext, error: &io::Error) -> Vec<Finding> {
    tracing::warn!(log = %context.order.log.display(), %error, "its findings cannot be read");
    vec![]
}

/// A log that ends when its time is up.
struct InTime<R> {
    log: R,
    until: Instant,
}

impl<R: Read> Read for InTime<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match Instant::now() < self.until {
            true => self.log.read(buffer),
            false => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_ends_when_its_time_is_up() {
        let mut early = InTime {
            log: &b"text"[..],
            until: Instant::now() + Duration::from_secs(3600),
        };
        let mut late = InTime {
            log: &b"text"[..],
            until: Instant::now(),
        };
        let mut text = String::new();
        early.read_to_string(&mut text).unwrap();
        late.read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
    }
}
