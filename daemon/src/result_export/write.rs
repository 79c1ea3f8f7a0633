//! Puts runs of tests where a client wants them: a file, or a folder, whole or not at all.

use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use preflight_protocol::result_export::ResultFormat;
use preflight_report::junit::JunitError;
use preflight_report::run::SourceRun;
use preflight_report::tree::{Entry, Tree};
use preflight_report::{debci, junit, output_directory, pyunit, subunit1, ubuntu};

use crate::output_file::OutputFile;

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) files: u64,
    pub(crate) size: u64,
    pub(crate) notes: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportFailure {
    /// What is there must not be touched.
    #[error("{path} {what}", path = path.display())]
    Occupied { path: PathBuf, what: &'static str },
    /// The format is of one source, and there are several.
    #[error("this format is of one source, and there are {0}")]
    Several(usize),
    /// The system refuses.
    #[error("{path}: {error}", path = path.display())]
    Io { path: PathBuf, error: io::Error },
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ExportFailure {
    let path = path.to_owned();
    |error| ExportFailure::Io { path, error }
}

/// Writes runs to `output`.
///
/// # Errors
/// See [`ExportFailure`]; nothing is there then that was not there before.
pub(crate) fn write(runs: &[SourceRun], format: ResultFormat, output: &Path) -> Result<Written, ExportFailure> {
    let recorded = |error| ExportFailure::Io {
        path: "what was recorded of the tests".into(),
        error,
    };
    match format {
        ResultFormat::Autopkgtest => {
            let trees = runs
                .iter()
                .map(output_directory::tree)
                .collect::<io::Result<Vec<Tree>>>();
            let mut trees = trees.map_err(recorded)?;
            if trees.len() == 1 {
                return folder(&trees.remove(0), output);
            }
            let mut all = Tree::default();
            for (run, tree) in runs.iter().zip(trees) {
                all.graft(Path::new(&run.source), tree);
            }
            folder(&all, output)
        }
        ResultFormat::Debci => {
            let mut all = Tree::default();
            for run in runs {
                all.graft(Path::new(""), debci::tree(run).map_err(recorded)?);
            }
            folder(&all, output)
        }
        ResultFormat::ResultTar => match runs {
            [run] => beside(&ubuntu::tree(run).map_err(recorded)?, output),
            runs => Err(ExportFailure::Several(runs.len())),
        },
        ResultFormat::Summary => file(output, |out| out.write_all(summary(runs).as_bytes())),
        ResultFormat::SubunitV1 => file(output, |out| subunit1::write(out, runs)),
        ResultFormat::Pyunit => file(output, |out| pyunit::write(out, runs)),
        ResultFormat::Junit => {
            let xml = junit::report(runs).map_err(|error| {
                recorded(match error {
                    JunitError::Io(error) => error,
                    error @ JunitError::Xml(_) => io::Error::other(error),
                })
            })?;
            file(output, |out| out.write_all(xml.as_bytes()))
        }
    }
}

fn summary(runs: &[SourceRun]) -> String {
    match runs {
        [run] => run.summary.clone(),
        runs => runs
            .iter()
            .map(|run| format!("{}:\n{}", run.source, run.summary))
            .collect(),
    }
}

/// A file of its own, under its name once it is whole.
fn file(output: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Written, ExportFailure> {
    let file = OutputFile::begin(output).map_err(io_at(output))?;
    let written = || {
        let mut out = BufWriter::new(file.file());
        write(&mut out)?;
        out.flush()?;
        file.file().metadata().map(|metadata| metadata.len())
    };
    let size = written().map_err(io_at(output))?;
    file.publish().map_err(io_at(output))?;
    Ok(Written {
        files: 1,
        size,
        notes: Vec::new(),
    })
}

/// The files of Ubuntu's layout: `result.tar` under the name that is wanted, and last, since that is what is looked for.
fn beside(tree: &Tree, output: &Path) -> Result<Written, ExportFailure> {
    let mut files = Vec::new();
    let mut written = Written {
        notes: tree.notes.clone(),
        ..Written::default()
    };
    for (name, entry) in tree.iter() {
        let path = match name.to_str() {
            Some("result.tar") => output.to_owned(),
            _ => output.with_file_name(name),
        };
        if std::fs::symlink_metadata(&path).is_ok() {
            let what = "is there already: name a file in a folder of its own";
            return Err(ExportFailure::Occupied { path, what });
        }
        let file = OutputFile::begin(&path).map_err(io_at(&path))?;
        let write = || {
            let mut out = BufWriter::new(file.file());
            entry.write(&mut out)?;
            out.flush()?;
            file.file().metadata().map(|metadata| metadata.len())
        };
        written.size += write().map_err(io_at(&path))?;
        written.files += 1;
        files.push((path, file));
    }
    files.sort_by_key(|(path, _)| path == output);
    for (path, file) in files {
        file.publish().map_err(io_at(&path))?;
    }
    Ok(written)
}

/// A folder that appears whole: it is made aside, and renamed.
fn folder(tree: &Tree, output: &Path) -> Result<Written, ExportFailure> {
    let occupied = |what| ExportFailure::Occupied {
        path: output.to_owned(),
        what,
    };
    let Some(name) = output.file_name() else {
        return Err(occupied("is no folder that can be made"));
    };
    match std::fs::read_dir(output) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(occupied("is not empty"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_at(output)(error)),
    }
    let parent = output.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).map_err(io_at(parent))?;
    let prefix = format!(".{}.preflight-", name.to_string_lossy());
    remove_remains(parent, &prefix).map_err(io_at(parent))?;
    let aside = Aside::make(parent, &prefix).map_err(io_at(parent))?;
    let mut written = fill(tree, &aside.path).map_err(io_at(output))?;
    std::fs::rename(&aside.path, output).map_err(io_at(output))?;
    written.notes.clone_from(&tree.notes);
    Ok(written)
}

/// A folder in the making, which goes with this value unless it was renamed. It is locked meanwhile.
struct Aside {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Aside {
    fn make(parent: &Path, prefix: &str) -> io::Result<Self> {
        let path = parent.join(format!("{prefix}{}", uuid::Uuid::new_v4().simple()));
        DirBuilder::new().mode(0o777).create(&path)?;
        let lock = Flock::lock(File::open(&path)?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| io::Error::from(errno))?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %self.path.display(), %error, "half a folder is left behind");
            }
            _ => {}
        }
    }
}

/// Removes what a daemon has left that died while it made this folder.
fn remove_remains(parent: &Path, prefix: &str) -> io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(prefix) || !entry.file_type()?.is_dir() {
            continue;
        }
        if Flock::lock(File::open(entry.path())?, FlockArg::LockExclusiveNonblock).is_ok() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn fill(tree: &Tree, root: &Path) -> io::Result<Written> {
    let mut written = Written::default();
    // Folders come before what is in them, and nothing but a folder is ever above something.
    for (name, entry) in tree.iter() {
        let path = root.join(name);
        match entry {
            Entry::Folder => std::fs::create_dir(&path)?,
            Entry::Link(target) => {
                symlink(target, &path)?;
                written.files += 1;
            }
            content => {
                let file = File::create_new(&path)?;
                let mut out = BufWriter::new(&file);
                content.write(&mut out)?;
                out.flush()?;
                drop(out);
                written.files += 1;
                written.size += file.metadata()?.len();
            }
        }
    }
    Ok(written)
}
