//! Writing a log: raw bytes in one file, and beside it where each piece of output starts, when it came and by which
//! stream. The side file's format is the protocol's (`preflight_protocol::log`); a log holds bytes, not UTF-8.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where a piece of output comes from; the numbers are the side file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogStream {
    /// Preflight's own words.
    Preflight = 0,
    /// The command's stdout.
    Stdout = 1,
    /// The command's stderr.
    Stderr = 2,
}

/// Bytes of one record of the side file.
pub const INDEX_RECORD: usize = 24;

/// Appends to a log and its side file. Nothing is held back: a client may read what was appended at once.
#[derive(Debug)]
pub struct LogWriter {
    log: File,
    index: File,
    size: u64,
    newlines: u64,
    ends_with_newline: bool,
}

impl LogWriter {
    /// Makes a new log; one that is there already is an error, since a log belongs to one attempt.
    ///
    /// # Errors
    /// The system's.
    pub fn create(log: &Path, index: &Path) -> io::Result<Self> {
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let open = |path: &Path| OpenOptions::new().read(true).append(true).create_new(true).open(path);
        Ok(Self {
            log: open(log)?,
            index: open(index)?,
            size: 0,
            newlines: 0,
            ends_with_newline: true,
        })
    }

    /// Appends output as it arrived, stamped with the system's clock.
    ///
    /// # Errors
    /// The system's; the log may then hold bytes that its side file does not tell of.
    pub fn append(&mut self, stream: LogStream, bytes: &[u8]) -> io::Result<()> {
        self.append_at(stream, bytes, SystemTime::now())
    }

    /// Appends output that arrived at this time.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_at(&mut self, stream: LogStream, bytes: &[u8], at: SystemTime) -> io::Result<()> {
        let nanoseconds = at
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        // A record's length has 32 bits.
        for piece in bytes.chunks(1 << 30) {
            self.log.write_all(piece)?;
            let mut record = [0; INDEX_RECORD];
            record[..8].copy_from_slice(&self.size.to_le_bytes());
            record[8..16].copy_from_slice(&nanoseconds.to_le_bytes());
            record[16..20].copy_from_slice(&(stream as u32).to_le_bytes());
            record[20..].copy_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.index.write_all(&record)?;
            self.size += piece.len() as u64;
            self.newlines += piece.iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.ends_with_newline = piece.last() == Some(&b'\n');
        }
        Ok(())
    }

    /// Writes a line of Preflight's own, on a line of its own, and answers the line's number, counted from 1.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn say(&mut self, text: &str) -> io::Result<u64> {
        let mut line = Vec::with_capacity(text.len() + 2);
        if !self.ends_with_newline {
            line.push(b'\n');
        }
        line.extend_from_slice(text.as_bytes());
        if !text.ends_with('\n') {
            line.push(b'\n');
        }
        let number = self.next_line();
        self.append(LogStream::Preflight, &line)?;
        Ok(number)
    }

    /// The log itself, to read at places of it (`FileExt::read_at`); what is appended later can be read too.
    ///
    /// # Errors
    /// The system's.
    pub fn content(&self) -> io::Result<File> {
        self.log.try_clone()
    }

    /// The log's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The number, counted from 1, of the line that the next output starts, or goes on with where the last line has
    /// no end yet.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.newlines + 1
    }

    /// The number, counted from 1, of the next line that starts.
    #[must_use]
    pub fn next_line(&self) -> u64 {
        self.line() + u64::from(!self.ends_with_newline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_file_tells_where_each_piece_is_and_lines_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (log, index) = (folder.path().join("logs/a.log"), folder.path().join("logs/a.log.idx"));
        let mut writer = LogWriter::create(&log, &index).unwrap();
        assert_eq!(writer.say("preflight: starting").unwrap(), 1);
        writer.append(LogStream::Stdout, b"one\ntw").unwrap();
        assert_eq!((writer.line(), writer.next_line()), (3, 4));
        writer.append(LogStream::Stderr, b"o \xff").unwrap();
        assert_eq!(writer.say("done").unwrap(), 4);
        assert_eq!(writer.line(), 5);

        let bytes = std::fs::read(&log).unwrap();
        assert_eq!(bytes, b"preflight: starting\none\ntwo \xff\ndone\n");
        assert_eq!(writer.size(), bytes.len() as u64);
        let records: Vec<(u64, u32, &[u8])> = std::fs::read(&index)
            .unwrap()
            .chunks_exact(INDEX_RECORD)
            .map(|record| {
                let offset = u64::from_le_bytes(record[..8].try_into().unwrap());
                let stream = u32::from_le_bytes(record[16..20].try_into().unwrap());
                let length = u32::from_le_bytes(record[20..].try_into().unwrap());
                (
                    offset,
                    stream,
                    &bytes[usize::try_from(offset).unwrap()..][..length as usize],
                )
            })
            .collect();
        assert_eq!(
            records,
            [
                (0, 0, &b"preflight: starting\n"[..]),
                (20, 1, b"one\ntw"),
                (26, 2, b"o \xff"),
                (29, 0, b"\ndone\n"),
            ]
        );
    }

    #[test]
    fn a_log_belongs_to_one_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let (log, index) = (folder.path().join("a.log"), folder.path().join("a.log.idx"));
        LogWriter::create(&log, &index).unwrap();
        assert_eq!(
            LogWriter::create(&log, &index).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
    }
}
