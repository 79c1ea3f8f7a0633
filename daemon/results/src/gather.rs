//! Copies and unpacks what somebody names into a folder of ours: a folder, an archive, a compressed or plain document. What
//! is in the files is others' matter; here is how much of them there may be, and which format they are.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use walkdir::WalkDir;

use crate::archive::{self, Found, peel, shown};
use crate::error::{ResultsError, no_more};
use crate::format::Format;
use crate::limits::{DEEPEST, MOST_BYTES, MOST_FILES, MOST_LEFT_OUT};
use crate::name::EntryName;

/// Copied at once.
const CHUNK: usize = 64 * 1024;
/// The one file of a document's material.
pub(crate) const DOCUMENT: &str = "document";
/// autopkgtest's log.
pub(crate) const LOG: &str = "log";
/// Ubuntu's archive of a run.
const RESULT_TAR: &str = "result.tar";
/// What lies beside it.
const BESIDE: [&str; 3] = ["log.gz", LOG, "artifacts.tar.gz"];
/// Packages that were built for the run: large, and nobody asks a result for them.
const BINARIES: &str = "binaries";

/// What was named, in a folder of ours.
#[derive(Debug)]
pub struct Material {
    /// The folder.
    pub(crate) root: PathBuf,
    /// The format.
    pub(crate) format: Format,
    /// The files below the folder.
    pub(crate) files: BTreeSet<EntryName>,
    /// What was not taken, in words.
    pub(crate) left_out: Vec<String>,
}

impl Material {
    /// Where a file of ours can be made: no other one is called so.
    pub(crate) fn free_path(&self) -> PathBuf {
        let mut names = (0_u32..).map(|number| format!("composed-{number}.log"));
        let is_taken = |name: &String| EntryName::new(name.as_bytes()).is_some_and(|name| self.files.contains(&name));
        let free = names.find(|name| !is_taken(name) && !self.root.join(name).exists());
        self.root.join(free.unwrap_or_default())
    }
}

/// Copies and unpacks `path` into `root`, an empty folder. Before bytes are written there, `room` is asked for so many.
///
/// # Errors
/// It cannot be read, there is too much of it, or it holds no results; what is in `root` then means nothing.
pub fn gather(
    path: &Path,
    wanted: Option<Format>,
    root: &Path,
    room: &mut dyn FnMut(u64) -> io::Result<()>,
) -> Result<Material, ResultsError> {
    let mut gathering = Gathering {
        root,
        room,
        bytes: 0,
        files: BTreeSet::new(),
        left_out: Vec::new(),
        has_result_tar: false,
        has_packed_log: false,
    };
    let metadata = std::fs::metadata(path).map_err(|error| ResultsError::io(path, error))?;
    if metadata.is_dir() {
        gathering.folder(path)?;
    } else {
        gathering.file(path)?;
    }
    gathering.finish(path, wanted)
}

struct Gathering<'a> {
    root: &'a Path,
    room: &'a mut dyn FnMut(u64) -> io::Result<()>,
    bytes: u64,
    files: BTreeSet<EntryName>,
    left_out: Vec<String>,
    has_result_tar: bool,
    has_packed_log: bool,
}

