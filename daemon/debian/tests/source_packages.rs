//! Source packages made by dpkg-source and dpkg-genchanges and signed by gpg, then broken in all the ways that intake
//! must name. dpkg-source and dscverify are asked for their opinion where they have one.

#![expect(clippy::unwrap_used, reason = "a helper of tests may panic as a test may")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use preflight_debian::{
    BinaryPackage, BuildInfo, Changelog, Control, Dsc, EntryKind, Error, Keyring, Problem, SignaturePolicy,
    SignatureState, SourceChanges, SourceFolder, SourceFormat, SourcePackage, SourceUpload, TextFile, TreeEntry,
};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use tempfile::TempDir;

fn run(command: &mut Command) -> Output {
    let output = command.env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    output
}

/// A folder with the source tree of `demo` and, for quilt, its tarball beside it.
fn tree(parent: &Path, version: &str, format: Option<&str>) -> PathBuf {
    let folder = parent.join("demo-tree");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("hello.txt", "hello\n");
    write(
        "debian/control",
        "Source: demo\nMaintainer: T <t@example.org>\nSection: misc\nPriority: optional\nStandards-Version: 4.6.2\nBuild-Depends: debhelper-compat (= 13),\n gcc [linux-any] | clang, python3:any <!nocheck>,\nTestsuite: autopkgtest\n\nPackage: demo\nArchitecture: all\nDepends: ${misc:Depends}\nDescription: a test\n long\n",
    );
    write(
        "debian/changelog",
        &format!(
            "demo ({version}) bookworm; urgency=medium\n\n  * Change.\n\n -- T <t@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n"
        ),
    );
    write("debian/rules", "#!/usr/bin/make -f\n%:\n\tfalse\n");
    // dpkg-source puts Testsuite into the .dsc only where there are tests.
    write("debian/tests/control", "Test-Command: true\n");
    if let Some(format) = format {
        write("debian/source/format", &format!("{format}\n"));
    }
    folder
}

fn orig(parent: &Path) {
    let upstream = parent.join("demo-1.0");
    fs::create_dir_all(&upstream).unwrap();
    fs::write(upstream.join("hello.txt"), "hello\n").unwrap();
    run(Command::new("tar")
        .args(["-caf", "demo_1.0.orig.tar.xz", "demo-1.0"])
        .current_dir(parent));
    fs::remove_dir_all(upstream).unwrap();
}

struct Made {
    folder: TempDir,
    dsc: PathBuf,
    changes: PathBuf,
}

