//! Runs one command of a stream: its process, on pipes or a terminal, its output in order against credit, its end. One
//! thread pumps output and waits for the process, another feeds standard input.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Gid, Pid, Uid};
use preflight_guest_protocol::Channel;
use preflight_guest_protocol::message::{
    ExecRequest, ExitStatus, FailureKind, Leftovers, SignalTo, TerminalSize, ToHost,
};

use crate::cgroup::Cgroup;
use crate::failure::Refusal;
use crate::stream::Stream;
use crate::sys::Standing;
use crate::terminal::Terminal;
use crate::{sys, users};

/// What Debian's own login programs set for root and, here, for everyone: maintainer scripts expect the sbin folders.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// After a command's end, output of processes that it left behind is read until none came for so long …
const QUIET: u16 = 500;
/// … and no longer than this.
const LINGER: Duration = Duration::from_secs(5);
/// Read at once from a pipe; a pipe holds as much.
const CHUNK: usize = 64 * 1024;

/// A running command, for signals.
pub(crate) struct Process {
    leader: Option<Pid>,
    group: Pid,
    cgroup: Option<Cgroup>,
    terminal: Option<Terminal>,
}

impl Process {
    /// Gives its terminal, if it has one, another size.
    pub(crate) fn resize(&self, size: TerminalSize) {
        if let Some(terminal) = &self.terminal {
            // A terminal whose command has just ended has no use for a size.
            let _ = terminal.resize(size);
        }
    }

    /// Sends a signal. A process that is gone needs none.
    pub(crate) fn signal(&self, signal: i32, to: SignalTo) {
        let Ok(signal) = Signal::try_from(signal) else { return };
        let _ = match (to, self.leader) {
            (SignalTo::Everything, _) => {
                self.kill_everything();
                Ok(())
            }
            (SignalTo::Leader, Some(leader)) => kill(leader, signal),
            // Once the leader was waited for, the group's number may be another's.
            (SignalTo::Group, Some(_)) => killpg(self.group, signal),
            (SignalTo::Leader | SignalTo::Group, None) => Ok(()),
        };
    }

    /// Kills every process that the command started, as far as they can be found.
    pub(crate) fn kill_everything(&self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        if self.leader.is_some() {
            let _ = killpg(self.group, Signal::SIGKILL);
        }
    }
}

/// Runs the command to its end and tells the daemon.
pub(crate) fn run(stream: &Arc<Stream>, request: ExecRequest) -> Result<(), Refusal> {
    let leftovers = request.leftovers;
    let Spawned {
        mut child,
        cgroup,
        terminal,
    } = spawn(stream, request)?;
    let pid = child.id();
    let leader = Pid::from_raw(pid.cast_signed());
    let (terminal, ends) = match terminal {
        None => (None, Ends::of_pipes(&mut child)),
        Some(Screen {
            for_size,
            output,
            input,
        }) => (Some(for_size), Ends::of_terminal(output, input)),
    };
    // Before anything else can fail: from here on an abort kills it.
    stream.set_process(Process {
        leader: Some(leader),
        group: leader,
        cgroup,
        terminal,
    });
    let result = pump(stream, &child, ends, leftovers);
    if result.is_err() {
        stream.with_process(|process| process.kill_everything());
    }
    let status = reap(stream, &mut child)?;
    let was_killed = result.is_err() || leftovers == Leftovers::Kill;
    let told = result.and_then(|()| stream.tell(&ToHost::Exited(status)));
    if was_killed && let Some(cgroup) = stream.with_process(|process| process.cgroup.take()).flatten() {
        cgroup.remove();
    }
    told
}

struct Spawned {
    child: Child,
    cgroup: Option<Cgroup>,
    terminal: Option<Screen>,
}

/// One terminal three times: to resize, to read and to type at.
struct Screen {
    for_size: Terminal,
    output: Terminal,
    input: Option<Terminal>,
}

