//! Where what was recorded of a source's tests is: files of the whole run, and a folder a test. It names paths; what is
//! in the files is the report room's matter.

use std::path::{Path, PathBuf};

/// The folder of what one run of a source's tests has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestsFolder(PathBuf);

/// A file of the whole run; names and formats are those of autopkgtest's output directory, and of what debci adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunFile {
    /// A line a result, in the plan's order, and what ended the run early.
    Summary,
    /// The packages of the base image: name, tab, version.
    TestbedPackages,
    /// The source package's name and version.
    TestpkgVersion,
    /// Kernel, processors and settings of the testbed, as JSON.
    Testinfo,
    /// Seconds that the run took, once it has ended.
    Duration,
    /// autopkgtest's exit code, once it has ended.
    Exitcode,
    /// Debian's name of the testbed's architecture; this one is our own.
    Architecture,
}

impl RunFile {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Summary,
        Self::TestbedPackages,
        Self::TestpkgVersion,
        Self::Testinfo,
        Self::Duration,
        Self::Exitcode,
        Self::Architecture,
    ];

    /// The file's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::TestbedPackages => "testbed-packages",
            Self::TestpkgVersion => "testpkg-version",
            Self::Testinfo => "testinfo.json",
            Self::Duration => "duration",
            Self::Exitcode => "exitcode",
            Self::Architecture => "architecture",
        }
    }
}

/// What keeps a test's folder apart from the run's files.
const APART: &str = ".test";

impl TestsFolder {
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// A file of the run.
    #[must_use]
    pub fn file(&self, file: RunFile) -> PathBuf {
        self.0.join(file.name())
    }

    /// What a test has left. Its name must be one path component, as a test's that runs is. The folder is called like the
    /// test, unless a file of the run is called so; no two tests have the same.
    #[must_use]
    pub fn test(&self, name: &str) -> TestFolder {
        let is_taken = name.ends_with(APART) || RunFile::ALL.iter().any(|file| file.name() == name);
        let apart = if is_taken { APART } else { "" };
        TestFolder(self.0.join(format!("{name}{apart}")))
    }
}

/// The folder of what a test has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFolder(PathBuf);

impl TestFolder {
    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Its `AUTOPKGTEST_ARTIFACTS`; missing where it has left none.
    #[must_use]
    pub fn artifacts(&self) -> PathBuf {
        self.0.join("artifacts")
    }

    /// What it wrote to standard output; grows while the test runs.
    #[must_use]
    pub fn stdout(&self) -> PathBuf {
        self.0.join("stdout")
    }

    /// What it wrote to standard error; grows while the test runs.
    #[must_use]
    pub fn stderr(&self) -> PathBuf {
        self.0.join("stderr")
    }

    /// All packages of its testbed when it began: name, tab, version, sorted as dpkg does.
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        self.0.join("packages")
    }

    /// When it began: one line, RFC 3339.
    #[must_use]
    pub fn began(&self) -> PathBuf {
        self.0.join("began")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_test_takes_anothers_folder_or_a_files_name() {
        let folder = TestsFolder::at(PathBuf::from("/t/hello"));
        assert_eq!(folder.test("smoke").stdout(), Path::new("/t/hello/smoke/stdout"));
        let mut names: Vec<String> = RunFile::ALL.iter().map(|file| file.name().to_owned()).collect();
        names.extend(names.clone().iter().map(|name| format!("{name}.test")));
        names.extend(["a", "a.test", "a.test.test", ".test"].map(str::to_owned));
        let mut all: BTreeSet<PathBuf> = RunFile::ALL.iter().map(|file| folder.file(*file)).collect();
        for name in &names {
            assert!(all.insert(folder.test(name).root().to_owned()), "{name}");
        }
    }
}
