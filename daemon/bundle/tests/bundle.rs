//! What is written is read back; what is damaged, cut off, too new or hostile is refused, and nothing else than equal
//! data ever comes of a changed byte.

use std::io::{self, Cursor, Read, Write};

use preflight_bundle::{BundleError, CarriedFile, Document, FORMAT, Sink, Writer, read};
use pretty_assertions::assert_eq;
use proptest::prelude::*;

#[expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]
mod support;
use support::{Contents, Kept, document, parts, sample, write};

#[test]
fn what_is_written_is_read_back() {
    let (document, contents) = sample();
    let mut kept = Kept::default();
    assert_eq!(
        read(Cursor::new(write(&document, &contents)), &mut kept).unwrap(),
        document
    );
    assert_eq!(kept.files, contents);
    assert_eq!(kept.begun.as_ref(), Some(&document));
}

#[test]
fn equal_tickets_give_equal_files() {
    let (document, contents) = sample();
    assert_eq!(write(&document, &contents), write(&document, &contents));
}

#[test]
fn tar_and_zstd_can_read_it() {
    let (document, contents) = sample();
    let bytes = zstd::decode_all(Cursor::new(write(&document, &contents))).unwrap();
    let mut archive = tar::Archive::new(Cursor::new(bytes));
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.header().entry_type(), tar::EntryType::Regular);
        names.push(entry.path().unwrap().to_string_lossy().into_owned());
    }
    let long = contents.keys().find(|name| name.as_str().len() > 260).unwrap();
    let expected = document.files.iter().map(|file| match &file.name {
        name if name == long => format!("long-names/{}", file.sha256),
        name => name.to_string(),
    });
    let expected: Vec<String> = ["preflight.json".to_owned()].into_iter().chain(expected).collect();
    assert_eq!(names, expected);
}

/// Equal data or an error.
fn is_safe(bytes: &[u8], document: &Document, contents: &Contents) -> bool {
    let mut kept = Kept::default();
    match read(Cursor::new(bytes), &mut kept) {
        Ok(found) => found == *document && kept.files == *contents,
        Err(_) => true,
    }
}

#[test]
fn every_truncation_is_refused() {
    let (document, contents) = sample();
    let whole = write(&document, &contents);
    for length in 0..whole.len() {
        assert!(
            read(Cursor::new(&whole[..length]), &mut Kept::default()).is_err(),
            "{length}"
        );
    }
}

#[test]
fn every_changed_byte_is_refused_or_changes_nothing() {
    let (document, contents) = sample();
    let mut bytes = write(&document, &contents);
    for place in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            bytes[place] ^= flip;
            assert!(is_safe(&bytes, &document, &contents), "byte {place} ^ {flip:#x}");
            bytes[place] ^= flip;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_and_any_bytes_go_through(
        title in any::<String>(),
        reason in proptest::option::of(any::<String>()),
        logs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 2),
        micros in -2_000_000_000_000_000i64..200_000_000_000_000_000,
    ) {
        let (mut document, mut contents) = sample();
        document.ticket.title = title;
        document.ticket.end.reason = reason;
        document.ticket.created_at = jiff::Timestamp::from_microsecond(micros).unwrap();
        for (name, bytes) in ["logs/5-build-hello.1.log", "logs/5-build-hello.1.log.idx"].into_iter().zip(logs) {
            contents.insert(name.parse().unwrap(), bytes);
        }
        document.files = support::list(&contents);
        let mut kept = Kept::default();
        let found = read(Cursor::new(write(&document, &contents)), &mut kept).unwrap();
        prop_assert_eq!(found, document);
        prop_assert_eq!(kept.files, contents);
    }

    /// Whatever a stranger packs, well-formed at the outside: no panic, and nothing but what the format has.
    #[test]
    fn any_description_is_judged(text in "[\\[\\]{}\",:a-z0-9]{0,60}", junk in proptest::collection::vec(any::<u8>(), 0..1100)) {
        for text in [text.into_bytes(), junk.clone()] {
            let tar = parts(&[("preflight.json", &text)]);
            prop_assert!(read(Cursor::new(support::pack(&tar)), &mut Kept::default()).is_err());
        }
        prop_assert!(read(Cursor::new(support::pack(&junk)), &mut Kept::default()).is_err());
        prop_assert!(read(Cursor::new(&junk), &mut Kept::default()).is_err());
    }
}

