//! A daemon of invented state for tests and for looking at the screen: it answers the protocol from a state that its
//! owner changes, over a real socket. It builds nothing and knows no machines.
#![expect(dead_code, reason = "each test and the example use a part of it")]
#![expect(clippy::unwrap_used, reason = "a stub that cannot go on fails its test")]

pub(crate) mod ages;
mod disk;
pub(crate) mod fixtures;
mod images;
mod ppas;
mod prefetches;
mod promotions;
mod replays;
mod results;
mod shell;
mod verdicts;

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use preflight_protocol::archive::Lock;
use preflight_protocol::codec;
use preflight_protocol::endpoint::Folders;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::event::{BEAT, Beat, EVENT, Envelope, EventKind};
use preflight_protocol::handshake::{DaemonHello, PROTOCOL_VERSION};
use preflight_protocol::health::{Check, DaemonStatus};
use preflight_protocol::ids::{Attempt, ImageId, Moment, Sequence, TicketId};
use preflight_protocol::image::{ImageFiles, ImageInfo};
use preflight_protocol::job::{JobKind, Rerun};
use preflight_protocol::log::LogInfo;
use preflight_protocol::message::Message;
use preflight_protocol::method::{self, Method};
use preflight_protocol::result::Outcome;
use preflight_protocol::shell::{CAPABILITY, ShellOpen};
use preflight_protocol::ticket::{Ticket, TicketStatus, WorkflowStep};
use preflight_tui::model::fold;
use serde_json::Value;

/// Makes a ticket of a request, or refuses it.
pub(crate) type Intake = Box<dyn FnMut(TicketId, &method::TicketCreate) -> Result<Ticket, RpcError> + Send>;

/// All that the stub knows. It outlives a stub that is killed, as a database would.
pub(crate) struct State {
    pub(crate) seq: u64,
    pub(crate) now: Moment,
    pub(crate) tickets: Vec<Ticket>,
    pub(crate) logs: Vec<(TicketId, LogInfo)>,
    pub(crate) streams: Vec<(TicketId, method::ResultStreamFile)>,
    pub(crate) images: Vec<ImageInfo>,
    pub(crate) locks: Vec<(TicketId, Lock)>,
    pub(crate) checks: Vec<Check>,
    pub(crate) daemon: DaemonStatus,
    pub(crate) intake: Intake,
    /// Every request but handshakes.
    pub(crate) requests: Vec<(String, Value)>,
    subscribers: Vec<(Option<TicketId>, Arc<Mutex<UnixStream>>)>,
}

/// A state that several stubs share, one after another.
pub(crate) type Shared = Arc<Mutex<State>>;

