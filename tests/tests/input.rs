//! What intake refuses: the exit code, a message that names the file and the field, a hint, and nothing stored. No guest is
//! needed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::process::Command;

use preflight_tests::fixture::{self, changes_of, copy, dsc_of, replace, tool};
use preflight_tests::home::Home;
use preflight_tests::machines::names_in;

/// One bad input.
struct Bad {
    /// What is wrong with it.
    what: &'static str,
    /// Makes it in an empty folder: the arguments of `preflight check`.
    make: fn(&Path) -> Vec<String>,
    /// What the message names.
    names: &'static [&'static str],
    /// What the hint says.
    hint: &'static str,
}

const TABLE: &[Bad] = &[
    Bad {
        what: "a .changes whose file is missing",
        make: |folder| {
            let changes = changes_of(&copy("libgreeting", folder));
            std::fs::remove_file(fixture::found(folder, "xz")).unwrap();
            words(&[&changes])
        },
        names: &["libgreeting_1.0_source.changes", "libgreeting_1.0.tar.xz", "not there"],
        hint: "put the listed file beside it",
    },
    Bad {
        what: "a .changes with a wrong digest",
        make: |folder| {
            let changes = changes_of(&copy("libgreeting", folder));
            let tarball = fixture::found(folder, "xz");
            let mut bytes = std::fs::read(&tarball).unwrap();
            let last = bytes.last_mut().unwrap();
            *last ^= 1;
            std::fs::write(tarball, bytes).unwrap();
            words(&[&changes])
        },
        names: &["libgreeting_1.0.tar.xz", "SHA-256", "expected", "found"],
        hint: "fetch it again",
    },
    Bad {
        what: "a .changes with a path in a file name",
        make: |folder| {
            let changes = changes_of(&copy("libgreeting", folder));
            replace(&changes, " libgreeting_1.0.tar.xz", " ../libgreeting_1.0.tar.xz");
            words(&[&changes])
        },
        names: &["libgreeting_1.0_source.changes", "../libgreeting_1.0.tar.xz", "path"],
        hint: "do not use this file",
    },
    Bad {
        what: "an unknown series",
        make: |_| {
            let folder = fixture::folder("libgreeting");
            ["--series", "debian-nonsuch", folder.to_str().unwrap()]
                .map(str::to_owned)
                .to_vec()
        },
        names: &["debian-nonsuch"],
        hint: "--series",
    },
    Bad {
        what: "a changelog for an unknown series",
        make: |folder| {
            let copy = copy("libgreeting", folder);
            replace(&copy.join("debian/changelog"), "bookworm", "nonsuch");
            words(&[&copy])
        },
        names: &["nonsuch"],
        hint: "--series",
    },
    Bad {
        what: "a folder without debian/",
        make: |folder| words(&[folder]),
        names: &["debian/"],
        hint: "a .dsc",
    },
    Bad {
        what: "a path that is not there",
        make: |folder| words(&[&folder.join("nothing.dsc")]),
        names: &["nothing.dsc", "No such file"],
        hint: "",
    },
    Bad {
        what: "a file of another kind",
        make: |folder| {
            let file = folder.join("notes.txt");
            std::fs::write(&file, "Source: notes\n").unwrap();
            words(&[&file])
        },
        names: &["notes.txt", ".dsc", "_source.changes"],
        hint: "name the package's folder",
    },
    Bad {
        what: "a changelog that is none",
        make: |folder| {
            let copy = copy("libgreeting", folder);
            std::fs::write(copy.join("debian/changelog"), "what is this\n").unwrap();
            words(&[&copy])
        },
        names: &["debian/changelog:1"],
        hint: "",
    },
    Bad {
        what: "sources that need each other",
        make: |folder| {
            let ring = |name: &str, needs: &str| {
                let own = folder.join(format!("{name}-folder"));
                std::fs::create_dir(&own).unwrap();
                let copy = copy("libgreeting", &own);
                replace(&copy.join("debian/control"), "libgreeting", name);
                let needs = format!("Build-Depends: {needs}-dev\nStandards-Version");
                replace(&copy.join("debian/control"), "Standards-Version", &needs);
                replace(&copy.join("debian/changelog"), "libgreeting", name);
                copy
            };
            words(&[&ring("chicken", "egg"), &ring("egg", "chicken")])
        },
        names: &["chicken", "egg"],
        hint: "separate tickets",
    },
    Bad {
        what: "the same source twice",
        make: |folder| words(&[&fixture::folder("libgreeting"), &dsc_of(&copy("libgreeting", folder))]),
        names: &["libgreeting"],
        hint: "once",
    },
    Bad {
        what: "a package to add that cannot be one",
        make: |_| {
            let folder = fixture::folder("libgreeting");
            ["--add-package", "no such=thing", folder.to_str().unwrap()]
                .map(str::to_owned)
                .to_vec()
        },
        names: &["no such=thing"],
        hint: "",
    },
];