/// A source package and its upload, as dpkg makes them.
fn made() -> Made {
    let folder = tempfile::tempdir().unwrap();
    let parent = folder.path();
    let source = tree(parent, "1.0-1", Some("3.0 (quilt)"));
    orig(parent);
    run(Command::new("dpkg-source").arg("-b").arg(&source).current_dir(parent));
    let changes = parent.join("demo_1.0-1_source.changes");
    // A source upload lists a .buildinfo only where one was made.
    fs::create_dir_all(source.join("debian")).unwrap();
    fs::write(source.join("debian/files"), "").unwrap();
    let output = run(Command::new("dpkg-genchanges").args(["-S", "-sa"]).current_dir(&source));
    fs::write(&changes, output.stdout).unwrap();
    fs::remove_dir_all(&source).unwrap();
    Made {
        dsc: parent.join("demo_1.0-1.dsc"),
        changes,
        folder,
    }
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from:?} is not in {text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

fn open(path: &Path) -> Result<SourcePackage, Error> {
    SourcePackage::open(path, &Keyring::default(), SignaturePolicy::Warn)
}

fn upload(path: &Path) -> Result<SourceUpload, Error> {
    SourceUpload::open(path, &Keyring::default(), SignaturePolicy::Warn)
}

fn dpkg_source_accepts(dsc: &Path) -> bool {
    let target = tempfile::tempdir().unwrap();
    let mut command = Command::new("dpkg-source");
    command
        .arg("--require-strong-checksums")
        .arg("-x")
        .arg(dsc)
        .arg(target.path().join("out"));
    command.output().unwrap().status.success()
}

#[test]
fn what_dpkg_made_is_accepted_and_understood() {
    let made = made();
    assert!(dpkg_source_accepts(&made.dsc));
    let upload = upload(&made.changes).unwrap();
    let package = &upload.package;
    assert_eq!(
        (package.dsc.source.as_str(), package.dsc.version.as_str()),
        ("demo", "1.0-1")
    );
    assert_eq!(
        (package.dsc.format, upload.changes.distribution.as_str()),
        (SourceFormat::Quilt, "bookworm")
    );
    assert_eq!(package.dsc.testsuite, ["autopkgtest"]);
    assert_eq!(package.dsc.build_depends.len(), 3);
    assert_eq!(package.dsc.build_depends[1].alternatives[1].name.as_str(), "clang");
    assert_eq!(package.files.len(), 2);
    assert!(package.files.iter().all(|file| file.exists()));
    assert_eq!(
        (&package.signature, &upload.signature),
        (&SignatureState::Unsigned, &SignatureState::Unsigned)
    );
    assert!(upload.changes.changes.contains("* Change."));
}

#[test]
fn faults_of_listed_files_are_named() {
    type Fault = (&'static str, fn(&Made), fn(&Problem) -> bool);
    let faults: [Fault; 6] = [
        (
            "missing",
            |m| fs::remove_file(m.folder.path().join("demo_1.0.orig.tar.xz")).unwrap(),
            |p| matches!(p, Problem::MissingFile { name } if name == "demo_1.0.orig.tar.xz"),
        ),
        (
            "changed",
            |m| {
                let path = m.folder.path().join("demo_1.0.orig.tar.xz");
                let mut bytes = fs::read(&path).unwrap();
                bytes[20] ^= 1;
                fs::write(path, bytes).unwrap();
            },
            |p| matches!(p, Problem::WrongDigest { expected, found, .. } if expected != found),
        ),
        (
            "longer",
            |m| {
                let path = m.folder.path().join("demo_1.0.orig.tar.xz");
                let mut bytes = fs::read(&path).unwrap();
                bytes.push(0);
                fs::write(path, bytes).unwrap();
            },
            |p| matches!(p, Problem::WrongSize { expected, found, .. } if found - expected == 1),
        ),
        (
            "a folder",
            |m| {
                let path = m.folder.path().join("demo_1.0.orig.tar.xz");
                fs::remove_file(&path).unwrap();
                fs::create_dir(path).unwrap();
            },
            |p| matches!(p, Problem::NotAFile { .. }),
        ),
        (
            "no SHA-256",
            |m| {
                for file in [&m.dsc, &m.changes] {
                    replace(file, "Checksums-Sha256", "Checksums-Sha512");
                }
            },
            |p| matches!(p, Problem::NoSha256),
        ),
        (
            "format",
            |m| replace(&m.dsc, "Format: 3.0 (quilt)", "Format: 3.0 (git)"),
            |p| matches!(p, Problem::UnknownFormat { format } if format == "3.0 (git)"),
        ),
    ];
    for (name, harm, is_named) in faults {
        let made = made();
        harm(&made);
        let error = open(&made.dsc).unwrap_err();
        assert!(is_named(&error.problem), "{name}: {error}");
        assert!(error.hint().is_some() || name == "a folder", "{name}");
        assert!(error.to_string().starts_with(made.dsc.to_str().unwrap()), "{error}");
        // The .changes lists the tarball too, and is refused for the same reason where it is about files.
        assert!(upload(&made.changes).is_err(), "{name}");
        assert!(
            !dpkg_source_accepts(&made.dsc) || name == "format",
            "{name}: dpkg-source accepts it"
        );
    }
    let error = open(Path::new("/nonexistent/x.dsc")).unwrap_err();
    assert!(matches!(*error.problem, Problem::Unreadable(_)));
}

#[test]
fn names_that_are_paths_are_refused() {
    for name in [
        "../demo.tar.xz",
        "/etc/passwd",
        ".hidden",
        "a/b",
        "..",
        "-rf",
        "a\u{e9}",
        "a|b",
    ] {
        let made = made();
        replace(&made.dsc, "demo_1.0.orig.tar.xz", name);
        let error = open(&made.dsc).unwrap_err();
        assert!(
            matches!(&*error.problem, Problem::PathInFileName { name: found } if found == name),
            "{name}: {error}"
        );
        assert!(error.place.line.is_some() && error.place.field.is_some(), "{error}");
    }
    let made = made();
    replace(&made.changes, "demo_1.0.orig.tar.xz", "../demo_1.0.orig.tar.xz");
    assert!(matches!(
        *upload(&made.changes).unwrap_err().problem,
        Problem::PathInFileName { .. }
    ));
}

#[test]
fn uploads_must_be_of_source_and_agree_with_their_dsc() {
    let made = made();
    let harm = |from: &str, to: &str| {
        let text = fs::read_to_string(&made.changes).unwrap();
        replace(&made.changes, from, to);
        let error = upload(&made.changes).unwrap_err();
        fs::write(&made.changes, text).unwrap();
        error
    };
    assert!(matches!(
        *harm("Architecture: source", "Architecture: source amd64").problem,
        Problem::NotSourceOnly { .. }
    ));
    assert!(matches!(
        *harm("Version: 1.0-1", "Version: 1.0-2").problem,
        Problem::Contradiction { .. }
    ));
    assert!(matches!(
        *harm("Source: demo", "Source: other").problem,
        Problem::Contradiction { .. }
    ));
    assert!(matches!(
        *harm("demo_1.0-1.dsc", "demo_1.0-1.dcs").problem,
        Problem::NoDsc
    ));
    assert!(matches!(
        *harm("Distribution: bookworm\n", "").problem,
        Problem::MissingField
    ));
    let twice = harm("Source: demo", "Source: demo\nSource: demo");
    assert!(matches!(*twice.problem, Problem::Malformed(_)), "{twice}");
    upload(&made.changes).unwrap();
}

/// A key in a GnuPG home of its own, its public half in a file.
fn gnupg(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt as _;
    let home = folder.join(name);
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = || {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&home).args([
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        command
    };
    run(gpg().args([
        "--quick-gen-key",
        &format!("{name} <{name}@example.org>"),
        "ed25519",
        "sign",
        "never",
    ]));
    let public = folder.join(format!("{name}.gpg"));
    run(gpg().arg("--output").arg(&public).arg("--export"));
    (home, public)
}

fn sign(home: &Path, file: &Path) {
    let signed = file.with_extension("signed");
    let mut command = Command::new("gpg");
    command
        .arg("--homedir")
        .arg(home)
        .args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
    run(command.arg("--output").arg(&signed).arg("--clearsign").arg(file));
    fs::rename(signed, file).unwrap();
}

#[test]
fn signatures_are_judged_by_policy() {
    let keys = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
    let (home, public) = gnupg(keys.path(), "alice");
    let (_, other) = gnupg(keys.path(), "bob");
    let made = made();
    let require = |keyring: &Keyring| SourcePackage::open(&made.dsc, keyring, SignaturePolicy::Require);
    let with =
        |policy: SignaturePolicy, keyring: &Keyring| SourcePackage::open(&made.dsc, keyring, policy).unwrap().signature;
    let (alice, bob) = (Keyring::load(&[&public]).unwrap(), Keyring::load(&[&other]).unwrap());
    assert!(matches!(*require(&alice).unwrap_err().problem, Problem::Unsigned));

    sign(&home, &made.dsc);
    // Unsigned words around the signed ones are not read.
    let text = fs::read_to_string(&made.dsc).unwrap();
    fs::write(&made.dsc, format!("{text}\nSource: evil\nVersion: 9\n")).unwrap();
    let package = require(&alice).unwrap();
    assert_eq!(package.dsc.source.as_str(), "demo");
    let SignatureState::Good { signers } = package.signature else {
        panic!("{:?}", package.signature)
    };
    assert_eq!(signers[0].names, ["alice <alice@example.org>"]);
    assert_eq!(signers[0].fingerprint.len(), 40);
    fs::write(&made.dsc, &text).unwrap();
    if Command::new("dscverify").arg("--version").output().is_ok() {
        run(Command::new("dscverify")
            .args(["--no-default-keyrings", "--keyring"])
            .arg(&public)
            .arg(&made.dsc));
    }

    assert!(matches!(
        *require(&bob).unwrap_err().problem,
        Problem::UnknownSigner { .. }
    ));
    assert!(matches!(with(SignaturePolicy::Warn, &bob), SignatureState::UnknownKey { key_ids } if key_ids.len() == 1));
    assert!(matches!(
        with(SignaturePolicy::Warn, &alice),
        SignatureState::Good { .. }
    ));
    assert_eq!(with(SignaturePolicy::Ignore, &alice), SignatureState::NotChecked);
    let both = alice.merged(&bob);
    require(&both).unwrap();

    replace(&made.dsc, "Maintainer: T ", "Maintainer: X ");
    assert!(matches!(
        *require(&alice).unwrap_err().problem,
        Problem::BadSignature { .. }
    ));
    assert!(matches!(
        with(SignaturePolicy::Warn, &alice),
        SignatureState::Bad { .. }
    ));
    assert_eq!(with(SignaturePolicy::Ignore, &alice), SignatureState::NotChecked);

    fs::write(&made.dsc, text.split("-----BEGIN PGP SIGNATURE").next().unwrap()).unwrap();
    assert!(require(&alice).is_err());
    assert!(Keyring::load(&[&made.changes]).is_err());
}

#[test]
fn folders_are_recognised_and_their_faults_named() {
    let parent = tempfile::tempdir().unwrap();
    let folder = tree(parent.path(), "1.0-1", Some("3.0 (quilt)"));
    let fails = || *SourceFolder::open(&folder).unwrap_err().problem;
    assert!(matches!(fails(), Problem::NoOrigTarball { wanted } if wanted == "demo_1.0.orig.tar.{gz,xz,bz2,lzma}"));
    orig(parent.path());
    fs::write(parent.path().join("demo_1.0.orig.tar.xz.asc"), "").unwrap();
    fs::write(parent.path().join("demo_1.0.orig-doc.tar.gz"), "").unwrap();
    fs::write(parent.path().join("demo_1.0.1.orig.tar.gz"), "").unwrap();
    let opened = SourceFolder::open(&folder).unwrap();
    let names: Vec<&str> = opened
        .orig_tarballs
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "demo_1.0.orig.tar.xz",
            "demo_1.0.orig-doc.tar.gz",
            "demo_1.0.orig.tar.xz.asc"
        ]
    );
    assert_eq!(opened.changelog.distribution(), Some("bookworm"));
    assert_eq!(opened.format, SourceFormat::Quilt);

    fs::write(parent.path().join("demo_1.0.orig.tar.gz"), "").unwrap();
    assert!(matches!(fails(), Problem::SeveralOrigTarballs { found } if found.len() == 2));
    fs::remove_file(parent.path().join("demo_1.0.orig.tar.gz")).unwrap();
    fs::write(folder.join("debian/source/format"), "2.0\n").unwrap();
    assert!(matches!(fails(), Problem::UnknownFormat { format } if format == "2.0"));
    fs::write(folder.join("debian/source/format"), "3.0 (native)\n").unwrap();
    assert_eq!(
        SourceFolder::open(&folder).unwrap().orig_tarballs,
        Vec::<PathBuf>::new()
    );

    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    let entries = SourceFolder::open(&folder).unwrap().tree().unwrap();
    let find = |name: &str| {
        entries
            .iter()
            .find(|entry| entry.path == Path::new(name))
            .map(|entry| entry.kind.clone())
    };
    assert_eq!(
        find("link"),
        Some(EntryKind::Symlink {
            target: "/etc/passwd".into()
        })
    );
    assert_eq!(
        find("hello.txt"),
        Some(EntryKind::File {
            size: 6,
            executable: false
        })
    );
    assert!(matches!(find("debian"), Some(EntryKind::Folder)));
    assert_eq!(
        entries[0],
        TreeEntry {
            path: "debian".into(),
            kind: EntryKind::Folder
        }
    );

    run(Command::new("mkfifo").arg(folder.join("pipe")));
    let opened = SourceFolder::open(&folder).unwrap();
    assert!(matches!(*opened.tree().unwrap_err().problem, Problem::NotAFile { .. }));
    fs::remove_file(folder.join("debian/changelog")).unwrap();
    run(Command::new("mkfifo").arg(folder.join("debian/changelog")));
    assert!(matches!(fails(), Problem::NotAFile { .. }));
    fs::remove_file(folder.join("debian/changelog")).unwrap();
    assert!(matches!(
        fails(),
        Problem::NoSuchPart {
            name: "debian/changelog"
        }
    ));
    fs::remove_dir_all(folder.join("debian")).unwrap();
    assert!(matches!(fails(), Problem::NoDebianFolder));
    assert!(matches!(
        *SourceFolder::open(&folder.join("nowhere")).unwrap_err().problem,
        Problem::Unreadable(_)
    ));
}

fn deb(folder: &Path, compression: &str) -> PathBuf {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    let control = "Package: libdemo1\nSource: demo (1:1.0-1)\nVersion: 1:1.0-1+b1\nArchitecture: amd64\nMaintainer: T <t@example.org>\nDepends: libc6 (>= 2.36),\n libfoo\nDescription: a test\n long\n .\n  indented\n";
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let path = folder.join(format!("{compression}.deb"));
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Z", compression, "--build"])
        .arg(&tree)
        .arg(&path));
    path
}