impl State {
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            seq: 0,
            now,
            tickets: vec![],
            logs: vec![],
            streams: vec![],
            images: vec![],
            locks: vec![],
            checks: vec![],
            daemon: fixtures::daemon(now),
            intake: Box::new(|_, _| Err(RpcError::new(ErrorCode::InvalidParams, "this stub takes no tickets"))),
            requests: vec![],
            subscribers: vec![],
        }
    }

    pub(crate) fn shared(self) -> Shared {
        Arc::new(Mutex::new(self))
    }

    pub(crate) fn ticket(&mut self, id: TicketId) -> &mut Ticket {
        self.tickets.iter_mut().find(|ticket| ticket.summary.id == id).unwrap()
    }

    /// Changes the state and tells the subscribers, as the daemon does.
    pub(crate) fn happen(&mut self, id: TicketId, kind: EventKind) {
        self.seq += 1;
        if let EventKind::TicketCreated(ticket) = &kind {
            self.tickets.push((**ticket).clone());
        } else {
            fold::event(self.ticket(id), &kind);
        }
        let event = Envelope {
            seq: Sequence(self.seq),
            at: self.now,
            ticket: Some(id),
            kind,
        };
        self.tell(id, EVENT, serde_json::to_value(event).unwrap());
    }

    /// Changes a ticket's own fields.
    pub(crate) fn change(&mut self, id: TicketId, change: impl FnOnce(&mut preflight_protocol::ticket::TicketSummary)) {
        let mut summary = self.ticket(id).summary.clone();
        change(&mut summary);
        self.happen(id, EventKind::TicketChanged(Box::new(summary)));
    }

    pub(crate) fn beat(&mut self, beat: &Beat) {
        fold::beat(self.ticket(beat.ticket), beat);
        self.tell(beat.ticket, BEAT, serde_json::to_value(beat).unwrap());
    }

    fn tell(&mut self, id: TicketId, method: &str, params: Value) {
        let mut frame = Vec::new();
        let message = Message::Notification {
            method: method.to_owned(),
            params,
        };
        codec::encode(&message.to_json(), &mut frame);
        self.subscribers.retain(|(wanted, stream)| {
            wanted.is_some_and(|wanted| wanted != id) || stream.lock().unwrap().write_all(&frame).is_ok()
        });
    }

    fn show(&self, id: TicketId) -> Result<Ticket, RpcError> {
        self.tickets
            .iter()
            .find(|ticket| ticket.summary.id == id)
            .cloned()
            .ok_or_else(|| RpcError::new(ErrorCode::NotFound, format!("there is no ticket {id}")))
    }

    fn snapshot(&self, ticket: Option<TicketId>) -> Result<method::Snapshot, RpcError> {
        let mut tickets: Vec<_> = self.tickets.iter().map(|ticket| ticket.summary.clone()).collect();
        tickets.sort_by_key(|summary| std::cmp::Reverse(summary.id));
        Ok(method::Snapshot {
            seq: Sequence(self.seq),
            tickets,
            ticket: ticket.map(|id| self.show(id)).transpose()?.map(Box::new),
            daemon: self.daemon.clone(),
        })
    }

    fn answer(&mut self, method: &str, params: Value) -> Result<Value, RpcError> {
        self.requests.push((method.to_owned(), params.clone()));
        match method {
            method::TicketCreate::NAME => {
                let request: method::TicketCreate = read(params)?;
                let id = TicketId(self.tickets.iter().map(|ticket| ticket.summary.id.0).max().unwrap_or(0) + 1);
                let ticket = (self.intake)(id, &request)?;
                let warnings = ticket.warnings.clone();
                self.happen(id, EventKind::TicketCreated(Box::new(ticket)));
                write(method::TicketCreated { id, warnings })
            }
            method::TicketList::NAME => {
                let request: method::TicketList = read(params)?;
                let mut tickets = self.snapshot(None)?.tickets;
                tickets.retain(|ticket| !request.open || !ticket.status.is_final());
                write(tickets)
            }
            method::TicketShow::NAME => write(self.show(read::<method::TicketShow>(params)?.id)?),
            method::TicketUpdate::NAME => {
                let request: method::TicketUpdate = read(params)?;
                self.show(request.id)?;
                self.change(request.id, |summary| {
                    if let Some(title) = request.title {
                        summary.title = title;
                    }
                    if request.queue {
                        summary.status = TicketStatus::Queued;
                    }
                    summary.kept = request.keep.unwrap_or(summary.kept);
                });
                write(self.show(request.id)?.summary)
            }
            method::TicketRemove::NAME => {
                let method::TicketRemove { ticket } = read(params)?;
                let summary = self.show(ticket)?.summary;
                if summary.kept || !summary.status.is_final() {
                    let message = format!("ticket {ticket} is kept, or still runs");
                    return Err(RpcError::new(ErrorCode::Conflict, message));
                }
                self.happen(ticket, EventKind::TicketRemoved { id: ticket });
                self.tickets.retain(|other| other.summary.id != ticket);
                write(method::Empty {})
            }
            method::TicketCancel::NAME => {
                let request: method::TicketCancel = read(params)?;
                if self.show(request.id)?.summary.status.is_final() {
                    return Err(RpcError::new(
                        ErrorCode::Conflict,
                        format!("ticket {} has ended", request.id),
                    ));
                }
                let now = self.now;
                self.change(request.id, |summary| {
                    summary.status = TicketStatus::Cancelled;
                    summary.workflow_step = WorkflowStep::Failed;
                    summary.outcome = Some(Outcome::Cancelled);
                    summary.exit_code = Some(130);
                    summary.finished_at = Some(now);
                });
                write(self.show(request.id)?.summary)
            }
            method::TicketRerun::NAME => {
                let request: method::TicketRerun = read(params)?;
                let ticket = self.show(request.ticket)?;
                let id = 1 + ticket.jobs.iter().map(|job| job.id.0).max().unwrap_or(0);
                let mut job = fixtures::job(request.ticket.0, id, JobKind::Test, Some(&ticket.summary.sources[0]));
                job.rerun = Some(Rerun {
                    test: request.test,
                    purpose: preflight_protocol::job::Purpose::Asked,
                    dirty: request.with.is_some(),
                    verdict: None,
                });
                let answer = method::TicketRerunning {
                    job: job.id,
                    attempt: Attempt(1),
                };
                self.happen(request.ticket, EventKind::JobChanged(Box::new(job)));
                write(answer)
            }
            method::LogList::NAME => {
                let request: method::LogList = read(params)?;
                self.show(request.ticket)?;
                let logs = self.logs.iter().filter(|(id, _)| *id == request.ticket);
                let mut logs: Vec<LogInfo> = logs.map(|(_, log)| log.clone()).collect();
                logs.retain(|log| request.job.is_none_or(|job| log.job == job));
                for log in &mut logs {
                    log.size = std::fs::metadata(&log.path).map_or(0, |file| file.len());
                }
                write(logs)
            }
            method::ResultStream::NAME => {
                let request: method::ResultStream = read(params)?;
                let streams = self.streams.iter().filter(|(id, _)| *id == request.ticket);
                write(streams.map(|(_, stream)| stream.clone()).collect::<Vec<_>>())
            }
            method::ResultsExport::NAME => {
                let request: method::ResultsExport = read(params)?;
                write(results::export(&self.show(request.ticket)?, &request)?)
            }
            method::LockShow::NAME => {
                let request: method::LockShow = read(params)?;
                let locks = self.locks.iter().filter(|(id, _)| *id == request.ticket);
                write(locks.map(|(_, lock)| lock.clone()).collect::<Vec<_>>())
            }
            method::ImageList::NAME => write(&self.images),
            method::ImageGet::NAME => {
                let request: method::ImageGet = read(params)?;
                write(ImageFiles {
                    kernel: Some(request.output.with_extension("vmlinuz")),
                    initrd: Some(request.output.with_extension("initrd")),
                    disk: request.output,
                    command_line: "root=/dev/vda rw console=ttyS0".into(),
                })
            }
            method::ImageRemove::NAME => {
                let request: method::ImageRemove = read(params)?;
                let before = self.images.len();
                self.images.retain(|image| image.id != request.id);
                if self.images.len() == before {
                    let ImageId(name) = request.id;
                    return Err(RpcError::new(ErrorCode::NotFound, format!("there is no image {name}"))
                        .with_hint("`preflight image list` shows what there is"));
                }
                write(method::Empty {})
            }
            method::DiskUsage::NAME => write(disk::usage(read::<method::DiskUsage>(params)?.items, self.now)),
            method::DiskFree::NAME => write(disk::freed(&read(params)?, self.now)),
            method::Status::NAME => write(&self.daemon),
            method::Doctor::NAME => write(&self.checks),
            method::Stop::NAME => write(method::Empty {}),
            other => promotions::answer(other, &params, self.now)
                .or_else(|| images::answer(other, &params, self.now))
                .or_else(|| replays::answer(other, &params))
                .or_else(|| verdicts::answer(other, &params))
                .or_else(|| ppas::answer(other, &params, self.now))
                .or_else(|| prefetches::answer(other, &params))
                .unwrap_or_else(|| Err(RpcError::new(ErrorCode::MethodNotFound, format!("no method {other}")))),
        }
    }
}

