//! A job's log while the job runs: whoever works on the job writes to it, and its growth is reported.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use preflight_store::{LogStream, LogWriter};
use tokio::sync::watch;

use crate::services::{JobReport, Reports};

/// A log that several may write to; clones share it.
///
/// A log that cannot be written (a full disk) must not look like a job that said nothing: the first error is kept and
/// ends the job.
#[derive(Debug, Clone)]
pub struct JobLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    writer: Mutex<Writer>,
    grown: Growth,
}

/// Who is told of a log's growth.
#[derive(Debug)]
enum Growth {
    /// The job's clients.
    Job(Reports),
    /// Who copies it to where it belongs.
    Section(watch::Sender<u64>),
}

impl Growth {
    fn tell(&self, size: u64) {
        match self {
            Self::Job(reports) => reports.send(JobReport::LogSize(size)),
            Self::Section(sizes) => drop(sizes.send_replace(size)),
        }
    }
}

#[derive(Debug)]
struct Writer {
    log: LogWriter,
    failure: Option<std::io::Error>,
}

impl JobLog {
    /// Takes over a log that was just created.
    #[must_use]
    pub fn new(log: LogWriter, reports: Reports) -> Self {
        Self::of(log, Growth::Job(reports))
    }

    /// A part of a job's log that is written aside. Its lines are counted from its own beginning; the receiver is told of
    /// its length in bytes.
    #[must_use]
    pub fn section(log: LogWriter) -> (Self, watch::Receiver<u64>) {
        let (sizes, grown) = watch::channel(0);
        (Self::of(log, Growth::Section(sizes)), grown)
    }

    fn of(log: LogWriter, grown: Growth) -> Self {
        let writer = Mutex::new(Writer { log, failure: None });
        Self(Arc::new(Shared { writer, grown }))
    }

    /// Appends output as it came.
    pub fn output(&self, stream: LogStream, bytes: &[u8]) {
        self.output_of(stream, bytes, SystemTime::now());
    }

    /// Appends output that came at this time.
    pub fn output_of(&self, stream: LogStream, bytes: &[u8], at: SystemTime) {
        let size = {
            let mut writer = self.lock();
            let done = writer.log.append_at(stream, bytes, at);
            writer.note(done);
            writer.log.size()
        };
        self.0.grown.tell(size);
    }

    /// Appends a line of Preflight's own and returns its number, counted from 1.
    pub fn say(&self, text: &str) -> u64 {
        let (line, size) = {
            let mut writer = self.lock();
            let done = writer.log.say(text);
            let line = writer.note(done).unwrap_or_default();
            (line, writer.log.size())
        };
        self.0.grown.tell(size);
        line
    }

    /// What was written, to read at places of it (`FileExt::read_at`).
    ///
    /// # Errors
    /// The system's.
    pub fn content(&self) -> std::io::Result<File> {
        self.lock().log.content()
    }

    /// The number of the line that is written next.
    #[must_use]
    pub fn next_line(&self) -> u64 {
        self.lock().log.next_line()
    }

    /// The log's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.lock().log.size()
    }

    /// The number of the line that the next byte belongs to.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.lock().log.line()
    }

    /// The first thing that went wrong with writing, once.
    #[must_use]
    pub fn failure(&self) -> Option<std::io::Error> {
        self.lock().failure.take()
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn note<T>(&mut self, done: std::io::Result<T>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}
