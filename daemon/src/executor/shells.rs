//! Opens shells in testbeds: a fresh one of a series, a ticket's image, or a clone of a failed testbed that was kept. Pumps
//! the streams between the guest and whoever holds the shell, and takes the testbed down when either is done.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use preflight_core::{ImageId, JobId, Options, PackageSources, Series, Ticket};
use preflight_guest::{Exec, ExitStatus, GuestError, OutputStream, Running, Stdin, Terminal};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_store::{TicketFolder, TicketsFolder};
use preflight_testbed::Priority;
use preflight_vm_images::Variant;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::answering::Answering;
use super::failure::StepFailure;
use super::kept::{KeptTestbed, Scene};
use super::machine::{Ground, Launch, Launched};
use super::rebuilt::Rebuilt;
use super::remains::Leases;
use super::session::Repositories;
use super::testbed::{Testbed, TestbedSpec};
use super::ticket_image::TicketImage;
use super::workshop::{BootImage, Workshop, repository};
use crate::disk::Hold;
use crate::shells::{Exit, OpenShell, Phase, ShellEnds, ShellInfo, ShellOutput, ShellRequest, Shells, Target};

/// The shell of who asks for none.
const SHELL: [&str; 2] = ["bash", "-l"];
/// Pieces that are handed on at once.
const PIECE: usize = 64 << 10;

/// Opens shells by the workshop's testbeds.
pub struct TestbedShells {
    workshop: Arc<Workshop>,
    tickets: TicketsFolder,
}

/// Where a shell is to be opened, looked up.
struct Place {
    image: BootImage,
    kept: Option<KeptTestbed>,
    series: Series,
    folder: Option<TicketFolder>,
    /// Where it has what the options name of other tickets' repositories.
    others: Option<PathBuf>,
    /// The ticket's.
    options: Options,
    job: Option<JobId>,
    note: Option<String>,
}

/// A testbed that a shell has to itself.
struct Leased {
    testbed: Testbed,
    leases: Leases,
    /// The log's files.
    _scratch: tempfile::TempDir,
    /// Whose files are not to go meanwhile: no job tells that they are used.
    _holds: Vec<Hold>,
}

impl TestbedShells {
    /// Shells in the testbeds of this workshop, and in what tickets have left in their folders.
    #[must_use]
    pub fn new(workshop: Arc<Workshop>, tickets: TicketsFolder) -> Self {
        Self { workshop, tickets }
    }

    fn place(&self, target: &Target) -> Result<Place, RpcError> {
        match target {
            Target::Series(series) => self.place_named(series),
            Target::Ticket { ticket, job } => self.place_in(ticket, *job),
        }
    }

    /// A series' newest base image for tests, or the image that is called so.
    fn place_named(&self, series: &Series) -> Result<Place, RpcError> {
        let unknown = |failure: StepFailure| {
            RpcError::new(ErrorCode::InvalidParams, failure.to_string())
                .with_hint("name a series, a ticket's number, or an image that `preflight image list` has")
        };
        let overlay = self.workshop.ticket_image_named(series.as_str());
        let others = overlay.as_ref().map(TicketImage::repositories);
        let (image, of, sources) = match overlay {
            Some(overlay) => {
                let own = Series(overlay.series.clone());
                let unreadable = |why| refused(StepFailure::Testbed(format!("the image {series}: {why}")));
                let sources = overlay.rebuilt.as_ref().map(Rebuilt::sources).transpose();
                let gone = || refused(StepFailure::Testbed(format!("the base image of {series} is gone")));
                (
                    self.workshop.on_its_base(overlay).ok_or_else(gone)?,
                    own,
                    sources.map_err(unreadable)?.unwrap_or_default(),
                )
            }
            None => {
                self.workshop.recipe(series).map_err(unknown)?;
                let base = self.workshop.base(series, Variant::Test).map_err(refused)?;
                (base, series.clone(), PackageSources::default())
            }
        };
        Ok(Place {
            image,
            kept: None,
            series: of,
            folder: None,
            others,
            options: Options {
                sources,
                ..Options::default()
            },
            job: None,
            note: None,
        })
    }

    fn place_in(&self, ticket: &Ticket, job: Option<JobId>) -> Result<Place, RpcError> {
        let folder = self.tickets.ticket(ticket.id);
        let mut place = Place {
            image: match ticket.image {
                Some(_) => self.workshop.ticket_image(ticket),
                None => self.workshop.base(&ticket.series, Variant::Build),
            }
            .map_err(refused)?,
            kept: None,
            series: ticket.series.clone(),
            folder: Some(folder.clone()),
            others: Some(folder.repositories()),
            options: ticket.options.clone(),
            job: None,
            note: None,
        };
        let Some(job) = job.and_then(|id| ticket.job(id)) else {
            return Ok(place);
        };
        let kept = job.attempts.iter().rev().find(|record| record.kept.is_some());
        let Some(record) = kept else {
            place.note = Some(format!(
                "no testbed of job {} is kept: this is a fresh one of its image",
                job.id
            ));
            return Ok(place);
        };
        let opened = KeptTestbed::open(&folder.kept(job.id, record.attempt), &self.workshop);
        match opened {
            Ok(kept) => {
                place.image = kept.boot_image();
                place.kept = Some(kept);
                place.job = Some(job.id);
            }
            Err(error) => {
                place.note = Some(format!(
                    "the kept testbed of job {} cannot be resumed ({error}): this is a fresh one of its image",
                    job.id
                ));
            }
        }
        Ok(place)
    }

