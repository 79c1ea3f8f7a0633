//! Scripted services: what a job does and what is submitted is written down by the test. For tests of this crate and
//! of others; no guest, no archive, no package is behind them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use preflight_archive::{Archive, ArchiveConfig, HttpTimeouts, ValidUntil};
use preflight_core::schedule::{Demand, Demands};
use preflight_core::{Attempt, Ending, ImageId, ImageRecord, JobId, JobKind, Outcome, Series, Signature};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::health::{Check, CheckState};
use preflight_protocol::image::{ImageDifference, ImageFiles};
use preflight_protocol::method;
use preflight_store::{LogStream, LogWriter, TicketsFolder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

mod disk;
mod ppas;
mod rebuilt_images;
mod shells;
mod snapshots;

pub use disk::EndlessDisk;
pub use ppas::NoPpas;
pub use rebuilt_images::NoRebuiltImages;
pub use shells::{BROKEN_SERIES, LocalShells, SLOW_SERIES};
pub use snapshots::NoSnapshots;

use crate::disk::Budget;
use crate::loans::NoLoans;
use crate::services::{
    Examined, ExaminedSource, Executor, Export, HostDescription, HostDoctor, Images, Intake, JobOrder, JobReport,
    Reports, Services, StagedRerun, Staging,
};
use crate::transfer::Transfer;

/// One thing that a scripted job does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes to its log and says how long that is.
    Write(LogStream, Vec<u8>),
    /// Sends a report.
    Report(JobReport),
    /// Waits until [`Gates::open`] has opened the gate of this name, or the job is cancelled.
    Wait(&'static str),
    /// Goes on when it is cancelled, and not before.
    Ignore(&'static str),
    /// Panics.
    Panic,
}

/// Gates that scripted jobs wait at; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Mutex<BTreeMap<&'static str, Gate>>>);

/// Whether it is open.
type Gate = Arc<watch::Sender<bool>>;

impl Gates {
    fn gate(&self, name: &'static str) -> Gate {
        Arc::clone(lock(&self.0).entry(name).or_default())
    }

    /// Lets all through, from now on.
    pub fn open(&self, name: &'static str) {
        self.gate(name).send_replace(true);
    }

    async fn pass(&self, name: &'static str) {
        // The gate's sender lives in the map: waiting ends only by its opening.
        let _ = self.gate(name).subscribe().wait_for(|open| *open).await;
    }
}

/// What jobs do, by kind and source; those without a script pass at once.
pub type Script = Arc<dyn Fn(JobKind, Option<&str>) -> Vec<Step> + Send + Sync>;

/// Runs jobs by a script.
#[derive(Clone)]
pub struct ScriptedExecutor {
    script: Script,
    /// The gates of [`Step::Wait`].
    pub gates: Gates,
    started: Arc<Mutex<Vec<JobOrder>>>,
    reconciled: Arc<watch::Sender<usize>>,
}

impl ScriptedExecutor {
    /// An executor with a script.
    #[must_use]
    pub fn new(script: impl Fn(JobKind, Option<&str>) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            gates: Gates::default(),
            started: Arc::default(),
            reconciled: Arc::default(),
        }
    }

    /// The orders so far.
    #[must_use]
    pub fn started(&self) -> Vec<JobOrder> {
        lock(&self.started).clone()
    }

    /// How often the dispatcher has had it clean up.
    #[must_use]
    pub fn reconciled(&self) -> usize {
        *self.reconciled.borrow()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Executor for ScriptedExecutor {
    fn start(&self, order: JobOrder, reports: Reports) {
        let source = order
            .subticket
            .and_then(|id| order.ticket.subticket(id))
            .map(|found| found.source.clone());
        let steps = (self.script)(order.kind, source.as_deref());
        lock(&self.started).push(order.clone());
        tokio::spawn(play(steps, order, reports, self.gates.clone()));
    }

    async fn reconcile(&self, _live: &[(JobId, Attempt)]) -> Result<(), RpcError> {
        self.reconciled.send_modify(|count| *count += 1);
        Ok(())
    }
}

async fn play(steps: Vec<Step>, order: JobOrder, reports: Reports, gates: Gates) {
    let mut log = match LogWriter::create(&order.log, &order.index) {
        Ok(log) => log,
        Err(error) => {
            let reason = format!("{:?}: {error}", order.log);
            reports.send(JobReport::Finished(Ending::new(Outcome::TestbedBroken, Some(reason))));
            return;
        }
    };
    for step in steps {
        match step {
            Step::Write(stream, bytes) => {
                if log.append(stream, &bytes).is_ok() {
                    reports.send(JobReport::LogSize(log.size()));
                }
            }
            Step::Report(report) => reports.send(report),
            Step::Wait(gate) => {
                if cancelled_before(&order.cancel, gates.pass(gate)).await {
                    reports.send(JobReport::Finished(Ending::new(Outcome::Cancelled, None)));
                    return;
                }
            }
            Step::Ignore(gate) => gates.pass(gate).await,
            #[expect(clippy::panic, reason = "what is asked for")]
            Step::Panic => panic!("the script says so"),
        }
    }
    reports.send(JobReport::Finished(Ending::pass()));
}

async fn cancelled_before(cancel: &CancellationToken, other: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = cancel.cancelled() => true,
        () = other => false,
    }
}

/// Takes every path for a source that is named after its last part; one that does not exist is refused.
#[derive(Debug, Clone)]
pub struct ScriptedIntake {
    /// Where to stage.
    pub tickets: TicketsFolder,
    /// The series of all that is submitted without one.
    pub series: Series,
}

#[async_trait]
impl Intake for ScriptedIntake {
    async fn examine(&self, request: &method::TicketCreate, _owner: &str) -> Result<Examined, RpcError> {
        let broken = |message: String| RpcError::new(ErrorCode::Internal, message);
        let staging = Staging::create(&self.tickets).map_err(|error| broken(error.to_string()))?;
        let mut sources = Vec::new();
        for path in &request.sources {
            let name = path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let metadata = std::fs::metadata(path).map_err(|error| {
                RpcError::new(ErrorCode::InvalidParams, format!("{path:?}: {error}")).with_hint("name what is there")
            })?;
            let staged = PathBuf::from("sources").join(&name);
            std::fs::create_dir_all(staging.path().join(&staged)).map_err(|error| broken(error.to_string()))?;
            sources.push(ExaminedSource {
                name,
                version: "1.0-1".to_owned(),
                origin: path.clone(),
                signature: Signature::None,
                staged,
                needs_source_package: metadata.is_dir(),
                build_after: vec![],
            });
        }
        let series = request.series.clone().map_or_else(|| self.series.clone(), Series);
        Ok(Examined {
            sources,
            series,
            warnings: vec!["nothing is signed".to_owned()],
            staging,
        })
    }

    async fn stage_rerun(&self, with: &Path) -> Result<StagedRerun, RpcError> {
        let broken = |error: std::io::Error| RpcError::new(ErrorCode::Internal, error.to_string());
        let metadata = std::fs::metadata(with)
            .map_err(|error| RpcError::new(ErrorCode::InvalidParams, format!("{with:?}: {error}")))?;
        let name = with.file_stem().unwrap_or_default();
        let staging = Staging::create(&self.tickets).map_err(broken)?;
        std::fs::create_dir(staging.path().join("debian")).map_err(broken)?;
        std::fs::write(staging.path().join("debian/control"), name.as_encoded_bytes()).map_err(broken)?;
        Ok(StagedRerun {
            staging,
            source: metadata.is_dir().then(|| name.to_string_lossy().into_owned()),
        })
    }
}

/// Images that are only named.
#[derive(Debug, Clone, Default)]
pub struct ScriptedImages(Arc<Mutex<Vec<ImageRecord>>>);

impl ScriptedImages {
    /// Adds one to the list.
    pub fn add(&self, image: ImageRecord) {
        lock(&self.0).push(image);
    }
}

#[async_trait]
impl Images for ScriptedImages {
    async fn list(&self) -> Result<Vec<ImageRecord>, RpcError> {
        Ok(lock(&self.0).clone())
    }

    async fn get(&self, id: &ImageId, export: &Export) -> Result<ImageFiles, RpcError> {
        let output = &export.output;
        if !lock(&self.0).iter().any(|image| image.id == *id) {
            return Err(RpcError::new(ErrorCode::NotFound, format!("there is no image {id}")));
        }
        Ok(ImageFiles {
            disk: output.to_owned(),
            kernel: Some(output.with_extension("vmlinuz")),
            initrd: Some(output.with_extension("initrd")),
            command_line: "root=/dev/vda".to_owned(),
        })
    }

    async fn diff(&self, from: &ImageId, to: &ImageId) -> Result<ImageDifference, RpcError> {
        for id in [from, to] {
            if !lock(&self.0).iter().any(|image| image.id == *id) {
                return Err(RpcError::new(ErrorCode::NotFound, format!("there is no image {id}")));
            }
        }
        Ok(ImageDifference {
            from: preflight_protocol::ids::ImageId(from.0.clone()),
            to: preflight_protocol::ids::ImageId(to.0.clone()),
            packages: vec![],
            files: vec![],
            more_files: 0,
        })
    }

    async fn remove(&self, id: &ImageId) -> Result<(), RpcError> {
        lock(&self.0).retain(|image| image.id != *id);
        Ok(())
    }

    async fn missing(&self, series: &Series) -> Result<bool, RpcError> {
        if !series.as_str().starts_with("debian-") {
            return Err(RpcError::new(
                ErrorCode::InvalidParams,
                format!("there is no recipe for {series}"),
            ));
        }
        Ok(false)
    }
}

/// A host that lacks nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScriptedDoctor;

#[async_trait]
impl HostDoctor for ScriptedDoctor {
    async fn checks(&self, fresh: bool) -> Vec<Check> {
        let detail = if fresh { "looked at now" } else { "as remembered" };
        vec![Check {
            name: "script".to_owned(),
            state: CheckState::Ok,
            detail: detail.to_owned(),
            hint: None,
        }]
    }

    fn describe(&self) -> HostDescription {
        HostDescription {
            accelerator: "unknown".to_owned(),
            hypervisor: "script".to_owned(),
            ..Default::default()
        }
    }
}

/// What a scripted job takes of the host: with as many cores configured, so many run at once.
pub const ONE: Demand = Demand {
    cores: 1,
    memory_mib: 1,
};

/// Services with a scripted executor; tickets are staged below `state`.
#[must_use]
pub fn services(executor: &ScriptedExecutor, state: &Path) -> Services {
    let tickets = TicketsFolder::below(state);
    Services {
        executor: Arc::new(executor.clone()),
        intake: Arc::new(ScriptedIntake {
            tickets,
            series: Series("debian-bookworm".to_owned()),
        }),
        images: Arc::new(ScriptedImages::default()),
        rebuilt_images: Arc::new(NoRebuiltImages),
        doctor: Arc::new(ScriptedDoctor),
        demands: Demands {
            usual: ONE,
            ..Demands::default()
        },
        disk: Arc::new(EndlessDisk),
        snapshots: Arc::new(NoSnapshots),
        ppas: Arc::new(NoPpas),
        transfer: transfer(state),
        shells: Arc::new(LocalShells::default()),
        loans: Arc::new(NoLoans),
    }
}

/// Hands tickets over as the real one does, from an archive of its own below `state`.
#[must_use]
pub fn transfer(state: &Path) -> Transfer {
    let archive = Archive::open(ArchiveConfig {
        folder: state.join("archive"),
        keyrings: vec![],
        http: HttpTimeouts::default(),
        valid_until: ValidUntil::Enforce,
    });
    Transfer {
        tickets: TicketsFolder::below(state),
        #[expect(clippy::expect_used, reason = "a test's folder can be written to")]
        archive: archive.expect("an archive"),
        images: Arc::new(ScriptedImages::default()),
        budget: Budget::unlimited(),
    }
}