#[test]
fn binary_packages_are_read_as_dpkg_deb_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    for compression in ["gzip", "xz", "zstd", "none"] {
        let path = deb(folder.path(), compression);
        let package = BinaryPackage::open(&path).unwrap();
        assert_eq!((package.name.as_str(), package.source.as_str()), ("libdemo1", "demo"));
        assert_eq!(package.file_name(), "libdemo1_1.0-1+b1_amd64.deb");
        assert_eq!(package.size, fs::metadata(&path).unwrap().len());
        for (name, value) in &package.fields {
            let output = run(Command::new("dpkg-deb").arg("-f").arg(&path).arg(name)).stdout;
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(squeeze(value), squeeze(&String::from_utf8_lossy(&output)), "{name}");
        }
    }
}

#[test]
fn damaged_binary_packages_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(deb(folder.path(), "xz")).unwrap();
    let path = folder.path().join("bad.deb");
    let reason = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        BinaryPackage::open(&path)
            .map(|package| package.name)
            .unwrap_err()
            .to_string()
    };
    for length in [0, 4, 8, 40, 68, 100, 132, 150] {
        assert!(reason(&good[..length]).contains("it is no Debian package"), "{length}");
    }
    let header = |name: &str, size: &str| format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644);
    let with = |second: &str| {
        [
            b"!<arch>\n",
            header("debian-binary", "4").as_bytes(),
            b"2.0\n",
            second.as_bytes(),
        ]
        .concat()
    };
    assert!(reason(&with(&header("control.tar.xz", "9999999999"))).contains("more than"));
    assert!(reason(&with(&header("control.tar.xz", "-1"))).contains("size is no number"));
    assert!(reason(&with(&header("data.tar.xz", "10"))).contains("not control.tar"));
    assert!(
        reason(&with(&format!("{}garbage---", header("control.tar.xz", "10")))).contains("it is no Debian package")
    );
    for position in (0..good.len().min(400)).step_by(3) {
        let mut bytes = good.clone();
        bytes[position] ^= 0x41;
        fs::write(&path, bytes).unwrap();
        // Whatever comes of it: no panic, and no name that is none.
        let _ = BinaryPackage::open(&path);
    }
}

