//! Runs as the daemon records them, with their files in a folder of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use preflight_dep8::outcome::TestStatus;
use preflight_report::run::{SourceRun, TestRun};

/// The folder that the runs' files are in.
pub(crate) struct Recorded {
    pub(crate) folder: tempfile::TempDir,
    tests: Vec<TestRun>,
}

impl Recorded {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            tests: Vec::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A test that ran for a second and wrote this.
    pub(crate) fn test(
        mut self,
        name: &str,
        status: TestStatus,
        reason: Option<&str>,
        (stdout, stderr): (&[u8], &[u8]),
    ) -> Self {
        let file = |which: &str, content: &[u8]| {
            (!content.is_empty()).then(|| self.write(&format!("{name}/{which}"), content))
        };
        let began = 1_700_000_000 + 10 * self.tests.len() as i64;
        let test = TestRun {
            name: name.to_owned(),
            status,
            reason: reason.map(str::to_owned),
            detail: (reason == Some("badpkg")).then(|| "Test dependencies are unsatisfiable".to_owned()),
            began: Some(Timestamp::from_second(began).unwrap()),
            duration: Duration::from_secs(1),
            stdout: file("stdout", stdout),
            stderr: file("stderr", stderr),
            packages: None,
            artifacts: Some(self.path(&format!("{name}/artifacts"))).filter(|path| path.is_dir()),
        };
        self.tests.push(test);
        self
    }

    pub(crate) fn run(&self, source: &str, trouble: Option<&str>) -> SourceRun {
        SourceRun {
            source: source.to_owned(),
            version: "1.0-1".to_owned(),
            suite: "bookworm".to_owned(),
            architecture: "amd64".to_owned(),
            began: Timestamp::from_second(1_699_999_990).unwrap(),
            duration: Duration::from_millis(65_250),
            exit_code: 6,
            summary: String::new(),
            trouble: trouble.map(str::to_owned),
            tests: self.tests.clone(),
            log: Some(self.path("log")).filter(|path| path.exists()),
            files: ["testbed-packages", "testinfo.json"]
                .map(|name| (name, self.path(name)))
                .into_iter()
                .filter(|(_, path)| path.exists())
                .collect(),
            triggers: None,
        }
    }
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
