//! Why a disk that boots by itself cannot be made, with what to install or do.

use std::io;
use std::path::{Path, PathBuf};

use crate::initrd::InitrdError;

/// Why a disk that boots by itself cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UefiError {
    /// No loader is known for the image's machines.
    #[error("no UEFI loader is known for the architecture {0}; amd64, arm64 and riscv64 have one")]
    NoLoader(String),
    /// The loader is not installed.
    #[error("the UEFI loader {file} is missing; install the package `systemd-boot-efi` ({source})")]
    LoaderMissing {
        /// Where it was looked for.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A tool is not installed.
    #[error("`{tool}` cannot be started ({source}); install the package `mtools`")]
    NoTool {
        /// The command.
        tool: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A tool has failed.
    #[error("{tool} cannot fill the EFI system partition: {said}")]
    Tool {
        /// The command.
        tool: &'static str,
        /// Its words.
        said: String,
    },
    /// The partition table cannot be written.
    #[error("the partition table: {0}")]
    Table(#[from] gpt::GptError),
    /// The image's kernel modules cannot be read.
    #[error("{file} of the image's disk: {detail}")]
    Module {
        /// The file within the image.
        file: String,
        /// What is wrong.
        detail: String,
    },
    /// The initrd cannot be composed.
    #[error(transparent)]
    Initrd(#[from] InitrdError),
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

pub(super) fn at(file: &Path) -> impl FnOnce(io::Error) -> UefiError {
    let file = file.to_owned();
    move |source| UefiError::File { file, source }
}
