//! What came of prefetching, kept in the ticket's folder in the words of the protocol. It is there when the job has ended, or
//! not at all.

use std::io;
use std::path::Path;

use preflight_protocol::prefetch::PrefetchResult;
use tempfile::NamedTempFile;

/// In the ticket's folder.
const FILE: &str = "prefetch-result.json";

/// Keeps a result in the place of an earlier attempt's.
///
/// # Errors
/// The system's.
pub fn write_result(folder: &Path, result: &PrefetchResult) -> io::Result<()> {
    let aside = NamedTempFile::new_in(folder)?;
    serde_json::to_writer(&aside, result)?;
    aside.as_file().sync_all()?;
    aside.persist(folder.join(FILE)).map_err(|error| error.error)?;
    Ok(())
}

/// The result, where there is one.
///
/// # Errors
/// The system's, or that the file is not in its format.
pub fn read_result(folder: &Path) -> io::Result<Option<PrefetchResult>> {
    match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use preflight_protocol::prefetch::Missing;

    use super::*;
    use crate::prefetch::Wanted;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_result(folder.path()).unwrap(), None);
        assert!(Wanted::read(folder.path()).is_err());
        let result = PrefetchResult {
            missing: vec![Missing {
                what: "a".into(),
                reason: "b".into(),
            }],
            ..PrefetchResult::default()
        };
        write_result(folder.path(), &PrefetchResult::default()).unwrap();
        write_result(folder.path(), &result).unwrap();
        assert_eq!(read_result(folder.path()).unwrap(), Some(result));
        let wanted = Wanted {
            packages: vec!["hello".into()],
            ..Wanted::default()
        };
        wanted.write(folder.path()).unwrap();
        assert_eq!(Wanted::read(folder.path()).unwrap(), wanted);
    }
}
