//! Starts, watches and stops the libvirt daemon that this keeper is asked for: a private one for root, or the user's
//! session daemon where none runs. It writes libvirt's configuration and never speaks libvirt's protocol.

use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::arguments::{Arguments, LibvirtKind};
use crate::home::{Home, create_folder};
use crate::isolation;
use crate::pidfd::PidFd;

/// How long a libvirt daemon may take to end when asked to.
const LONGEST_STOP: Duration = Duration::from_secs(5);
/// A session daemon without clients or machines ends by itself after so many seconds.
const SESSION_IDLE: &str = "30";
/// Programs that serve the API, the one whose state the other can't disturb first.
const MONOLITHIC: (&str, &str) = ("libvirtd", "libvirt-sock");
const MODULAR: (&str, &str) = ("virtqemud", "virtqemud-sock");

/// The libvirt daemon below this keeper.
pub(crate) struct LibvirtDaemon {
    kind: LibvirtKind,
    home: Home,
    /// The running child, and the socket on which it will answer.
    child: Option<Child>,
}

impl LibvirtDaemon {
    /// Writes the configuration; for a private daemon, also moves this process into its namespace.
    pub(crate) fn prepare(arguments: &Arguments, home: &Home) -> io::Result<Self> {
        if arguments.libvirt == LibvirtKind::Private {
            write_configuration(arguments, home)?;
            isolation::enter(&home.libvirt_folder(), arguments.cache.as_deref(), arguments.hide_kvm)?;
        }
        Ok(Self {
            kind: arguments.libvirt,
            home: home.clone(),
            child: None,
        })
    }

    /// The URI on which a daemon answers now, if one does.
    pub(crate) fn answering(&self) -> Option<String> {
        match self.kind {
            LibvirtKind::None => None,
            LibvirtKind::Private => {
                let socket = self.home.libvirt_socket_folder().join(self.private_program()?.1);
                UnixStream::connect(&socket).ok()?;
                Some(format!("qemu+unix:///system?socket={}", socket.display()))
            }
            LibvirtKind::Session => {
                let folder = session_socket_folder()?;
                let mode = [(MODULAR, "direct"), (MONOLITHIC, "legacy")]
                    .into_iter()
                    .find(|((_, socket), _)| UnixStream::connect(folder.join(socket)).is_ok())?
                    .1;
                Some(format!("qemu:///session?mode={mode}"))
            }
        }
    }

    /// Starts the daemon unless it runs; it answers a while later.
    pub(crate) fn start(&mut self) -> io::Result<()> {
        if self.kind == LibvirtKind::None {
            return Err(io::Error::other("this keeper was started without a libvirt daemon"));
        }
        if self.child.is_some() || self.answering().is_some() {
            return Ok(());
        }
        let mut command = match self.kind {
            LibvirtKind::Private => self.private_command()?,
            _ => session_command()?,
        };
        let log = self.home.log_file()?;
        eprintln!("starting {command:?}");
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A child inherits what this process holds back for its signalfd: libvirt's daemon would never hear SIGTERM.
        let held_back = SigSet::thread_get_mask()?;
        SigSet::empty().thread_set_mask()?;
        let child = command.spawn();
        held_back.thread_set_mask()?;
        self.child = Some(child?);
        Ok(())
    }

    /// Takes note that a child was reaped; true when it was the daemon.
    pub(crate) fn reaped(&mut self, pid: i32) -> bool {
        let ours = self
            .child
            .as_ref()
            .is_some_and(|child| i32::try_from(child.id()) == Ok(pid));
        if ours {
            self.child = None;
        }
        ours
    }

    /// True for a daemon that has to run as long as this keeper does.
    pub(crate) fn is_private(&self) -> bool {
        self.kind == LibvirtKind::Private
    }

    /// True while a daemon that this keeper started has not been reaped.
    pub(crate) fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Stops a private daemon, also one that an earlier keeper of this home left. A session daemon belongs to the
    /// user as much as to us: it ends by itself when it is idle.
    pub(crate) fn stop(&mut self) {
        if self.kind != LibvirtKind::Private {
            return;
        }
        let pid = match &self.child {
            Some(child) => i32::try_from(child.id()).ok(),
            None => self.abandoned(),
        };
        let Some(held) = pid.and_then(|pid| PidFd::open(pid).ok()) else {
            return;
        };
        let _ = held.signal(Signal::SIGTERM);
        if !held.wait(LONGEST_STOP) {
            let _ = held.signal(Signal::SIGKILL);
            held.wait(LONGEST_STOP);
        }
    }

    /// The process that wrote our pid file, if it still runs with our configuration.
    fn abandoned(&self) -> Option<i32> {
        let pid: i32 = std::fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let configuration = self.home.libvirt_folder().join("daemon.conf");
        let wanted = configuration.as_os_str().as_encoded_bytes();
        line.split(|byte| *byte == 0).any(|word| word == wanted).then_some(pid)
    }

    fn pid_file(&self) -> PathBuf {
        self.home.libvirt_folder().join("daemon.pid")
    }

