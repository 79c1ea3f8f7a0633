//! `copyup` and `copydown`: files and folders between this host and a borrowed testbed, as streams through commands of the
//! testbed's own (`cat`, `tar`), as autopkgtest's servers do it. What comes from the testbed is bounded; how its archives are
//! taken apart is [`super::unpack`]'s matter.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::command::{self, CommandError, Place};
use super::line::Copy;
use super::unpack::{Limits, UnpackError, unpack};

/// The most that is taken from a testbed at once: more than any built tree has, and less than fills a disk unnoticed.
const LIMITS: Limits = Limits {
    bytes: 16 << 30,
    entries: 2_000_000,
};
/// Pieces between a thread and the stream.
const PIECES: usize = 4;
/// How long a piece is, in bytes.
const PIECE: usize = 64 * 1024;

/// A copy that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// In the testbed, or on the way.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// On the host.
    #[error("{path}: {source}")]
    Host {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What comes is not taken.
    #[error(transparent)]
    Refused(#[from] UnpackError),
}

impl CopyError {
    fn host(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Host {
            path: path.clone(),
            source,
        }
    }
}

/// Whether the testbed is lost, rather than one command in it.
pub(super) fn is_lost(error: &CommandError) -> bool {
    !matches!(error, CommandError::Failed { .. })
}

/// Copies; answers how many entries of a folder were left out.
///
/// # Errors
/// [`CopyError`]. What was copied by then stays where it is.
pub(super) async fn copy(place: Place<'_>, copy: &Copy) -> Result<u64, CopyError> {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let (from, to) = (path(&copy.from), path(&copy.to));
    match (copy.up, copy.is_folder) {
        (true, true) => folder_up(place, &copy.from, to).await,
        (true, false) => file_up(place, &copy.from, to).await.map(|()| 0),
        (false, true) => folder_down(place, from, &copy.to).await.map(|()| 0),
        (false, false) => file_down(place, from, &copy.to).await.map(|()| 0),
    }
}

const COPYING: &str = "copying";

async fn file_down(place: Place<'_>, from: PathBuf, to: &[u8]) -> Result<(), CopyError> {
    let failed = CopyError::host(&from);
    let file = File::open(&from).map_err(&failed)?;
    let mode = file.metadata().map_err(&failed)?.permissions().mode();
    let script = if mode & 0o111 == 0 {
        "cat > \"$1\""
    } else {
        "cat > \"$1\"; chmod +x -- \"$1\""
    };
    let (pieces, input) = mpsc::channel(PIECES);
    let reading = spawn_blocking(move || io::copy(&mut &file, &mut Pieces(pieces)).map(drop));
    let ended = command::run(place, script, &[to], Some(input), None).await?;
    ended.must(COPYING)?;
    joined(reading.await).map_err(failed)
}

async fn folder_down(place: Place<'_>, from: PathBuf, to: &[u8]) -> Result<(), CopyError> {
    let failed = CopyError::host(&from);
    let (pieces, input) = mpsc::channel(PIECES);
    let packing = spawn_blocking(move || pack(&from, pieces));
    let script = "if ! test -d \"$1\"; then mkdir -- \"$1\"; fi; cd \"$1\"
        exec tar --warning=none --preserve-permissions --extract --no-same-owner -f -";
    let ended = command::run(place, script, &[to], Some(input), None).await?;
    let packed = joined(packing.await);
    // A broken pipe says no more than that tar has failed, and it says why.
    if !matches!(&packed, Err(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        packed.map_err(failed)?;
    }
    ended.must(COPYING)?;
    Ok(())
}

async fn file_up(place: Place<'_>, from: &[u8], to: PathBuf) -> Result<(), CopyError> {
    let failed = CopyError::host(&to);
    let mut file = File::create(&to).map_err(&failed)?;
    let (output, pieces) = mpsc::channel(PIECES);
    let writing = spawn_blocking(move || {
        let mut taken = PiecesReader::new(pieces).take(LIMITS.bytes.saturating_add(1));
        let length = io::copy(&mut taken, &mut file)?;
        file.flush()?;
        Ok(length)
    });
    let ended = command::run(place, "exec cat < \"$1\"", &[from], None, Some(output)).await;
    let length = joined(writing.await).map_err(failed)?;
    if length > LIMITS.bytes {
        return Err(UnpackError::TooLarge(LIMITS.bytes).into());
    }
    ended?.must(COPYING)?;
    Ok(())
}

async fn folder_up(place: Place<'_>, from: &[u8], to: PathBuf) -> Result<u64, CopyError> {
    let (output, pieces) = mpsc::channel(PIECES);
    // An archive ends only where its sender has ended well: one that fails may have sent something that looks whole.
    let (verdict, ended_well) = std::sync::mpsc::channel();
    let unpacking = spawn_blocking(move || {
        let reader = JudgedReader {
            pieces: PiecesReader::new(pieces),
            ended_well,
        };
        unpack(reader, &to, LIMITS)
    });
    let script = "cd \"$1\"; exec tar --warning=none -c . -f -";
    let ended = command::run(place, script, &[from], None, Some(output)).await;
    let ended = match ended {
        Ok(ended) => {
            // tar says 1 where a file has changed while it was read.
            let ended = ended.must(COPYING);
            // Nobody may listen any more.
            let _ = verdict.send(ended.is_ok());
            ended
        }
        Err(error) => Err(error),
    };
    drop(verdict);
    match (unpacking.await, ended) {
        // Why it takes no more is told by the unpacker, and is the cause of the command's end.
        (Ok(Err(error)), Err(CommandError::Failed { .. }) | Ok(_)) if !is_cut(&error) => Err(error.into()),
        (_, Err(error)) => Err(error.into()),
        (Ok(unpacked), Ok(_)) => Ok(unpacked?),
        (Err(error), Ok(_)) => Err(CopyError::host(Path::new("unpacking"))(io::Error::other(error))),
    }
}

fn is_cut(error: &UnpackError) -> bool {
    let (UnpackError::Malformed(source) | UnpackError::Host { source, .. }) = error else {
        return false;
    };
    source.kind() == io::ErrorKind::UnexpectedEof
}

fn joined<T>(done: Result<io::Result<T>, tokio::task::JoinError>) -> io::Result<T> {
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Writes a folder as an archive. Sockets are left out, as tar(1) leaves them out.
fn pack(folder: &Path, pieces: mpsc::Sender<Bytes>) -> io::Result<()> {
    let writer = io::BufWriter::with_capacity(PIECE, Pieces(pieces));
    let mut builder = tar::Builder::new(writer);
    builder.follow_symlinks(false);
    let mut waiting = vec![(folder.to_owned(), PathBuf::from("."))];
    while let Some((from, name)) = waiting.pop() {
        builder.append_dir(&name, &from)?;
        for entry in std::fs::read_dir(&from)? {
            let entry = entry?;
            let (from, name) = (entry.path(), name.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                waiting.push((from, name));
            } else if !std::os::unix::fs::FileTypeExt::is_socket(&kind) {
                builder.append_path_with_name(&from, &name)?;
            }
        }
    }
    builder.into_inner()?.flush()
}

struct Pieces(mpsc::Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        let sent = self.0.blocking_send(piece);
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct PiecesReader {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl PiecesReader {
    fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self {
            pieces,
            current: Bytes::new(),
        }
    }
}

impl Read for PiecesReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

/// Pieces whose end is one only where their sender has ended well.
struct JudgedReader {
    pieces: PiecesReader,
    ended_well: std::sync::mpsc::Receiver<bool>,
}

impl Read for JudgedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.pieces.read(buffer)?;
        if length == 0 && !buffer.is_empty() && !self.ended_well.recv().unwrap_or(false) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(length)
    }
}
