//! Each test's part of the job's log, contiguous and in the plan's order however the tests run: a test writes aside, and
//! what it has written is copied once it is its turn. The files aside have no names, so that nothing of them outlives the
//! daemon. Knows nothing of tests.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use preflight_core::FirstError;
use preflight_store::{INDEX_RECORD, LogStream, LogWriter};
use tokio::sync::watch;

use super::results::Part;
use crate::executor::JobLog;

/// Copied at once, so that others have their turn between.
const AT_ONCE: u64 = 1 << 20;
/// Read at once.
const CHUNK: u64 = 64 << 10;

/// A part of a log that is written aside.
pub(super) struct Section {
    log: JobLog,
    content: File,
    index: File,
    grown: watch::Receiver<u64>,
    /// Bytes of the side file, and of the record that begins there, that were copied.
    copied: (u64, u64),
    place: Option<Part>,
}

impl Section {
    /// An empty section. Its files are made in `folder` and lose their names at once.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let names = tempfile::Builder::new().prefix(".section-").tempdir_in(folder)?;
        let (log, index) = (names.path().join("log"), names.path().join("idx"));
        let writer = LogWriter::create(&log, &index)?;
        let (content, index) = (writer.content()?, File::open(index)?);
        names.close()?;
        let (log, grown) = JobLog::section(writer);
        Ok(Self {
            log,
            content,
            index,
            grown,
            copied: (0, 0),
            place: None,
        })
    }

    /// Where to write. Its lines and bytes are counted from the section's beginning.
    pub(super) fn log(&self) -> &JobLog {
        &self.log
    }

    /// Waits until more was written than when this was last called.
    pub(super) async fn grown(&mut self) {
        if self.grown.changed().await.is_err() {
            // Impossible while `log` is there; nothing more comes then.
            std::future::pending::<()>().await;
        }
    }

    /// Appends what was written and not copied yet to the job's log, or a good piece of it; answers whether that was all.
    /// The section begins where the first call puts it, and nobody else may write to the job's log until the last one.
    pub(super) fn copy(&mut self, to: &JobLog) -> io::Result<bool> {
        if self.place.is_none() {
            if to.next_line() != to.line() {
                to.output(LogStream::Preflight, b"\n");
            }
            self.place = Some(Part {
                offset: to.size(),
                line: to.line(),
            });
        }
        let mut budget = AT_ONCE;
        while let Some(record) = self.record()? {
            let mut bytes = vec![0; usize::try_from(record.rest.min(CHUNK)).unwrap_or_default()];
            self.content.read_exact_at(&mut bytes, record.offset)?;
            to.output_of(record.stream, &bytes, record.at);
            let length = bytes.len() as u64;
            self.copied = if length == record.rest {
                (self.copied.0 + INDEX_RECORD as u64, 0)
            } else {
                (self.copied.0, self.copied.1 + length)
            };
            budget = budget.saturating_sub(length.max(1));
            if budget == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the section begins in the job's log, once that is known.
    pub(super) fn place(&self) -> Option<Part> {
        self.place
    }

    /// What is left of the next record. The writer puts a record's content into its file first.
    fn record(&self) -> io::Result<Option<Record>> {
        let (at, done) = self.copied;
        let mut record = [0; INDEX_RECORD];
        let mut filled = 0;
        while filled < INDEX_RECORD {
            match self.index.read_at(&mut record[filled..], at + filled as u64)? {
                0 => return Ok(None),
                length => filled += length,
            }
        }
        let word = |from: usize| -> [u8; 8] { std::array::from_fn(|byte| record[from + byte]) };
        let half = |from: usize| u32::from_le_bytes(std::array::from_fn(|byte| record[from + byte]));
        Ok(Some(Record {
            offset: u64::from_le_bytes(word(0)) + done,
            at: UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(word(8))),
            stream: match half(16) {
                0 => LogStream::Preflight,
                1 => LogStream::Stdout,
                _ => LogStream::Stderr,
            },
            rest: u64::from(half(20)) - done,
        }))
    }
}

struct Record {
    offset: u64,
    at: SystemTime,
    stream: LogStream,
    rest: u64,
}

/// A line of a section as a line of the log that it is part of.
pub(super) fn line_in_log(place: Part, line: u64) -> u64 {
    place.line + line - 1
}

/// The same for what went wrong first.
pub(super) fn error_in_log(place: Part, error: FirstError) -> FirstError {
    FirstError {
        line: line_in_log(place, error.line),
        ..error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that nobody is told of, and its two files.
    fn log(folder: &Path) -> (JobLog, std::path::PathBuf, std::path::PathBuf) {
        let (path, index) = (folder.join("main"), folder.join("main.idx"));
        let (log, _) = JobLog::section(LogWriter::create(&path, &index).unwrap());
        (log, path, index)
    }

    #[test]
    fn sections_come_one_after_another_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let (main, path, index) = log(folder.path());
        main.output(LogStream::Stdout, b"before, without an end");
        let mut sections = [
            Section::open(folder.path()).unwrap(),
            Section::open(folder.path()).unwrap(),
        ];
        // The second one writes first.
        let at = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        sections[1].log().output_of(LogStream::Stderr, b"second\nno end", at);
        assert_eq!(sections[0].log().say("first begins"), 1);
        assert!(sections[0].copy(&main).unwrap());
        sections[0].log().output(LogStream::Stdout, b"goes on\n");
        let line = sections[0].log().say("ends");
        assert!(sections[0].copy(&main).unwrap());
        assert!(sections[1].copy(&main).unwrap());

        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "before, without an end\nfirst begins\ngoes on\nends\nsecond\nno end"
        );
        let places = sections.map(|section| section.place().unwrap());
        assert_eq!(
            text.lines().nth(line_in_log(places[0], line) as usize - 1),
            Some("ends")
        );
        assert_eq!(&text[places[1].offset as usize..], "second\nno end");
        assert_eq!(text.lines().nth(places[1].line as usize - 1), Some("second"));

        // Stream and time are those of the moment at which the output came.
        let records = std::fs::read(&index).unwrap();
        let last = &records[records.len() - INDEX_RECORD..];
        assert_eq!(last[8..16], 1_700_000_000_123_456_789_u64.to_le_bytes());
        assert_eq!(last[16..20], 2_u32.to_le_bytes());
        // Nothing of the sections has a name.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn much_is_copied_piece_by_piece() {
        let folder = tempfile::tempdir().unwrap();
        let (main, path, _) = log(folder.path());
        let mut section = Section::open(folder.path()).unwrap();
        let text: Vec<u8> = (0..3_000_000_u32).map(|number| b'a' + (number % 26) as u8).collect();
        section.log().output(LogStream::Stdout, &text[..5]);
        section.log().output(LogStream::Stdout, &text[5..]);
        let mut rounds = 1;
        while !section.copy(&main).unwrap() {
            rounds += 1;
        }
        assert!(rounds > 2, "{rounds}");
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }

    #[tokio::test]
    async fn growth_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut section = Section::open(folder.path()).unwrap();
        section.log().say("more");
        section.grown().await;
    }
}
