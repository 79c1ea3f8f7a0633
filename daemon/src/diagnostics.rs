//! What the daemon writes of itself: to its own log file, and to stderr where it runs in the foreground.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::prelude::*;

/// Bytes after which the log of earlier daemons is put aside at start.
const LARGE: u64 = 16 * 1024 * 1024;

/// Starts writing to the log at `path`, which is appended to.
///
/// # Errors
/// The system's; a filter that cannot be read is one of `info`.
pub fn start(path: &Path, filter: &str, foreground: bool) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LARGE) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let known = EnvFilter::try_new(filter);
    let bad_filter = known.as_ref().err().map(ToString::to_string);
    tracing_subscriber::registry()
        .with(known.unwrap_or_else(|_| EnvFilter::new("info")))
        .with(fmt::layer().with_ansi(false).with_writer(Mutex::new(file)))
        .with(foreground.then(|| fmt::layer().with_writer(io::stderr)))
        .try_init()
        .map_err(io::Error::other)?;
    if let Some(error) = bad_filter {
        tracing::warn!(filter, error, "the configured log filter cannot be read");
    }
    Ok(())
}