#[test]
fn a_buildinfo_names_what_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.buildinfo");
    let digest = preflight_debian::Sha256Digest::of(b"x");
    fs::write(
        &path,
        format!("Format: 1.0\nSource: demo (1.0)\nVersion: 1.0-1\nChecksums-Sha256:\n {digest} 1 demo_1.0-1_all.deb\n"),
    )
    .unwrap();
    let info = BuildInfo::open(&path).unwrap();
    assert_eq!(
        (info.source.as_str(), info.files[0].name.as_str()),
        ("demo", "demo_1.0-1_all.deb")
    );
    assert!(matches!(
        *TextFile::read(folder.path()).unwrap_err().problem,
        Problem::NotAFile { .. }
    ));
}

/// A good `.dsc` in whose lines something was changed.
fn harmed() -> impl Strategy<Value = String> {
    const GOOD: &str = "Format: 3.0 (quilt)\nSource: demo\nBinary: demo, libdemo1\nArchitecture: source\nVersion: 1.0-1\nDistribution: sid\nBuild-Depends: a1 [b] | c1 (>= 1) <!d>,\nPackage: x\nFiles:\n 900150983cd24fb0d6963f7d28e17f72 3 a.dsc\nChecksums-Sha256:\n ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad 3 a.dsc\n";
    (0..GOOD.len(), 0..12_usize, "[ -~\\n\\té]{0,6}")
        .prop_map(|(at, length, new)| format!("{}{new}{}", &GOOD[..at], &GOOD[(at + length).min(GOOD.len())..]))
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in harmed()) {
        let path = Path::new("x");
        let _ = (Dsc::parse(path, &text), Control::parse(path, &text), Changelog::parse(path, &text));
        if let Ok(changes) = SourceChanges::parse(path, &text) {
            prop_assert!(changes.files.iter().all(|file| !file.name.contains('/') && !file.name.starts_with('.')));
        }
        let signed = format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{text}\n-----BEGIN PGP SIGNATURE-----\n{text}");
        let _ = Keyring::default().verify_inline(signed.as_bytes());
    }
}
