//! What is kept of a source's tests as files of the ticket's folder, while they run: each test's outputs and the packages of its
//! testbed, and what autopkgtest says of a whole run. All of it comes from guests: sizes are bounded, lists are parsed. What
//! the tests came to is the record's matter.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use preflight_core::ExitCode;
use preflight_dep8::machine::Stream as Output;
use preflight_dep8::plan::PlannedTest;
use preflight_dep8::prepare::prepare_key;
use preflight_dep8::run::RunEvent;
use preflight_guest::GuestError;
use preflight_report::packages::{self, STATUS_LIMIT};
use preflight_report::summary::{self, SummaryLine};
use preflight_report::testinfo::{CPUINFO_LIMIT, Testinfo};
use preflight_store::{RunFile, TestFolder, TestsFolder};
use tokio::sync::OnceCell;

use crate::executor::{BootImage, JobContext, StepFailure, Testbed};

/// So much of each output of a test is kept apart; the log has all of it.
const OUTPUT: u64 = 64 << 20;
/// More than the kernel says of itself.
const KERNEL_LIMIT: u64 = 4096;

/// The files of one attempt.
pub(super) struct TestFiles {
    folder: TestsFolder,
    began: Instant,
    /// The packages of testbeds by what was prepared in them; None where a testbed has no list.
    packages: Mutex<HashMap<String, Arc<OnceCell<Option<String>>>>>,
    testinfo: OnceCell<()>,
}

impl TestFiles {
    /// Begins the files of this attempt; those of an earlier one are gone then.
    pub(super) fn begin(context: &JobContext, image: &BootImage) -> Result<Self, StepFailure> {
        let source = context.subticket()?;
        let rerun = context.order.rerun.as_ref().map(|_| context.order.job);
        let files = Self {
            folder: context.order.folder.tests(rerun, &source.source),
            began: Instant::now(),
            packages: Mutex::default(),
            testinfo: OnceCell::new(),
        };
        empty(files.folder.root())?;
        let version = format!("{} {}\n", source.source, source.version);
        files.write(RunFile::TestpkgVersion, &version)?;
        files.write(RunFile::Architecture, &format!("{}\n", image.architecture()))?;
        files.write(RunFile::Summary, "")?;
        // The pristine system; an image that says nothing of its packages was made by others.
        if let Ok(mut installed) = image.base.packages() {
            installed.sort_by(|one, other| one.name.cmp(&other.name));
            let list = installed.iter().map(|one| (one.name.as_str(), one.version.as_str()));
            files.write(RunFile::TestbedPackages, &packages::list(list))?;
        }
        Ok(files)
    }

    /// A test is about to run in this testbed.
    pub(super) async fn begin_test(
        &self,
        context: &JobContext,
        testbed: &Testbed,
        test: &PlannedTest,
    ) -> Result<TestRecord, StepFailure> {
        let folder = self.folder.test(test.name.as_str());
        empty(folder.root())?;
        if let Some(list) = self.packages(testbed, test).await?.get().and_then(Option::as_ref) {
            write(&folder.packages(), list)?;
        }
        self.testinfo
            .get_or_try_init(|| self.look_at_testbed(context, testbed))
            .await?;
        Ok(TestRecord {
            stdout: Kept::new(folder.stdout()),
            stderr: Kept::new(folder.stderr()),
            folder,
            error: None,
        })
    }

    /// The packages of a testbed that was prepared for this test; asked for once for all that were prepared alike.
    async fn packages(
        &self,
        testbed: &Testbed,
        test: &PlannedTest,
    ) -> Result<Arc<OnceCell<Option<String>>>, StepFailure> {
        let cell = Arc::clone(lock(&self.packages).entry(prepare_key(test)).or_default());
        let read = async || {
            let status = read(testbed, "/var/lib/dpkg/status", STATUS_LIMIT).await?;
            Ok::<_, StepFailure>(status.map(|status| packages::of_status(&status)))
        };
        cell.get_or_try_init(read).await?;
        Ok(cell)
    }

