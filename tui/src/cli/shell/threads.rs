//! This process's standard streams, which block: a thread for each, so that nothing else waits for them. Raw bytes; who
//! writes to the terminal here hands on what a guest sends, as ssh does.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;

use bytes::Bytes;
use tokio::sync::mpsc;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// What a stream's thread has done.
#[derive(Debug)]
pub(super) enum Done {
    /// So many bytes were written.
    Written(usize),
    /// They cannot be.
    Failed(io::Error),
}

/// Reads standard input in a thread of its own; the receiver ends with it. The thread reads one chunk ahead and is left
/// behind when the process ends.
///
/// # Errors
/// Where the system has no descriptor left.
pub(super) fn stdin() -> io::Result<mpsc::Receiver<Bytes>> {
    let mut file = own(io::stdin().as_fd())?;
    let (tell, chunks) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk) {
                // An input that cannot be read has ended, as `cat` has it.
                Ok(0) => return,
                Ok(count) => {
                    if tell.blocking_send(Bytes::copy_from_slice(&chunk[..count])).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    Ok(chunks)
}

/// Writes to a standard stream in a thread of its own, which ends when its sender is dropped and all is written.
///
/// # Errors
/// Where the system has no descriptor left.
pub(super) fn output(stream: impl AsFd, done: mpsc::UnboundedSender<Done>) -> io::Result<mpsc::UnboundedSender<Bytes>> {
    let mut file = own(stream.as_fd())?;
    // Bounded by the credit that is given for what was written.
    let (to_write, mut pieces) = mpsc::unbounded_channel::<Bytes>();
    std::thread::spawn(move || {
        while let Some(piece) = pieces.blocking_recv() {
            let told = match file.write_all(&piece) {
                Ok(()) => done.send(Done::Written(piece.len())),
                Err(error) => {
                    let _ = done.send(Done::Failed(error));
                    return;
                }
            };
            if told.is_err() {
                return;
            }
        }
    });
    Ok(to_write)
}

/// The stream without the standard library's buffer.
fn own(stream: std::os::fd::BorrowedFd<'_>) -> io::Result<File> {
    stream.try_clone_to_owned().map(File::from)
}