impl Gathering<'_> {
    fn folder(&mut self, folder: &Path) -> Result<(), ResultsError> {
        let mut seen = 0;
        for entry in WalkDir::new(folder)
            .follow_links(false)
            .max_depth(DEEPEST)
            .sort_by_file_name()
        {
            let entry = entry.map_err(|error| ResultsError::io(folder, error.into()))?;
            // Folders count, too: there is no end of them otherwise.
            seen += 1;
            no_more("files", seen, MOST_FILES)?;
            // What is named may be a link, and everything below it may not.
            if entry.file_type().is_dir() || entry.depth() == 0 {
                continue;
            }
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let raw = below.as_os_str().as_encoded_bytes();
            match EntryName::new(raw) {
                Some(name) if entry.file_type().is_file() => self.packed_or_plain(&name, entry.path())?,
                Some(_) => self.leave_out(format!("{}: no regular file", shown(raw))),
                None => self.leave_out(format!("{}: no name for a file", shown(raw))),
            }
        }
        Ok(())
    }

    /// A file of a folder: those that a run's folder has packed are unpacked.
    fn packed_or_plain(&mut self, name: &EntryName, path: &Path) -> Result<(), ResultsError> {
        let mut file = open(path, OFlag::O_NOFOLLOW)?;
        match name.as_str() {
            "log.gz" | "log.xz" => {
                self.has_packed_log = true;
                let mut peeled = peel(file).map_err(|error| ResultsError::io(path, error))?;
                self.put(fixed(LOG)?, &mut peeled.content)
            }
            RESULT_TAR | "artifacts.tar.gz" | "artifacts.tar.xz" => {
                self.has_result_tar |= name.as_str() == RESULT_TAR;
                let peeled = peel(file).map_err(|error| ResultsError::io(path, error))?;
                if !peeled.is_tar() {
                    return Err(ResultsError::damaged("tar archive", format!("{name} is none")));
                }
                self.tar(peeled.content)
            }
            other if other.split('/').next() == Some(BINARIES) => {
                self.leave_out(format!("{name}: packages are not imported"));
                Ok(())
            }
            _ => self.put(name.clone(), &mut file),
        }
    }

    /// What is named is one file.
    fn file(&mut self, path: &Path) -> Result<(), ResultsError> {
        let file = open(path, OFlag::empty())?;
        let is_result_tar = path.file_name().is_some_and(|name| name == RESULT_TAR);
        let mut peeled = peel(file).map_err(|error| ResultsError::io(path, error))?;
        if peeled.is_tar() {
            self.tar(peeled.content)?;
        } else {
            let name = match Format::of_document(&peeled.head) {
                Some(Format::Log) => LOG,
                _ => DOCUMENT,
            };
            self.put(fixed(name)?, &mut peeled.content)?;
        }
        if is_result_tar {
            self.has_result_tar = true;
            let beside = BESIDE.map(|name| (name, path.with_file_name(name)));
            for (name, path) in beside.into_iter().filter(|(_, path)| path.is_file()) {
                self.packed_or_plain(&fixed(name)?, &path)?;
            }
        }
        Ok(())
    }

    fn tar(&mut self, content: impl Read) -> Result<(), ResultsError> {
        archive::entries(content, |found| match found {
            Found::File(name, _) if name.as_str().split('/').next() == Some(BINARIES) => {
                self.leave_out(format!("{name}: packages are not imported"));
                Ok(())
            }
            // As Ubuntu's archives of all of a run have it.
            Found::File(name, content) if name.as_str() == "log.gz" => {
                self.has_packed_log = true;
                let mut peeled = peel(content).map_err(|error| ResultsError::damaged("gzip", error.to_string()))?;
                self.put(fixed(LOG)?, &mut peeled.content)
            }
            Found::File(name, content) => self.put(name, content),
            Found::LeftOut(what) => {
                self.leave_out(what);
                Ok(())
            }
        })
    }

    /// A file of ours, unless there is one of its name: the first one is it.
    fn put(&mut self, name: EntryName, content: &mut dyn Read) -> Result<(), ResultsError> {
        no_more("files", self.files.len() as u64 + 1, MOST_FILES)?;
        let path = self.root.join(name.as_str());
        let cannot = |error| ResultsError::io(Path::new(name.as_str()), error);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        let file = made.and_then(|()| File::create_new(&path));
        let mut file = match file {
            Ok(file) => file,
            Err(error) if is_taken(&error) => {
                self.leave_out(format!("{}: there twice", shown(name.as_str().as_bytes())));
                return Ok(());
            }
            Err(error) => return Err(cannot(error)),
        };
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(cannot(error)),
            };
            self.bytes += read as u64;
            no_more("bytes", self.bytes, MOST_BYTES)?;
            (self.room)(read as u64).map_err(cannot)?;
            file.write_all(&buffer[..read]).map_err(cannot)?;
        }
        self.files.insert(name);
        Ok(())
    }

    fn leave_out(&mut self, what: String) {
        match self.left_out.len() {
            length if length < MOST_LEFT_OUT => self.left_out.push(what),
            MOST_LEFT_OUT => self.left_out.push("and others".to_owned()),
            _ => {}
        }
    }

    fn finish(mut self, path: &Path, wanted: Option<Format>) -> Result<Material, ResultsError> {
        let root = self.enter_only_folder();
        let unknown = || ResultsError::Unknown(path.display().to_string());
        let format = match wanted {
            Some(format) => format,
            None => self.recognise(&root)?.ok_or_else(unknown)?,
        };
        if format.is_folder() != self.only_document(&root, format)?.is_none() {
            return Err(unknown());
        }
        Ok(Material {
            root,
            format,
            files: self.files,
            left_out: self.left_out,
        })
    }

    /// An archive often has all in one folder.
    fn enter_only_folder(&mut self) -> PathBuf {
        let tops: BTreeSet<&str> = self
            .files
            .iter()
            .map(|name| name.as_str().split_once('/').map_or("", |(top, _)| top))
            .collect();
        let only = tops
            .first()
            .copied()
            .filter(|top| tops.len() == 1 && !top.is_empty() && *top != "artifacts");
        let Some(only) = only.map(ToOwned::to_owned) else {
            return self.root.to_owned();
        };
        let below = |name: &EntryName| EntryName::new(name.as_str().strip_prefix(&only)?.strip_prefix('/')?.as_bytes());
        self.files = self.files.iter().filter_map(below).collect();
        self.root.join(only)
    }

    fn has(&self, name: &str) -> bool {
        EntryName::new(name.as_bytes()).is_some_and(|name| self.files.contains(&name))
    }

    fn recognise(&self, root: &Path) -> Result<Option<Format>, ResultsError> {
        if self.has_result_tar {
            return Ok(Some(Format::ResultTar));
        }
        if self.files.len() == 1 && self.has(LOG) && !self.has_packed_log {
            return Ok(Some(Format::Log));
        }
        if self.has("exitcode") || self.has_packed_log {
            return Ok(Some(Format::Debci));
        }
        if ["summary", "testinfo.json", "testpkg-version", LOG]
            .iter()
            .any(|name| self.has(name))
        {
            return Ok(Some(Format::Autopkgtest));
        }
        let mut found = None;
        for name in &self.files {
            let Some(format) = head(&root.join(name.as_str()))?.and_then(|head| Format::of_document(&head)) else {
                continue;
            };
            if found.replace(format).is_some() {
                return Err(ResultsError::damaged(
                    "folder",
                    "it holds several documents; name one of them",
                ));
            }
        }
        Ok(found)
    }

    /// Makes the one document that there is [`DOCUMENT`]; none for what is no document.
    fn only_document(&mut self, root: &Path, format: Format) -> Result<Option<()>, ResultsError> {
        if format.is_folder() {
            return Ok(self.has(DOCUMENT).then_some(()).filter(|()| self.files.len() == 1));
        }
        let mut documents = self.files.iter().filter(|name| {
            let head = head(&root.join(name.as_str())).ok().flatten();
            self.files.len() == 1 || head.and_then(|head| Format::of_document(&head)) == Some(format)
        });
        let (Some(name), None) = (documents.next().cloned(), documents.next()) else {
            return Ok(None);
        };
        if name.as_str() != DOCUMENT {
            let (from, to) = (root.join(name.as_str()), root.join(DOCUMENT));
            std::fs::rename(&from, &to).map_err(|error| ResultsError::io(&from, error))?;
            self.files.remove(&name);
            self.files.insert(fixed(DOCUMENT)?);
        }
        Ok(Some(()))
    }
}

/// A name of ours.
fn fixed(name: &'static str) -> Result<EntryName, ResultsError> {
    EntryName::new(name.as_bytes()).ok_or_else(|| ResultsError::Unknown(name.to_owned()))
}

fn is_taken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// A file's beginning; none for an empty one.
fn head(path: &Path) -> Result<Option<Vec<u8>>, ResultsError> {
    let mut head = Vec::new();
    let read = open(path, OFlag::O_NOFOLLOW)?.take(8 * 1024).read_to_end(&mut head);
    read.map_err(|error| ResultsError::io(path, error))?;
    Ok((!head.is_empty()).then_some(head))
}

/// Opens a regular file, and nothing that would block.
fn open(path: &Path, flags: OFlag) -> Result<File, ResultsError> {
    let flags = flags | OFlag::O_NONBLOCK;
    let failed = |error| ResultsError::io(path, error);
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(failed)?;
    if file.metadata().map_err(failed)?.is_file() {
        Ok(file)
    } else {
        Err(failed(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file",
        )))
    }
}