    /// Writes down what testbed it is. All of a job's are alike.
    async fn look_at_testbed(&self, context: &JobContext, testbed: &Testbed) -> Result<(), StepFailure> {
        let ticket = &context.order.ticket;
        let options = &ticket.options.tests;
        let triggers = options.trigger_list().map(|list| format!("ADT_TEST_TRIGGERS={list}"));
        let mut info = Testinfo {
            virt_server: format!("preflight {}", ticket.series),
            custom_environment: options.env.iter().map(ToString::to_string).chain(triggers).collect(),
            ..Testinfo::default()
        };
        let (release, version, cpuinfo) = tokio::try_join!(
            read(testbed, "/proc/sys/kernel/osrelease", KERNEL_LIMIT),
            read(testbed, "/proc/sys/kernel/version", KERNEL_LIMIT),
            read(testbed, "/proc/cpuinfo", CPUINFO_LIMIT),
        )?;
        info.kernel_version = release
            .zip(version)
            .map(|(release, version)| Testinfo::kernel(&release, &version));
        if let Some(cpuinfo) = cpuinfo {
            info.read_cpuinfo(&cpuinfo);
        }
        let json = info
            .json()
            .map_err(|error| unwritable(self.folder.root(), &error.into()))?;
        self.write(RunFile::Testinfo, &json)
    }

    /// Adds lines to the summary.
    pub(super) fn summary(&self, lines: &[SummaryLine]) -> Result<(), StepFailure> {
        let path = self.folder.file(RunFile::Summary);
        let append = || {
            let mut file = OpenOptions::new().append(true).open(&path)?;
            file.write_all(summary::text(lines).as_bytes())
        };
        append().map_err(|error| unwritable(&path, &error))
    }

    /// The run has ended.
    pub(super) fn end(&self, exit_code: ExitCode) -> Result<(), StepFailure> {
        let seconds = self.began.elapsed().as_secs();
        self.write(RunFile::Duration, &format!("{seconds}\n"))?;
        self.write(RunFile::Exitcode, &format!("{}\n", exit_code.code()))
    }

    fn write(&self, file: RunFile, text: &str) -> Result<(), StepFailure> {
        write(&self.folder.file(file), text)
    }
}

/// The files of one test that runs.
pub(super) struct TestRecord {
    folder: TestFolder,
    stdout: Kept,
    stderr: Kept,
    error: Option<StepFailure>,
}

impl TestRecord {
    /// Where its artifacts go.
    pub(super) fn artifacts(&self) -> PathBuf {
        self.folder.artifacts()
    }

    /// Takes down what happens. The first error is kept for [`TestRecord::end`].
    pub(super) fn take(&mut self, event: &RunEvent<'_>) {
        let taken = match event {
            RunEvent::Began => write(&self.folder.began(), &format!("{}\n", Timestamp::now())),
            RunEvent::Output(Output::Stdout, bytes) => self.stdout.take(bytes),
            RunEvent::Output(Output::Stderr, bytes) => self.stderr.take(bytes),
            _ => Ok(()),
        };
        if let Err(error) = taken {
            self.error.get_or_insert(error);
        }
    }

    /// Says what is not all there, or why there is not what should be.
    pub(super) fn end(self, context: &JobContext) -> Result<(), StepFailure> {
        for (name, kept) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if kept.left_out > 0 {
                context.log.say(&format!(
                    "preflight: WARNING: only the first {} MiB of {name} are kept apart from this log",
                    OUTPUT >> 20
                ));
            }
        }
        self.error.map_or(Ok(()), Err)
    }
}

/// An output's file, which is there once there is something in it.
struct Kept {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    left_out: u64,
}

impl Kept {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            size: 0,
            left_out: 0,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), StepFailure> {
        let room = usize::try_from(OUTPUT - self.size).unwrap_or(usize::MAX);
        let (kept, left_out) = bytes.split_at(bytes.len().min(room));
        self.left_out += left_out.len() as u64;
        self.size += kept.len() as u64;
        let mut write = || {
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(File::create_new(&self.path)?),
            };
            file.write_all(kept)
        };
        write().map_err(|error| unwritable(&self.path, &error))
    }
}

/// A file of the guest's; None where it has none that could be taken.
async fn read(testbed: &Testbed, path: &str, most: u64) -> Result<Option<Vec<u8>>, StepFailure> {
    let reading = async {
        match testbed.guest.read_bytes(path, most).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(GuestError::Refused(_) | GuestError::Unacceptable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    };
    testbed.attend("looking at the testbed", reading).await
}

fn empty(folder: &Path) -> Result<(), StepFailure> {
    let emptied = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(folder),
    };
    emptied.map_err(|error| unwritable(folder, &error))
}

fn write(path: &Path, text: &str) -> Result<(), StepFailure> {
    std::fs::write(path, text).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &io::Error) -> StepFailure {
    StepFailure::Testbed(format!("{} cannot be written: {error}", path.display()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
