//! The two byte channels to the host: virtio-serial ports in a guest, listening sockets in a test. Owns how a port is
//! found, and what is done when the host goes away (wait: it comes back). Knows nothing of frames.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// How long to wait before a port is looked for again.
const PAUSE: Duration = Duration::from_millis(10);
/// The kernel wakes whoever waits for a port when the host comes; should a kernel not, this is how long a host waits at
/// most, in milliseconds.
const AWAY: u16 = 1000;

/// Where a port is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PortSource {
    /// The virtio-serial port of this name.
    Virtio(&'static str),
    /// A socket to listen on, for one host at a time.
    Socket(PathBuf),
}

/// The reading end of a port; its writing ends come over a channel, a new one whenever the host is a new peer.
pub(crate) struct PortReader {
    source: Source,
    writers: mpsc::Sender<Box<dyn Write + Send>>,
}

enum Source {
    Device {
        device: File,
        host_comes: HostComes,
    },
    Listener {
        listener: UnixListener,
        peer: Option<UnixStream>,
    },
}

impl PortReader {
    /// Opens a port, waiting for the device to appear. The first writer is there when this returns.
    pub(crate) fn open(source: &PortSource, writers: mpsc::Sender<Box<dyn Write + Send>>) -> io::Result<Self> {
        let source = match source {
            PortSource::Virtio(name) => {
                let device = open_device(name)?;
                let _ = writers.send(Box::new(device.try_clone()?));
                let host_comes = HostComes::to(&device)?;
                Source::Device { device, host_comes }
            }
            PortSource::Socket(path) => Source::Listener {
                listener: UnixListener::bind(path)?,
                peer: None,
            },
        };
        Ok(Self { source, writers })
    }

    /// Reads at least one byte, however long the host is away.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.source {
                Source::Device { device, host_comes } => match device.read(buffer) {
                    // A port without a host reads as ended.
                    Ok(0) => host_comes.wait()?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other,
                },
                Source::Listener { listener, peer } => {
                    if let Some(stream) = peer {
                        match stream.read(buffer) {
                            Ok(0) | Err(_) => *peer = None,
                            read => return read,
                        }
                    } else {
                        let (stream, _) = listener.accept()?;
                        let _ = self.writers.send(Box::new(stream.try_clone()?));
                        *peer = Some(stream);
                    }
                }
            }
        }
    }
}

/// Waits for the host of a virtio-serial port. While it is away, the port polls as hung up without end: only an edge tells
/// that something changed, be it that the host connected or that it sent something.
struct HostComes(Epoll);

impl HostComes {
    fn to(device: &File) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let edges = EpollFlags::EPOLLET | EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
        epoll.add(device, EpollEvent::new(edges, 0))?;
        Ok(Self(epoll))
    }

    /// Returns when the port may be worth reading again. An edge that came before is not lost: the next wait ends at once.
    fn wait(&self) -> io::Result<()> {
        match self.0.wait(&mut [EpollEvent::empty()], EpollTimeout::from(AWAY)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Waits a moment for what the kernel has no event for.
#[expect(
    clippy::disallowed_methods,
    reason = "the kernel has no event for a port that appears or a cgroup that empties"
)]
pub(crate) fn pause() {
    std::thread::sleep(PAUSE);
}

fn open_device(name: &str) -> io::Result<File> {
    loop {
        if let Some(path) = find_device(name) {
            match File::options().read(true).write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        pause();
    }
}

/// By sysfs, because `/dev/virtio-ports` is udev's work and udev may not have run yet.
fn find_device(name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports").ok()?.flatten() {
        if fs::read_to_string(entry.path().join("name")).is_ok_and(|found| found.trim_end() == name) {
            return Some(Path::new("/dev").join(entry.file_name()));
        }
    }
    None
}