fn read<M: serde::de::DeserializeOwned>(params: Value) -> Result<M, RpcError> {
    serde_json::from_value(params).map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))
}

fn write(answer: impl serde::Serialize) -> Result<Value, RpcError> {
    Ok(serde_json::to_value(answer).unwrap())
}

/// A running stub; dropping it kills it.
pub(crate) struct Stub {
    listener: UnixListener,
    stopping: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<UnixStream>>>,
    listening: Option<JoinHandle<()>>,
    state: Shared,
}

impl Stub {
    /// Listens where a daemon of that `PREFLIGHT_HOME` would.
    pub(crate) fn start(home: &Path, state: &Shared) -> Self {
        let folders = Folders::below(home);
        std::fs::create_dir_all(folders.client()).unwrap();
        std::fs::set_permissions(folders.client(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let socket = folders.socket().unwrap();
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let for_drop = listener.try_clone().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let listening = std::thread::spawn({
            let (stopping, open, state) = (Arc::clone(&stopping), Arc::clone(&open), Arc::clone(state));
            move || {
                for stream in listener.incoming() {
                    if stopping.load(Ordering::SeqCst) {
                        break;
                    }
                    let Ok(stream) = stream else { break };
                    open.lock().unwrap().push(stream.try_clone().unwrap());
                    let state = Arc::clone(&state);
                    let stopping = Arc::clone(&stopping);
                    std::thread::spawn(move || serve(stream, &state, &stopping));
                }
            }
        });
        Self {
            listener: for_drop,
            stopping,
            open,
            listening: Some(listening),
            state: Arc::clone(state),
        }
    }

    /// Waits until the daemon is asked to stop.
    pub(crate) fn wait(mut self) {
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Stub {
    /// As `kill -9` would: the socket's file stays.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the listener, though its file may be gone already.
        let _ = nix::sys::socket::shutdown(self.listener.as_raw_fd(), nix::sys::socket::Shutdown::Both);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        self.state.lock().unwrap().subscribers.clear();
    }
}

fn serve(mut stream: UnixStream, state: &Shared, stopping: &AtomicBool) {
    let writer = Arc::new(Mutex::new(stream.try_clone().unwrap()));
    let mut buffer = Vec::new();
    let mut chunk = [0; 64 * 1024];
    loop {
        while let Ok(Some(range)) = codec::decode(&buffer) {
            let message = Message::from_json(&buffer[range.clone()]);
            buffer.drain(..range.end);
            let Ok(Message::Request { id, method, params }) = message else {
                return;
            };
            // Held while the answer is written, so that events come after the snapshot that they are not in.
            let mut state = state.lock().unwrap();
            let mut shell = None;
            let result = match method.as_str() {
                method::Initialize::NAME => write(DaemonHello {
                    protocol: PROTOCOL_VERSION,
                    version: "0.1.0".into(),
                    instance: "stub".into(),
                    capabilities: vec![CAPABILITY.into()],
                }),
                method::Subscribe::NAME => read::<method::Subscribe>(params).and_then(|request| {
                    let snapshot = state.snapshot(request.ticket)?;
                    state.subscribers.retain(|(_, known)| !Arc::ptr_eq(known, &writer));
                    state.subscribers.push((request.ticket, Arc::clone(&writer)));
                    write(snapshot)
                }),
                ShellOpen::NAME => {
                    state.requests.push((method.clone(), params.clone()));
                    read::<ShellOpen>(params).and_then(|request| {
                        let opened = shell::open(&request)?;
                        shell = Some(request);
                        write(opened)
                    })
                }
                _ => state.answer(&method, params),
            };
            let mut frame = Vec::new();
            codec::encode(&Message::Response { id: Some(id), result }.to_json(), &mut frame);
            if writer.lock().unwrap().write_all(&frame).is_err() {
                return;
            }
            if let Some(request) = shell {
                drop(state);
                shell::serve(stream, &request);
                return;
            }
            if method == method::Stop::NAME {
                stopping.store(true, Ordering::SeqCst);
                let path = stream
                    .local_addr()
                    .ok()
                    .and_then(|address| Some(address.as_pathname()?.to_owned()));
                if let Some(path) = path {
                    let _ = UnixStream::connect(&path);
                    let _ = std::fs::remove_file(path);
                }
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
        }
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => buffer.extend_from_slice(&chunk[..count]),
            _ => return,
        }
    }
}
