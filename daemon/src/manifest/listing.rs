//! Reads what a guest says that its image holds. The guest may say anything: every number, name and length is judged, and
//! one record that is none of those that were asked for spoils the whole.

use std::sync::Arc;

use super::entry::{Entry, Kind, Manifest};

/// What a guest may say, in bytes: several times what a whole desktop's image says.
pub(crate) const MOST_BYTES: u64 = 256 << 20;
/// Files of an image, or of its packages: two hundred times what a minimal one has.
const MOST_FILES: usize = 2_000_000;
/// The kernel's own limit to a path.
const LONGEST_PATH: usize = 4096;
/// Longer than any package's name, version or architecture.
const LONGEST_WORD: usize = 256;

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ListingError {
    /// It is too long.
    #[error("it is longer than {MOST_BYTES} bytes, or names more than {MOST_FILES} files")]
    TooMuch,
    /// It has no end.
    #[error("it breaks off")]
    Cut,
    /// A record is none.
    #[error("record {number} is none: {text:?}")]
    Record {
        /// Counted from 1.
        number: usize,
        /// Its beginning.
        text: String,
    },
}

/// Counts what a guest has said.
#[derive(Debug, Default)]
pub(crate) struct Bounded(u64);

impl Bounded {
    /// Takes a piece into account.
    ///
    /// # Errors
    /// It was one too many.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<(), ListingError> {
        self.0 += piece.len() as u64;
        if self.0 > MOST_BYTES {
            return Err(ListingError::TooMuch);
        }
        Ok(())
    }
}

/// Reads an answer that names files.
///
/// # Errors
/// It is not what was asked for.
pub(super) fn read(answer: &[u8]) -> Result<Manifest, ListingError> {
    let manifest = records(answer)?;
    match manifest.files.is_empty() {
        true => Err(ListingError::Cut),
        false => Ok(manifest),
    }
}

/// Reads an answer that names packages alone.
///
/// # Errors
/// It is not what was asked for.
pub(crate) fn read_packages(answer: &[u8]) -> Result<Manifest, ListingError> {
    let Manifest { packages, .. } = records(answer)?;
    Ok(Manifest {
        packages,
        ..Manifest::default()
    })
}

fn records(answer: &[u8]) -> Result<Manifest, ListingError> {
    let records = answer.strip_suffix(b"\0").ok_or(ListingError::Cut)?;
    let mut manifest = Manifest::default();
    let mut last_file = None;
    let mut package: Arc<str> = Arc::from("");
    let mut is_whole = false;
    for (number, record) in records.split(|byte| *byte == 0).enumerate() {
        let refused = || ListingError::Record {
            number: number + 1,
            text: String::from_utf8_lossy(&record[..record.len().min(80)]).into_owned(),
        };
        // Nothing comes after the end.
        if is_whole {
            return Err(refused());
        }
        let (kind, rest) = match record {
            b"E" => {
                is_whole = true;
                continue;
            }
            [kind, b'\t', rest @ ..] => (kind, rest),
            _ => return Err(refused()),
        };
        let taken = match kind {
            b'P' => take_package(&mut manifest, rest),
            b'C' => take_conffile(&mut manifest, rest),
            b'O' => take_owner(&mut manifest, &mut package, rest),
            b'F' => take_file(&mut manifest, rest).map(|path| last_file = Some(path)),
            b'L' => take_target(&mut manifest, last_file.take(), rest),
            b'D' => take_digest(&mut manifest, rest),
            _ => None,
        };
        taken.ok_or_else(refused)?;
        if manifest.files.len() > MOST_FILES || manifest.owners.len() > MOST_FILES {
            return Err(ListingError::TooMuch);
        }
    }
    // A listing without a single package is that of a script that has found nothing that it could ask.
    if !is_whole || manifest.packages.is_empty() {
        return Err(ListingError::Cut);
    }
    Ok(manifest)
}

