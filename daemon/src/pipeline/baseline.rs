//! The baseline of a test: the ticket's own test on the base image, without the ticket's packages. Where it was run before
//! with the same base, the same package sources and the same tree, what was found then is taken, with its log and its lock.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use preflight_archive::Lock;
use preflight_core::{BaselinePolicy, Ending, FirstError, JobId, LogName, Options, TestOptions, TestResult};
use preflight_debian::Sha256Digest;
use preflight_store::{LogStream, TicketFolder};

use super::{bare, package_sources, test, tree, tree_digest};
use crate::baseline_record::{BaselineRecord, Found};
use crate::executor::{JobContext, StepFailure};
use crate::services::JobReport;

/// Changes with how a baseline is run.
const GENERATION: &str = "baseline, generation 1";
/// How much of an earlier log is copied.
const LONGEST_LOG: u64 = 256 << 20;

/// Runs it, or takes what is known of it.
pub(super) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let (source, name) = (context.subticket()?.source.clone(), tested(context)?);
    let key = key(context, &source, &name).await?;
    if let Some(key) = &key
        && let Some((ticket, record)) = BaselineRecord::find(&context.order.folder, key)
        && let Some(ending) = Taking::new(context, &ticket, &record, &source, &name).take(key)?
    {
        return Ok(ending);
    }
    let ending = test::run_tests(context).await?;
    if let Some(key) = &key
        && let [result] = &context.reported_tests()[..]
    {
        keep(context, key, result, &ending);
    }
    Ok(ending)
}

fn tested(context: &JobContext) -> Result<String, StepFailure> {
    let rerun = context.order.rerun.as_ref();
    let test = rerun.map(|rerun| rerun.test.clone());
    test.ok_or_else(|| StepFailure::Testbed("the job names no test".to_owned()))
}

/// All that the result depends on; none where that cannot be said.
async fn key(context: &JobContext, source: &str, name: &str) -> Result<Option<String>, StepFailure> {
    let unpacked = context.staged()?.join(tree::UNPACKED);
    let digesting = tokio::task::spawn_blocking(move || tree_digest::digest(&unpacked));
    let tree = match digesting.await {
        Ok(Ok(Some(tree))) => tree,
        Ok(Ok(None)) | Err(_) => return Ok(None),
        Ok(Err(error)) => {
            tracing::warn!(job = %context.order.job, %error, "nothing can be taken for the like of this tree");
            return Ok(None);
        }
    };
    let image = bare::image_of_tests(context)?;
    let Options {
        sources,
        offline,
        test_timeout,
        tests,
        ..
    } = &context.order.ticket.options;
    // How often and whether it is run is none of what it finds.
    let tests = TestOptions {
        rerun_failed: 0,
        baseline: BaselinePolicy::Never,
        no_build: false,
        ..tests.clone()
    };
    let settings = &context.workshop.settings;
    let mut words = vec![
        GENERATION.to_owned(),
        image.name(),
        format!("tree {tree}"),
        format!("{source}/{name}"),
        format!("{tests:?} {test_timeout:?} {offline}"),
        format!("{} {:?}", settings.cpus, settings.memory),
    ];
    words.extend(package_sources::words(sources));
    words.extend(bare::words(context));
    let digest = Sha256Digest::of(words.join("\n").as_bytes()).to_string();
    Ok(Some(digest.chars().take(32).collect()))
}

/// Keeps what was found; that it cannot be kept is no reason to fail.
fn keep(context: &JobContext, key: &str, result: &TestResult, ending: &Ending) {
    let order = &context.order;
    let record = BaselineRecord::new(Found {
        ticket: order.ticket.id,
        job: order.job,
        attempt: order.attempt,
        log: context.log_name().0,
        result,
        exit_code: ending.exit_code,
        ending_reason: ending.reason.clone(),
        first_error: ending
            .first_error
            .as_ref()
            .map(|error| (error.line, error.text.clone())),
        lock: context.fetched().to_json(),
    });
    if let Err(error) = record.write(&order.folder, order.job, key) {
        tracing::warn!(job = %order.job, %error, "what a baseline has found cannot be kept");
    }
}

/// An earlier run and who takes it.
struct Taking<'a> {
    context: &'a JobContext,
    /// The folder of the ticket that has it.
    ticket: &'a TicketFolder,
    record: &'a BaselineRecord,
    source: &'a str,
    name: &'a str,
}

impl<'a> Taking<'a> {
    fn new(
        context: &'a JobContext,
        ticket: &'a TicketFolder,
        record: &'a BaselineRecord,
        source: &'a str,
        name: &'a str,
    ) -> Self {
        Self {
            context,
            ticket,
            record,
            source,
            name,
        }
    }

    /// None where something of it is there no more.
    fn take(&self, key: &str) -> Result<Option<Ending>, StepFailure> {
        let (context, record) = (self.context, self.record);
        let (ticket, job) = record.run();
        let (Ok(log), Ok(lock), Some(exit_code)) = (
            File::open(self.ticket.log(&LogName(record.log.clone()))),
            Lock::from_json(&record.lock),
            record.exit_code(),
        ) else {
            return Ok(None);
        };
        context.log.say(&format!(
            "preflight: the same test was run on the same base before: this is what ticket {ticket} has found in job {job}",
        ));
        let above = context.log.next_line() - 1;
        copy(log, context).map_err(|error| StepFailure::Testbed(format!("the log of job {job}: {error}")))?;
        if let Err(error) = self.share_files(job) {
            tracing::warn!(%job, %error, "not all that a baseline has left can be taken");
        }
        context.lock_also(lock);
        let mut result = record.result(self.source, self.name);
        result.log_line = result.log_line.map(|line| line.saturating_add(above));
        context.report(JobReport::Test(result));
        if let Err(error) = record.taken().write(&context.order.folder, context.order.job, key) {
            tracing::warn!(job = %context.order.job, %error, "that a baseline was taken cannot be kept");
        }
        let first_error = record.first_error.as_ref().map(|(line, text)| FirstError {
            log: context.log_name(),
            line: line.saturating_add(above),
            text: text.clone(),
        });
        Ok(Some(Ending {
            exit_code,
            first_error,
            ..Ending::new(exit_code.outcome(), record.ending_reason.clone())
        }))
    }

    /// What was recorded of the test and its run, without what the test itself has left.
    fn share_files(&self, job: JobId) -> io::Result<()> {
        let order = &self.context.order;
        let own = order.folder.tests(Some(order.job), self.source);
        let theirs = self.ticket.tests(Some(job), self.source);
        share(theirs.root(), own.root())?;
        share(theirs.test(self.name).root(), own.test(self.name).root())
    }
}

/// Gives a folder the files of another one, in place of those that it has; folders and links are left out.
fn share(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !entry.file_type()?.is_file() {
            continue;
        }
        let target = to.join(entry.file_name());
        match fs::remove_file(&target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::hard_link(entry.path(), &target).or_else(|_| fs::copy(entry.path(), &target).map(drop))?;
    }
    Ok(())
}

fn copy(log: File, context: &JobContext) -> io::Result<()> {
    let mut log = log.take(LONGEST_LOG);
    let mut piece = vec![0; 64 << 10];
    loop {
        match log.read(&mut piece)? {
            0 => return Ok(()),
            length => context.log.output(LogStream::Stdout, &piece[..length]),
        }
    }
}
