//! The stub's shells: processes of this host, on a real pseudo-terminal where one is asked for. It keeps to the credit
//! that the client gives, and holds the client to its own.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};

use bytes::{Bytes, BytesMut};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::{ImageId, JobId, Series};
use preflight_protocol::shell::frame::{Exit, ToClient, ToDaemon};
use preflight_protocol::shell::window::{Due, Window};
use preflight_protocol::shell::{ShellOpen, ShellOpened, ShellTarget, TerminalSize};

/// What a ticket's shell is said to be of.
pub(crate) const JOB: JobId = JobId(31);

pub(super) fn open(request: &ShellOpen) -> Result<ShellOpened, RpcError> {
    request
        .check()
        .map_err(|refused| RpcError::new(ErrorCode::InvalidParams, refused.to_string()))?;
    let (series, job) = match &request.target {
        ShellTarget::Series(Series(name)) if name == "debian-nosuch" => {
            return Err(RpcError::new(
                ErrorCode::InvalidParams,
                "there is no recipe for debian-nosuch",
            ));
        }
        ShellTarget::Series(Series(name)) if name == "debian-broken" => {
            return Err(RpcError::new(ErrorCode::Host, "the testbed does not start"));
        }
        ShellTarget::Series(series) => (series.clone(), None),
        ShellTarget::Ticket { .. } => (Series("debian-bookworm".into()), Some(JOB)),
        ShellTarget::Testbed(_) => (Series("debian-bookworm".into()), None),
    };
    Ok(ShellOpened {
        machine: "stub-1".into(),
        image: ImageId(format!("{series}-test")),
        series,
        job,
        resumed: job.is_some(),
        cwd: None,
        note: job.map(|_| "kept 3 days ago".into()),
    })
}

/// The connection, written to by several threads.
#[derive(Clone)]
struct Line {
    stream: Arc<Mutex<UnixStream>>,
    /// What the client takes; none once it has gone.
    window: Arc<(Mutex<Option<Window>>, Condvar)>,
}

impl Line {
    fn send(&self, frame: &ToClient) -> bool {
        let mut bytes = BytesMut::new();
        frame.encode(&mut bytes);
        self.stream.lock().unwrap().write_all(&bytes).is_ok()
    }

    /// Sends output, as much at once as has credit.
    fn output(&self, mut from: impl Read, wrap: fn(Bytes) -> ToClient) {
        let mut chunk = vec![0; 100_000];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let mut rest = Bytes::copy_from_slice(&chunk[..count]);
            while !rest.is_empty() {
                let (window, given) = &*self.window;
                let mut window = given
                    .wait_while(window.lock().unwrap(), |window| {
                        window.is_some_and(|window| window.left() == 0)
                    })
                    .unwrap();
                let Some(window) = &mut *window else { return };
                let now = rest.split_to(rest.len().min(window.left() as usize));
                window.take(now.len()).unwrap();
                self.send(&wrap(now));
            }
        }
    }

    /// The client has gone, or given credit.
    fn change(&self, change: impl FnOnce(&mut Option<Window>)) {
        change(&mut self.window.0.lock().unwrap());
        self.window.1.notify_all();
    }
}

/// A process with what its client may do to it.
struct Process {
    stdin: Box<dyn Write + Send>,
    terminal: Option<Box<dyn MasterPty + Send>>,
    group: Pid,
}

/// Stdin in a thread of its own: a command that does not read must not keep its client's signals from being heard.
fn pass_on(mut stdin: Box<dyn Write + Send>, pieces: &Receiver<Bytes>, window: &Mutex<Window>, line: &Line) {
    let mut due = Due::default();
    for piece in pieces {
        // One that reads no more is told by its own means.
        let _ = stdin.write_all(&piece);
        if let Some(credit) = due.passed(piece.len()) {
            window.lock().unwrap().give(credit).unwrap();
            line.send(&ToClient::Credit(credit));
        }
    }
}

