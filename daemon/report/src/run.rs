//! What came of one source's tests, with the files that were recorded of them: what all writers of results start from. Where it
//! comes from, and who asks for it, this room does not know.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use preflight_dep8::outcome::TestStatus;

use crate::subunit::TestId;

/// One run of a source's tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRun {
    /// The source package.
    pub source: String,
    /// Its version.
    pub version: String,
    /// The suite that it was tested on, such as `bookworm`.
    pub suite: String,
    /// Debian's name of the architecture.
    pub architecture: String,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, with all that comes before and after the tests themselves.
    pub duration: Duration,
    /// autopkgtest's exit code.
    pub exit_code: u8,
    /// The lines of autopkgtest's summary file.
    pub summary: String,
    /// What ended it early: the words of the summary's last line.
    pub trouble: Option<String>,
    /// Its tests, in the plan's order.
    pub tests: Vec<TestRun>,
    /// The whole log.
    pub log: Option<PathBuf>,
    /// Other files of the run by the names that autopkgtest's output directory has for them, such as `testinfo.json`.
    pub files: Vec<(&'static str, PathBuf)>,
    /// What the run was about: `SOURCE/VERSION` by blanks.
    pub triggers: Option<String>,
}

/// One test of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRun {
    /// Its name; `*` means the whole package.
    pub name: String,
    /// Its result.
    pub status: TestStatus,
    /// Why, in autopkgtest's words.
    pub reason: Option<String>,
    /// More about a package that is bad.
    pub detail: Option<String>,
    /// When it began, where it ran.
    pub began: Option<Timestamp>,
    /// How long it ran itself.
    pub duration: Duration,
    /// What it wrote to standard output, where that is not empty.
    pub stdout: Option<PathBuf>,
    /// What it wrote to standard error, where that is not empty.
    pub stderr: Option<PathBuf>,
    /// All packages of its testbed.
    pub packages: Option<PathBuf>,
    /// The folder of its artifacts, where it has left some.
    pub artifacts: Option<PathBuf>,
}

impl SourceRun {
    /// A file of the run.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&PathBuf> {
        self.files.iter().find(|(of, _)| *of == name).map(|(_, path)| path)
    }

    /// A test's name among those of several sources: `SOURCE-TEST`.
    #[must_use]
    pub fn id(&self, test: &TestRun) -> String {
        TestId::new(&self.source, &test.name).to_string()
    }
}

impl TestRun {
    /// Why, and more about it; nothing of one that passed.
    #[must_use]
    pub fn explanation(&self) -> Option<String> {
        let reason = self.reason.as_ref()?;
        Some(match &self.detail {
            Some(detail) => format!("{reason}\n{detail}"),
            None => reason.clone(),
        })
    }

    /// Its outputs by name, those that are not empty.
    pub fn outputs(&self) -> impl Iterator<Item = (&'static str, &PathBuf)> {
        let outputs = [("stdout", &self.stdout), ("stderr", &self.stderr)];
        outputs
            .into_iter()
            .filter_map(|(name, path)| Some((name, path.as_ref()?)))
    }
}

/// The end of an output as text, for formats that are held in memory: at most so many bytes, with a word of what is left
/// out before them.
///
/// # Errors
/// The system's.
pub fn tail(path: &std::path::Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let left_out = size.saturating_sub(most);
    file.seek(SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(match left_out {
        0 => text.into_owned(),
        _ => format!("[{left_out} bytes before this are left out]\n{text}"),
    })
}
