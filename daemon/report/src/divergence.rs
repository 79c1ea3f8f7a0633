//! Where two logs of one test part: the first line that differs once all is masked that differs from run to run anyway. Pure;
//! it is handed both logs, keeps one line of each, and knows nothing of tests and tickets.

mod mask;

use std::io::{self, BufRead};

pub use mask::mask;

/// How much of a line is compared, in bytes; the rest is skipped.
const LONGEST: usize = 16 << 10;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number in that log, counted from 1.
    pub number: u64,
    /// Its beginning, without its end, as the log has it. Control characters and what is no UTF-8 are the reader's matter.
    pub bytes: Vec<u8>,
}

/// The first lines that differ. None stands for a log that has ended before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Of the first log.
    pub first: Option<Line>,
    /// Of the second one.
    pub second: Option<Line>,
}

/// Finds where two logs part; none where they say the same. Of each log the line that `ends` says yes to is its end.
///
/// # Errors
/// A log cannot be read.
pub fn first_divergence(
    mut first: impl BufRead,
    mut second: impl BufRead,
    ends: impl Fn(&[u8]) -> bool,
) -> io::Result<Option<Divergence>> {
    let mut number = 0;
    let is_more = |line: &Vec<u8>| !ends(line);
    loop {
        number += 1;
        let lines = (next(&mut first)?.filter(is_more), next(&mut second)?.filter(is_more));
        let same = match &lines {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) => one == other || mask(one) == mask(other),
            _ => false,
        };
        if !same {
            let line = |bytes: Vec<u8>| Line { number, bytes };
            return Ok(Some(Divergence {
                first: lines.0.map(line),
                second: lines.1.map(line),
            }));
        }
    }
}

/// The next line without its end, up to the longest that is compared.
fn next(log: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut is_there = false;
    loop {
        let buffer = log.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        is_there = true;
        let end = memchr::memchr(b'\n', buffer);
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min(LONGEST - line.len())]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        log.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(is_there.then_some(line))
}

#[cfg(test)]
mod tests;
