//! A tree of files as it is to be: which there are, and where what is in them comes from. Who writes it to a disk is another
//! room; this one puts it into archives.

use std::collections::BTreeMap;
use std::collections::btree_map::Iter;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header, HeaderMode};
use walkdir::WalkDir;

/// One of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A symbolic link with this target, which nobody follows.
    Link(PathBuf),
    /// A file with the content of another.
    File(PathBuf),
    /// A file with this text.
    Text(String),
    /// A gzipped file with the beginning of another one, of at most so many bytes; where that is not all of it, this text
    /// follows.
    Gzip {
        /// The other file.
        of: PathBuf,
        /// The most of it.
        most: u64,
        /// What follows what was cut.
        cut: String,
    },
    /// A tar archive of a tree.
    Tar(Tree),
    /// The same, gzipped.
    TarGz(Tree),
}

/// A tree of files by their relative names; of each the folders that it lies in are there, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
    /// What the owner should know of it.
    pub notes: Vec<String>,
}

impl Tree {
    /// Adds an entry, and the folders that it lies in.
    pub fn add(&mut self, name: impl Into<PathBuf>, entry: Entry) {
        let name = name.into();
        for folder in name.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            self.entries.entry(folder.to_owned()).or_insert(Entry::Folder);
        }
        self.entries.insert(name, entry);
    }

    /// The entries by name: folders before what is in them.
    pub fn iter(&self) -> Iter<'_, PathBuf, Entry> {
        self.entries.iter()
    }

    /// An entry.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(Path::new(name))
    }

    /// Takes files away.
    pub fn remove<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        for name in names {
            self.entries.remove(Path::new(name));
        }
    }

    /// All of another tree below a folder.
    pub fn graft(&mut self, folder: &Path, tree: Self) {
        if !folder.as_os_str().is_empty() {
            self.add(folder, Entry::Folder);
        }
        for (name, entry) in tree.entries {
            self.entries.insert(folder.join(name), entry);
        }
        self.notes.extend(tree.notes);
    }

    /// Adds what lies in a folder of the host: folders, regular files, links. Where two have left a file of one name the later
    /// one's is taken, as autopkgtest's copying has it, and that is noted; no link becomes a folder of anything.
    ///
    /// # Errors
    /// The system's.
    pub fn merge(&mut self, at: &Path, folder: &Path, whose: &str) -> io::Result<()> {
        for found in WalkDir::new(folder)
            .follow_links(false)
            .min_depth(1)
            .sort_by_file_name()
        {
            let found = found?;
            let Ok(below) = found.path().strip_prefix(folder) else {
                continue;
            };
            let kind = found.file_type();
            let entry = if kind.is_dir() {
                Entry::Folder
            } else if kind.is_symlink() {
                Entry::Link(std::fs::read_link(found.path())?)
            } else if kind.is_file() {
                Entry::File(found.path().to_owned())
            } else {
                continue;
            };
            self.merge_one(at.join(below), entry, whose);
        }
        Ok(())
    }

    fn merge_one(&mut self, name: PathBuf, entry: Entry, whose: &str) {
        let is_file_above = |folder: &&Path| self.entries.get(*folder).is_some_and(|entry| *entry != Entry::Folder);
        let shown = name.display().to_string();
        if name.ancestors().skip(1).find(is_file_above).is_some() {
            self.notes.push(format!(
                "{shown} of {whose} is left out: an earlier test has left a file where its folder is"
            ));
            return;
        }
        match (self.entries.get(&name), &entry) {
            (None, _) => self.add(name, entry),
            (Some(Entry::Folder), Entry::Folder) => {}
            (Some(Entry::Folder), _) => {
                self.notes.push(format!(
                    "{shown} of {whose} is left out: an earlier test has left a folder of that name"
                ));
            }
            (Some(_), Entry::Folder) => {
                self.notes.push(format!(
                    "{shown} of {whose} is left out: an earlier test has left a file of that name"
                ));
            }
            (Some(_), _) => {
                self.notes.push(format!(
                    "{shown} is the one of {whose}: an earlier test has left another one"
                ));
                self.add(name, entry);
            }
        }
    }

    /// The tree as a tar archive. Owner and times are nobody's, so that the same tree is the same archive.
    ///
    /// # Errors
    /// The system's.
    pub fn tar(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut archive = Builder::new(out);
        archive.mode(HeaderMode::Deterministic);
        for (name, entry) in &self.entries {
            let mut header = Header::new_gnu();
            header.set_mode(0o644);
            match entry {
                Entry::Folder => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_mode(0o755);
                    archive.append_data(&mut header, name, io::empty())?;
                }
                Entry::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_mode(0o777);
                    archive.append_link(&mut header, name, target)?;
                }
                Entry::File(path) => {
                    let file = File::open(path)?;
                    let size = file.metadata()?.len();
                    header.set_size(size);
                    // Exactly as much as was announced, whatever becomes of the file.
                    archive.append_data(&mut header, name, file.take(size))?;
                }
                Entry::Text(text) => {
                    header.set_size(text.len() as u64);
                    archive.append_data(&mut header, name, text.as_bytes())?;
                }
                Entry::Gzip { .. } | Entry::Tar(_) | Entry::TarGz(_) => {
                    let mut bytes = Vec::new();
                    entry.write(&mut bytes)?;
                    header.set_size(bytes.len() as u64);
                    archive.append_data(&mut header, name, bytes.as_slice())?;
                }
            }
        }
        archive.finish()
    }
}

impl Entry {
    /// Writes the content; a folder and a link have none.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Folder | Self::Link(_) => Ok(()),
            Self::File(path) => io::copy(&mut File::open(path)?, out).map(drop),
            Self::Text(text) => out.write_all(text.as_bytes()),
            Self::Gzip { of, most, cut } => {
                let mut out = GzEncoder::new(out, Compression::default());
                let file = File::open(of)?;
                let size = file.metadata()?.len();
                io::copy(&mut file.take(*most), &mut out)?;
                if size > *most {
                    out.write_all(cut.as_bytes())?;
                }
                out.finish().map(drop)
            }
            Self::Tar(tree) => tree.tar(out),
            Self::TarGz(tree) => {
                let mut out = GzEncoder::new(out, Compression::default());
                tree.tar(&mut out)?;
                out.finish().map(drop)
            }
        }
    }
}