    /// Keeps what the testbed will stand on.
    fn hold(&self, place: &Place) -> Result<Vec<Hold>, StepFailure> {
        let mut folders = vec![place.image.base.folder().to_owned()];
        match &place.kept {
            Some(kept) => folders.push(kept.folder().to_owned()),
            None => folders.extend(place.image.disk.parent().map(Path::to_owned)),
        }
        let hold = |folder: PathBuf| {
            let held = self.workshop.folders.budget.hold(&folder);
            held.map_err(|error| StepFailure::Testbed(format!("{}: {error}", folder.display())))
        };
        folders.into_iter().map(hold).collect()
    }

    async fn lease(&self, place: &Place) -> Result<Leased, StepFailure> {
        let workshop = &self.workshop;
        let holds = self.hold(place)?;
        let (log, scratch) = workshop.scratch_log("shell-")?;
        let repository = place.folder.as_ref().map(repository).filter(|folder| folder.exists());
        let repositories = Repositories {
            own: repository.as_deref(),
            // They go with the ticket's sources.
            others: place.others.as_deref().filter(|folder| folder.exists()),
        };
        let session = workshop.session(&place.image.base, &place.options, repositories, Arc::new(|_| {}))?;
        let leases = Leases::default();
        let clearing = ClearOnDrop::of(workshop, &leases);
        let label = "shell";
        let testbed = match &place.kept {
            Some(kept) => {
                let launch = Launch {
                    image: &place.image,
                    ground: Ground::Kept(kept),
                    disk: None,
                    memory: None,
                    label,
                    priority: Priority::Interactive,
                };
                let launched = Launched::start(workshop, launch, &leases).await?;
                let answering = Answering::of(workshop, launched, &log).await?;
                Testbed::new(workshop, answering, session, &log, None, None)
            }
            None => {
                let spec = TestbedSpec {
                    image: &place.image,
                    session,
                    label,
                    priority: Priority::Interactive,
                    pulse: None,
                    findings: None,
                };
                Testbed::lease(workshop, spec, &log, &leases).await?
            }
        };
        if let Some(template) = testbed.template() {
            // Who opens one is likely to open another.
            workshop.expect(template, &place.image, 1);
        }
        clearing.keep();
        Ok(Leased {
            testbed,
            leases,
            _scratch: scratch,
            _holds: holds,
        })
    }
}

#[async_trait]
impl Shells for TestbedShells {
    async fn open(&self, request: ShellRequest, phase: Phase) -> Result<OpenShell, RpcError> {
        let place = self.place(&request.target)?;
        phase.say(match &place.kept {
            Some(_) => "resuming the failed testbed",
            None => "starting a testbed",
        });
        self.workshop.until_swept().await;
        let leased = self.lease(&place).await.map_err(refused)?;
        let clearing = ClearOnDrop::of(&self.workshop, &leased.leases);
        let scene = place.kept.as_ref().map(|kept| kept.scene.clone()).unwrap_or_default();
        let cwd = request.cwd.clone().or_else(|| scene.cwd.clone().map(PathBuf::from));
        let exec = command(&request, &scene, cwd.clone());
        let size = request
            .terminal
            .unwrap_or(crate::shells::TerminalSize { rows: 24, cols: 80 });
        let running = leased.testbed.guest.exec(exec).await.map_err(not_started)?;
        let info = ShellInfo {
            machine: leased.testbed.machine().to_string(),
            series: place.series.clone(),
            image: ImageId(place.image.name()),
            job: place.job,
            resumed: place.kept.is_some(),
            cwd,
            note: place.note.clone(),
        };
        let (shell, ends) = OpenShell::new(info, size);
        clearing.keep();
        let workshop = Arc::clone(&self.workshop);
        self.workshop.tidying.spawn(async move {
            let end = pump(running, ends).await;
            let Leased {
                testbed,
                leases,
                _scratch,
                _holds,
            } = leased;
            drop(testbed);
            if let Some((ends, end)) = end {
                // The client need not wait for the machine's end.
                ends.finish(end);
            }
            leases.clear(workshop.connected().as_ref()).await;
        });
        Ok(shell)
    }

    async fn finish(&self) {
        self.workshop.finish().await;
    }
}

