//! A job's log with the moments at which its lines came: the log and its side file, as `preflight_protocol::log` specifies
//! them.

use std::path::Path;
use std::time::Duration;

use crate::error::BenchError;

/// The length of a record of the side file.
const RECORD: usize = 24;

/// Each line of a log with the moment, since the epoch, at which its first byte came.
pub(crate) fn read(log: &Path) -> Result<Vec<(Duration, String)>, BenchError> {
    let read = |path: &Path| std::fs::read(path).map_err(BenchError::io(path.display().to_string()));
    let side = format!("{}.idx", log.display());
    Ok(lines(&read(log)?, &read(Path::new(&side))?))
}

fn lines(log: &[u8], side: &[u8]) -> Vec<(Duration, String)> {
    let mut records: Vec<(u64, u64)> = side.chunks_exact(RECORD).filter_map(record).collect();
    records.sort_by_key(|(offset, _)| *offset);
    let mut found = Vec::new();
    let mut offset = 0;
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        let before = records.partition_point(|(start, _)| *start <= offset);
        if let Some((_, at)) = before.checked_sub(1).and_then(|last| records.get(last)) {
            let text = String::from_utf8_lossy(line).trim_end_matches('\n').to_owned();
            found.push((Duration::from_nanos(*at), text));
        }
        offset += line.len() as u64;
    }
    found
}

/// Offset and nanoseconds.
fn record(bytes: &[u8]) -> Option<(u64, u64)> {
    let (offset, rest) = bytes.split_first_chunk()?;
    let (at, _) = rest.split_first_chunk()?;
    Some((
        u64::from_le_bytes(*offset),
        u64::try_from(i64::from_le_bytes(*at)).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_the_time_of_its_first_byte() {
        let log = b"one\ntwo\nthree";
        let mut side = Vec::new();
        for (offset, at, length) in [(0_u64, 10_i64, 6_u32), (6, 20, 2), (8, 30, 5)] {
            side.extend(offset.to_le_bytes());
            side.extend(at.to_le_bytes());
            side.extend(1_u32.to_le_bytes());
            side.extend(length.to_le_bytes());
        }
        let expected = [(10, "one"), (10, "two"), (30, "three")];
        let expected: Vec<_> = expected
            .map(|(at, text)| (Duration::from_nanos(at), text.to_owned()))
            .into();
        assert_eq!(lines(log, &side), expected);
    }
}
