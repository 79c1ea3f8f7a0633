//! Single files, to a guest and from it. What comes from a guest is bounded by the caller's limit, and a file on the host
//! appears whole or not at all.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use preflight_guest_protocol::Channel;
use preflight_guest_protocol::frame::DATA_CHUNK;
use preflight_guest_protocol::message::{ToGuest, ToHost};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::error::GuestError;
use crate::guest::Guest;
use crate::session::{Port, StreamEvent};
use crate::stream::{Stream, StreamSender, unexpected};

/// A file's permission bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileMode(u32);

impl FileMode {
    /// Read by all, written by the owner.
    pub const PLAIN: Self = Self(0o644);
    /// As [`FileMode::PLAIN`], and run by all.
    pub const PROGRAM: Self = Self(0o755);

    /// These bits, such as `0o640`.
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }
}

impl Guest {
    /// Writes a file in the guest, replacing an old one whole; parents are made. `owner` is a user of the guest's by name,
    /// root without one.
    ///
    /// # Errors
    /// [`GuestError::Refused`], [`GuestError::Closed`].
    pub async fn push_bytes(
        &self,
        guest_path: impl AsRef<Path>,
        bytes: &[u8],
        mode: FileMode,
        owner: Option<&str>,
    ) -> Result<(), GuestError> {
        self.push(guest_path.as_ref(), bytes, mode, owner).await
    }

    /// Copies a file of the host's into the guest, with its permission bits.
    ///
    /// # Errors
    /// [`GuestError::Host`], [`GuestError::Refused`], [`GuestError::Closed`].
    pub async fn push_file(
        &self,
        host_path: impl AsRef<Path>,
        guest_path: impl AsRef<Path>,
        owner: Option<&str>,
    ) -> Result<(), GuestError> {
        let context = || GuestError::host(format!("reading {}", host_path.as_ref().display()));
        let file = File::open(&host_path).await.map_err(context())?;
        let mode = FileMode::new(file.metadata().await.map_err(context())?.permissions().mode());
        self.push(guest_path.as_ref(), file, mode, owner).await
    }

    async fn push(
        &self,
        guest_path: &Path,
        source: impl AsyncRead + Unpin,
        mode: FileMode,
        owner: Option<&str>,
    ) -> Result<(), GuestError> {
        let mut stream = self.shared().open()?;
        let path = guest_path.as_os_str().as_bytes().to_vec();
        let request = ToGuest::WriteFile {
            path,
            mode: mode.0,
            owner: owner.map(str::to_owned),
        };
        stream.request(Port::Bulk, &request).await?;
        let sender = stream.sender().clone();
        upload(&mut stream, send_all(&sender, source)).await
    }

    /// Reads a file of the guest's, of at most so many bytes.
    ///
    /// # Errors
    /// [`GuestError::Refused`] (also for one that is too large), [`GuestError::Closed`], [`GuestError::Unacceptable`].
    pub async fn read_bytes(&self, guest_path: impl AsRef<Path>, max_bytes: u64) -> Result<Vec<u8>, GuestError> {
        let mut download = self.download(guest_path.as_ref(), max_bytes).await?;
        let mut bytes = Vec::new();
        while let Some(more) = download.next().await? {
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    /// Copies a file of the guest's to the host, of at most so many bytes; an old file of that name is replaced, the
    /// permission bits are the host's choice. Returns its length in bytes.
    ///
    /// # Errors
    /// As [`Guest::read_bytes`], and [`GuestError::Host`].
    pub async fn pull_file(
        &self,
        guest_path: impl AsRef<Path>,
        host_path: impl AsRef<Path>,
        max_bytes: u64,
    ) -> Result<u64, GuestError> {
        let host_path = host_path.as_ref();
        let context = || GuestError::host(format!("writing {}", host_path.display()));
        let mut download = self.download(guest_path.as_ref(), max_bytes).await?;
        let mut name = host_path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
        let part = host_path.with_file_name(name);
        let result = async {
            let mut file = File::create_new(&part).await.map_err(context())?;
            while let Some(more) = download.next().await? {
                file.write_all(&more).await.map_err(context())?;
            }
            file.flush().await.map_err(context())?;
            drop(file);
            tokio::fs::rename(&part, host_path).await.map_err(context())?;
            Ok(download.taken)
        }
        .await;
        if result.is_err() {
            // It may not even have been made; the first error is the one to tell.
            let _ = tokio::fs::remove_file(&part).await;
        }
        result
    }

    async fn download(&self, guest_path: &Path, max_bytes: u64) -> Result<Download, GuestError> {
        let mut stream = self.shared().open()?;
        let path = guest_path.as_os_str().as_bytes().to_vec();
        stream
            .request(Port::Bulk, &ToGuest::ReadFile { path, max_bytes })
            .await?;
        match stream.next().await? {
            StreamEvent::Message(ToHost::FileInfo { size, .. }) if size <= max_bytes => Ok(Download {
                stream,
                taken: 0,
                max_bytes,
            }),
            StreamEvent::Message(ToHost::FileInfo { size, .. }) => Err(GuestError::Unacceptable(format!(
                "a file of {size} bytes, more than the {max_bytes} allowed"
            ))),
            other => Err(unexpected(&other)),
        }
    }
}

/// Bytes that come on a stream's main channel, up to their end and the word that all went well.
pub(crate) struct Download {
    pub(crate) stream: Stream,
    pub(crate) taken: u64,
    pub(crate) max_bytes: u64,
}

impl Download {
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, GuestError> {
        match self.stream.next().await? {
            StreamEvent::Data(Channel::Main, bytes) => {
                self.taken = self.taken.saturating_add(bytes.len() as u64);
                if self.taken > self.max_bytes {
                    let what = format!("more than the {} bytes allowed", self.max_bytes);
                    return Err(GuestError::Unacceptable(what));
                }
                Ok(Some(bytes))
            }
            StreamEvent::Eof(Channel::Main) => {
                self.stream.done().await?;
                Ok(None)
            }
            other => Err(unexpected(&other)),
        }
    }
}

/// Sends what a future sends, then waits for the agent's word. A failure that the agent tells meanwhile ends it at once.
pub(crate) async fn upload(
    stream: &mut Stream,
    sending: impl Future<Output = Result<(), GuestError>>,
) -> Result<(), GuestError> {
    let early = tokio::select! {
        biased;
        event = stream.next() => Some(event?),
        sent = sending => {
            sent?;
            None
        }
    };
    match early {
        Some(event) => Err(unexpected(&event)),
        None => stream.done().await,
    }
}

async fn send_all(sender: &StreamSender, mut source: impl AsyncRead + Unpin) -> Result<(), GuestError> {
    let mut buffer = vec![0; DATA_CHUNK];
    loop {
        match source
            .read(&mut buffer)
            .await
            .map_err(GuestError::host("reading what to send"))?
        {
            0 => return sender.end().await,
            length => sender.send(&buffer[..length]).await?,
        }
    }
}
