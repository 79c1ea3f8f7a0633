//! Hands an image that exists nowhere as a file (a head of our own before the stream of another one) to somebody who opens
//! a path: a FIFO, fed by a thread for as long as the other one is at it. It knows bytes and nothing of libvirt.
//!
//! libvirt up to 11.1 opens the path once; from 11.2 on it opens it to look at the head, closes it, and opens it again. Each
//! opening must find the whole image from its beginning, so that the FIFO is replaced by a fresh one as soon as it has a
//! reader.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// Between two looks whether somebody has opened the FIFO, in ms. The kernel tells nobody; the looks end with the call.
const LOOK: u8 = 2;
/// What the pipe holds and what is read at once, in bytes: what the kernel lets an ordinary user have.
const CHUNK: usize = 1 << 20;

/// An image in two parts.
#[derive(Debug)]
pub(super) struct Image {
    /// What it begins with.
    pub(super) head: Vec<u8>,
    /// The file that the rest is in.
    pub(super) rest: File,
    /// Where in that file the rest begins.
    pub(super) from: u64,
}

/// Calls `take` with a path at which the image can be read, and feeds whoever opens it until `take` returns, whether or not
/// anybody did. `folder` must be one that only this user may write to. Nothing is left in it.
pub(super) fn offer<T>(image: &Image, folder: &Path, take: impl FnOnce(&Path) -> T) -> io::Result<T> {
    let feeder = Feeder {
        image,
        fifo: Fifo::make(folder)?,
        reader: None,
    };
    let path = feeder.fifo.path.clone();
    // Its writing end is dropped when `take` has ended, however it did, which wakes the thread.
    let (over, taking) = io::pipe()?;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("save-image".into())
            .spawn_scoped(scope, move || feeder.feed(&over))?;
        let taken = take(&path);
        drop(taking);
        Ok(taken)
    })
}

/// A named pipe that goes away with this.
struct Fifo {
    path: PathBuf,
    next: PathBuf,
}

impl Fifo {
    fn make(folder: &Path) -> io::Result<Self> {
        let fifo = Self {
            path: folder.join("image"),
            next: folder.join("image.next"),
        };
        fifo.renew()?;
        Ok(fifo)
    }

    /// Puts a fresh one at the path; those who have the old one open keep it.
    fn renew(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.next) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        mkfifo(&self.next, Mode::S_IRUSR | Mode::S_IWUSR)?;
        std::fs::rename(&self.next, &self.path)
    }

    /// Its writing end; `None` while nobody reads.
    fn writer(&self) -> io::Result<Option<File>> {
        let opened = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
            .open(&self.path);
        match opened {
            Ok(file) if file.metadata()?.file_type().is_fifo() => Ok(Some(file)),
            Ok(_) => Err(io::Error::other("it is no FIFO any more")),
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(&self.next);
    }
}

struct Feeder<'image> {
    image: &'image Image,
    fifo: Fifo,
    reader: Option<Reader>,
}

impl Feeder<'_> {
    /// Feeds one reader after another until `over` is at its end.
    fn feed(mut self, over: &io::PipeReader) {
        loop {
            match self.fifo.writer() {
                Ok(None) => {}
                // The next one to open the path must not find what this one has left.
                Ok(Some(writer)) => match self.fifo.renew() {
                    Ok(()) => self.reader = Some(Reader::new(writer)),
                    Err(error) => return self.give_up(&error),
                },
                Err(error) => return self.give_up(&error),
            }
            let mut fds = vec![PollFd::new(over.as_fd(), PollFlags::POLLIN)];
            if let Some(reader) = &self.reader {
                fds.push(PollFd::new(reader.writer.as_fd(), PollFlags::POLLOUT));
            }
            let _ = poll(&mut fds, PollTimeout::from(LOOK));
            if fds[0].any() != Some(false) {
                return;
            }
            let ready = fds.get(1).is_some_and(|fd| fd.any() != Some(false));
            if ready
                && let Some(reader) = &mut self.reader
                && !reader.go_on(self.image)
            {
                self.reader = None;
            }
        }
    }

    /// Without its files, whoever reads finds an end, and whoever opens finds nothing: nobody waits for us.
    fn give_up(&self, error: &io::Error) {
        tracing::warn!(path = %self.fifo.path.display(), %error, "a save image can't be handed on");
    }
}

