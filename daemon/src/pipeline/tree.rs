//! A source's tree in a testbed: unpacked there by dpkg-source, the first time, and kept as bytes for whoever needs the same
//! tree later, with the control files that its tests are planned from. Builds and tests start from the pristine tree, as
//! they do on the archive's infrastructure.

use std::path::Path;

use preflight_debian::{Sha256Digest, SourcePackage};
use preflight_guest::{Exec, GuestError};
use preflight_report::findings;
use preflight_vm_images::Variant;

use super::build::{ending_of, part};
use super::{generated_tests, results};
use crate::executor::{JobContext, StepFailure, Testbed};

/// Where sources are unpacked and built in a testbed.
pub(super) const WORK: &str = "/build";
/// The source's tree, below [`WORK`].
pub(super) const TREE: &str = "/build/tree";
/// `debian/control` and `debian/tests/control` are text that people write.
pub(super) const LARGEST_CONTROL: u64 = 4 << 20;
/// The largest tree that is built or tested.
const LARGEST_TREE: u64 = 16 << 30;

/// Below a staged source: the tree.
pub(crate) const UNPACKED: &str = "unpacked.tar";
/// Below a staged source: what the tests' plan is made from.
pub(crate) const CONTROL: &str = "control";
/// Below a staged source: `debian/tests/control`, where there is one.
pub(crate) const TESTS_CONTROL: &str = "tests-control";
/// All that is kept of an unpacked source.
pub(crate) const KEPT: [&str; 3] = [UNPACKED, CONTROL, TESTS_CONTROL];

/// Changes with how a tree is kept.
const GENERATION: &str = "tree, generation 1";

/// Makes the tree of a source in a testbed, and keeps it with the staged source. `below` names what the testbed started
/// from: another dpkg-source may unpack differently.
///
/// The control file of tests is kept as autodep8 has it, where the source asks for that.
pub(super) async fn make(
    context: &JobContext,
    testbed: &Testbed,
    source: &SourcePackage,
    below: &str,
) -> Result<(), StepFailure> {
    make_as_is(context, testbed, source, below).await?;
    generated_tests::write(context, testbed, &context.staged()?).await
}

async fn make_as_is(
    context: &JobContext,
    testbed: &Testbed,
    source: &SourcePackage,
    below: &str,
) -> Result<(), StepFailure> {
    let (staged, user) = (context.staged()?, testbed.image().user());
    let key = key(source, below)?;
    if keep(context, &key, &staged)? {
        return place(testbed, &staged, user).await;
    }
    unpack(context, testbed, source, user).await?;
    let cannot = |error: std::io::Error| StepFailure::Testbed(format!("the unpacked source cannot be kept: {error}"));
    let unpacked = &context.workshop.folders.unpacked;
    let draft = unpacked.draft().map_err(cannot)?;
    pack(testbed, &draft.path().join(UNPACKED), user).await?;
    keep_control(testbed, draft.path()).await?;
    unpacked.publish(draft, &key).map_err(cannot)?;
    match keep(context, &key, &staged)? {
        true => Ok(()),
        false => Err(cannot(std::io::ErrorKind::NotFound.into())),
    }
}

/// Makes the tree of a source that no build has unpacked, where it is not there.
pub(super) async fn ensure(context: &JobContext) -> Result<(), StepFailure> {
    let staged = context.staged()?;
    if staged.join(UNPACKED).exists() && !generated_tests::are_wanting(&staged)? {
        return Ok(());
    }
    let source = super::build::source_package(&staged)?;
    // It has dpkg-source, and nothing but autodep8 is fetched for it: that it is another image than the tests' changes
    // nothing of them.
    let image = context.workshop.base(&context.order.ticket.series, Variant::Build)?;
    let below = image.name();
    if keep(context, &key(&source, &below)?, &staged)? && !generated_tests::are_wanting(&staged)? {
        return Ok(());
    }
    context.phase("unpacking the source", None);
    let session = context.session(&image, None)?;
    let testbed = context.testbed(&image, session).await?;
    make(context, &testbed, &source, &below).await?;
    context.lock(&testbed.session);
    testbed.release(context);
    Ok(())
}

/// Puts the tree that [`make`] has kept into a testbed.
pub(super) async fn place(testbed: &Testbed, staged: &Path, user: &str) -> Result<(), StepFailure> {
    put(testbed, &staged.join(UNPACKED), user).await
}

/// Puts a packed tree where trees are.
pub(super) async fn put(testbed: &Testbed, packed: &Path, user: &str) -> Result<(), StepFailure> {
    let file = format!("{WORK}/{UNPACKED}");
    make_work_folder(testbed, user).await?;
    let push = testbed.guest.push_file(packed.to_owned(), &file, Some(user));
    testbed.attend("copying the tree", push).await?;
    let unpack = format!("tar --extract --file {UNPACKED} && rm {UNPACKED}");
    let unpack = Exec::new(["sh", "-ec", &unpack]).user(user).cwd(WORK);
    testbed.must("unpacking the tree", unpack).await.map(drop)
}

/// Makes the folder that the unprivileged user works in, or makes it the user's where a copy has made it.
pub(super) async fn make_work_folder(testbed: &Testbed, user: &str) -> Result<(), StepFailure> {
    let make = Exec::new(["install", "-d", "-o", user, "-g", user, WORK]);
    testbed.must("making the build folder", make).await.map(drop)
}