fn words(paths: &[&Path]) -> Vec<String> {
    paths.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
}

/// Bad input is refused, and nothing of it is kept.
fn assert_refused(home: &Home, what: &str, arguments: &[String], names: &[&str], hint: &str) {
    // Should it be taken after all, nobody waits for its end.
    let arguments: Vec<&str> = ["check", "--detach"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect();
    let refused = home.run(&arguments).with_code(20);
    let errors: Vec<&str> = refused.stderr.lines().filter(|line| line.contains("error (")).collect();
    let [error] = errors[..] else {
        panic!("{what}: not one error: {refused}")
    };
    for name in names {
        assert!(
            error.contains(name),
            "{what}: the message does not name {name:?}: {refused}"
        );
    }
    if !hint.is_empty() {
        let hints: Vec<&str> = refused
            .stderr
            .lines()
            .filter(|line| line.starts_with("hint:"))
            .collect();
        assert!(
            hints.iter().any(|line| line.contains(hint)),
            "{what}: no hint {hint:?}: {refused}"
        );
    }
    assert!(refused.stdout.is_empty(), "{what}: {refused}");
    assert!(home.tickets().is_empty(), "{what}: a ticket was made");
    assert_eq!(
        names_in(&home.folders.state.join("tickets")),
        [""; 0],
        "{what}: something is stored"
    );
}

#[test]
fn bad_input_is_named_and_nothing_of_it_is_stored() {
    let home = Home::temporary();
    for bad in TABLE {
        let scratch = tempfile::tempdir().unwrap();
        let arguments = (bad.make)(scratch.path());
        assert_refused(&home, bad.what, &arguments, bad.names, bad.hint);
    }
}

/// A key of one's own, and a source package that it has signed.
struct Signed {
    scratch: tempfile::TempDir,
    dsc: PathBuf,
    keyring: PathBuf,
}

impl Signed {
    fn new() -> Self {
        let scratch = tempfile::Builder::new().prefix("pf").tempdir_in("/tmp").unwrap();
        let keys = scratch.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let gpg = || {
            let mut command = Command::new("gpg");
            command
                .arg("--homedir")
                .arg(&keys)
                .args(["--batch", "--quiet", "--passphrase", ""]);
            command
        };
        tool(gpg().args(["--quick-generate-key", "Jane Doe <jane@example.org>", "ed25519", "sign"]));
        let keyring = scratch.path().join("keyring.gpg");
        tool(gpg().arg("--output").arg(&keyring).arg("--export"));
        let dsc = dsc_of(&copy("libgreeting", scratch.path()));
        let plain = dsc.with_extension("plain");
        std::fs::rename(&dsc, &plain).unwrap();
        tool(gpg().arg("--output").arg(&dsc).arg("--clearsign").arg(&plain));
        tool(
            Command::new("gpgconf")
                .arg("--homedir")
                .arg(&keys)
                .args(["--kill", "all"]),
        );
        Self { scratch, dsc, keyring }
    }
}

#[test]
fn signatures_are_judged_by_policy() {
    let home = Home::temporary();
    let signed = Signed::new();
    home.configure(&format!(
        "[ticket]\nseries = \"debian-bookworm\"\n\n[intake]\nsignatures = \"require\"\nkeyrings = [{:?}]\n",
        signed.keyring
    ));
    let dsc = signed.dsc.to_str().unwrap().to_owned();

    let unsigned = fixture::folder("libgreeting");
    assert_refused(
        &home,
        "a folder",
        &words(&[&unsigned]),
        &["libgreeting", "no signature"],
        "debuild -S",
    );
    let plain = fixture::dsc("greeter", signed.scratch.path());
    assert_refused(
        &home,
        "an unsigned .dsc",
        &words(&[&plain]),
        &["greeter_1.0.dsc", "not signed"],
        "debsign",
    );

    // The good one is taken, and its signer shown; it is not queued, so that no guest is started for it.
    let text = std::fs::read_to_string(&dsc).unwrap();
    replace(&signed.dsc, "Standards-Version: 4.6.2", "Standards-Version: 4.6.1");
    let broken = std::slice::from_ref(&dsc);
    assert_refused(
        &home,
        "a broken signature",
        broken,
        &["libgreeting_1.0.dsc", "signature is bad"],
        "debsign",
    );
    std::fs::write(&dsc, text).unwrap();
    let made = home
        .json(
            "ticket-create.answer",
            &["ticket", "create", "--wait", "--json", "-s", &dsc],
        )
        .json();
    assert_eq!(made["warnings"], serde_json::json!([]));
    let shown = home
        .json(
            "ticket-show.answer",
            &["ticket", "show", &made["id"].to_string(), "--json"],
        )
        .json();
    let signature = &shown["subtickets"][0]["signature"];
    assert_eq!(signature["state"], "good");
    assert_eq!(signature["signer"], "Jane Doe <jane@example.org>");
}
