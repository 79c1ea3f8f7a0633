//! Connects to a guest's two sockets and opens a session: the hellos on both ports. Owns the waiting for a guest that is
//! still booting; what happens in the session is [`crate::session`]'s.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_guest_protocol::message::{AgentHello, HostHello, of_payload, to_payload};
use preflight_guest_protocol::{Inbound, Incoming, LinkError, Outbound, SessionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::GuestError;

/// Between the first two attempts to connect, doubled each time: a clone's sockets are there at once or soon.
const FIRST_RETRY: Duration = Duration::from_millis(1);
/// Between two attempts to connect at most: QEMU makes the sockets early in its start.
const RETRY: Duration = Duration::from_millis(20);
/// Read from a socket at once.
pub(crate) const CHUNK: usize = 256 * 1024;
/// A hostile guest may name itself at length; nobody reads more.
const NAME_LIMIT: usize = 256;

/// Where the hypervisor put the guest's ports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelSockets {
    /// Of the port [`preflight_guest_protocol::CONTROL_PORT`].
    pub control: PathBuf,
    /// Of the port [`preflight_guest_protocol::BULK_PORT`].
    pub bulk: PathBuf,
}

/// One port with its session open.
pub(crate) struct OpenPort {
    pub(crate) reader: OwnedReadHalf,
    pub(crate) inbound: Inbound,
    pub(crate) writer: OwnedWriteHalf,
    pub(crate) outbound: Outbound,
}

/// Opens a port in a session.
pub(crate) async fn open_port(
    path: &Path,
    session: SessionId,
    deadline: Instant,
) -> Result<(OpenPort, AgentHello), GuestError> {
    let mut pause = Pause::default();
    loop {
        let mut socket = connect(path, deadline).await?;
        match timeout_at(deadline, shake_hands(&mut socket, session)).await {
            Err(_) => return Err(GuestError::NoAnswer { path: path.to_owned() }),
            // QEMU hangs up on a host that comes before it has noticed that the last one went.
            Ok(Err(HandshakeError::Io(error))) if is_hang_up(&error) && Instant::now() + RETRY < deadline => {
                pause.take().await;
            }
            Ok(Err(HandshakeError::Io(source))) => {
                return Err(GuestError::Connect {
                    path: path.to_owned(),
                    source,
                });
            }
            Ok(Err(HandshakeError::Link(LinkError::Version { theirs, .. }))) => {
                return Err(GuestError::Version { theirs });
            }
            Ok(Err(HandshakeError::Link(error))) => return Err(GuestError::Unacceptable(error.to_string())),
            Ok(Err(HandshakeError::Unreadable)) => {
                return Err(GuestError::Unacceptable("an unreadable hello".to_owned()));
            }
            Ok(Ok((inbound, outbound, hello))) => {
                let (reader, writer) = socket.into_split();
                return Ok((
                    OpenPort {
                        reader,
                        inbound,
                        writer,
                        outbound,
                    },
                    hello,
                ));
            }
        }
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
}

/// The time between two attempts, longer each time.
struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_RETRY)
    }
}

impl Pause {
    async fn take(&mut self) {
        sleep(self.0).await;
        self.0 = RETRY.min(self.0 * 2);
    }
}

async fn connect(path: &Path, deadline: Instant) -> Result<UnixStream, GuestError> {
    let mut pause = Pause::default();
    loop {
        let source = match UnixStream::connect(path).await {
            Ok(socket) => return Ok(socket),
            Err(error) => error,
        };
        let may_come = matches!(
            source.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        );
        if !may_come || Instant::now() + RETRY >= deadline {
            return Err(GuestError::Connect {
                path: path.to_owned(),
                source,
            });
        }
        pause.take().await;
    }
}

enum HandshakeError {
    Io(io::Error),
    Link(LinkError),
    Unreadable,
}

async fn shake_hands(
    socket: &mut UnixStream,
    session: SessionId,
) -> Result<(Inbound, Outbound, AgentHello), HandshakeError> {
    let hello = HostHello {
        daemon: env!("CARGO_PKG_VERSION").to_owned(),
        resume: None,
    };
    let (outbound, opening) =
        Outbound::opening(session, &to_payload(&hello)).map_err(|error| HandshakeError::Io(io::Error::other(error)))?;
    let (mut reader, mut writer) = socket.split();
    let mut inbound = Inbound::of_session(session);
    let hear = async {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = reader.read(&mut buffer).await.map_err(HandshakeError::Io)?;
            if length == 0 {
                return Err(HandshakeError::Io(io::ErrorKind::UnexpectedEof.into()));
            }
            inbound.push(&buffer[..length]);
            match inbound.next_incoming() {
                Some(Ok(Incoming::Hello(frame))) => {
                    let hello: AgentHello = of_payload(&frame.payload).map_err(|_| HandshakeError::Unreadable)?;
                    return Ok(bounded(hello));
                }
                Some(Ok(Incoming::Frame(_))) => return Err(HandshakeError::Unreadable),
                Some(Err(broken)) => return Err(HandshakeError::Link(broken.error)),
                None => {}
            }
        }
    };
    // At once, because an old session's remains may fill the way out before the guest reads what we say.
    let say = async { writer.write_all(&opening).await.map_err(HandshakeError::Io) };
    let ((), hello) = tokio::try_join!(say, hear)?;
    Ok((inbound, outbound, hello))
}

fn bounded(mut hello: AgentHello) -> AgentHello {
    for text in [
        &mut hello.agent,
        &mut hello.kernel,
        &mut hello.machine,
        &mut hello.boot_id,
    ] {
        let kept: String = text.chars().filter(|c| !c.is_control()).take(NAME_LIMIT).collect();
        *text = kept;
    }
    hello
}