/// Names a tree by all that it depends on: a `.dsc` names its files by their digests.
fn key(source: &SourcePackage, below: &str) -> Result<String, StepFailure> {
    let dsc = std::fs::read(&source.dsc_path)
        .map_err(|error| StepFailure::Testbed(format!("{}: {error}", source.dsc_path.display())))?;
    let words = format!("{GENERATION}\n{}\non {below}\n", Sha256Digest::of(&dsc));
    Ok(Sha256Digest::of(words.as_bytes()).to_string())
}

/// Gives the staged source what was kept of a tree; false where nothing was.
fn keep(context: &JobContext, key: &str, staged: &Path) -> Result<bool, StepFailure> {
    let placed = context.workshop.folders.unpacked.place(key, &KEPT, staged);
    placed.map_err(|error| StepFailure::Testbed(format!("{}: {error}", staged.display())))
}

/// Copies a source package into the testbed and unpacks it, as the unprivileged user.
async fn unpack(
    context: &JobContext,
    testbed: &Testbed,
    source: &SourcePackage,
    user: &str,
) -> Result<(), StepFailure> {
    let (package, dsc) = (source.dsc_path.parent().unwrap_or(Path::new("/")), &source.dsc_path);
    let name = dsc.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let there = format!("{WORK}/package");
    let push = testbed.guest.push_tree(package, &there, Some(user));
    testbed.attend("copying the source", push).await?;
    make_work_folder(testbed, user).await?;
    // Its files were verified on the host; the testbed has nobody's keys.
    let extract = Exec::new(["dpkg-source", "--no-check", "--extract", &name, TREE])
        .user(user)
        .cwd(&there)
        .env("LC_ALL", "C.UTF-8");
    let part = part(context);
    let ran = testbed
        .run(extract, context.workshop.limit(|limits| limits.copy))
        .await?;
    if ran.is_success() {
        // A build finds the same whether its tree was unpacked now or earlier.
        let remove = Exec::new(["rm", "-r", &there]);
        return testbed.must("removing the packed source", remove).await.map(drop);
    }
    Err(StepFailure::Package {
        reason: "dpkg-source cannot unpack the source".to_owned(),
        first_error: results::first_error(context, findings::JobKind::Build, ending_of(ran), part),
    })
}

/// Keeps the tree as it is now: to the host it is bytes.
pub(super) async fn pack(testbed: &Testbed, to: &Path, user: &str) -> Result<(), StepFailure> {
    let file = format!("{WORK}/{UNPACKED}");
    // pax: its time stamps are whole ones, and make compares them.
    let pack = [
        "tar",
        "--create",
        "--format=posix",
        "--pax-option=delete=atime,delete=ctime",
        "--file",
        &file,
        "--directory",
        WORK,
        "tree",
    ];
    testbed.must("packing the tree", Exec::new(pack).user(user)).await?;
    let pull = testbed.guest.pull_file(&file, to, LARGEST_TREE);
    testbed.attend("keeping the tree", pull).await?;
    testbed
        .must("removing the packed tree", Exec::new(["rm", &file]))
        .await
        .map(drop)
}

/// The control files of a source: `debian/control`, and `debian/tests/control` where there is one.
pub(super) struct Controls {
    pub(super) control: Vec<u8>,
    pub(super) tests: Option<Vec<u8>>,
}

/// Unpacks a source in a testbed for its control files alone.
pub(super) async fn controls(
    context: &JobContext,
    testbed: &Testbed,
    source: &SourcePackage,
) -> Result<Controls, StepFailure> {
    unpack(context, testbed, source, testbed.image().user()).await?;
    let controls = read_controls(testbed).await?;
    let remove = Exec::new(["rm", "-rf", TREE]);
    testbed.must("removing the unpacked source", remove).await?;
    Ok(controls)
}

/// Keeps what the tests' plan will be made from.
async fn keep_control(testbed: &Testbed, folder: &Path) -> Result<(), StepFailure> {
    let Controls { control, tests } = read_controls(testbed).await?;
    write(&folder.join(CONTROL), &control)?;
    match tests {
        Some(tests) => write(&folder.join(TESTS_CONTROL), &tests),
        None => Ok(()),
    }
}

async fn read_controls(testbed: &Testbed) -> Result<Controls, StepFailure> {
    let control = read_control(testbed, "debian/control").await?;
    let there = Exec::new(["test", "-e", &format!("{TREE}/debian/tests/control")]);
    let looking = testbed.attend("looking for tests", testbed.guest.output(there)).await?;
    let tests = match looking.is_success() {
        true => Some(read_control(testbed, "debian/tests/control").await?),
        false => None,
    };
    Ok(Controls { control, tests })
}

/// Reads a control file of the tree. That the guest cannot (it is missing, a folder, or huge) is the source's fault.
async fn read_control(testbed: &Testbed, name: &str) -> Result<Vec<u8>, StepFailure> {
    let reading = async {
        match testbed
            .guest
            .read_bytes(format!("{TREE}/{name}"), LARGEST_CONTROL)
            .await
        {
            Err(GuestError::Refused(failure)) => Ok(Err(failure.detail)),
            other => other.map(Ok),
        }
    };
    let read = testbed.attend("reading a control file", reading).await?;
    read.map_err(|why| StepFailure::package(format!("{name} cannot be read: {why}")))
}

fn write(file: &Path, content: &[u8]) -> Result<(), StepFailure> {
    std::fs::write(file, content)
        .map_err(|error| StepFailure::Testbed(format!("{} cannot be written: {error}", file.display())))
}
