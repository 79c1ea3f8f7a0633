//! The job: asks testbeds of both base images what checks of what is wanted would fetch, fetches it, and says what is still
//! missing. It passes when nothing is.

use std::collections::BTreeSet;

use preflight_archive::{Lock, LockEntry, LockKind};
use preflight_core::{Ending, Outcome};
use preflight_protocol::prefetch::{FileCount, Missing, PrefetchResult};
use preflight_vm_images::Variant;

use super::super::test_rules;
use super::answers::NamedFile;
use super::asking::{self, Answers};
use super::controls;
use super::fetching::{self, Errand};
use super::questions::{self, Known};
use crate::executor::{JobContext, StepFailure};
use crate::prefetch::{Wanted, WantedLock, WantedSource, write_result};

pub(crate) async fn run(context: &JobContext) -> Result<Ending, StepFailure> {
    let folder = context.order.folder.root();
    let wanted = Wanted::read(folder)
        .map_err(|error| StepFailure::Testbed(format!("what is to be prefetched cannot be read: {error}")))?;
    let mut result = PrefetchResult::default();
    let mut errands = Vec::new();
    if !wanted.packages.is_empty() || !wanted.sources.is_empty() {
        let sources = builds(context, &wanted, &mut errands, &mut result).await?;
        tests(context, &wanted, &sources, &mut errands, &mut result).await?;
    }
    if let Some(lock) = &wanted.lock {
        errands.push(of_lock(context, lock, &mut result)?);
    }
    let mut seen = BTreeSet::new();
    for errand in &mut errands {
        errand.files.retain(|file| seen.insert(file.url.clone()));
    }
    fetching::run(context, errands, &mut result).await?;
    result.missing.sort();
    result.missing.dedup();
    write_result(folder, &result)
        .map_err(|error| StepFailure::Testbed(format!("the result cannot be kept: {error}")))?;
    Ok(tell(context, &result))
}

/// What is fetched in testbeds of the image for builds. The sources' control files are read there, too.
async fn builds(
    context: &JobContext,
    wanted: &Wanted,
    errands: &mut Vec<Errand>,
    result: &mut PrefetchResult,
) -> Result<Vec<Known>, StepFailure> {
    let image = context.workshop.base(&context.order.ticket.series, Variant::Build)?;
    let architecture = image.architecture().to_owned();
    let testbed = asking::testbed(context, &image).await?;
    let mut sources = Vec::new();
    for source in &wanted.sources {
        match known(context, &testbed, source, &architecture).await? {
            Ok(source) => sources.push(source),
            Err(missing) => result.missing.push(missing),
        }
    }
    let mut questions = questions::packages(&wanted.packages);
    questions.extend(questions::builds(&sources, &architecture));
    let mut answers = Answers::default();
    asking::ask(context, &testbed, questions, &mut answers).await?;
    // The next one takes its place.
    testbed.release(context);
    result.missing.extend(answers.missing);
    errands.push(Errand {
        image,
        files: answers.files,
        lock: None,
    });
    Ok(sources)
}

/// What the control files of a source say; what is wrong with them is the source's fault, and others' are read all the same.
async fn known(
    context: &JobContext,
    testbed: &crate::executor::Testbed,
    source: &WantedSource,
    architecture: &str,
) -> Result<Result<Known, Missing>, StepFailure> {
    let missing = |reason| Missing {
        what: format!("what {} {} needs", source.name, source.version),
        reason,
    };
    context.phase(&format!("reading the control files of {}", source.name), None);
    let files = match controls::of(context, testbed, source).await {
        Ok(files) => files,
        Err(StepFailure::Package { reason, .. }) => return Ok(Err(missing(reason))),
        Err(failure) => return Err(failure),
    };
    let setting = test_rules::setting(&context.workshop, &context.order.ticket, architecture)?;
    let (name, version) = (&source.name, &source.version);
    let known = Known::read(name, version, files.control, files.tests.as_deref(), &setting);
    Ok(known.map_err(missing))
}

/// What is fetched for the ticket's image and in testbeds of that.
async fn tests(
    context: &JobContext,
    wanted: &Wanted,
    sources: &[Known],
    errands: &mut Vec<Errand>,
    result: &mut PrefetchResult,
) -> Result<(), StepFailure> {
    let image = context.workshop.base(&context.order.ticket.series, Variant::Test)?;
    let architecture = image.architecture().to_owned();
    let testbed = asking::testbed(context, &image).await?;
    let in_archive = asking::known(&testbed, &questions::own(sources, &architecture)).await?;
    let mut questions = questions::packages(&wanted.packages);
    questions.extend(questions::testing(sources, &in_archive, &architecture));
    let mut answers = Answers::default();
    asking::ask(context, &testbed, questions, &mut answers).await?;
    testbed.release(context);
    result.missing.extend(answers.missing);
    result
        .notes
        .extend(questions::unknown(sources, &in_archive, &architecture));
    errands.push(Errand {
        image,
        files: answers.files,
        lock: None,
    });
    Ok(())
}

/// What a ticket has fetched, by digest.
fn of_lock(context: &JobContext, wanted: &WantedLock, result: &mut PrefetchResult) -> Result<Errand, StepFailure> {
    let workshop = &context.workshop;
    for id in &wanted.images {
        if let Err(error) = workshop.images.get(id) {
            result.missing.push(Missing {
                what: format!("the base image {id}"),
                reason: error.to_string(),
            });
        }
    }
    result.missing.extend(wanted.obstacles.iter().map(|reason| Missing {
        what: format!("ticket #{}", wanted.ticket),
        reason: reason.clone(),
    }));
    let broken =
        |error: &dyn std::fmt::Display| StepFailure::Testbed(format!("the lock of ticket #{}: {error}", wanted.ticket));
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for file in &wanted.files {
        let name = file.url.rsplit('/').next().unwrap_or(&file.url);
        files.push(NamedFile {
            url: file.url.clone(),
            name: name.to_owned(),
            size: file.size,
        });
        entries.push(LockEntry {
            url: file.url.parse().map_err(|error| broken(&error))?,
            sha256: file.sha256.parse().map_err(|error| broken(&error))?,
            size: file.size,
            // Which of an archive's files it is makes no difference to who knows its digest.
            kind: LockKind::Package,
            origin: file.origin.as_ref().and_then(|origin| origin.parse().ok()),
        });
    }
    Ok(Errand {
        // It tells which mirrors there are.
        image: workshop.base(&context.order.ticket.series, Variant::Test)?,
        files,
        lock: Some(Lock::from_iter(entries)),
    })
}

/// Tells the owner, and ends the job.
fn tell(context: &JobContext, result: &PrefetchResult) -> Ending {
    let count = |count: FileCount| format!("{} ({} KiB)", count.files, count.bytes.div_ceil(1024));
    for note in &result.notes {
        context.log.say(&format!("preflight: {note}"));
    }
    for Missing { what, reason } in &result.missing {
        context.log.say(&format!("preflight: missing: {what}: {reason}"));
    }
    context.log.say(&format!(
        "preflight: files fetched: {}, there before: {}, missing: {}",
        count(result.fetched),
        count(result.there),
        result.missing.len()
    ));
    let Some(first) = result.missing.first() else {
        return Ending::pass();
    };
    let more = match result.missing.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let reason = format!("{} is missing: {}{more}", first.what, first.reason);
    Ending::new(Outcome::Fail, Some(reason))
}
