//! The control files of a staged source. A source package is unpacked by a testbed's dpkg-source, never by the host; of a
//! folder, the host's own copy is read.

use std::io::{self, Read};
use std::path::Path;

use preflight_debian::{Keyring, SignaturePolicy, SourcePackage};

use super::super::stage;
use super::super::tree::{self, Controls, LARGEST_CONTROL};
use crate::executor::{JobContext, StepFailure, Testbed};
use crate::prefetch::WantedSource;

/// Reads them.
pub(super) async fn of(
    context: &JobContext,
    testbed: &Testbed,
    source: &WantedSource,
) -> Result<Controls, StepFailure> {
    let staged = context.order.folder.root().join(&source.staged);
    if source.is_folder {
        let tree = staged.join(stage::TREE);
        let read = |name: &str| {
            in_tree(&tree, name).map_err(|error| StepFailure::package(format!("{name} cannot be read: {error}")))
        };
        let control = read("debian/control")?.ok_or_else(|| StepFailure::package("there is no debian/control"))?;
        let tests = read("debian/tests/control")?;
        return Ok(Controls { control, tests });
    }
    let broken = |error: &dyn std::fmt::Display| StepFailure::Testbed(format!("the staged source: {error}"));
    let dsc = stage::dsc(&staged.join(stage::PACKAGE)).map_err(|error| broken(&error))?;
    let package = SourcePackage::open(&dsc, &Keyring::default(), SignaturePolicy::Ignore);
    tree::controls(context, testbed, &package.map_err(|error| broken(&error))?).await
}

/// A file of the tree, which no link leads out of.
fn in_tree(tree: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let file = match tree.join(name).canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !file.starts_with(tree.canonicalize()?) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a link out of the source",
        ));
    }
    let mut content = Vec::new();
    std::fs::File::open(&file)?
        .take(LARGEST_CONTROL + 1)
        .read_to_end(&mut content)?;
    match content.len() as u64 > LARGEST_CONTROL {
        true => Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large")),
        false => Ok(Some(content)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_leads_out_of_a_tree() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("debian")).unwrap();
        fs::write(folder.path().join("secret"), "s").unwrap();
        fs::write(tree.join("debian/control.in"), "c").unwrap();
        symlink("control.in", tree.join("debian/control")).unwrap();
        symlink("../../secret", tree.join("debian/out")).unwrap();
        symlink("..", tree.join("up")).unwrap();
        assert_eq!(in_tree(&tree, "debian/control").unwrap(), Some(b"c".to_vec()));
        assert_eq!(in_tree(&tree, "debian/tests/control").unwrap(), None);
        for out in ["debian/out", "up/secret"] {
            assert!(in_tree(&tree, out).is_err(), "{out}");
        }
    }
}
