//! A kernel module's file: its name, and how distributions compress it. It knows neither where modules lie nor what they
//! depend on.

use std::io::{self, Read};

use crate::image::is_module_name;

/// Larger than any module; more is an archive that was made to fill the memory.
const LARGEST_MODULE: u64 = 64 << 20;

/// The name that the file has once it is unpacked, ending in `.ko`; none where this is no module's.
pub(crate) fn plain_name(name: &str) -> Option<&str> {
    ["", ".xz", ".zst", ".gz"]
        .iter()
        .find_map(|end| name.strip_suffix(end).filter(|name| is_module_name(name)))
}

/// A module's bytes, by the name of its file.
///
/// # Errors
/// The file cannot be read, or is not what its name says, or larger than any module.
pub(crate) fn unpack<'a>(name: &str, packed: impl Read + 'a) -> io::Result<Vec<u8>> {
    let mut reader: Box<dyn Read + 'a> = match name.rsplit('.').next() {
        Some("xz") => Box::new(liblzma::read::XzDecoder::new(packed)),
        Some("zst") => Box::new(zstd::Decoder::new(packed)?),
        Some("gz") => Box::new(flate2::read::GzDecoder::new(packed)),
        _ => Box::new(packed),
    };
    let mut bytes = Vec::new();
    reader.by_ref().take(LARGEST_MODULE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_MODULE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any module is"));
    }
    Ok(bytes)
}