    fn private_program(&self) -> Option<(PathBuf, &'static str)> {
        [MONOLITHIC, MODULAR]
            .into_iter()
            .find_map(|(program, socket)| Some((find_program(program)?, socket)))
    }

    fn private_command(&self) -> io::Result<Command> {
        let (program, _) = self.private_program().ok_or_else(no_daemon)?;
        let folder = self.home.libvirt_folder();
        let mut command = Command::new(program);
        command
            .arg("-f")
            .arg(folder.join("daemon.conf"))
            .arg("-p")
            .arg(self.pid_file())
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            // Machines of a private libvirt are nobody else's business: systemd-machined is not told.
            .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
        if let Some(drivers) = only_the_qemu_driver(&folder) {
            command.env("LIBVIRT_DRIVER_DIR", drivers);
        }
        Ok(command)
    }
}

/// libvirt's network, storage and node device drivers would look at, and could change, what is the host's. A folder
/// that holds a link to the QEMU driver alone keeps them from being loaded.
fn only_the_qemu_driver(folder: &Path) -> Option<PathBuf> {
    const DRIVER: &str = "libvirt_driver_qemu.so";
    let multiarch = format!(
        "/usr/lib/{}-linux-gnu/libvirt/connection-driver",
        std::env::consts::ARCH
    );
    let driver = [
        multiarch.as_str(),
        "/usr/lib64/libvirt/connection-driver",
        "/usr/lib/libvirt/connection-driver",
    ]
    .iter()
    .map(|folder| Path::new(folder).join(DRIVER))
    .find(|path| path.exists())?;
    let own = folder.join("drivers");
    create_folder(&own, 0o755).ok()?;
    let link = own.join(DRIVER);
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(driver, link).ok()?;
    Some(own)
}

fn session_command() -> io::Result<Command> {
    // The client prefers the modular daemon where it is installed; starting the other would make two that fight.
    let program = find_program(MODULAR.0)
        .or_else(|| find_program(MONOLITHIC.0))
        .ok_or_else(no_daemon)?;
    let mut command = Command::new(program);
    command.args(["--timeout", SESSION_IDLE]);
    Ok(command)
}

/// Where libvirt's session sockets are, by libvirt's own rule.
fn session_socket_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_RUNTIME_DIR")
        .or_else(|| std::env::var_os("XDG_CACHE_HOME"))
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("libvirt"))
}

fn find_program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.exists())
}

fn no_daemon() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "neither libvirtd nor virtqemud is installed (Debian: libvirt-daemon)",
    )
}

fn write_configuration(arguments: &Arguments, home: &Home) -> io::Result<()> {
    let folder = home.libvirt_folder();
    create_folder(&folder, 0o755)?;
    create_folder(&home.libvirt_socket_folder(), 0o700)?;
    for (name, _) in isolation::FOLDERS {
        create_folder(&folder.join(name), 0o755)?;
    }
    std::fs::write(folder.join("daemon.conf"), daemon_configuration(home))?;
    // Opened first so that a folder in place of the file is an error of ours and not a riddle of libvirt's.
    File::create(folder.join("etc/qemu.conf"))?;
    std::fs::write(
        folder.join("etc/qemu.conf"),
        qemu_configuration(&arguments.qemu_user, &arguments.qemu_group),
    )
}

fn daemon_configuration(home: &Home) -> String {
    // No questions whether clients live: the end of a local one closes its socket.
    format!(
        "unix_sock_dir = \"{}\"\n\
         keepalive_interval = -1\n\
         unix_sock_rw_perms = \"0700\"\n\
         auth_unix_ro = \"none\"\n\
         auth_unix_rw = \"none\"\n\
         log_outputs = \"3:file:{}\"\n",
        home.libvirt_socket_folder().display(),
        home.libvirt_folder().join("log/daemon.log").display()
    )
}

fn qemu_configuration(user: &str, group: &str) -> String {
    // Ownership stays with Preflight: images are read by several machines at once, and an owner that is changed by one
    // and changed back by another is nobody's friend. Without systemd there is no cgroup to put a machine in. libvirt's own mount namespace for QEMU
    // can't move the file that hides /dev/kvm, and what it would hide an unprivileged user can't open anyway.
    format!(
        "user = \"{user}\"\n\
         group = \"{group}\"\n\
         dynamic_ownership = 0\n\
         remember_owner = 0\n\
         stdio_handler = \"file\"\n\
         security_driver = \"none\"\n\
         seccomp_sandbox = 1\n\
         cgroup_controllers = [ ]\n\
         namespaces = [ ]\n\
         max_core = 0\n\
         auto_dump_bypass_cache = 0\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_is_never_told_to_run_as_root() {
        let text = qemu_configuration("libvirt-qemu", "kvm");
        assert!(text.contains("user = \"libvirt-qemu\"\n"));
        assert!(text.contains("group = \"kvm\"\n"));
        assert!(text.contains("stdio_handler = \"file\""));
    }

    #[test]
    fn the_sockets_lie_in_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        assert!(daemon_configuration(&home).contains(&format!("unix_sock_dir = \"{}/sock\"", folder.path().display())));
    }
}
