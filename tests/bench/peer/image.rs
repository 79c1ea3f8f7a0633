//! The peer's image: made once by `make-image`, kept by the digest of what decides what is in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use preflight_tests::progress;

use crate::error::BenchError;
use crate::live::{self, Stream};

/// mmdebstrap fetches some hundred packages.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// A disk with its kernel and initrd.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Its folder.
    pub(crate) folder: PathBuf,
}

impl Image {
    /// The image, made where it is missing, below a folder.
    pub(crate) fn make(cache: &Path) -> Result<Self, BenchError> {
        progress::say("peer: its image (a minute or two where it is not there yet)");
        std::fs::create_dir_all(cache).map_err(BenchError::io(cache.display().to_string()))?;
        let mut command = Command::new(script("make-image"));
        command.arg(cache);
        let ended = live::run(command, PATIENCE)?;
        let told = ended.lines.iter().rev().find(|line| line.stream == Stream::Out);
        told.map(|line| Self {
            folder: PathBuf::from(&line.text),
        })
        .ok_or_else(|| BenchError::Unexpected("make-image names no folder".to_owned()))
    }
}

/// A script that lies beside this file.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/peer").join(name)
}