#[test]
fn a_newer_format_is_refused_by_the_name_of_the_release_that_wrote_it() {
    let mut later = serde_json::to_value(document()).unwrap();
    later["format"] = (FORMAT + 1).into();
    later["release"] = "7.1.0".into();
    later["ticket"] = "is something else now".into();
    let tar = parts(&[("preflight.json", &serde_json::to_vec(&later).unwrap())]);
    let error = read(Cursor::new(support::pack(&tar)), &mut Kept::default()).unwrap_err();
    assert!(matches!(&error, BundleError::TooNew { format: 2, .. }), "{error}");
    assert!(error.to_string().contains("Preflight 7.1.0"), "{error}");

    later["release"] = "7.1\u{1b}[31m".into();
    let tar = parts(&[("preflight.json", &serde_json::to_vec(&later).unwrap())]);
    let error = read(Cursor::new(support::pack(&tar)), &mut Kept::default()).unwrap_err();
    assert!(!error.to_string().contains('\u{1b}'), "{error}");
}

/// A change of a good bundle's tar archive, and what is said of it.
type Attack = (&'static str, &'static str, fn(&mut Vec<(tar::Header, Vec<u8>)>));

#[test]
fn hostile_archives_are_refused() {
    let attacks: [Attack; 9] = [
        ("a file is missing", "follows where", |entries| drop(entries.remove(2))),
        ("the last file is missing", "is missing", |entries| drop(entries.pop())),
        ("files are exchanged", "follows where", |entries| entries.swap(1, 2)),
        ("the description is not the first", "does not begin", |entries| {
            entries.swap(0, 1)
        }),
        ("a file follows", "not announced", |entries| {
            let again = entries[1].clone();
            entries.push(again);
        }),
        ("a link", "follows where", |entries| {
            let header = &mut entries[1].0;
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_link_name("/etc/passwd").unwrap();
            header.set_cksum();
        }),
        ("a name that leads elsewhere", "follows where", |entries| {
            let name = b"../../evil\0";
            let header = &mut entries[1].0;
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_cksum();
        }),
        ("a long name that is gathered first", "follows where", |entries| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::GNULongName);
            header.set_size(1 << 20);
            header.set_cksum();
            entries.insert(1, (header, vec![b'a'; 1 << 20]));
        }),
        ("other bytes", "its digest is", |entries| {
            let last = entries
                .iter_mut()
                .rev()
                .find(|(_, content)| !content.is_empty())
                .unwrap();
            last.1[0] ^= 1;
        }),
    ];
    let (document, contents) = sample();
    for (what, said, attack) in attacks {
        let mut entries = support::entries(&write(&document, &contents));
        attack(&mut entries);
        let error = read(Cursor::new(support::unsplit(&entries)), &mut Kept::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, BundleError::Damaged(_)) && text.contains(said),
            "{what}: {text}"
        );
    }
}

#[test]
fn a_document_that_does_not_hold_together_is_neither_written_nor_read() {
    type Change = fn(&mut serde_json::Value);
    let changes: [(&str, Change); 26] = [
        ("no plain relative name", |d| {
            d["files"][0]["name"] = "logs/../../x".into()
        }),
        ("in no folder of the format", |d| {
            d["files"][0]["name"] = "kept/x".into()
        }),
        ("is there twice", |d| d["files"][0] = d["files"][1].clone()),
        ("both a file and a folder", |d| {
            d["files"][0]["name"] = "tests/hello".into()
        }),
        ("belongs to nothing", |d| {
            d["files"][0]["name"] = "logs/other.log".into()
        }),
        ("belongs to nothing", |d| {
            d["files"][0]["name"] = "results/99.subunit".into()
        }),
        ("belongs to nothing", |d| {
            d["files"][0]["name"] = "results/+5.subunit".into()
        }),
        ("belongs to nothing", |d| {
            d["files"][0]["name"] = "sources/0-hello/tree/x".into()
        }),
        ("belongs to nothing", |d| d["files"][0]["name"] = "objects/00".into()),
        ("belongs to nothing", |d| {
            d["files"][0]["name"] = "artifacts/other.deb".into()
        }),
        ("belongs to nothing", |d| d["files"][0]["name"] = "reruns/5/x".into()),
        ("belongs to nothing", |d| {
            let of_another = format!("repositories/generation-{}/Release", "0".repeat(64));
            d["files"][0]["name"] = of_another.into();
        }),
        ("belongs to nothing", |d| {
            let mut files = d["files"].as_array_mut().unwrap().iter_mut();
            let release = files.find(|file| file["name"].as_str().unwrap().ends_with("/Release"));
            release.unwrap()["sha256"] = "1".repeat(64).into();
        }),
        ("bytes in a link's name", |d| {
            d["ticket"]["options"]["sources"]["repositories"][0]["link"] = "x".repeat(100_000).into();
        }),
        ("is not after job", |d| d["ticket"]["jobs"][1]["number"] = 5.into()),
        ("does not come before it", |d| {
            d["ticket"]["jobs"][0]["needs"] = vec![6].into()
        }),
        ("not there", |d| d["ticket"]["jobs"][0]["subticket"] = 77.into()),
        ("in disorder", |d| {
            d["ticket"]["jobs"][0]["attempts"][0]["number"] = 0.into()
        }),
        ("no log's name", |d| {
            d["ticket"]["jobs"][0]["attempts"][0]["log"] = "../x".into()
        }),
        ("two logs'", |d| {
            d["ticket"]["jobs"][1]["attempts"][0]["log"] = d["ticket"]["jobs"][0]["attempts"][0]["log"].clone();
        }),
        ("does not count", |d| d["ticket"]["tests"][0]["attempt"] = 9.into()),
        ("a finding of job 6", |d| {
            d["ticket"]["findings"][0]["attempt"] = 9.into()
        }),
        ("no artifact's name", |d| {
            d["ticket"]["artifacts"][0]["name"] = "a/b.deb".into()
        }),
        ("is nobody's", |d| d["locks"][0]["job"] = 1.into()),
        ("of subticket 3 alone", |d| {
            d["ticket"]["subtickets"][0]["staged"] = "logs/0-hello".into()
        }),
        ("unknown field", |d| d["more"] = 1.into()),
    ];
    for (said, change) in changes {
        let (document, _) = sample();
        let mut value = serde_json::to_value(&document).unwrap();
        change(&mut value);
        let tar = parts(&[("preflight.json", &serde_json::to_vec(&value).unwrap())]);
        let error = read(Cursor::new(support::pack(&tar)), &mut Kept::default()).unwrap_err();
        assert!(error.to_string().contains(said), "{said}: {error}");
        if let Ok(changed) = serde_json::from_value::<Document>(value) {
            assert!(Writer::begin(Vec::new(), &changed).is_err(), "{said}");
        }
    }
}

