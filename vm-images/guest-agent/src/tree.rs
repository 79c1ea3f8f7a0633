//! Whole directories, both ways, as a tar stream. Owners are the asked user's or, on the way out, meaningless; devices,
//! sockets and FIFOs stay where they are.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Component, Path, PathBuf};

use preflight_guest_protocol::Channel;
use preflight_guest_protocol::message::ToHost;
use tar::{Archive, Builder, EntryType, Header};

use crate::failure::Refusal;
use crate::stream::{Incoming, Outgoing, Stream};
use crate::users;

/// Unpacks the stream's data below a directory.
pub(crate) fn write_tree(stream: &Stream, path: &Path, owner: Option<&str>) -> Result<(), Refusal> {
    let owner = owner.map(users::find).transpose()?;
    unpack(stream, path, owner.map(|owner| (owner.uid, owner.gid)))
        .map_err(Refusal::io(format!("unpacking to {}", path.display())))?;
    stream.tell(&ToHost::Done)
}

fn unpack(stream: &Stream, root: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let give = |path: &Path| owner.map_or(Ok(()), |(uid, gid)| lchown(path, Some(uid), Some(gid)));
    if !root.is_dir() {
        fs::create_dir_all(root)?;
        give(root)?;
    }
    let mut incoming = Incoming::new(stream);
    let mut archive = Archive::new(&mut incoming);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    // A directory's mode comes last: it may forbid writing what is in it.
    let mut directories: Vec<(PathBuf, u32)> = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let relative = entry.path()?.into_owned();
        let target = root.join(&relative);
        let is_directory = entry.header().entry_type() == EntryType::Directory;
        let mode = entry.header().mode()?;
        if !relative
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if is_directory {
            fs::create_dir_all(&target)?;
        } else {
            entry.unpack_in(root)?;
        }
        if relative.components().next().is_some() {
            give(&target)?;
            // Giving a file away takes its set-user bits.
            if mode & 0o6000 != 0 && entry.header().entry_type().is_file() {
                fs::set_permissions(&target, fs::Permissions::from_mode(mode & 0o7777))?;
            }
        }
        if is_directory {
            directories.push((target, mode));
        }
    }
    for (path, mode) in directories.iter().rev() {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))?;
    }
    // What follows the archive's end mark is padding; the daemon's sender wants it taken.
    io::copy(&mut incoming, &mut io::sink())?;
    Ok(())
}

/// Sends a directory's content.
pub(crate) fn read_tree(stream: &Stream, path: &Path) -> Result<(), Refusal> {
    let context = || format!("packing {}", path.display());
    let entries = sorted(path).map_err(Refusal::io(context()))?;
    let writer = io::BufWriter::with_capacity(64 * 1024, Outgoing(stream));
    let mut builder = Builder::new(writer);
    pack(&mut builder, Path::new(""), entries)
        .and_then(|()| builder.into_inner())
        .and_then(|writer| writer.into_inner().map_err(io::IntoInnerError::into_error))
        .map_err(Refusal::io(context()))?;
    stream.send_eof(Channel::Main)?;
    stream.tell(&ToHost::Done)
}

fn sorted(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn pack<W: io::Write>(builder: &mut Builder<W>, below: &Path, entries: Vec<PathBuf>) -> io::Result<()> {
    for path in entries {
        let Some(name) = path.file_name() else { continue };
        let relative = below.join(name);
        // A tree may change while it is read; what has gone is left out.
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            let mut header = header(&metadata, EntryType::Directory, 0);
            builder.append_data(&mut header, &relative, io::empty())?;
            pack(builder, &relative, sorted(&path).unwrap_or_default())?;
        } else if metadata.is_symlink() {
            let Ok(target) = fs::read_link(&path) else { continue };
            builder.append_link(&mut header(&metadata, EntryType::Symlink, 0), &relative, target)?;
        } else if metadata.is_file() {
            let Ok(file) = File::open(&path) else { continue };
            let size = metadata.len();
            // Exactly the announced size, whatever happens to the file meanwhile, or the archive is out of step.
            let exact = file.take(size).chain(io::repeat(0)).take(size);
            builder.append_data(&mut header(&metadata, EntryType::Regular, size), &relative, exact)?;
        }
    }
    Ok(())
}

fn header(metadata: &Metadata, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_mtime(u64::try_from(metadata.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header
}