/// Somebody who has opened the FIFO.
struct Reader {
    writer: File,
    /// How much of the image has been read from its parts.
    position: u64,
    /// What was read and not written yet.
    pending: Vec<u8>,
    written: usize,
}

impl Reader {
    fn new(writer: File) -> Self {
        // As it is, a pipe holds 64 KiB: each switch between two processes would move no more than that.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(CHUNK as i32));
        Self {
            writer,
            position: 0,
            pending: Vec::new(),
            written: 0,
        }
    }

    /// Writes what the pipe takes; false at the end, be it the image's or the reader's.
    fn go_on(&mut self, image: &Image) -> bool {
        if self.written == self.pending.len() && !self.fill(image) {
            return false;
        }
        match self.writer.write(&self.pending[self.written..]) {
            Ok(count) => {
                self.written += count;
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }

    fn fill(&mut self, image: &Image) -> bool {
        self.written = 0;
        let head = image.head.len() as u64;
        if self.position < head {
            self.pending.clone_from(&image.head);
            self.position = head;
            return true;
        }
        self.pending.resize(CHUNK, 0);
        let count = loop {
            match image.rest.read_at(&mut self.pending, image.from + self.position - head) {
                Ok(count) => break count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::warn!(%error, "a save image can't be read");
                    break 0;
                }
            }
        };
        self.pending.truncate(count);
        self.position += count as u64;
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::time::{Duration, Instant};

    use super::*;

    fn image(folder: &Path) -> (Image, Vec<u8>) {
        let body: Vec<u8> = (0..3 * CHUNK + 4711).map(|index| (index / 7 % 251) as u8).collect();
        let path = folder.join("saved");
        std::fs::write(&path, [&b"old head"[..], &body].concat()).unwrap();
        let head = b"new head, which is longer".to_vec();
        let whole = [&head[..], &body].concat();
        let image = Image {
            head,
            rest: File::open(path).unwrap(),
            from: 8,
        };
        (image, whole)
    }

    fn left(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn every_opening_finds_the_whole_image() {
        let folder = tempfile::tempdir().unwrap();
        let work = tempfile::tempdir().unwrap();
        let (image, whole) = image(folder.path());
        offer(&image, work.path(), |path| {
            // As a libvirt does that looks at the head first.
            let mut head = [0; 25];
            File::open(path).unwrap().read_exact(&mut head).unwrap();
            assert_eq!(head[..], whole[..25]);
            for _ in 0..2 {
                assert!(std::fs::read(path).unwrap() == whole);
            }
            // As QEMU does, which knows where the stream ends.
            let mut file = File::open(path).unwrap();
            file.read_exact(&mut head).unwrap();
            file.read_exact(&mut vec![0; whole.len() - 25]).unwrap();
        })
        .unwrap();
        assert_eq!(left(work.path()), 0);
    }

    #[test]
    fn several_are_fed_from_one_image_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (image, whole) = image(folder.path());
        let (image, whole) = (&image, &whole);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(move || {
                    let work = tempfile::tempdir().unwrap();
                    offer(image, work.path(), |path| {
                        assert!(std::fs::read(path).unwrap() == *whole)
                    })
                    .unwrap();
                });
            }
        });
    }

    #[test]
    fn who_never_opens_or_stops_reading_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let work = tempfile::tempdir().unwrap();
        let (image, _) = image(folder.path());
        let began = Instant::now();
        offer(&image, work.path(), |_| ()).unwrap();
        let open = offer(&image, work.path(), |path| {
            let mut file = File::open(path).unwrap();
            file.read_exact(&mut [0; 100]).unwrap();
            file
        })
        .unwrap();
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(open);
        assert_eq!(left(work.path()), 0);
        // A dead daemon's is no hindrance.
        mkfifo(&work.path().join("image"), Mode::S_IRUSR).unwrap();
        mkfifo(&work.path().join("image.next"), Mode::S_IRUSR).unwrap();
        offer(&image, work.path(), |_| ()).unwrap();
        assert_eq!(left(work.path()), 0);
    }
}
