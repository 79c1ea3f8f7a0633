//! The agent's life: opens the ports, hears hellos, keeps the current session, beats. What a request means is decided in
//! [`crate::requests`].

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use preflight_guest_protocol::message::{
    BULK_PORT, CONTROL_PORT, HostHello, TUNNEL_PORT, ToHost, of_payload, to_payload,
};
use preflight_guest_protocol::{Broken, Frame, Inbound, Incoming, LinkError, SessionId, StreamId};

use crate::link::{Link, Sender};
use crate::port::{PortReader, PortSource};
use crate::renew::Renews;
use crate::session::Session;
use crate::stream::Port;
use crate::watch::Watch;
use crate::{apt, cgroup, console, loopback, requests, tunnel, vitals};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// Lines that wait to be said; more in one second are one fault's echo.
const UNSAID: usize = 16;
/// Enough for every thread here: large buffers are on the heap.
const STACK: usize = 256 * 1024;
/// Read from a port at once.
const CHUNK: usize = 256 * 1024;

/// How to serve.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The control port.
    pub control: PortSource,
    /// The bulk port.
    pub bulk: PortSource,
    /// Where the package tunnel listens on the loopback; 0: any free port, which the hello names.
    pub tunnel_port: u16,
    /// Whether this is a guest, whose loopback, apt and network are the agent's to set up.
    pub in_guest: bool,
    /// Whose identity a renewal changes.
    pub renews: Renews,
}

impl Options {
    /// In a guest, over virtio-serial.
    pub fn of_guest() -> Self {
        Self {
            control: PortSource::Virtio(CONTROL_PORT),
            bulk: PortSource::Virtio(BULK_PORT),
            tunnel_port: TUNNEL_PORT,
            in_guest: true,
            renews: Renews::Guest,
        }
    }

    /// As an ordinary process that changes nothing of the machine it runs on, for tests; a renewal finds its files in `root`.
    pub fn over_sockets(control: PortSource, bulk: PortSource, root: PathBuf) -> Self {
        Self {
            control,
            bulk,
            tunnel_port: 0,
            in_guest: false,
            renews: Renews::Files(root),
        }
    }
}

/// Why the agent can't serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A port could not be opened or read.
    #[error("the {port} port: {source}")]
    Port {
        /// Which one.
        port: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The package tunnel has no port.
    #[error("the package tunnel can't listen on port {port} of the loopback: {source}")]
    Tunnel {
        /// Which one.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("starting a thread: {0}")]
    Thread(#[source] io::Error),
}

/// What the agent's threads share.
pub(crate) struct Agent {
    pub(crate) link: Arc<Link>,
    pub(crate) watch: Watch,
    pub(crate) renews: Renews,
    facts: vitals::Facts,
    /// What is to be said when there is time: a console is slow, and a daemon waits for each answer.
    unsaid: Mutex<Vec<String>>,
    session: Mutex<Option<Arc<Session>>>,
}

/// Serves for ever.
///
/// # Errors
/// [`ServeError`]; the service manager starts the agent again.
pub fn serve(options: Options) -> Result<Infallible, ServeError> {
    if options.in_guest
        && let Err(error) = loopback::bring_up()
    {
        console::say(&format!("the loopback could not be brought up: {error}"));
    }
    let listener = tunnel::listen(options.tunnel_port).map_err(|source| ServeError::Tunnel {
        port: options.tunnel_port,
        source,
    })?;
    let tunnel_port = listener
        .local_addr()
        .map_or(options.tunnel_port, |address| address.port());
    if options.in_guest
        && let Err(error) = apt::point_at_tunnel(tunnel_port)
    {
        console::say(&format!("apt could not be pointed at the package tunnel: {error}"));
    }
    let (control_writers, control_writer) = mpsc::channel();
    let (bulk_writers, bulk_writer) = mpsc::channel();
    let link = Arc::new(Link {
        control: Sender::new(control_writer),
        bulk: Sender::new(bulk_writer),
    });
    let agent = Arc::new(Agent {
        link,
        watch: Watch::default(),
        renews: options.renews,
        facts: vitals::facts(tunnel_port),
        unsaid: Mutex::default(),
        session: Mutex::new(None),
    });

    let opened = |port, source: &PortSource, writers| {
        PortReader::open(source, writers).map_err(|source| ServeError::Port { port, source })
    };
    let control = opened("control", &options.control, control_writers)?;
    let bulk = opened("bulk", &options.bulk, bulk_writers)?;

    let for_tunnel = Arc::clone(&agent);
    thread("tunnel", move || tunnel::serve(&for_tunnel, &listener)).map_err(ServeError::Thread)?;
    let for_beat = Arc::clone(&agent);
    thread("beat", move || beat(&for_beat)).map_err(ServeError::Thread)?;
    if options.in_guest {
        let for_watch = Arc::clone(&agent);
        let start = move || {
            if let Err(refusal) = for_watch.watch.set(&for_watch, true) {
                console::say(&refusal.to_string());
            }
        };
        // In threads of their own: loading a driver must not delay the first hello.
        thread("watch", start).map_err(ServeError::Thread)?;
        thread("cgroups", cgroup::prefer_quick_moves).map_err(ServeError::Thread)?;
    }
    let (ended, end) = mpsc::channel();
    for (port, name, mut reader) in [(Port::Control, "control", control), (Port::Bulk, "bulk", bulk)] {
        let (agent, ended) = (Arc::clone(&agent), ended.clone());
        thread(name, move || {
            let source = read(&agent, port, &mut reader);
            let _ = ended.send(ServeError::Port { port: name, source });
        })
        .map_err(ServeError::Thread)?;
    }
    drop(ended);
    let gone = || ServeError::Port {
        port: "control",
        source: io::ErrorKind::BrokenPipe.into(),
    };
    Err(end.recv().unwrap_or_else(|_| gone()))
}

/// Starts a thread with a small stack.
pub(crate) fn thread<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run)
}

