//! The keeper itself: one loop over the control socket, its connections and the signals. It owns the grace period
//! after which machines without a daemon are taken down; how that is done belongs to `machines` and `libvirt_daemon`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, User, geteuid, getpid, setsid};

use crate::arguments::{Arguments, LibvirtKind};
use crate::control::{Client, Received, Request};
use crate::home::Home;
use crate::libvirt_daemon::LibvirtDaemon;
use crate::machines;
use crate::priority;

/// How often a starting libvirt daemon is asked whether it answers.
const READY_POLL: Duration = Duration::from_millis(50);
/// How long a libvirt daemon may take until it answers.
const LONGEST_START: Duration = Duration::from_secs(60);
/// How long a keeper waits for the one before it to end.
const LONGEST_CHANGE: Duration = Duration::from_secs(20);
/// How long the session's libvirt daemon may take to answer when ours has ended: somebody else started one at the same
/// moment, and only one of them stays.
const LONGEST_RACE: Duration = Duration::from_secs(10);
/// A private libvirt daemon that died is started again not sooner than this.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

struct Supervisor {
    arguments: Arguments,
    /// Whose processes may be killed as machines; nobody's in particular where libvirt is not ours.
    machine_uid: Option<u32>,
    listener: UnixListener,
    signals: SignalFd,
    clients: Vec<Client>,
    libvirt: LibvirtDaemon,
    libvirt_deadline: Option<Instant>,
    restart_at: Option<Instant>,
    /// When a libvirt daemon that is asked for, and has ended, is given up.
    race_ends: Option<Instant>,
    /// When the machines will be taken down, counted from the last daemon's end.
    grace_ends: Option<Instant>,
    stopping: bool,
    /// Whether our socket's path has been given up; what lies there now may be the next keeper's.
    gone: bool,
}

/// Is the keeper until a `stop`, a signal, or the end of the grace period.
pub(crate) fn run(arguments: &Arguments) -> io::Result<()> {
    let_go_of_inherited_files();
    // A keeper that is run by hand leads its own group already.
    let _ = setsid();
    let home = Home::create(&arguments.home)?;
    let _lock = match lock(&home) {
        Ok(Some(lock)) => lock,
        Ok(None) => return announce("running"),
        Err(error) => {
            announce(&error.to_string())?;
            return Err(error);
        }
    };
    match Supervisor::prepare(arguments, &home) {
        Ok(mut supervisor) => {
            eprintln!("keeper {} of installation {}", getpid(), arguments.installation);
            announce("ready")?;
            supervisor.watch();
            let _ = supervisor.take_down();
            Ok(())
        }
        Err(error) => {
            announce(&error.to_string().replace('\n', " "))?;
            Err(error)
        }
    }
}

/// Takes the lock of this home, or finds that another keeper answers. One that is ending, or only beginning, is given
/// the time to.
fn lock(home: &Home) -> io::Result<Option<Flock<File>>> {
    let deadline = Instant::now() + LONGEST_CHANGE;
    let mut file = home.lock_file()?;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Some(lock)),
            Err((held, Errno::EWOULDBLOCK)) => file = held,
            Err((_, error)) => return Err(error.into()),
        }
        if UnixStream::connect(home.control_socket()).is_ok() {
            return Ok(None);
        }
        if deadline <= Instant::now() {
            return Err(io::Error::other("another keeper holds this home and does not answer"));
        }
        let pause = PollTimeout::try_from(READY_POLL).unwrap_or(PollTimeout::ZERO);
        let _ = poll(&mut [], pause);
    }
}

/// Whatever the daemon, or a shell above it, left open across exec would be held as long as this process lives: a
/// pipe whose reader waits for its end, a lock.
fn let_go_of_inherited_files() {
    let Ok(folder) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The listing's own descriptor is in the list and closed already.
        let _ = nix::unistd::close(fd);
    }
}

/// Tells `start` what became of us, then lets go of its pipe.
fn announce(word: &str) -> io::Result<()> {
    let mut output = io::stdout();
    let _ = writeln!(output, "{word}");
    let _ = output.flush();
    let nowhere = File::options().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(nowhere)?;
    Ok(())
}

