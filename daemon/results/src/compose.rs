//! A log in autopkgtest's form, made of results that came without one, so that a reader finds each test where it would
//! look for it. Writes a file that it is told; knows no format of results.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use preflight_core::TestStatus;
use preflight_dep8::log::{harmless, line};

use crate::case::Case;

/// Writes the log, and tells each test where its output is in it.
pub(crate) fn log(path: &Path, started: Option<Timestamp>, cases: &mut [Case]) -> io::Result<()> {
    let mut log = Log {
        out: BufWriter::new(File::create(path)?),
        line: 1,
    };
    let mut at = started.unwrap_or(Timestamp::UNIX_EPOCH);
    for case in cases {
        let name = harmless(&case.name);
        let clock = |at: Timestamp| -> Time { at.to_zoned(TimeZone::UTC).time() };
        log.say(&line(clock(at), &format!("test {name}: [-----------------------")))?;
        case.log_line = Some(log.line);
        let several = case.attachments.len() > 1;
        for attachment in &case.attachments {
            if several {
                log.say(&format!(
                    " - - - - - - - - - - {} - - - - - - - - - -",
                    harmless(&attachment.name)
                ))?;
            }
            log.content(&attachment.content)?;
        }
        at = later(at, case.duration);
        log.say(&line(clock(at), &format!("test {name}: -----------------------]")))?;
        let results = format!("test {name}:  - - - - - - - - - - results - - - - - - - - - -");
        log.say(&line(clock(at), &results))?;
        let word = match case.status {
            TestStatus::Pass => "PASS",
            TestStatus::Fail => "FAIL",
            TestStatus::Skip => "SKIP",
            TestStatus::Flaky => "FLAKY",
        };
        let reason = match (case.status, case.reason.as_deref()) {
            (TestStatus::Pass, Some("superficial")) => " (superficial)".to_owned(),
            (_, Some(reason)) => format!(" {}", harmless(reason)),
            (_, None) => String::new(),
        };
        log.say(&format!("{name:<20} {word}{reason}"))?;
    }
    log.out.flush()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by)
        .ok()
        .and_then(|by| at.checked_add(by).ok())
        .unwrap_or(at)
}

struct Log {
    out: BufWriter<File>,
    /// The number of the next line, counted from 1.
    line: u64,
}

impl Log {
    fn say(&mut self, text: &str) -> io::Result<()> {
        self.line += 1;
        writeln!(self.out, "{text}")
    }

    /// Bytes as they are, with an end to their last line.
    fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.line += bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if !bytes.is_empty() && bytes.last() != Some(&b'\n') {
            self.say("")?;
        }
        Ok(())
    }
}
