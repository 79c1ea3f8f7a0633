//! A file that appears under its name whole or not at all, and of which nothing is left where its writer dies: it has no
//! name while it is written, as far as the file system can do that.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

/// A file in the making; it goes with this value unless it was published.
#[derive(Debug)]
pub(crate) struct OutputFile {
    file: File,
    target: PathBuf,
    /// Its name meanwhile, where it needs one.
    aside: Option<PathBuf>,
}

impl OutputFile {
    /// Begins an empty file, open for reading and writing, in the folder of `target`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn begin(target: &Path) -> io::Result<Self> {
        let mut nameless = File::options();
        nameless.read(true).write(true).mode(0o666);
        let mut named = nameless.clone();
        nameless.custom_flags(OFlag::O_TMPFILE.bits());
        let (file, aside) = match nameless.open(target.parent().unwrap_or(Path::new("/"))) {
            Ok(file) => (file, None),
            // What a file system that cannot do it answers, and what a kernel does that asks none (open(2)).
            Err(error)
                if error
                    .raw_os_error()
                    .is_some_and(|raw| CANNOT.contains(&Errno::from_raw(raw))) =>
            {
                let aside = aside(target);
                (named.create_new(true).open(&aside)?, Some(aside))
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            file,
            target: target.to_owned(),
            aside,
        })
    }

    /// The file, to be written.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name; what had it before is replaced.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn publish(mut self) -> io::Result<()> {
        let from = match &self.aside {
            Some(aside) => aside.clone(),
            None => {
                let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                let link = |to: &Path| linkat(AT_FDCWD, own.as_str(), AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW);
                match link(&self.target) {
                    Ok(()) => return Ok(()),
                    // A link replaces nothing; a rename does.
                    Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                let aside = aside(&self.target);
                link(&aside)?;
                self.aside = Some(aside.clone());
                aside
            }
        };
        std::fs::rename(from, &self.target)?;
        self.aside = None;
        Ok(())
    }
}

const CANNOT: [Errno; 2] = [Errno::EOPNOTSUPP, Errno::EISDIR];

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(aside) = &self.aside
            && let Err(error) = std::fs::remove_file(aside)
        {
            tracing::warn!(file = %aside.display(), %error, "half a file is left behind");
        }
    }
}

/// A name beside the target that nothing else has.
fn aside(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_appears_whole_or_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("disk.raw");
        for text in ["first", "second"] {
            let output = OutputFile::begin(&target).unwrap();
            output.file().write_all(text.as_bytes()).unwrap();
            let before = names(folder.path()).len();
            drop(output);
            assert_eq!(names(folder.path()).len(), before, "a nameless file leaves nothing");

            let output = OutputFile::begin(&target).unwrap();
            output.file().write_all(text.as_bytes()).unwrap();
            output.publish().unwrap();
            assert_eq!(std::fs::read_to_string(&target).unwrap(), text);
            assert_eq!(names(folder.path()), ["disk.raw"]);
        }
        assert!(OutputFile::begin(&folder.path().join("none/x")).is_err());
    }

    #[test]
    fn where_it_needs_a_name_it_has_one_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("disk.raw");
        let named = || {
            let aside = aside(&target);
            OutputFile {
                file: File::create_new(&aside).unwrap(),
                target: target.clone(),
                aside: Some(aside),
            }
        };
        let (one, other) = (named(), named());
        assert_eq!(names(folder.path()).len(), 2);
        drop(other);
        one.publish().unwrap();
        assert_eq!(names(folder.path()), ["disk.raw"]);
    }
}