impl Supervisor {
    fn prepare(arguments: &Arguments, home: &Home) -> io::Result<Self> {
        set_child_subreaper(true)?;
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            mask.add(signal);
        }
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let machine_uid = machine_uid(arguments)?;
        let libvirt = LibvirtDaemon::prepare(arguments, home)?;
        // We hold the lock: a socket that is there is a dead keeper's.
        let _ = std::fs::remove_file(home.control_socket());
        let listener = UnixListener::bind(home.control_socket())?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            arguments: arguments.clone(),
            machine_uid,
            listener,
            signals,
            clients: Vec::new(),
            libvirt,
            libvirt_deadline: None,
            restart_at: None,
            race_ends: None,
            grace_ends: Some(Instant::now() + arguments.grace),
            stopping: false,
            gone: false,
        })
    }

    fn watch(&mut self) {
        while !self.stopping {
            let (listening, signalled, spoken) = self.wait();
            if signalled {
                self.take_signals();
            }
            // Not only after SIGCHLD: one that arrives while a child is being started is not held for us.
            self.reap();
            self.hear(&spoken);
            if listening {
                match Client::accept(&self.listener) {
                    Ok(client) => self.clients.extend(client),
                    Err(error) => eprintln!("cannot accept: {error}"),
                }
            }
            self.look_after_libvirt();
            self.count_daemons();
        }
    }

    /// Waits for input or the next deadline: a connection to accept, a signal, the indices of clients that spoke.
    fn wait(&self) -> (bool, bool, Vec<usize>) {
        let now = Instant::now();
        let polled = self.libvirt_deadline.map(|_| now + READY_POLL);
        let next = [polled, self.restart_at, self.grace_ends].into_iter().flatten().min();
        let timeout = next.map_or(PollTimeout::NONE, |at| {
            // A millisecond more, or the wait ends just before the deadline and spins.
            PollTimeout::try_from(at.saturating_duration_since(now) + Duration::from_millis(1))
                .unwrap_or(PollTimeout::MAX)
        });
        let mut fds = vec![
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
        ];
        fds.extend(
            self.clients
                .iter()
                .map(|client| PollFd::new(client.stream.as_fd(), PollFlags::POLLIN)),
        );
        if poll(&mut fds, timeout).unwrap_or(0) <= 0 {
            return (false, false, Vec::new());
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let spoken = (0..self.clients.len()).filter(|index| ready[index + 2]).collect();
        (ready[0], ready[1], spoken)
    }

    fn take_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                eprintln!("signal {}: stopping", signal.ssi_signo);
                self.stopping = true;
            }
        }
    }

    fn reap(&mut self) {
        loop {
            let pid = match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) => pid,
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if self.libvirt.reaped(pid.as_raw()) {
                eprintln!("libvirt's daemon {pid} ended");
                // A session daemon ends when it is idle, and is started again when somebody asks for it.
                if self.libvirt.is_private() {
                    self.restart_at = Some(Instant::now() + RESTART_PAUSE);
                } else {
                    self.race_ends = Some(Instant::now() + LONGEST_RACE);
                }
            }
        }
    }

    fn hear(&mut self, spoken: &[usize]) {
        let mut gone = Vec::new();
        for &index in spoken {
            match self.clients[index].receive() {
                Received::Gone => gone.push(index),
                Received::Requests(requests) => {
                    for request in requests {
                        self.serve(index, request);
                    }
                }
            }
        }
        for index in gone.into_iter().rev() {
            self.clients.remove(index);
        }
    }

    fn serve(&mut self, index: usize, request: Option<Request>) {
        let answer = match request {
            None => Err("no such request".to_owned()),
            Some(Request::Attach) => {
                self.clients[index].attached = true;
                Ok(self.arguments.settings())
            }
            Some(Request::Libvirt) => {
                if let Err(error) = self.libvirt.start() {
                    Err(error.to_string())
                } else {
                    self.clients[index].awaits_libvirt = true;
                    self.libvirt_deadline = Some(Instant::now() + LONGEST_START);
                    return;
                }
            }
            Some(Request::List) => Ok(names(&self.machines())),
            Some(Request::Kill(name)) => {
                let wanted = self.named(&name);
                self.kill(&wanted)
            }
            Some(Request::Lower(name)) => self.lower(&name),
            Some(Request::Status) => Ok(format!(
                "pid={} installation={} daemons={} libvirt={} machines={}",
                getpid(),
                self.arguments.installation,
                self.clients.iter().filter(|client| client.attached).count(),
                self.libvirt.answering().unwrap_or_else(|| "none".into()),
                names(&self.machines())
            )),
            Some(Request::Stop) => {
                self.stopping = true;
                let killed = self.take_down();
                self.clients[index].answer(&killed);
                return;
            }
        };
        self.clients[index].answer(&answer);
    }

    fn machines(&self) -> Vec<machines::Machine> {
        machines::running(&self.arguments.installation, self.machine_uid)
    }

    fn named(&self, name: &str) -> Vec<machines::Machine> {
        let mut machines = self.machines();
        machines.retain(|machine| machine.name == name);
        machines
    }

    fn lower(&self, name: &str) -> Result<String, String> {
        let wanted = self.named(name);
        for machine in &wanted {
            priority::lower(machine.pid).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(wanted.len().to_string())
    }

    fn kill(&mut self, wanted: &[machines::Machine]) -> Result<String, String> {
        let left = machines::kill(wanted, &self.arguments.installation, self.machine_uid);
        self.reap();
        if left.is_empty() {
            Ok(wanted.len().to_string())
        } else {
            Err(format!("still running: {}", left.join(",")))
        }
    }

    /// Answers those who wait for libvirt, and starts a private daemon again that died.
    fn look_after_libvirt(&mut self) {
        if self.restart_at.is_some_and(|at| at <= Instant::now()) {
            self.restart_at = None;
            if let Err(error) = self.libvirt.start() {
                eprintln!("cannot start libvirt's daemon again: {error}");
                self.restart_at = Some(Instant::now() + RESTART_PAUSE);
            }
        }
        let Some(deadline) = self.libvirt_deadline else { return };
        let answer = match self.libvirt.answering() {
            Some(uri) => Ok(uri),
            None if !self.libvirt.is_running()
                && self.restart_at.is_none()
                && self.race_ends.is_none_or(|at| at <= Instant::now()) =>
            {
                Err("libvirt's daemon ended at its start; keeper.log and libvirt/log say why".to_owned())
            }
            None if deadline <= Instant::now() => Err("libvirt's daemon does not answer".to_owned()),
            None => return,
        };
        self.libvirt_deadline = None;
        for client in self.clients.iter_mut().filter(|client| client.awaits_libvirt) {
            client.awaits_libvirt = false;
            client.answer(&answer);
        }
    }

    fn count_daemons(&mut self) {
        if self.clients.iter().any(|client| client.attached) {
            self.grace_ends = None;
        } else if let Some(ends) = self.grace_ends {
            if ends <= Instant::now() {
                eprintln!("no daemon came back: taking down {}", names(&self.machines()));
                self.stopping = true;
            }
        } else {
            self.grace_ends = Some(Instant::now() + self.arguments.grace);
        }
    }

    fn take_down(&mut self) -> Result<String, String> {
        // First of all, so that nobody attaches to a keeper that is going.
        if !self.gone {
            self.gone = true;
            let _ = std::fs::remove_file(crate::home::control_socket(&self.arguments.home));
        }
        let wanted = self.machines();
        let killed = self.kill(&wanted);
        if let Err(error) = &killed {
            eprintln!("{error}");
        }
        self.libvirt.stop();
        killed
    }
}

/// Whose processes this keeper may kill as machines.
fn machine_uid(arguments: &Arguments) -> io::Result<Option<u32>> {
    match arguments.libvirt {
        LibvirtKind::Private => {
            let user = User::from_name(&arguments.qemu_user)?
                .ok_or_else(|| io::Error::other(format!("there is no user {}", arguments.qemu_user)))?;
            if user.uid.is_root() {
                return Err(io::Error::other("QEMU never runs as root"));
            }
            Ok(Some(user.uid.as_raw()))
        }
        LibvirtKind::Session => Ok(Some(geteuid().as_raw())),
        LibvirtKind::None => Ok((!geteuid().is_root()).then(|| geteuid().as_raw())),
    }
}

fn names(machines: &[machines::Machine]) -> String {
    machines
        .iter()
        .map(|machine| machine.name.as_str())
        .collect::<Vec<_>>()
        .join(",")
}
