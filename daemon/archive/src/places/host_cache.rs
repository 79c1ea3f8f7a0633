//! Package caches that the host has already: the folder in which apt keeps what it has downloaded, and caching proxies.
//! A folder's files are only ever copied, and only where size and digest are what a signed index says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

use crate::content::{ContentStore, Object};
use crate::release::Listed;

/// A package cache of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostCache {
    /// A folder as `/var/cache/apt/archives` is: files `NAME_VERSION_ARCHITECTURE.deb`, the epoch's colon as `%3a`.
    AptArchives(PathBuf),
    /// The URL of a caching HTTP proxy, such as apt-cacher-ng's `http://localhost:3142`. It is asked in plain http, even
    /// for a mirror that speaks https, since it can't keep what it can't read.
    Proxy(String),
}

/// A copy of a package's file from apt's folder, where it is there; `file_name` is the archive's name of it, which has
/// no epoch. A folder that can't be read is as an empty one.
pub(crate) fn adopt(
    folder: &Path,
    file_name: &str,
    wanted: Listed,
    store: &ContentStore,
) -> io::Result<Option<Object>> {
    let same_name = [folder.join(file_name)].into_iter().filter(|path| path.is_file());
    for path in same_name.chain(with_epochs(folder, file_name)) {
        if let Some(object) = store.put_copy(&path, wanted.sha256, wanted.size)? {
            return Ok(Some(object));
        }
    }
    Ok(None)
}

/// Files of the folder that `file_name` names but for the epoch in their version.
fn with_epochs(folder: &Path, file_name: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(move |entry| {
        let name = entry.ok()?.file_name();
        let name = name.to_str()?;
        (without_epoch(name).as_deref() == Some(file_name)).then(|| folder.join(name))
    })
}

/// `name_1%3a2-1_all.deb` → `name_2-1_all.deb`; none where there is no epoch.
fn without_epoch(file_name: &str) -> Option<String> {
    let mut parts = file_name.splitn(3, '_');
    let (name, version, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let version = percent_decode_str(version).decode_utf8().ok()?;
    let (epoch, version) = version.split_once(':')?;
    let is_epoch = !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit());
    is_epoch.then(|| format!("{name}_{version}_{rest}"))
}

#[cfg(test)]
mod tests {
    use preflight_debian::Sha256Digest;
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn epochs_are_taken_off() {
        for (file, wanted) in [
            ("a_1%3a2.0~rc1+b1-1_amd64.deb", Some("a_2.0~rc1+b1-1_amd64.deb")),
            ("a_2.0-1_amd64.deb", None),
            ("a_x%3a2_all.deb", None),
            ("a_%3a2_all.deb", None),
            ("lock", None),
            ("a_%ff%3a_b_c", None),
        ] {
            assert_eq!(without_epoch(file).as_deref(), wanted, "{file}");
        }
    }

    #[test]
    fn only_what_is_wanted_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let store = ContentStore::open(&folder.path().join("store")).unwrap();
        let cache = folder.path().join("archives");
        fs::create_dir(&cache).unwrap();
        let wanted = Listed {
            sha256: Sha256Digest::of(b"right"),
            size: 5,
        };
        let adopt = |name: &str| adopt(&cache, name, wanted, &store).unwrap().map(|object| object.sha256);
        fs::write(cache.join("a_1%3a2_all.deb"), b"wrong").unwrap();
        fs::write(cache.join("b_2_all.deb"), b"right, and more").unwrap();
        fs::create_dir(cache.join("c_2_all.deb")).unwrap();
        for name in ["a_2_all.deb", "b_2_all.deb", "c_2_all.deb", "d_2_all.deb"] {
            assert_eq!(adopt(name), None, "{name}");
        }
        assert_eq!(store.objects().unwrap(), []);
        assert_eq!(fs::read_dir(folder.path().join("store/partial")).unwrap().count(), 0);
        // The same version under another epoch: the digest decides.
        fs::write(cache.join("a_2%3a2_all.deb"), b"right").unwrap();
        assert_eq!(adopt("a_2_all.deb"), Some(wanted.sha256));
        assert_eq!(store.read(wanted.sha256).unwrap().unwrap(), b"right");
        assert!(fs::exists(cache.join("a_2%3a2_all.deb")).unwrap());
    }
}
