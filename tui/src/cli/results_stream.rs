//! The subunit v2 streams of a ticket while its tests run: read from the files as they grow, put out packet by packet, so that
//! those of tests which run side by side make one stream.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use preflight_protocol::client::Connection;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::method::{ResultStream, TicketShow};
use tokio::time::sleep;

use super::context::{Context, ask};
use super::error::CliError;
use super::report;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// So much is read at once.
const PIECE: u64 = 1 << 20;

/// Prints a ticket's streams until it has ended; answers its exit code.
///
/// # Errors
/// Where there is no such ticket, or the daemon does not come back.
pub(super) async fn follow(context: &Context, id: TicketId) -> Result<u8, CliError> {
    let mut streams = Streams::new(id);
    let (mut connection, _notifications) = context.attach().await?;
    loop {
        let looked = async {
            let ticket = ask(&connection, &TicketShow { id }).await?;
            streams.copy(&connection, &mut io::stdout().lock()).await?;
            Ok(ticket)
        };
        match looked.await {
            // It had ended before the streams were read: nothing more comes.
            Ok(ticket) if ticket.summary.status.is_final() => return Ok(report::exit_code(&ticket)),
            Ok(_) => {}
            Err(CliError::NoDaemon(..)) => connection = context.attach().await?.0,
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            signal = tokio::signal::ctrl_c() => {
                signal?;
                return Err(CliError::Interrupted);
            }
        }
    }
}

/// Puts out a ticket's streams beside whoever follows the ticket.
pub(super) struct Pump<'a> {
    context: &'a Context,
    connection: Option<Connection>,
    streams: Streams,
}

impl<'a> Pump<'a> {
    pub(super) fn new(context: &'a Context, id: TicketId) -> Self {
        Self {
            context,
            connection: None,
            streams: Streams::new(id),
        }
    }

    /// Goes on until the output is gone. Starts no daemon: who follows the ticket does.
    pub(super) async fn run(&mut self) -> CliError {
        loop {
            if let Err(error) = self.copy().await {
                return error;
            }
            sleep(LOOK).await;
        }
    }

    /// Puts out what there is; nothing while no daemon answers.
    pub(super) async fn copy(&mut self) -> Result<(), CliError> {
        let connection = match &self.connection {
            Some(connection) => connection,
            None => match self.context.endpoint.connect().await {
                Ok((connection, _notifications)) => self.connection.insert(connection),
                Err(_) => return Ok(()),
            },
        };
        match self.streams.copy(connection, &mut io::stdout().lock()).await {
            Err(CliError::NoDaemon(..)) => {
                self.connection = None;
                Ok(())
            }
            copied => copied,
        }
    }
}

/// The streams of a ticket, and how far each was put out.
struct Streams {
    ticket: TicketId,
    open: HashMap<JobId, Stream>,
}

impl Streams {
    fn new(ticket: TicketId) -> Self {
        Self {
            ticket,
            open: HashMap::new(),
        }
    }

    /// Puts out what has come since it was last asked.
    async fn copy(&mut self, connection: &Connection, out: &mut impl Write) -> Result<(), CliError> {
        let files = ask(connection, &ResultStream { ticket: self.ticket }).await?;
        for file in files {
            let trouble = || CliError::file(file.path.display().to_string());
            loop {
                if let Some(stream) = self.open.get_mut(&file.job) {
                    stream.copy(out)?;
                    if stream.is_at(&file.path) {
                        break;
                    }
                    // Another attempt writes another file; what the earlier one has not ended is no packet.
                    self.open.remove(&file.job);
                }
                match File::open(&file.path) {
                    Ok(opened) => drop(self.open.insert(file.job, Stream::new(opened).map_err(trouble())?)),
                    // Its first test has just started.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) => return Err(trouble()(error)),
                }
            }
        }
        Ok(out.flush()?)
    }
}

/// One stream.
struct Stream {
    file: File,
    inode: u64,
    /// The beginning of a packet whose rest is still to come.
    pending: Vec<u8>,
}

impl Stream {
    fn new(file: File) -> io::Result<Self> {
        let inode = file.metadata()?.ino();
        Ok(Self {
            file,
            inode,
            pending: Vec::new(),
        })
    }