fn fields<const N: usize>(rest: &[u8]) -> Option<[&[u8]; N]> {
    let mut fields = rest.splitn(N, |byte| *byte == b'\t');
    let mut all = [&b""[..]; N];
    for field in &mut all {
        *field = fields.next()?;
    }
    Some(all)
}

fn path(bytes: &[u8]) -> Option<&[u8]> {
    (bytes.starts_with(b"/") && bytes.len() <= LONGEST_PATH).then_some(bytes)
}

fn word(bytes: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic();
    let is_word = (1..=LONGEST_WORD).contains(&bytes.len()) && bytes.iter().all(is_plain);
    is_word.then(|| std::str::from_utf8(bytes).ok()).flatten()
}

fn number<T: TryFrom<u64>>(bytes: &[u8], radix: u32) -> Option<T> {
    let text = word(bytes).filter(|text| !text.starts_with('+'))?;
    u64::from_str_radix(text, radix).ok()?.try_into().ok()
}

fn take_package(manifest: &mut Manifest, rest: &[u8]) -> Option<()> {
    let [status, name, version, architecture] = fields(rest)?;
    // One that was removed and has left its configuration has no version that counts.
    if word(status)? != "installed" {
        return Some(());
    }
    let key = (word(name)?.to_owned(), word(architecture)?.to_owned());
    manifest.packages.insert(key, word(version)?.to_owned());
    Some(())
}

fn take_conffile(manifest: &mut Manifest, rest: &[u8]) -> Option<()> {
    manifest.conffiles.insert(path(rest)?.to_vec());
    Some(())
}

/// Paths of one package come in a row: its name is kept once.
fn take_owner(manifest: &mut Manifest, package: &mut Arc<str>, rest: &[u8]) -> Option<()> {
    let [name, owned] = fields(rest)?;
    let name = word(name)?;
    if **package != *name {
        *package = Arc::from(name);
    }
    let owned = path(owned)?;
    // A folder is of many packages: it is enough to know one.
    if !manifest.owners.contains_key(owned) {
        manifest.owners.insert(owned.to_vec(), Arc::clone(package));
    }
    Some(())
}

fn take_file(manifest: &mut Manifest, rest: &[u8]) -> Option<Vec<u8>> {
    let [kind, mode, user, group, size, named] = fields(rest)?;
    let kind = Kind::of(kind)?;
    let size = number(size, 10)?;
    let entry = Entry {
        kind,
        mode: number(mode, 8).filter(|mode| *mode <= 0o7777)?,
        user: number(user, 10)?,
        group: number(group, 10)?,
        size: if kind == Kind::File { size } else { 0 },
        sha256: None,
        target: None,
    };
    let path = path(named)?.to_vec();
    manifest.files.insert(path.clone(), entry);
    Some(path)
}

fn take_target(manifest: &mut Manifest, link: Option<Vec<u8>>, target: &[u8]) -> Option<()> {
    let entry = manifest.files.get_mut(&link?)?;
    if entry.kind != Kind::Link || target.len() > LONGEST_PATH {
        return None;
    }
    entry.target = Some(target.to_vec());
    Some(())
}

