//! The agent's side of the protocol for a fake guest: sessions, streams, requests. Follows the real agent's order of
//! messages, which the tests of both hold to the same expectations.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use preflight_guest_protocol::message::{
    AgentHello, Beat, ExecRequest, ExitStatus, Failure, FailureKind, SignalTo, ToGuest, ToHost, of_payload, to_payload,
};
use preflight_guest_protocol::{Channel, Frame, Inbound, Incoming, Kind, StreamId};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::files::FakeFiles;
use super::port::FakePort;
use super::session::{Port, Session};
use super::shell::{FakeShell, Line};
use super::{FakeCommand, FakeEvent, FakeGuest, Faults};
use crate::attach::{CHUNK, ChannelSockets};
use crate::renewal::{Renewal, time_of};

/// Between two beats: quicker than a real guest's, so that tests need not wait.
const BEAT: Duration = Duration::from_millis(50);
const SIGKILL: i32 = 9;

/// A fake guest that runs until it is dropped.
pub struct FakeAgent {
    files: FakeFiles,
    history: History,
    session: CurrentSession,
    _tasks: JoinSet<()>,
}

/// What the daemon did, in order.
type History = Arc<Mutex<Vec<FakeEvent>>>;

/// The session that is open now.
type CurrentSession = Arc<Mutex<Option<Arc<Session>>>>;

impl std::fmt::Debug for FakeAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeAgent")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// A machine that is gone takes its commands with it: one that hangs would keep the sockets open.
impl Drop for FakeAgent {
    fn drop(&mut self) {
        if let Some(session) = self.session.lock().unwrap_or_else(PoisonError::into_inner).take() {
            session.end();
        }
    }
}

impl FakeAgent {
    /// Binds the two sockets and answers there, one daemon at a time. Needs a tokio runtime.
    ///
    /// # Errors
    /// A socket can't be bound.
    pub fn start(sockets: &ChannelSockets, guest: impl FakeGuest, faults: Faults) -> io::Result<Self> {
        let files = FakeFiles::default();
        let (session, history) = (CurrentSession::default(), History::default());
        let state = Arc::new(State {
            guest,
            files: files.clone(),
            history: Arc::clone(&history),
            control: FakePort::default(),
            bulk: FakePort::with_faults(faults),
            faults,
            session: Arc::clone(&session),
        });
        let (control, bulk) = (
            UnixListener::bind(&sockets.control)?,
            UnixListener::bind(&sockets.bulk)?,
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(Arc::clone(&state), Port::Control, control));
        tasks.spawn(listen(state, Port::Bulk, bulk));
        Ok(Self {
            files,
            history,
            session,
            _tasks: tasks,
        })
    }

    /// The guest's files.
    pub fn files(&self) -> &FakeFiles {
        &self.files
    }

    /// What the daemon did with the guest until now, in order: whether it was renewed before its first command, and how.
    pub fn history(&self) -> Vec<FakeEvent> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct State<G> {
    guest: G,
    files: FakeFiles,
    history: History,
    control: FakePort,
    bulk: FakePort,
    faults: Faults,
    session: CurrentSession,
}

async fn listen<G: FakeGuest>(state: Arc<State<G>>, port: Port, listener: UnixListener) {
    while let Ok((socket, _)) = listener.accept().await {
        // One daemon at a time, as with QEMU: the next one is heard when this one has gone.
        serve(&state, port, socket).await;
    }
}

async fn serve<G: FakeGuest>(state: &Arc<State<G>>, port: Port, socket: UnixStream) {
    let (mut reader, writer) = socket.into_split();
    match port {
        Port::Control => state.control.connected(writer).await,
        Port::Bulk => state.bulk.connected(writer).await,
    }
    let mut inbound = Inbound::of_any_session();
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        inbound.push(&buffer[..length]);
        while let Some(incoming) = inbound.next_incoming() {
            match incoming {
                Ok(Incoming::Hello(hello)) => state.hear(port, &hello).await,
                Ok(Incoming::Frame(frame)) => state.take(port, frame).await,
                Err(_) => return,
            }
        }
    }
}