impl Agent {
    /// The session of the daemon that is connected, if one is.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.lock().clone()
    }

    fn hear(&self, port: Port, hello: &Frame) {
        let daemon = of_payload::<HostHello>(&hello.payload)
            .map(|hello| hello.daemon)
            .unwrap_or_default();
        let answer = to_payload(&self.facts.hello());
        match port {
            Port::Control => {
                let is_new = self.session().is_none_or(|session| session.id() != hello.session);
                if is_new {
                    let new = Arc::new(Session::new(hello.session, Arc::clone(&self.link)));
                    let old = self.lock().replace(new);
                    self.close(old);
                }
                self.link.control.open(hello.session, &answer);
                if is_new {
                    self.say_later(format!("session {} with preflightd {daemon}", hello.session));
                }
            }
            Port::Bulk => self.link.bulk.open(hello.session, &answer),
        }
    }

    /// A daemon of another version is told this agent's, and no more: the answer says it in its header.
    fn refuse(&self, port: Port, session: SessionId) {
        let answer = to_payload(&self.facts.hello());
        match port {
            Port::Control => self.link.control.refuse(session, &answer),
            Port::Bulk => self.link.bulk.refuse(session, &answer),
        }
    }

    /// The session's frames can't be trusted any more: its streams end, and the daemon is told if it still listens.
    fn break_session(&self, id: SessionId, why: &str) {
        // The other port's thread may have opened the next session meanwhile: that one must live.
        let broken = self.lock().take_if(|session| session.id() == id);
        if broken.is_none() {
            return;
        }
        let _ = self.link.control.tell(id, StreamId::SESSION, &ToHost::Abort);
        self.close(broken);
        self.say_later(format!("session {id} broke: {why}"));
    }

    fn say_later(&self, line: String) {
        let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
        if unsaid.len() < UNSAID {
            unsaid.push(line);
        }
    }

    fn say_now(&self) {
        let lines = std::mem::take(&mut *self.unsaid.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines {
            console::say(&line);
        }
    }

    /// Ends what was the current session until now.
    fn close(&self, old: Option<Arc<Session>>) {
        if let Some(session) = old {
            session.close();
            self.link.control.close(session.id());
            self.link.bulk.close(session.id());
        }
    }

    fn current(&self, id: SessionId) -> Option<Arc<Session>> {
        self.session().filter(|session| session.id() == id)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a port for ever, that is until it fails.
fn read(agent: &Arc<Agent>, port: Port, reader: &mut PortReader) -> io::Error {
    let mut inbound = Inbound::of_any_session();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(length) => inbound.push(&buffer[..length]),
            Err(error) => return error,
        }
        while let Some(incoming) = inbound.next_incoming() {
            match incoming {
                Ok(Incoming::Hello(hello)) => agent.hear(port, &hello),
                Ok(Incoming::Frame(frame)) => {
                    let Some(session) = agent.current(frame.session) else {
                        continue;
                    };
                    if let Err(why) = requests::handle(agent, &session, port, frame) {
                        agent.break_session(session.id(), why);
                    }
                }
                Err(Broken { session: old, error }) => {
                    // A port without a session hears the remains of old ones.
                    if let Some(old) = old {
                        agent.break_session(old, &error.to_string());
                    }
                    if let LinkError::Version { session, .. } = error {
                        agent.refuse(port, session);
                    }
                }
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a beat is a matter of time and of nothing else"
)]
fn beat(agent: &Agent) {
    let mut number = 0;
    let mut last = None;
    loop {
        if let Some(session) = agent.session() {
            number = if last == Some(session.id()) { number + 1 } else { 1 };
            last = Some(session.id());
            let beat = ToHost::Beat(vitals::beat(number));
            let _ = agent.link.control.tell(session.id(), StreamId::SESSION, &beat);
        }
        agent.say_now();
        std::thread::sleep(BEAT);
    }
}