fn command(request: &ShellRequest, scene: &Scene, cwd: Option<PathBuf>) -> Exec {
    let mut exec = match &request.command {
        Some(words) => Exec::new(words),
        None => Exec::new(SHELL),
    };
    exec = exec.stdin().kill_leftovers();
    for (name, value) in scene.environment().chain(request.env.iter().cloned()) {
        exec = exec.env(name, value);
    }
    if let Some(cwd) = cwd {
        exec = exec.cwd(cwd);
    }
    if let Some(user) = request.user.clone().or_else(|| scene.user.clone()) {
        exec = exec.user(user);
    }
    match request.terminal {
        Some(size) => exec.terminal(size.rows, size.cols),
        None => exec,
    }
}

/// Carries everything to and fro until the command ends or nobody wants it any more; answers how it ended, where somebody
/// still wants to know.
async fn pump(mut running: Running, mut ends: ShellEnds) -> Option<(ShellEnds, Result<Exit, RpcError>)> {
    let (signals, terminal) = (running.signals(), running.terminal());
    // A task of its own: what is typed must not wait for output, nor output for what is typed.
    let (_, nothing) = mpsc::channel(1);
    let typed = std::mem::replace(&mut ends.stdin, nothing);
    let _typing = AbortOnDropHandle::new(tokio::spawn(hand_on(typed, running.take_stdin())));
    loop {
        tokio::select! {
            () = ends.dropped.cancelled() => {
                signals.kill_all();
                return None;
            }
            output = running.output() => match output {
                Ok(Some(output)) => {
                    let bytes = Bytes::from(output.bytes);
                    for piece in bytes.chunks(PIECE).map(|piece| bytes.slice_ref(piece)) {
                        let piece = match output.stream {
                            OutputStream::Stdout => ShellOutput::Stdout(piece),
                            OutputStream::Stderr => ShellOutput::Stderr(piece),
                        };
                        // A client that is slow to read may still send a signal.
                        let output = ends.output.clone();
                        let sending = output.send(piece);
                        tokio::pin!(sending);
                        loop {
                            tokio::select! {
                                _ = &mut sending => break,
                                () = ends.dropped.cancelled() => {
                                    signals.kill_all();
                                    return None;
                                }
                                Some(signal) = ends.signals.recv() => signals.signal_group(signal.into()),
                                Ok(()) = ends.size.changed(), if terminal.is_some() => resize(&mut ends, terminal.as_ref()),
                            }
                        }
                    }
                }
                Ok(None) => break,
                Err(error) => return Some((ends, Err(refused(error.into())))),
            },
            Some(signal) = ends.signals.recv() => signals.signal_group(signal.into()),
            Ok(()) = ends.size.changed(), if terminal.is_some() => resize(&mut ends, terminal.as_ref()),
        }
    }
    let end = match running.wait().await {
        // What an exit status is of on Linux: eight bits, and signals below 65.
        Ok(ExitStatus::Code(code)) => Ok(Exit::Code(u8::try_from(code & 0xff).unwrap_or(u8::MAX))),
        Ok(ExitStatus::Signal(signal)) => Ok(Exit::Signal(u8::try_from(signal & 0x7f).unwrap_or(u8::MAX))),
        Err(error) => Err(refused(error.into())),
    };
    Some((ends, end))
}

fn resize(ends: &mut ShellEnds, terminal: Option<&Terminal>) {
    let size = *ends.size.borrow_and_update();
    if let Some(terminal) = terminal {
        terminal.resize(size.rows, size.cols);
    }
}

/// Hands on what is typed, to its end. A command that has ended needs none of it.
async fn hand_on(mut typed: mpsc::Receiver<Bytes>, stdin: Option<Stdin>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = typed.recv().await {
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = stdin.close().await;
}

/// What cannot be started is the asker's matter, not the host's.
fn not_started(error: GuestError) -> RpcError {
    match error {
        GuestError::Refused(failure) => RpcError::new(ErrorCode::InvalidParams, failure.detail),
        other => refused(other.into()),
    }
}

fn refused(failure: StepFailure) -> RpcError {
    RpcError::new(ErrorCode::Host, failure.to_string()).with_hint("`preflight doctor` tells what this host lacks")
}

/// Takes leased machines down unless somebody else has taken on to do it: a future that is dropped leaves nothing behind.
pub(super) struct ClearOnDrop(Option<(Arc<Workshop>, Leases)>);

impl ClearOnDrop {
    pub(super) fn of(workshop: &Arc<Workshop>, leases: &Leases) -> Self {
        Self(Some((Arc::clone(workshop), leases.clone())))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for ClearOnDrop {
    fn drop(&mut self) {
        if let Some((workshop, leases)) = self.0.take() {
            let tidying = workshop.tidying.clone();
            tidying.spawn(async move { leases.clear(workshop.connected().as_ref()).await });
        }
    }
}
