//! Directories, to a guest and from it, as tar streams. Packing and unpacking block, so they have threads of their own;
//! what may come out of a guest's archive is decided in [`crate::unpack`].

use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use preflight_guest_protocol::frame::DATA_CHUNK;
use preflight_guest_protocol::message::ToGuest;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::error::GuestError;
use crate::files::{Download, upload};
use crate::guest::Guest;
use crate::session::Port;
use crate::unpack::{TreeLimits, TreeReport, unpack};

/// Chunks between the thread that packs or unpacks and the stream.
const CHUNKS: usize = 4;

impl Guest {
    /// Copies a directory's content of the host's into a directory of the guest's, which is made if missing, with
    /// permission bits, links as links; all of it belongs to `owner`, a user of the guest's, or to root.
    ///
    /// # Errors
    /// [`GuestError::Host`], [`GuestError::Refused`], [`GuestError::Closed`].
    pub async fn push_tree(
        &self,
        host_dir: impl AsRef<Path>,
        guest_dir: impl AsRef<Path>,
        owner: Option<&str>,
    ) -> Result<(), GuestError> {
        let host_dir = host_dir.as_ref().to_owned();
        let mut stream = self.shared().open()?;
        let path = guest_dir.as_ref().as_os_str().as_bytes().to_vec();
        stream
            .request(
                Port::Bulk,
                &ToGuest::WriteTree {
                    path,
                    owner: owner.map(str::to_owned),
                },
            )
            .await?;
        let (chunks, mut packed) = mpsc::channel(CHUNKS);
        let context = format!("packing {}", host_dir.display());
        let packing = spawn_blocking(move || pack(&host_dir, chunks));
        let sender = stream.sender().clone();
        let sending = async {
            while let Some(chunk) = packed.recv().await {
                sender.send(&chunk).await?;
            }
            // Only a whole archive may be ended: the agent would take half of one for all.
            packing
                .await
                .unwrap_or_else(|error| Err(io::Error::other(error)))
                .map_err(GuestError::host(context))?;
            sender.end().await
        };
        upload(&mut stream, sending).await
    }

    /// Copies a directory's content of the guest's into a new directory of the host's. Sizes and counts are bounded, the
    /// names are checked, nothing is followed; what can't be taken over is left out and told.
    ///
    /// # Errors
    /// [`GuestError::Refused`], [`GuestError::Closed`], [`GuestError::Host`] (also when `host_dir` exists),
    /// [`GuestError::Unacceptable`] for what no honest agent sends. What was written until then stays.
    pub async fn pull_tree(
        &self,
        guest_dir: impl AsRef<Path>,
        host_dir: impl AsRef<Path>,
        limits: TreeLimits,
    ) -> Result<TreeReport, GuestError> {
        let host_dir: PathBuf = host_dir.as_ref().to_owned();
        let stream = self.shared().open()?;
        let path = guest_dir.as_ref().as_os_str().as_bytes().to_vec();
        stream.request(Port::Bulk, &ToGuest::ReadTree { path }).await?;
        let mut download = Download {
            stream,
            taken: 0,
            max_bytes: limits.archive_bytes(),
        };
        let (chunks, incoming) = mpsc::channel(CHUNKS);
        let unpacking = spawn_blocking(move || unpack(ChunkReader::new(incoming), &host_dir, limits));
        let mut received = Ok(());
        loop {
            match download.next().await {
                Ok(None) => break,
                // An unpacker that has stopped has said why.
                Ok(Some(chunk)) => {
                    if chunks.send(Ok(chunk)).await.is_err() {
                        break;
                    }
                }
                Err(error) => {
                    // The unpacker must not take the break for the end.
                    let _ = chunks.send(Err(io::ErrorKind::UnexpectedEof.into())).await;
                    received = Err(error);
                    break;
                }
            }
        }
        drop(chunks);
        let unpacked = unpacking
            .await
            .map_err(|error| GuestError::host("unpacking")(io::Error::other(error)))?;
        received.and(unpacked)
    }
}

fn pack(host_dir: &Path, chunks: mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let writer = io::BufWriter::with_capacity(DATA_CHUNK, ChunkWriter(chunks));
    let mut builder = tar::Builder::new(writer);
    builder.follow_symlinks(false);
    builder.append_dir_all("", host_dir)?;
    builder.into_inner()?.flush()
}

struct ChunkWriter(mpsc::Sender<Vec<u8>>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(bytes.to_vec())
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct ChunkReader {
    chunks: mpsc::Receiver<io::Result<Vec<u8>>>,
    current: io::Cursor<Vec<u8>>,
}

impl ChunkReader {
    fn new(chunks: mpsc::Receiver<io::Result<Vec<u8>>>) -> Self {
        Self {
            chunks,
            current: io::Cursor::default(),
        }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.current.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match self.chunks.blocking_recv() {
                Some(chunk) => self.current = io::Cursor::new(chunk?),
                None => return Ok(0),
            }
        }
    }
}