fn spawn(stream: &Stream, request: ExecRequest) -> Result<Spawned, Refusal> {
    let mut argv = request.argv.into_iter().map(OsString::from_vec);
    let program = argv
        .next()
        .ok_or_else(|| Refusal::plain(FailureKind::Unsuitable, "a command without a program"))?;
    let user = request.user.as_deref().map(users::find).transpose()?;
    let mut command = Command::new(&program);
    command.args(argv).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
    match &user {
        Some(user) => command
            .env("HOME", &user.home)
            .env("USER", &user.name)
            .env("LOGNAME", &user.name),
        None => command.env("HOME", "/root").env("USER", "root").env("LOGNAME", "root"),
    };
    command.env("SHELL", user.as_ref().map_or("/bin/sh", |user| user.shell.as_str()));
    command.envs(
        request
            .env
            .into_iter()
            .map(|(key, value)| (OsString::from_vec(key), OsString::from_vec(value))),
    );
    command.current_dir(match (request.cwd, &user) {
        (Some(cwd), _) => OsString::from_vec(cwd),
        (None, Some(user)) if std::path::Path::new(&user.home).is_dir() => OsString::from(&user.home),
        (None, _) => OsString::from("/"),
    });
    let (terminal, standing) = match request.terminal {
        None => {
            command.stdin(if request.stdin { Stdio::piped() } else { Stdio::null() });
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            (None, Standing::Detached)
        }
        Some(size) => {
            let owner = user.as_ref().map(|user| Uid::from_raw(user.uid));
            let screen = seat(&mut command, size, owner, request.stdin).map_err(Refusal::io("opening a terminal"))?;
            (Some(screen), Standing::OnTerminal)
        }
    };

    let cgroup = Cgroup::create(&format!("exec-{}-{}", stream.session(), stream.id()));
    let identity = user
        .filter(|user| user.uid != nix::unistd::geteuid().as_raw())
        .map(|user| sys::Identity {
            uid: Uid::from_raw(user.uid),
            gid: Gid::from_raw(user.gid),
            groups: user.groups.into_iter().map(Gid::from_raw).collect(),
        });
    let procs = cgroup.as_ref().and_then(Cgroup::procs);
    let child = sys::spawn(&mut command, procs, identity, standing)
        .map_err(Refusal::io(format!("starting {}", program.to_string_lossy())))?;
    Ok(Spawned {
        child,
        cgroup,
        terminal,
    })
}

/// Puts a command before a terminal that belongs to this user.
fn seat(command: &mut Command, size: TerminalSize, owner: Option<Uid>, is_typed_at: bool) -> io::Result<Screen> {
    let (for_size, theirs) = Terminal::open(size)?;
    if owner.is_some() {
        nix::unistd::fchown(&theirs, owner, None)?;
    }
    command
        .stdin(theirs.try_clone()?)
        .stdout(theirs.try_clone()?)
        .stderr(theirs);
    Ok(Screen {
        output: for_size.another()?,
        input: is_typed_at.then(|| for_size.another()).transpose()?,
        for_size,
    })
}

/// The agent's ends of a command's standard streams.
struct Ends {
    input: Option<Input>,
    output: [Option<Pipe>; 2],
}

enum Input {
    Pipe(ChildStdin),
    Terminal(Terminal),
}

struct Pipe {
    channel: Channel,
    fd: OwnedFd,
}

impl Ends {
    fn of_pipes(child: &mut Child) -> Self {
        let pipe = |channel, fd: Option<OwnedFd>| fd.map(|fd| Pipe { channel, fd });
        Self {
            input: child.stdin.take().map(Input::Pipe),
            output: [
                pipe(Channel::Stdout, child.stdout.take().map(OwnedFd::from)),
                pipe(Channel::Stderr, child.stderr.take().map(OwnedFd::from)),
            ],
        }
    }

    fn of_terminal(output: Terminal, input: Option<Terminal>) -> Self {
        let fd = output.into_fd();
        let channel = Channel::Stdout;
        Self {
            input: input.map(Input::Terminal),
            output: [Some(Pipe { channel, fd }), None],
        }
    }
}

