//! Where a ticket's files are. It names paths and makes folders; what is in the files is others' matter.

use std::io;
use std::path::{Path, PathBuf};

use preflight_core::{Attempt, JobId, LogName, TicketId};

use crate::recorded::TestsFolder;

/// The folder of all tickets, below the state folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketsFolder(PathBuf);

impl TicketsFolder {
    /// `state` is the daemon's state folder.
    #[must_use]
    pub fn below(state: &Path) -> Self {
        Self(state.join("tickets"))
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// A ticket's folder.
    #[must_use]
    pub fn ticket(&self, id: TicketId) -> TicketFolder {
        TicketFolder(self.0.join(id.to_string()))
    }

    /// Where intake stages what may become a ticket: on the same file system, so that adopting is a rename.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.0.join("staging")
    }
}

/// A ticket's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFolder(PathBuf);

impl TicketFolder {
    /// The folder itself; what intake staged lies in it, at each subticket's `staged`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The folder of another ticket.
    #[must_use]
    pub fn beside(&self, id: TicketId) -> Self {
        Self(self.0.with_file_name(id.to_string()))
    }

    /// The folder of the logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// A log.
    #[must_use]
    pub fn log(&self, name: &LogName) -> PathBuf {
        self.logs().join(name.as_str())
    }

    /// A log's side file, as the protocol specifies it.
    #[must_use]
    pub fn index(&self, name: &LogName) -> PathBuf {
        self.logs().join(format!("{name}.idx"))
    }

    /// The folder of the artifacts.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    fn results(&self) -> PathBuf {
        self.0.join("results")
    }

    /// The subunit v2 stream of a test job's newest attempt.
    #[must_use]
    pub fn result_stream(&self, job: JobId) -> PathBuf {
        self.results().join(format!("{job}.subunit"))
    }

    /// The folder of the failed testbeds that are kept.
    #[must_use]
    pub fn all_kept(&self) -> PathBuf {
        self.0.join("kept")
    }

    /// Where an attempt's failed testbed is kept.
    #[must_use]
    pub fn kept(&self, job: JobId, attempt: Attempt) -> PathBuf {
        self.all_kept().join(format!("{job}-{attempt}"))
    }

    /// The folder of what reruns were given; each has a folder of its job's number in it.
    #[must_use]
    pub fn reruns(&self) -> PathBuf {
        self.0.join("reruns")
    }

    /// What was recorded of the tests of a source, whose name is one path component; those of a rerun are apart.
    #[must_use]
    pub fn tests(&self, rerun: Option<JobId>, source: &str) -> TestsFolder {
        let of = match rerun {
            None => self.0.clone(),
            Some(job) => self.reruns().join(job.to_string()),
        };
        TestsFolder::at(of.join("tests").join(source))
    }

    /// The folder of the states of other tickets' repositories that it uses.
    #[must_use]
    pub fn repositories(&self) -> PathBuf {
        self.0.join("repositories")
    }

    /// Makes the folders for logs, artifacts and result streams.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&self) -> io::Result<()> {
        std::fs::create_dir_all(self.logs())?;
        std::fs::create_dir_all(self.results())?;
        std::fs::create_dir_all(self.artifacts())
    }
}
