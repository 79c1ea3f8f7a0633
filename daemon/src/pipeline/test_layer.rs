//! What a test starts from: the ticket's image with the source's tree (built where the test wants that) and the test's
//! dependencies. It is made once and shared, as a layer, by all tests that ask for the same; this room says what "the same"
//! is and how it is made, the executor when it need not be.

use async_trait::async_trait;
use preflight_debian::Sha256Digest;
use preflight_dep8::outcome::Trouble;
use preflight_dep8::plan::PlannedTest;
use preflight_dep8::prepare::{self, NotPrepared, Preparation, prepare_key};
use preflight_store::LogStream;

use super::package_sources::Telling;
use super::test_machine::TestbedMachine;
use super::test_run::{Stop, timeouts};
use super::tree::{self, TREE};
use super::{bare, build, built_tree, own_boot, stage};
use crate::executor::{BootImage, JobContext, LayerSpec, Prepare, StepFailure, Testbed, repository};
use crate::services::JobReport;

/// Where a test's own files are in a testbed.
pub(super) const SCRATCH: &str = "/tmp/autopkgtest";

/// Changes with what [`Filling`] does to a testbed.
const GENERATION: &str = "dep8 tests, generation 3";

/// What a test starts from.
pub(super) enum Start {
    /// A testbed that has all that the test needs, and in which no test has run.
    Ready(Box<Testbed>),
    /// There can be none: its dependencies are not to be had.
    Impossible(NotPrepared),
}

/// Leases a testbed for a test.
pub(super) async fn start(context: &JobContext, image: &BootImage, test: &PlannedTest) -> Result<Start, Stop> {
    let source = context.subticket()?;
    let layer = LayerSpec {
        title: format!(
            "{} {}, prepared as for test {}",
            source.source, source.version, test.name
        ),
        contents: [
            vec![GENERATION.to_owned(), tree_key(context)?, prepare_key(test)],
            built_key(context, test)?,
            bare::words(context),
        ]
        .concat(),
    };
    let is_bare = bare::is_bare(context);
    let repository = (!is_bare).then(|| repository(&context.order.folder));
    let session = context.session(image, repository.as_deref())?;
    // The ticket's image knows its package sources.
    let telling = Telling::of(context, image).filter(|_| is_bare);
    let before = telling.as_ref().map(Telling::layer);
    let filling = Filling { context, image, test };
    match context.prepared(image, before, layer, session, &filling).await {
        Ok(prepared) => {
            tell_of_pins(context, image, test, &prepared.testbed).await?;
            Ok(Start::Ready(Box::new(prepared.testbed)))
        }
        Err(Unfilled::Dependencies(why)) => Ok(Start::Impossible(why)),
        Err(Unfilled::Stop(stop)) => Err(stop),
    }
}

/// Warns of pins that were given up for the dependencies of a test: its result is not of what was asked for.
async fn tell_of_pins(
    context: &JobContext,
    image: &BootImage,
    test: &PlannedTest,
    testbed: &Testbed,
) -> Result<(), StepFailure> {
    let Some(telling) = Telling::of(context, image) else {
        return Ok(());
    };
    for pocket in telling.given_up(testbed).await? {
        context.report(JobReport::Warning(format!(
            "test {}: its dependencies cannot be satisfied with the pins of {pocket}: it ran with all that {pocket} has",
            test.name
        )));
    }
    Ok(())
}

/// Names the source's tree: its `.dsc` names all its files by their digests.
fn tree_key(context: &JobContext) -> Result<String, StepFailure> {
    let read = stage::dsc(&context.staged()?.join(stage::PACKAGE)).and_then(std::fs::read);
    let dsc = read.map_err(|error| StepFailure::Testbed(format!("the staged source: {error}")))?;
    Ok(format!("source: {}", Sha256Digest::of(&dsc)))
}

/// Names the tree that the source's own build has left, where the test wants that and there is one.
fn built_key(context: &JobContext, test: &PlannedTest) -> Result<Vec<String>, StepFailure> {
    let digest = match test.needs_build() {
        true => built_tree::digest(&context.staged()?)?,
        false => None,
    };
    Ok(digest.map(|digest| format!("built: {digest}")).into_iter().collect())
}

