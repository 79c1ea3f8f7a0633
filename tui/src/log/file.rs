//! A log file by line numbers: a sparse index of line starts that grows with the file, windows of lines, and search.
//! Never holds the file: one entry for every 1024 lines, and the lines that are asked for. Knows bytes, no colours.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use regex::bytes::Regex;

use super::line;

/// Lines between two entries of the index.
const STRIDE: u64 = 1024;
/// Bytes that one call of [`LogFile::extend`] reads at most, so that orders are heard in between.
const SCAN: u64 = 8 * 1024 * 1024;
/// Bytes of a line that are kept; a guest may write a line as long as the disk is large.
pub const LONGEST_LINE: usize = 16 * 1024;

/// A line, or its first [`LONGEST_LINE`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without the line feed.
    pub bytes: Vec<u8>,
    /// Bytes that are left out.
    pub cut: u64,
}

/// A log file that is read by line numbers, counted from 0 here.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    /// Where lines 0, STRIDE, 2 · STRIDE … start.
    starts: Vec<u64>,
    /// Bytes that are indexed.
    scanned: u64,
    /// Line feeds among them.
    feeds: u64,
    /// Whether the last indexed byte is a line feed.
    closed: bool,
}

impl LogFile {
    /// Opens a log without reading it.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            starts: vec![0],
            scanned: 0,
            feeds: 0,
            closed: true,
        })
    }

    /// Lines that are indexed, with one that has no line feed yet.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.feeds + u64::from(!self.closed)
    }

    /// Bytes that are indexed.
    #[must_use]
    pub fn scanned(&self) -> u64 {
        self.scanned
    }

    /// Indexes some more of the file. Answers whether there is more to do at once.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn extend(&mut self) -> io::Result<bool> {
        let size = self.file.metadata()?.len();
        if size < self.scanned {
            // Replaced by a shorter one: begin anew.
            self.starts.truncate(1);
            (self.scanned, self.feeds, self.closed) = (0, 0, true);
        }
        self.file.seek(SeekFrom::Start(self.scanned))?;
        let mut buffer = vec![0; 256 * 1024];
        let mut left = SCAN;
        while left > 0 {
            let read = self.file.read(&mut buffer)?;
            if read == 0 {
                return Ok(false);
            }
            for feed in memchr::memchr_iter(b'\n', &buffer[..read]) {
                self.feeds += 1;
                if self.feeds.is_multiple_of(STRIDE) {
                    self.starts.push(self.scanned + feed as u64 + 1);
                }
            }
            self.closed = buffer[read - 1] == b'\n';
            self.scanned += read as u64;
            left = left.saturating_sub(read as u64);
        }
        Ok(self.scanned < size)
    }

    /// Up to `count` lines from line `first`.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn window(&mut self, first: u64, count: usize) -> io::Result<Vec<Line>> {
        let left = usize::try_from(self.lines().saturating_sub(first)).unwrap_or(usize::MAX);
        let count = left.min(count);
        let mut reader = self.seek(first)?;
        let mut lines = Vec::with_capacity(count.min(4096));
        while lines.len() < count {
            match next_line(&mut reader)? {
                Some(line) => lines.push(line),
                None => break,
            }
        }
        Ok(lines)
    }

    /// The nearest line after (`forward`) or before `from` that matches, going on from the other end.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn search(&mut self, pattern: &Regex, from: u64, forward: bool) -> io::Result<Option<u64>> {
        let lines = self.lines();
        let ranges = if forward {
            [
                (from.saturating_add(1).min(lines), lines),
                (0, from.saturating_add(1).min(lines)),
            ]
        } else {
            [(0, from.min(lines)), (from.min(lines), lines)]
        };
        for (start, end) in ranges {
            let found = if forward {
                self.first_match(pattern, start, end)?
            } else {
                self.last_match(pattern, start, end)?
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn first_match(&mut self, pattern: &Regex, start: u64, end: u64) -> io::Result<Option<u64>> {
        if start >= end {
            return Ok(None);
        }
        let mut reader = self.seek(start)?;
        for number in start..end {
            match next_line(&mut reader)? {
                Some(line) if matches(pattern, &line) => return Ok(Some(number)),
                Some(_) => {}
                None => break,
            }
        }
        Ok(None)
    }

    fn last_match(&mut self, pattern: &Regex, start: u64, end: u64) -> io::Result<Option<u64>> {
        let mut block_end = end;
        while block_end > start {
            let block = ((block_end - 1) / STRIDE * STRIDE).max(start);
            let mut reader = self.seek(block)?;
            let mut found = None;
            for number in block..block_end {
                match next_line(&mut reader)? {
                    Some(line) if matches(pattern, &line) => found = Some(number),
                    Some(_) => {}
                    None => break,
                }
            }
            if found.is_some() {
                return Ok(found);
            }
            block_end = block;
        }
        Ok(None)
    }

    /// A reader that stands at the start of a line.
    fn seek(&mut self, line: u64) -> io::Result<BufReader<&mut File>> {
        let entry = usize::try_from(line / STRIDE)
            .unwrap_or(usize::MAX)
            .min(self.starts.len() - 1);
        self.file.seek(SeekFrom::Start(self.starts[entry]))?;
        let mut reader = BufReader::with_capacity(64 * 1024, &mut self.file);
        for _ in entry as u64 * STRIDE..line {
            if reader.skip_until(b'\n')? == 0 {
                break;
            }
        }
        Ok(reader)
    }
}

/// The next line of a reader that stands at a line's start.
///
/// # Errors
/// Where reading fails.
pub fn next_line(reader: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    if reader
        .by_ref()
        .take(LONGEST_LINE as u64)
        .read_until(b'\n', &mut bytes)?
        == 0
    {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        return Ok(Some(Line { bytes, cut: 0 }));
    }
    let mut cut = 0;
    if bytes.len() == LONGEST_LINE {
        cut = reader.skip_until(b'\n')? as u64;
        // Its line feed is none of the line's bytes; at the end of a growing file there may be none yet.
        cut = cut.saturating_sub(1);
    }
    Ok(Some(Line { bytes, cut }))
}

/// Text is searched as it is seen: a colour in the middle of a word hides nothing.
fn matches(pattern: &Regex, line: &Line) -> bool {
    if memchr::memchr(0x1b, &line.bytes).is_some() {
        pattern.is_match(line::plain(&line.bytes).as_bytes())
    } else {
        pattern.is_match(&line.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::NamedTempFile, LogFile) {
        let mut temporary = tempfile::NamedTempFile::new().unwrap();
        temporary.write_all(content).unwrap();
        let mut log = LogFile::open(temporary.path()).unwrap();
        while log.extend().unwrap() {}
        (temporary, log)
    }

    fn text(lines: Vec<Line>) -> Vec<String> {
        lines
            .into_iter()
            .map(|line| String::from_utf8(line.bytes).unwrap())
            .collect()
    }

    #[test]
    fn lines_are_found_by_number_across_the_index() {
        let content: String = (0..5000).map(|number| format!("line {number}\n")).collect();
        let (_keep, mut log) = file(content.as_bytes());
        assert_eq!(log.lines(), 5000);
        assert_eq!(log.starts.len(), 5);
        for first in [0, 1, 1023, 1024, 1025, 4095, 4999] {
            assert_eq!(text(log.window(first, 1).unwrap()), [format!("line {first}")]);
        }
        assert_eq!(log.window(4998, 10).unwrap().len(), 2);
        assert_eq!(log.window(9999, 10).unwrap().len(), 0);
    }

    #[test]
    fn a_growing_file_grows_and_a_shorter_one_begins_anew() {
        let (mut temporary, mut log) = file(b"a\nb");
        assert_eq!(log.lines(), 2);
        temporary.write_all(b"c\nd\n").unwrap();
        log.extend().unwrap();
        assert_eq!(text(log.window(0, 9).unwrap()), ["a", "bc", "d"]);
        temporary.as_file().set_len(2).unwrap();
        log.extend().unwrap();
        assert_eq!(text(log.window(0, 9).unwrap()), ["a"]);
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut content = vec![b'x'; LONGEST_LINE + 100];
        content.extend_from_slice(b"\nnext\n");
        let (_keep, mut log) = file(&content);
        let lines = log.window(0, 2).unwrap();
        assert_eq!((lines[0].bytes.len(), lines[0].cut), (LONGEST_LINE, 100));
        assert_eq!(lines[1].bytes, b"next");
    }

    #[test]
    fn search_goes_both_ways_and_around() {
        let mut content: Vec<String> = (0..3000).map(|number| format!("line {number}")).collect();
        content[10] = "an err\x1b[1mor\x1b[0m".to_owned();
        content[2500] = "another error".to_owned();
        let (_keep, mut log) = file((content.join("\n") + "\n").as_bytes());
        let pattern = Regex::new("error").unwrap();
        for (from, forward, found) in [
            (0, true, 10),
            (10, true, 2500),
            (2500, true, 10),
            (2999, false, 2500),
            (2500, false, 10),
            (10, false, 2500),
            (0, false, 2500),
        ] {
            assert_eq!(
                log.search(&pattern, from, forward).unwrap(),
                Some(found),
                "{from} {forward}"
            );
        }
        assert_eq!(log.search(&Regex::new("absent").unwrap(), 5, false).unwrap(), None);
    }

    proptest! {
        #[test]
        fn windows_are_the_lines_that_split_finds(content in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300), first in 0u64..20, count in 0usize..20) {
            let (_keep, mut log) = file(&content);
            let mut expected: Vec<Vec<u8>> = content.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(log.lines(), expected.len() as u64);
            let window: Vec<Vec<u8>> = log.window(first, count).unwrap().into_iter().map(|line| line.bytes).collect();
            let expected: Vec<Vec<u8>> = expected.into_iter().skip(first as usize).take(count).collect();
            prop_assert_eq!(window, expected);
        }
    }
}