fn take_digest(manifest: &mut Manifest, rest: &[u8]) -> Option<()> {
    let (digits, rest) = rest.split_at_checked(64)?;
    let mut sha256 = [0; 32];
    for (byte, pair) in sha256.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = number(pair, 16)?;
    }
    let digested = path(rest.strip_prefix(b"  ")?)?;
    // It may have come after the files were listed.
    if let Some(entry) = manifest
        .files
        .get_mut(digested)
        .filter(|entry| entry.kind == Kind::File)
    {
        entry.sha256 = Some(sha256);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "P\tinstalled\thello\t2.10-3\tamd64\0P\tconfig-files\tgone\t1\tall\0C\t/etc/hello.conf\0\
        O\thello\t/.\0O\thello\t/bin/hello\0F\td\t755\t0\t0\t4096\t/\0F\tl\t777\t0\t0\t7\t/bin\0L\tusr/bin\0\
        F\tf\t4755\t0\t0\t12\t/usr/bin/hello\0F\tf\t644\t1000\t1000\t0\t/a\tb\nc\0\
        D\tabababababababababababababababababababababababababababababababab  /usr/bin/hello\0\
        D\tabababababababababababababababababababababababababababababababab  /gone\0E\0";

    #[test]
    fn a_listing_is_read() {
        let manifest = read(GOOD.as_bytes()).unwrap();
        let packages: Vec<_> = manifest.packages.iter().collect();
        assert_eq!(
            packages,
            [(&("hello".to_owned(), "amd64".to_owned()), &"2.10-3".to_owned())]
        );
        let program = &manifest.files[&b"/usr/bin/hello"[..]];
        assert_eq!(
            (program.mode, program.size, program.sha256),
            (0o4755, 12, Some([0xab; 32]))
        );
        assert_eq!(manifest.files[&b"/bin"[..]].target.as_deref(), Some(&b"usr/bin"[..]));
        assert_eq!(manifest.files[&b"/a\tb\nc"[..]].user, 1000);
        assert_eq!(manifest.owner(b"/usr/bin/hello"), Some("hello"));
        assert_eq!(manifest.owner(b"/usr/bin/other"), None);
        assert!(manifest.conffiles.contains(&b"/etc/hello.conf"[..]));
    }

    #[test]
    fn packages_are_read_without_files() {
        let answer = b"P\tinstalled\thello\t2.10-3\tamd64\0E\0";
        assert_eq!(read_packages(answer).unwrap().packages.len(), 1);
        assert!(read(answer).is_err());
        for bad in [
            &b"E\0"[..],
            b"",
            b"P\tinstalled\thello\t1\tall\0",
            b"P\tinstalled\thello\t1\0E\0",
        ] {
            assert!(read_packages(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn whoever_says_anything_else_is_not_heard() {
        for (from, to) in [
            ("E\0", ""),
            ("E\0", "E\0F\tf\t644\t0\t0\t0\t/late\0"),
            ("F\td\t755", "F\td\t10000"),
            ("F\td\t755", "F\tx\t755"),
            ("F\td\t755", "F\td\t+55"),
            ("\t4096\t/\0", "\t4096\tetc\0"),
            ("\t4096\t/\0", "\t-1\t/\0"),
            ("L\tusr/bin", "L\tusr/bin\0L\tagain"),
            ("\thello\t2.10-3", "\thello\t2.10 3"),
            ("D\tab", "D\tAx"),
            ("C\t/etc", "C\tetc"),
            ("O\thello\t/.", "O\thello"),
            ("P\tinstalled\thello", "Q\tinstalled\thello"),
            ("P\tinstalled\thello", "P\tconfig-files\thello"),
        ] {
            assert!(GOOD.contains(from), "{from:?}");
            let changed = GOOD.replacen(from, to, 1);
            assert!(read(changed.as_bytes()).is_err(), "{from:?} as {to:?}");
        }
        let long = GOOD.replacen("/usr/bin/hello\0F", &format!("/{}\0F", "x".repeat(LONGEST_PATH)), 1);
        assert!(matches!(read(long.as_bytes()), Err(ListingError::Record { .. })));
        let mut bounded = Bounded(MOST_BYTES - 1);
        assert_eq!(
            (bounded.take(b"x"), bounded.take(b"x")),
            (Ok(()), Err(ListingError::TooMuch))
        );
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_fall_over(answer: Vec<u8>, at in 0..GOOD.len(), byte: u8) {
            let _ = read(&answer);
            let mut changed = GOOD.as_bytes().to_vec();
            changed[at] = byte;
            let _ = read(&changed);
            prop_assert!(read(&GOOD.as_bytes()[..at]).is_err());
        }
    }
}
