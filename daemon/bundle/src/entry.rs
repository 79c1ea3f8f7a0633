//! The headers of the tar archive: plain ustar ones alone, so that no reader has to gather a name of any length first.

use tar::{EntryType, Header};

use crate::document::CarriedFile;

/// The folder of those whose names no ustar header can hold; they are named by their digests there.
const LONG_NAMES: &str = "long-names";

/// The header of the document.
pub(crate) fn document(size: u64) -> Header {
    // Short enough for any header.
    plain(crate::document::ROOT, size).unwrap_or_else(Header::new_ustar)
}

/// The header of a carried file.
pub(crate) fn file(file: &CarriedFile) -> Header {
    let by_digest = || plain(&format!("{LONG_NAMES}/{}", file.sha256), file.size);
    plain(file.name.as_str(), file.size)
        .or_else(by_digest)
        .unwrap_or_else(Header::new_ustar)
}

fn plain(name: &str, size: u64) -> Option<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name).ok()?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(size);
    header.set_mode(0o644);
    // Equal tickets give equal files.
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Some(header)
}

/// Whether a header that was read is of the file that this one is of.
pub(crate) fn is_same(found: &Header, wanted: &Header) -> bool {
    found.as_ustar().is_some()
        && found.entry_type() == EntryType::Regular
        && found.path_bytes() == wanted.path_bytes()
        && matches!((found.entry_size(), wanted.entry_size()), (Ok(found), Ok(wanted)) if found == wanted)
}