    /// Whether its file still has this name.
    fn is_at(&self, path: &Path) -> bool {
        // One that is gone is about to be replaced.
        std::fs::metadata(path).map_or(true, |metadata| metadata.ino() == self.inode)
    }

    fn copy(&mut self, out: &mut impl Write) -> io::Result<()> {
        loop {
            let read = (&mut self.file).take(PIECE).read_to_end(&mut self.pending)?;
            if read == 0 {
                return Ok(());
            }
            let whole = whole_packets(&self.pending);
            out.write_all(&self.pending[..whole])?;
            self.pending.drain(..whole);
        }
    }
}

/// The first byte of a packet of subunit v2.
const SIGNATURE: u8 = 0xb3;
/// Signature and flags, which stand before a packet's length.
const HEAD: usize = 3;
/// The shortest packet: head, a length of one byte, and the checksum.
const SHORTEST: usize = HEAD + 1 + 4;

/// How many bytes there are up to the end of the last whole packet. What is no packet is whole by itself.
fn whole_packets(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&first) = bytes.get(at) {
        if first != SIGNATURE {
            at += 1;
            continue;
        }
        match packet_length(&bytes[at..]) {
            Some(length) if length < SHORTEST => at += 1,
            Some(length) if at + length <= bytes.len() => at += length,
            _ => break,
        }
    }
    at
}

/// A packet's length, once so much of it is there that it says it: a number of one to four bytes, of which the top two bits
/// say how many.
fn packet_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.get(HEAD)?;
    let rest = usize::from(first >> 6);
    let number = packet.get(HEAD + 1..HEAD + 1 + rest)?;
    let top = usize::from(first & 0x3f);
    Some(
        number
            .iter()
            .fold(top, |number, byte| (number << 8) | usize::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The vector of the format's own description: test `foo` exists.
    const FOO: [u8; 12] = [0xb3, 0x29, 0x01, 0x0c, 0x03, 0x66, 0x6f, 0x6f, 0x08, 0x55, 0x5f, 0x1b];

    #[test]
    fn a_packet_is_put_out_once_it_is_whole() {
        let two = [FOO, FOO].concat();
        for (there, whole) in [(0, 0), (1, 0), (11, 0), (12, 12), (13, 12), (23, 12), (24, 24)] {
            assert_eq!(whole_packets(&two[..there]), whole, "{there}");
        }
        // A length of two bytes: 0x4000 and 300.
        let mut long = vec![0xb3, 0x29, 0x01, 0x41, 0x2c];
        long.resize(300, 0);
        assert_eq!(whole_packets(&long[..299]), 0);
        assert_eq!(whole_packets(&long), 300);
        assert_eq!(whole_packets(b"text"), 4);
        assert_eq!(whole_packets(&[&b"text"[..], &FOO[..5]].concat()), 4);
    }

    #[test]
    fn another_attempts_file_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.subunit");
        std::fs::write(&path, [&FOO[..], &FOO[..5]].concat()).unwrap();
        let mut stream = Stream::new(File::open(&path).unwrap()).unwrap();
        let mut out = Vec::new();
        stream.copy(&mut out).unwrap();
        assert_eq!(out, FOO);
        assert!(stream.is_at(&path));
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(&FOO[5..])
            .unwrap();
        stream.copy(&mut out).unwrap();
        assert_eq!(out, [FOO, FOO].concat());
        let other = folder.path().join("other");
        std::fs::write(&other, FOO).unwrap();
        std::fs::rename(other, &path).unwrap();
        assert!(!stream.is_at(&path));
    }

    proptest! {
        #[test]
        fn fuzz_subunit_packets(bytes in prop::collection::vec(prop_oneof![Just(0xb3_u8), any::<u8>()], 0..200), cut in 0..200_usize) {
            let whole = whole_packets(&bytes);
            prop_assert!(whole <= bytes.len());
            // What was whole stays whole when more comes.
            let first = whole_packets(&bytes[..cut.min(bytes.len())]);
            prop_assert!(first <= whole);
        }
    }
}