/// Passes output on until the process has ended and its output too.
fn pump(stream: &Arc<Stream>, child: &Child, ends: Ends, leftovers: Leftovers) -> Result<(), Refusal> {
    let ended = sys::pidfd_open(child.id()).map_err(Refusal::io("watching the process"))?;
    stream.tell(&ToHost::Started { pid: child.id() })?;
    // Hangs up when this function returns.
    let (over, _lasting) = io::pipe().map_err(Refusal::io("making a pipe"))?;
    if let Some(input) = ends.input {
        let stream = Arc::clone(stream);
        crate::serve::thread("stdin", move || match input {
            Input::Pipe(stdin) => feed(&stream, stdin),
            Input::Terminal(terminal) => terminal.feed(&stream, &over.into()),
        })
        .map_err(Refusal::io("starting a thread"))?;
    }
    let mut pipes = ends.output;
    let mut buffer = vec![0; CHUNK];
    let mut ended_at: Option<Instant> = None;
    while pipes.iter().any(Option::is_some) || ended_at.is_none() {
        let mut fds: Vec<PollFd<'_>> = pipes
            .iter()
            .flatten()
            .map(|pipe| PollFd::new(pipe.fd.as_fd(), PollFlags::POLLIN))
            .collect();
        if ended_at.is_none() {
            fds.push(PollFd::new(ended.as_fd(), PollFlags::POLLIN));
        }
        let timeout = if ended_at.is_some() {
            PollTimeout::from(QUIET)
        } else {
            PollTimeout::NONE
        };
        match poll(&mut fds, timeout) {
            Ok(0) => break,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(Refusal::io("waiting for output")(error.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        let mut ready = ready.into_iter();
        for slot in &mut pipes {
            if slot.is_some() && ready.next() == Some(true) {
                pass_on(stream, slot, &mut buffer)?;
            }
        }
        if ended_at.is_none() && ready.next() == Some(true) {
            ended_at = Some(Instant::now());
            if leftovers == Leftovers::Kill {
                stream.with_process(|process| process.kill_everything());
            }
        }
        if ended_at.is_some_and(|at| at.elapsed() > LINGER) {
            break;
        }
    }
    if leftovers == Leftovers::Keep {
        pipes.into_iter().flatten().for_each(drain);
    }
    Ok(())
}

/// Takes what a process that was left alone still writes, so that it is not killed for writing it.
fn drain(pipe: Pipe) {
    let mut output = File::from(pipe.fd);
    // Without a thread for it, the pipe closes: what else could be done?
    let _ = crate::serve::thread("leftovers", move || io::copy(&mut output, &mut io::sink()));
}

fn pass_on(stream: &Stream, slot: &mut Option<Pipe>, buffer: &mut [u8]) -> Result<(), Refusal> {
    let Some(pipe) = slot else { return Ok(()) };
    match nix::unistd::read(&pipe.fd, buffer) {
        // A terminal that the command has left says EIO.
        Ok(0) | Err(nix::errno::Errno::EIO) => *slot = None,
        Ok(length) => stream.send_data(pipe.channel, &buffer[..length])?,
        Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => {}
        Err(error) => return Err(Refusal::io("reading output")(error.into())),
    }
    Ok(())
}

/// Waits for the process, with nobody sending signals to a number that is no longer its own.
fn reap(stream: &Stream, child: &mut Child) -> Result<ExitStatus, Refusal> {
    if let Ok(ended) = sys::pidfd_open(child.id()) {
        let mut fds = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        while poll(&mut fds, PollTimeout::NONE) == Err(nix::errno::Errno::EINTR) {}
    }
    let status = stream.with_process(|process| {
        process.leader = None;
        process.terminal = None;
        child.wait()
    });
    let status = status
        .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
        .map_err(Refusal::io("waiting"))?;
    Ok(match (status.code(), status.signal()) {
        (Some(code), _) => ExitStatus::Code(code),
        (None, signal) => ExitStatus::Signal(signal.unwrap_or(0)),
    })
}

/// Writes what the daemon sends to the command's standard input, and closes it at the end.
fn feed(stream: &Stream, mut stdin: ChildStdin) {
    let mut open = true;
    while let Ok(Some(bytes)) = stream.receive() {
        // A command that has closed its input early is no error; the rest is taken so that the daemon's sender ends.
        open = open && stdin.write_all(&bytes).is_ok();
    }
}
