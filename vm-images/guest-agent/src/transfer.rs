//! Single files, both ways. A file that is written appears whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use preflight_guest_protocol::Channel;
use preflight_guest_protocol::frame::DATA_CHUNK;
use preflight_guest_protocol::message::{FailureKind, ToHost};

use crate::failure::Refusal;
use crate::stream::{Incoming, Stream};
use crate::users;

/// The path that a request names.
pub(crate) fn path_of(bytes: Vec<u8>) -> Result<PathBuf, Refusal> {
    let path = PathBuf::from(OsString::from_vec(bytes));
    if path.is_absolute() {
        return Ok(path);
    }
    Err(Refusal::plain(
        FailureKind::Unsuitable,
        format!("{} is no absolute path", path.display()),
    ))
}

/// Writes the stream's data to a file.
pub(crate) fn write_file(stream: &Stream, path: &Path, mode: u32, owner: Option<&str>) -> Result<(), Refusal> {
    let owner = owner.map(users::find).transpose()?;
    let name = path
        .file_name()
        .ok_or_else(|| Refusal::plain(FailureKind::Unsuitable, "no file name"))?;
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(Refusal::io(format!("making {}", parent.display())))?;
    let mut hidden = OsString::from(format!(".preflight-{}-{}-", stream.session(), stream.id()));
    hidden.push(name);
    let new = parent.join(hidden);
    let result = (|| {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&new)?;
        io::copy(&mut Incoming::new(stream), &mut file)?;
        if let Some(owner) = &owner {
            chown(&new, Some(owner.uid), Some(owner.gid))?;
        }
        file.set_permissions(Permissions::from_mode(mode & 0o7777))?;
        fs::rename(&new, path)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&new);
    }
    result.map_err(Refusal::io(format!("writing {}", path.display())))?;
    stream.tell(&ToHost::Done)
}

/// Sends a regular file's data.
pub(crate) fn read_file(stream: &Stream, path: &Path, max_bytes: u64) -> Result<(), Refusal> {
    let context = || format!("reading {}", path.display());
    // Not blocking: opening a FIFO would wait for a writer.
    let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(Refusal::io(context()))?;
    let metadata = file.metadata().map_err(Refusal::io(context()))?;
    if !metadata.is_file() {
        return Err(Refusal::plain(
            FailureKind::Unsuitable,
            format!("{} is no regular file", path.display()),
        ));
    }
    // Files of /proc and /sys say 0 and have content: what is read is bounded, not only what is announced.
    if metadata.len() > max_bytes {
        let detail = format!(
            "{} has {} bytes, more than the {max_bytes} allowed",
            path.display(),
            metadata.len()
        );
        return Err(Refusal::plain(FailureKind::TooLarge, detail));
    }
    stream.tell(&ToHost::FileInfo {
        size: metadata.len(),
        mode: metadata.permissions().mode() & 0o7777,
    })?;
    let mut file = file.take(max_bytes);
    let mut buffer = vec![0; DATA_CHUNK];
    loop {
        let length = file.read(&mut buffer).map_err(Refusal::io(context()))?;
        if length == 0 {
            break;
        }
        stream.send_data(Channel::Main, &buffer[..length])?;
    }
    stream.send_eof(Channel::Main)?;
    stream.tell(&ToHost::Done)
}