#[test]
fn a_description_that_would_fill_the_memory_is_refused_by_its_size() {
    let mut header = tar::Header::new_ustar();
    header.set_path("preflight.json").unwrap();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(1 << 40);
    header.set_cksum();
    let error = read(Cursor::new(support::pack(header.as_bytes())), &mut Kept::default()).unwrap_err();
    assert!(matches!(error, BundleError::TooLarge { .. }), "{error}");
}

#[test]
fn what_follows_the_end_is_refused() {
    let (document, contents) = sample();
    let whole = write(&document, &contents);
    let tar = zstd::decode_all(Cursor::new(&whole)).unwrap();
    for more in [&b"more"[..], &[0; 1 << 20]] {
        let mut longer = tar.clone();
        longer.extend_from_slice(more);
        assert!(read(Cursor::new(support::pack(&longer)), &mut Kept::default()).is_err());
    }
    let mut longer = whole;
    longer.push(0);
    assert!(read(Cursor::new(longer), &mut Kept::default()).is_err());
}

#[test]
fn a_file_that_changes_while_it_is_written_spoils_the_bundle() {
    let (document, contents) = sample();
    for spoil in [b"".to_vec(), b"x".repeat(100_000)] {
        let mut writer = Writer::begin(Vec::new(), &document).unwrap();
        let first = writer.next().unwrap().name.clone();
        let error = writer.append(Cursor::new(spoil)).unwrap_err();
        assert!(
            matches!(&error, BundleError::Changed { name } if *name == first.to_string()),
            "{error}"
        );
    }
    let mut writer = Writer::begin(Vec::new(), &document).unwrap();
    let first = writer.next().unwrap().name.clone();
    writer.append(Cursor::new(&contents[&first])).unwrap();
    assert!(writer.finish().is_err());
}

/// A sink that cannot keep what it is given.
struct Full;

impl Sink for Full {
    fn begin(&mut self, _: &Document) -> io::Result<()> {
        Ok(())
    }

    fn file(&mut self, _: &CarriedFile, content: &mut dyn Read) -> io::Result<()> {
        content.read_exact(&mut [0; 1])?;
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_full_disk_is_not_taken_for_a_damaged_file() {
    let (document, contents) = sample();
    let whole = write(&document, &contents);
    let error = read(Cursor::new(whole), &mut Full).unwrap_err();
    assert!(
        matches!(&error, BundleError::Store(error) if error.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );

    struct Nowhere;
    impl Write for Nowhere {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = || -> Result<Nowhere, BundleError> {
        let mut writer = Writer::begin(Nowhere, &document)?;
        while let Some(next) = writer.next() {
            let content = contents[&next.name].clone();
            writer.append(Cursor::new(content))?;
        }
        writer.finish()
    };
    assert!(matches!(written(), Err(BundleError::Store(_))));
}

#[test]
fn the_format_is_what_it_was() {
    // What a release has written must be read for ever: this is format 1.
    let found = serde_json::to_string_pretty(&document()).unwrap();
    assert_eq!(found, include_str!("format-1.json").trim_end());
}
