//! Archives of results, whole: what is unpacked is never more than was counted, and never elsewhere.

use std::cell::Cell;
use std::io::Write as _;

use preflight_fuzz::fuzz;
use preflight_results::{gather, read};
use proptest::prelude::*;

use crate::near;

fn archive() -> impl Strategy<Value = Vec<u8>> {
    let name = "(\\./|\\.\\./|/)?(summary|log|exitcode|duration|testpkg-version|a-stdout|artifacts/x|[a-z./]{1,9})";
    let content = prop_oneof![
        Just(b"a PASS\nb FAIL timed out\n".to_vec()),
        Just(b"autopkgtest [10:00:00]: test a: [-----------------------\n".to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec((name, content, 0..4_u8), 0..5).prop_map(|files| {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content, kind) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_entry_type(match kind {
                3 => tar::EntryType::Symlink,
                _ => tar::EntryType::Regular,
            });
            let bytes = header.as_old_mut();
            bytes.name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, &content[..]).unwrap();
        }
        builder.into_inner().unwrap()
    })
}

/// It touches a disk for each, which is slow: no target of a million cases.
#[test]
fn archives_are_unpacked_within_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result.tar");
    let inputs = (near::edited(archive()), any::<bool>());
    fuzz(
        &inputs,
        |(bytes, _)| bytes.len(),
        |(bytes, is_packed)| {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(&bytes).unwrap();
            let packed = if is_packed {
                out.finish().unwrap()
            } else {
                bytes.clone()
            };
            std::fs::write(&file, packed).unwrap();
            let root = folder.path().join("root");
            std::fs::create_dir(&root).unwrap();
            let counted = Cell::new(0);
            let material = gather(&file, None, &root, &mut |bytes| {
                counted.set(counted.get() + bytes);
                Ok(())
            });
            if let Ok(material) = material {
                let _ = read(material, "");
            }
            prop_assert!(counted.get() <= bytes.len() as u64);
            prop_assert_eq!(
                std::fs::read_dir(folder.path()).unwrap().count(),
                2,
                "nothing is made elsewhere"
            );
            std::fs::remove_dir_all(&root).unwrap();
            Ok(())
        },
    );
}