pub(super) fn serve(mut stream: UnixStream, request: &ShellOpen) {
    let line = Line {
        stream: Arc::new(Mutex::new(stream.try_clone().unwrap())),
        window: Arc::new((Mutex::new(Some(Window::default())), Condvar::new())),
    };
    let Process { stdin, terminal, group } = match request.terminal {
        Some(size) => on_terminal(request, size, &line),
        None => on_pipes(request, &line),
    };
    let window = Arc::new(Mutex::new(Window::default()));
    let (pieces, to_write) = channel();
    let mut pieces = Some(pieces);
    std::thread::spawn({
        let (window, line) = (Arc::clone(&window), line.clone());
        move || pass_on(stdin, &to_write, &window, &line)
    });
    let mut buffer = BytesMut::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        while let Some(frame) = ToDaemon::decode(&mut buffer).unwrap() {
            match frame {
                ToDaemon::Stdin(bytes) => {
                    window.lock().unwrap().take(bytes.len()).unwrap();
                    pieces.as_ref().unwrap().send(bytes).unwrap();
                }
                ToDaemon::StdinEnd => pieces = None,
                ToDaemon::Resize(size) => terminal.as_ref().unwrap().resize(pty_size(size)).unwrap(),
                ToDaemon::Signal(number) => {
                    let signal = Signal::try_from(i32::from(number)).unwrap();
                    let _ = killpg(group, signal);
                }
                ToDaemon::Credit(credit) => line.change(|window| window.as_mut().unwrap().give(credit).unwrap()),
            }
        }
        match stream.read(&mut chunk) {
            Ok(count @ 1..) => buffer.extend_from_slice(&chunk[..count]),
            _ => break,
        }
    }
    line.change(|window| *window = None);
    let _ = killpg(group, Signal::SIGKILL);
}

fn ended(line: &Line, exit: Exit) {
    line.send(&ToClient::Exit(exit));
    let _ = line.stream.lock().unwrap().shutdown(std::net::Shutdown::Both);
}

fn words(request: &ShellOpen) -> Vec<OsString> {
    let words = request.command.iter().flatten();
    let mut words: Vec<OsString> = words.map(|word| OsString::from_vec(word.0.clone())).collect();
    if words.is_empty() {
        words.push("sh".into());
    }
    words
}

fn on_pipes(request: &ShellOpen, line: &Line) -> Process {
    let words = words(request);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for variable in &request.env {
        command.env(
            OsStr::from_bytes(&variable.name.0),
            OsStr::from_bytes(&variable.value.0),
        );
    }
    let mut child = command.spawn().unwrap();
    let process = Process {
        stdin: Box::new(child.stdin.take().unwrap()),
        terminal: None,
        group: Pid::from_raw(child.id() as i32),
    };
    let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let line = line.clone();
    std::thread::spawn(move || {
        std::thread::scope(|scope| {
            scope.spawn(|| line.output(stdout, ToClient::Stdout));
            scope.spawn(|| line.output(stderr, ToClient::Stderr));
        });
        let status = child.wait().unwrap();
        ended(
            &line,
            match status.signal() {
                Some(number) => Exit::Signal(number as u8),
                None => Exit::Code(status.code().unwrap() as u8),
            },
        );
    });
    process
}

fn pty_size(size: TerminalSize) -> PtySize {
    PtySize {
        rows: size.rows,
        cols: size.cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn on_terminal(request: &ShellOpen, size: TerminalSize, line: &Line) -> Process {
    let pair = native_pty_system().openpty(pty_size(size)).unwrap();
    let mut command = CommandBuilder::from_argv(words(request));
    // No start-up file, no line editor: what is typed is what is echoed.
    command.env("PS1", "guest$ ");
    command.env_remove("ENV");
    for variable in &request.env {
        command.env(
            OsStr::from_bytes(&variable.name.0),
            OsStr::from_bytes(&variable.value.0),
        );
    }
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let (stdin, group) = (
        pair.master.take_writer().unwrap(),
        Pid::from_raw(child.process_id().unwrap() as i32),
    );
    let output = pair.master.try_clone_reader().unwrap();
    let line = line.clone();
    std::thread::spawn(move || {
        line.output(output, ToClient::Stdout);
        let status = child.wait().unwrap();
        ended(&line, Exit::Code(status.exit_code() as u8));
    });
    Process {
        stdin,
        terminal: Some(pair.master),
        group,
    }
}