impl<G: FakeGuest> State<G> {
    async fn hear(self: &Arc<Self>, port: Port, hello: &Frame) {
        let answer = to_payload(&AgentHello {
            agent: "fake".to_owned(),
            kernel: "fake".to_owned(),
            own_kernel: self.guest.own_kernel(),
            machine: "fake".to_owned(),
            boot_id: "00000000-0000-0000-0000-000000000000".to_owned(),
            uptime_ms: 1,
            tunnel_port: preflight_guest_protocol::message::TUNNEL_PORT,
            has_cgroups: true,
            resumed: None,
        });
        if port == Port::Bulk {
            return self.bulk.open(hello.session, &answer).await;
        }
        let session = Arc::new(Session::new(self.control.clone(), self.bulk.clone()));
        let old = self.session().replace(Arc::clone(&session));
        if let Some(old) = old {
            old.end();
        }
        self.control.open(hello.session, &answer).await;
        let beats = tokio::spawn(beat(self.control.clone(), self.faults.beats.unwrap_or(u64::MAX)));
        session.has_beats(beats.abort_handle());
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(self: &Arc<Self>, port: Port, frame: Frame) {
        let Some(session) = self.session().clone() else { return };
        match frame.kind {
            Kind::Hello => {}
            Kind::Message => {
                if let Ok(message) = of_payload::<ToGuest>(&frame.payload) {
                    self.take_message(&session, port, frame.stream, message).await;
                }
            }
            kind => {
                let streams = session.streams();
                let Some(entry) = streams.get(&frame.stream) else {
                    return;
                };
                // What a test's daemon does wrong shows in its own bounds; here it is only counted.
                let _ = match (kind, <[u8; 4]>::try_from(frame.payload.as_slice())) {
                    (Kind::Credit, Ok(amount)) => entry.flow.grant(u32::from_le_bytes(amount)).is_ok(),
                    (Kind::Data, _) => {
                        entry.flow.receive(frame.payload.len()).is_ok()
                            && entry.incoming.send(Some(frame.payload)).is_ok()
                    }
                    _ => entry.incoming.send(None).is_ok(),
                };
            }
        }
    }

    async fn take_message(self: &Arc<Self>, session: &Arc<Session>, port: Port, id: StreamId, message: ToGuest) {
        match message {
            ToGuest::Abort => {
                session.stop(id);
            }
            ToGuest::Signal { signal, to } => {
                if session.stop(id) {
                    let signal = if to == SignalTo::Everything { SIGKILL } else { signal };
                    session.bulk.tell(id, &ToHost::Exited(ExitStatus::Signal(signal))).await;
                }
            }
            ToGuest::Resize(size) => {
                if let Some(entry) = session.streams().get(&id) {
                    entry.size.send_replace(Some(size));
                }
            }
            ToGuest::Renew(renewal) => {
                self.remember(FakeEvent::Renewed(Renewal::of_message(renewal)));
                session.of(port).tell(id, &ToHost::Done).await;
            }
            ToGuest::SetClock { seconds, nanoseconds } => {
                self.remember(FakeEvent::ClockSet(time_of(seconds, nanoseconds)));
                session.of(port).tell(id, &ToHost::Done).await;
            }
            ToGuest::SeedRandom { .. } | ToGuest::WatchNetwork { .. } => {
                session.of(port).tell(id, &ToHost::Done).await;
            }
            request => {
                if let ToGuest::Exec(request) = &request {
                    self.remember(FakeEvent::Started(command(request.clone())));
                }
                let line = session.open(id);
                let (state, for_task) = (Arc::clone(self), Arc::clone(session));
                let task = tokio::spawn(async move { state.carry_out(&for_task, line, request).await });
                if let Some(entry) = session.streams().get_mut(&id) {
                    entry.task = Some(task.abort_handle());
                }
            }
        }
    }

    fn remember(&self, event: FakeEvent) {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    async fn carry_out(&self, session: &Arc<Session>, line: Line, request: ToGuest) {
        let id = line.id;
        let answer = match request {
            ToGuest::Exec(request) => {
                session.bulk.tell(id, &ToHost::Started { pid: id.get() }).await;
                let shell = FakeShell {
                    line,
                    session: Arc::clone(session),
                    files: self.files.clone(),
                };
                ToHost::Exited(self.guest.exec(command(request), shell).await)
            }
            ToGuest::WriteFile { path, mode, owner } => {
                let bytes = line.receive_all(session).await;
                self.files.write(path_of(path), super::FakeFile { bytes, mode, owner });
                ToHost::Done
            }
            ToGuest::ReadFile { path, max_bytes } => self.read_file(session, &line, path_of(path), max_bytes).await,
            ToGuest::WriteTree { path, owner } => {
                let archive = line.receive_all(session).await;
                match self.files.unpack(&path_of(path), &archive, owner.as_ref()) {
                    Ok(()) => ToHost::Done,
                    Err(error) => failed(FailureKind::Unsuitable, error.to_string()),
                }
            }
            ToGuest::ReadTree { path } => match self.files.pack(&path_of(path)) {
                Ok(Some(archive)) => {
                    line.send(session, Channel::Main, &archive).await;
                    session.bulk.send(id, Kind::Eof, Channel::Main, &[]).await;
                    ToHost::Done
                }
                Ok(None) => failed(FailureKind::NotFound, "no such directory".to_owned()),
                Err(error) => failed(FailureKind::Other, error.to_string()),
            },
            _ => failed(FailureKind::Unsupported, "a fake guest can't do that".to_owned()),
        };
        // A signal that came first has answered already.
        if session.streams().remove(&id).is_some() {
            session.bulk.tell(id, &answer).await;
        }
    }

    async fn read_file(&self, session: &Session, line: &Line, path: PathBuf, max_bytes: u64) -> ToHost {
        let Some(file) = self.files.read(&path) else {
            return failed(
                FailureKind::NotFound,
                format!("reading {}: no such file", path.display()),
            );
        };
        let size = file.bytes.len() as u64;
        if size > max_bytes {
            return failed(FailureKind::TooLarge, format!("{} has {size} bytes", path.display()));
        }
        session
            .bulk
            .tell(line.id, &ToHost::FileInfo { size, mode: file.mode })
            .await;
        line.send(session, Channel::Main, &file.bytes).await;
        session.bulk.send(line.id, Kind::Eof, Channel::Main, &[]).await;
        ToHost::Done
    }
}

fn failed(kind: FailureKind, detail: String) -> ToHost {
    ToHost::Failed(Failure { kind, detail })
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

fn command(request: ExecRequest) -> FakeCommand {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    FakeCommand {
        argv: request.argv.into_iter().map(text).collect(),
        env: request
            .env
            .into_iter()
            .map(|(key, value)| (text(key), text(value)))
            .collect(),
        cwd: request.cwd.map(path_of),
        user: request.user,
        terminal: request.terminal,
    }
}

async fn beat(control: FakePort, last: u64) {
    for number in 1..=last {
        let beat = Beat {
            number,
            uptime_ms: number.saturating_mul(50),
            memory_available_kib: 1 << 19,
            memory_total_kib: 1 << 20,
            disk_available_kib: 1 << 20,
            ..Beat::default()
        };
        control.tell(StreamId::SESSION, &ToHost::Beat(beat)).await;
        tokio::time::sleep(BEAT).await;
    }
}