/// Why a testbed could not be made ready.
enum Unfilled {
    /// That is a result of each test that needs it.
    Dependencies(NotPrepared),
    /// That ends the job.
    Stop(Stop),
}

impl From<StepFailure> for Unfilled {
    fn from(failure: StepFailure) -> Self {
        Self::Stop(failure.into())
    }
}

/// Makes a testbed ready for a test.
struct Filling<'a> {
    context: &'a JobContext,
    image: &'a BootImage,
    test: &'a PlannedTest,
}

#[async_trait]
impl Prepare for Filling<'_> {
    type Error = Unfilled;

    /// Tree, build, dependencies.
    async fn prepare(&self, testbed: &Testbed) -> Result<(), Unfilled> {
        let (context, user) = (self.context, self.image.user());
        bare::prepare(context, testbed).await?;
        let staged = context.staged()?;
        match self.test.needs_build() {
            true if built_tree::digest(&staged)?.is_some() => built_tree::place(testbed, &staged, user).await?,
            true => {
                tree::place(testbed, &staged, user).await?;
                self.build(testbed).await?;
            }
            false => tree::place(testbed, &staged, user).await?,
        }
        let limits = timeouts(context);
        let preparation = Preparation {
            test: self.test,
            normal_user: Some(user),
            scratch: SCRATCH,
            short: limits.short,
            install: limits.install,
        };
        let machine = TestbedMachine::new(testbed);
        let mut done = self.install(&machine, &preparation).await;
        if let Some(telling) = Telling::of(context, self.image) {
            for relaxed in telling.relaxed() {
                if !matches!(done, Err(NotPrepared::BadPackage(_))) {
                    break;
                }
                let pocket = relaxed.pocket;
                context.log.say(&format!(
                    "preflight: the dependencies of test {} are unsatisfiable with the pins of {pocket}: again, with all that {pocket} has",
                    self.test.name
                ));
                telling.relax(testbed, &relaxed).await?;
                done = self.install(&machine, &preparation).await;
            }
        }
        match done {
            Ok(()) => Ok(()),
            Err(NotPrepared::Testbed(why)) => Err(Unfilled::Stop(machine.stop(Trouble::TestbedFailure(why)))),
            Err(why @ (NotPrepared::BadPackage(_) | NotPrepared::Unsupported(_))) => Err(Unfilled::Dependencies(why)),
        }
    }

    /// What was installed may change what boots.
    async fn settle(&self, testbed: &mut Testbed) -> Result<(), Unfilled> {
        if !own_boot::settle(self.context, self.image, testbed).await? {
            return Ok(());
        }
        let machine = TestbedMachine::new(testbed);
        let room = prepare::make_room(&machine, SCRATCH, timeouts(self.context).short).await;
        room.map_err(|why| Unfilled::Stop(machine.stop(Trouble::TestbedFailure(why.to_string()))))
    }
}

impl Filling<'_> {
    /// The test's dependencies, as far as apt can be brought to it.
    async fn install(&self, machine: &TestbedMachine<'_>, preparation: &Preparation<'_>) -> Result<(), NotPrepared> {
        let log = &self.context.log;
        let on_output = &mut |bytes: &[u8]| log.output(LogStream::Stdout, bytes);
        prepare::prepare(machine, preparation, on_output).await
    }

    /// `build-needed` without a build of the ticket's own: builds the tree in place.
    async fn build(&self, testbed: &Testbed) -> Result<(), Unfilled> {
        let (context, user) = (self.context, self.image.user());
        let building = async {
            build::install_build_dependencies(context, testbed, TREE).await?;
            build::build(context, testbed, TREE, user, &["--build=binary"]).await
        };
        match building.await {
            Ok(()) => Ok(()),
            Err(StepFailure::Package { reason, first_error }) => {
                let trouble = Trouble::ErroneousPackage(format!("build-needed: {reason}"));
                Err(Unfilled::Stop(Stop::Trouble(trouble, first_error)))
            }
            Err(failure) => Err(failure.into()),
        }
    }
}
