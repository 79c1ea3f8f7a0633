//! libvirt's save images: a guest's memory and devices in one file, from which guests with other names, disks and sockets
//! go on, several at once. It knows libvirt's calls and its file format, and nothing of why a machine is saved.
//!
//! What is relied on, beside the format ([`header`]):
//! - libvirt refuses to restore an image under another name or UUID (`virDomainRestoreFlags` with an XML of one's own), but
//!   it believes the XML in the image. The image that it is given has our XML in its head; the stream after it is the old
//!   one. The XML must describe the same guest: processors, memory and its backend's name, devices in the same order.
//! - It reads an uncompressed or compressed image from its beginning to its end, so that a FIFO will do ([`feed`]). The
//!   `sparse` format of 11.2 and later is read in any order, and is refused here; it is used only where qemu.conf says so
//!   (`save_image_format`), and `virDomainSaveParams`, which could overrule that, is younger than the libvirt we build with.
//! - It writes to a file that is there already, and leaves its owner alone, whoever runs libvirt and QEMU (`virFileOpenAs`
//!   is told to force an owner on new files only). QEMU never opens the file: it is handed a descriptor, in both directions.
//! - An image that was not finished says so in its first bytes, so that a daemon that dies meanwhile leaves nothing that
//!   could be taken for whole.
//!
//! QEMU leaves out pages of zeros by itself: there is nothing to punch holes for.
#![expect(unsafe_code, reason = "the virt crate does not wrap virDomainSaveFlags")]

mod feed;
mod header;

use std::ffi::CString;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use nix::unistd::{getegid, geteuid};
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

use feed::Image;
use header::{Header, HeaderError};

/// Saves a machine to a new file, ours and for all to read (0444), and on disk when this returns. The guest stops at once,
/// and the domain is gone afterwards. After an error there is no file; whether there is still a domain is not known.
pub(super) fn save(domain: &Domain, path: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("saving to {}: {error}", path.display());
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    let saved = save_flags(domain, path)
        .map_err(|error| error.message().to_owned())
        .and_then(|()| finish(path).map_err(failed));
    if saved.is_err() {
        let _ = std::fs::remove_file(path);
    }
    saved
}

fn save_flags(domain: &Domain, path: &Path) -> Result<(), Error> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the domain is alive as long as `domain`, the path ends with a NUL and is only read during the call, and no
    // XML (null) means the domain's own.
    let done = unsafe { sys::virDomainSaveFlags(domain.as_ptr(), path.as_ptr(), std::ptr::null(), 0) };
    if done < 0 { Err(Error::last_error()) } else { Ok(()) }
}

/// Makes sure that what was written can be used, and that nobody writes to it again.
fn finish(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    read_head(&file)?;
    // No libvirt is known to give it away; where one did, root takes it back, and everybody else is told.
    fchown(&file, Some(geteuid().as_raw()), Some(getegid().as_raw()))?;
    file.set_permissions(Permissions::from_mode(0o444))?;
    file.sync_all()
}

/// Starts the domain of `xml` where the guest of the image `stream` was saved. It runs then. `work` is a folder
/// that only this user may write to; nothing is left in it. After an error there is no such domain.
pub(super) fn restore(connect: &Connect, xml: &str, stream: &Path, work: &Path) -> Result<(), String> {
    let image = renewed(xml, stream).map_err(|error| format!("{}: {error}", stream.display()))?;
    let restored = feed::offer(&image, work, |path| {
        connect.restore_domain_flags(&path.to_string_lossy(), None, sys::VIR_DOMAIN_SAVE_RUNNING)
    });
    restored
        .map_err(|error| format!("handing on {}: {error}", stream.display()))?
        .map_err(|error| error.message().to_owned())
}

/// The image `stream` with another domain's XML.
fn renewed(xml: &str, stream: &Path) -> io::Result<Image> {
    let rest = File::open(stream)?;
    let (header, data) = read_head(&rest)?;
    let head = header.renewed(xml, header.cookie(&data)).map_err(unusable)?;
    Ok(Image {
        head,
        rest,
        from: header.stream(),
    })
}

fn read_head(mut file: &File) -> io::Result<(Header, Vec<u8>)> {
    let mut head = [0; header::LENGTH];
    file.read_exact(&mut head)?;
    let header = Header::parse(&head, file.metadata()?.len()).map_err(unusable)?;
    let mut data = vec![0; header.data_length()];
    file.read_exact(&mut data)?;
    Ok((header, data))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err wants")]
fn unusable(error: HeaderError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_gets_another_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("saved");
        let mut saved = header::tests::head(b"LibvirtQemudSave", [2, 20, 1, 0, 5]).to_vec();
        saved.extend_from_slice(b"<a/>\0<c/>\0\0\0\0\0\0\0\0\0\0\0QEVM");
        std::fs::write(&path, &saved).unwrap();
        let image = renewed("<other/>", &path).unwrap();
        assert_eq!(image.from, 112);
        assert_eq!(image.head[header::LENGTH..], *b"<other/>\0<c/>\0");
        // Without its stream, or cut anywhere before.
        for length in [0, 15, 91, 92, 111, 112] {
            std::fs::write(&path, &saved[..length]).unwrap();
            assert!(renewed("<other/>", &path).is_err(), "{length}");
        }
    }
}
