//! How two images differ: packages first, then files, in the order in which a person wants to know of them.

use std::collections::BTreeSet;

use preflight_protocol::ids::{ImageId, Sha256};
use preflight_protocol::image::{FileChange, FileGroup, FileKind, FileState, ImageDifference, PackageChange};
use preflight_vm_images::InstalledPackage;

use super::entry::{Entry, Kind, Manifest};

/// More files are not named: nobody reads them, and an answer has a longest length.
const MOST_FILES: usize = 20_000;

/// What is in `after` and was not so in `before`.
pub(crate) fn difference(from: ImageId, before: &Manifest, to: ImageId, after: &Manifest) -> ImageDifference {
    let mut files = files(before, after);
    files.sort_by(|a, b| (a.group, &a.path).cmp(&(b.group, &b.path)));
    let more_files = files.len().saturating_sub(MOST_FILES) as u64;
    files.truncate(MOST_FILES);
    ImageDifference {
        from,
        to,
        packages: packages(before, after),
        files,
        more_files,
    }
}

/// Which packages are not as they were when the base image was made.
pub(crate) fn since(base: Vec<InstalledPackage>, after: &Manifest) -> Vec<PackageChange> {
    let before = base
        .into_iter()
        .map(|package| ((package.name, package.architecture), package.version));
    let before = Manifest {
        packages: before.collect(),
        ..Manifest::default()
    };
    packages(&before, after)
}

fn packages(before: &Manifest, after: &Manifest) -> Vec<PackageChange> {
    let keys: BTreeSet<_> = before.packages.keys().chain(after.packages.keys()).collect();
    let changes = keys.into_iter().map(|key| PackageChange {
        name: key.0.clone(),
        architecture: key.1.clone(),
        before: before.packages.get(key).cloned(),
        after: after.packages.get(key).cloned(),
    });
    changes.filter(|change| change.before != change.after).collect()
}

fn files(before: &Manifest, after: &Manifest) -> Vec<FileChange> {
    let paths: BTreeSet<_> = before.files.keys().chain(after.files.keys()).collect();
    let changes = paths.into_iter().filter_map(|path| {
        let (was, is) = (before.files.get(path), after.files.get(path));
        if was == is {
            return None;
        }
        let package = after.owner(path).or_else(|| before.owner(path));
        let is_conffile = after.conffiles.contains(path) || before.conffiles.contains(path);
        Some(FileChange {
            path: String::from_utf8_lossy(path).into_owned(),
            group: match package {
                _ if is_conffile => FileGroup::Conffile,
                None => FileGroup::Unowned,
                Some(_) => FileGroup::Package,
            },
            package: package.map(str::to_owned),
            before: was.map(state),
            after: is.map(state),
        })
    });
    changes.collect()
}

fn state(entry: &Entry) -> FileState {
    FileState {
        kind: match entry.kind {
            Kind::File => FileKind::File,
            Kind::Folder => FileKind::Folder,
            Kind::Link => FileKind::Link,
            Kind::CharacterDevice => FileKind::CharacterDevice,
            Kind::BlockDevice => FileKind::BlockDevice,
            Kind::Fifo => FileKind::Fifo,
            Kind::Socket => FileKind::Socket,
        },
        mode: format!("{:04o}", entry.mode),
        user: entry.user,
        group: entry.group,
        size: entry.size,
        sha256: entry
            .sha256
            .map(|bytes| Sha256(preflight_core::Sha256(bytes).to_string())),
        target: entry
            .target
            .as_deref()
            .map(|target| String::from_utf8_lossy(target).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::listing;
    use super::*;

    fn manifest(records: &str) -> Manifest {
        let whole = format!("P\tinstalled\tbase\t1\tall\nF\td\t755\t0\t0\t0\t/\n{records}E\n");
        listing::read(whole.replace('\n', "\0").as_bytes()).unwrap()
    }

    #[test]
    fn a_person_is_told_first_what_no_package_explains() {
        let before = manifest(
            "P\tinstalled\told\t1\tall\nP\tinstalled\thello\t1\tamd64\nC\t/etc/hello.conf\n\
             O\thello\t/usr/bin/hello\nO\thello\t/etc/hello.conf\n\
             F\tf\t755\t0\t0\t5\t/usr/bin/hello\nF\tf\t644\t0\t0\t5\t/etc/hello.conf\nF\tf\t644\t0\t0\t5\t/opt/same\n",
        );
        let after = manifest(
            "P\tinstalled\thello\t2\tamd64\nP\tinstalled\tnew\t1\tall\nC\t/etc/hello.conf\n\
             O\thello\t/usr/bin/hello\nO\thello\t/etc/hello.conf\n\
             F\tf\t755\t0\t0\t6\t/usr/bin/hello\nF\tf\t600\t0\t0\t5\t/etc/hello.conf\nF\tf\t644\t0\t0\t5\t/opt/same\n\
             F\tl\t777\t0\t0\t4\t/opt/link\nL\tsame\n",
        );
        let found = difference(ImageId("a".into()), &before, ImageId("b".into()), &after);
        let packages: Vec<_> = found
            .packages
            .iter()
            .map(|change| (change.name.as_str(), change.before.as_deref(), change.after.as_deref()))
            .collect();
        assert_eq!(
            packages,
            [
                ("hello", Some("1"), Some("2")),
                ("new", None, Some("1")),
                ("old", Some("1"), None)
            ]
        );
        let files: Vec<_> = found
            .files
            .iter()
            .map(|change| (change.group, change.path.as_str()))
            .collect();
        assert_eq!(
            files,
            [
                (FileGroup::Unowned, "/opt/link"),
                (FileGroup::Conffile, "/etc/hello.conf"),
                (FileGroup::Package, "/usr/bin/hello"),
            ]
        );
        let link = found.files[0].after.as_ref().unwrap();
        assert_eq!(
            (link.kind, link.target.as_deref(), link.mode.as_str()),
            (FileKind::Link, Some("same"), "0777")
        );
        assert_eq!(found.more_files, 0);
        let same = difference(ImageId("a".into()), &after, ImageId("a".into()), &after);
        assert!(same.packages.is_empty() && same.files.is_empty());
    }
}
