//! A file in the making: pieces of a fetch, digested as they are written, that outlive the process and are resumed.

use std::io::SeekFrom;
use std::path::Path;

use preflight_debian::Hashing;
use reqwest::header::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// A file in the making; what is digested is what is on disk.
pub(crate) struct Partial {
    pub(crate) file: tokio::fs::File,
    pub(crate) hashing: Hashing,
    /// Whether some of it comes from another connection.
    pub(crate) resumed: bool,
    /// What the server said the file's state is: it is continued only from that state.
    pub(crate) validator: Option<HeaderValue>,
}

impl Partial {
    /// Opens what an earlier attempt or process has left, or a new one.
    pub(crate) async fn open(path: &Path) -> std::io::Result<Self> {
        let mut file = tokio::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .await?;
        let mut hashing = Hashing::new();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            hashing.update(&buffer[..read]);
        }
        Ok(Self {
            resumed: hashing.size() > 0,
            file,
            hashing,
            validator: None,
        })
    }

    /// Throws away what is there.
    pub(crate) async fn restart(&mut self) -> std::io::Result<()> {
        self.file.set_len(0).await?;
        self.file.seek(SeekFrom::Start(0)).await?;
        self.hashing = Hashing::new();
        self.resumed = false;
        self.validator = None;
        Ok(())
    }
}
