//! What `preflight ppa add` takes, and what it says of the rest.

use std::fs;
use std::path::Path;

use preflight_archive::{Credentials, NewPpa, PpaSpec, PpaSpecError, SigningKey, SpecOptions};
use pretty_assertions::assert_eq;

use crate::ppa::repository::Gpg;

fn parse(words: &[&str], options: &SpecOptions) -> Result<PpaSpec, PpaSpecError> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    PpaSpec::parse(&words, options)
}

fn repositories(words: &[&str], options: &SpecOptions) -> Vec<NewPpa> {
    match parse(words, options).unwrap() {
        PpaSpec::Repositories(found) => found,
        PpaSpec::Launchpad(spec) => panic!("{spec:?}"),
    }
}

fn with_key(key: &Path) -> SpecOptions {
    SpecOptions {
        key: Some(key.to_owned()),
        ..SpecOptions::default()
    }
}

#[test]
fn a_url_with_a_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let gpg = Gpg::new();
    let (one, two) = (gpg.key("one", &[]), gpg.key("two", &[]));
    let (binary, armored) = (folder.path().join("two.gpg"), folder.path().join("two.asc"));
    fs::write(&binary, gpg.export(&[&one, &two], false)).unwrap();
    fs::write(&armored, gpg.export(&[&one, &two], true)).unwrap();
    let words = ["https://mirror.example/my_repo/", "{series}", "main", "extra"];
    let found = repositories(&words, &with_key(&binary));
    assert_eq!(repositories(&words, &with_key(&armored)), found);
    let ppa = &found[0].ppa;
    assert_eq!(ppa.name.as_str(), "mirror.example/my-repo");
    assert_eq!(
        (ppa.uri.as_str(), ppa.suite.as_str()),
        ("https://mirror.example/my_repo", "{series}")
    );
    assert_eq!(ppa.components, ["main", "extra"]);
    let fingerprints: Vec<&str> = ppa
        .keys
        .fingerprints()
        .iter()
        .map(|fingerprint| fingerprint.as_str())
        .collect();
    assert_eq!(fingerprints, [one.as_str(), two.as_str()]);
    assert_eq!((ppa.private, found[0].credentials.is_none()), (false, true));

    let chosen = SpecOptions {
        fingerprints: vec![two.to_lowercase().parse().unwrap()],
        ..with_key(&binary)
    };
    let found = repositories(&words, &chosen);
    assert_eq!(found[0].ppa.keys.fingerprints(), chosen.fingerprints);
    let absent = SpecOptions {
        fingerprints: vec!["0123456789ABCDEF0123456789ABCDEF01234567".parse().unwrap()],
        ..with_key(&binary)
    };
    let told = parse(&words, &absent).unwrap_err().to_string();
    assert!(
        told.contains("no key with the fingerprint 0123456789ABCDEF0123456789ABCDEF01234567") && told.contains(&one),
        "{told}"
    );

    let flat = repositories(&["http://mirror.example/flat", "./"], &with_key(&binary));
    assert!(flat[0].ppa.suite.is_flat() && flat[0].ppa.components.is_empty());
    let private = repositories(
        &["https://jane:hush@private.example/a", "noble", "main"],
        &with_key(&binary),
    );
    assert_eq!(private[0].credentials, Some(Credentials::new("jane", "hush").unwrap()));
    assert!(private[0].ppa.private && !format!("{private:?}").contains("hush"));
}

#[test]
fn a_sources_file() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(folder.path()).unwrap();
    let armored = String::from_utf8(key.public_armored().unwrap()).unwrap();
    let key_file = folder.path().join("key.asc");
    fs::write(&key_file, &armored).unwrap();
    let embedded: String = armored
        .lines()
        .map(|line| format!(" {}\n", if line.is_empty() { "." } else { line }))
        .collect();
    let file = folder.path().join("my tools.sources");
    let fingerprint = key.fingerprint();
    let text = format!(
        "Types: deb deb-src\nURIs: https://mirror.example/a\nSuites: noble noble-updates\nComponents: main\nArchitectures: amd64 arm64\nSigned-By:\n{embedded}\n\
         Types: deb\nURIs: https://jane:hush@private.example/flat\nSuites: ./\nSigned-By: {} {fingerprint}\n\n\
         Types: deb-src\nURIs: https://mirror.example/b\nSuites: noble\nComponents: main\n",
        key_file.display()
    );
    fs::write(&file, text).unwrap();
    let words = [file.to_str().unwrap()];
    let found = repositories(&words, &SpecOptions::default());
    let shown: Vec<String> = found
        .iter()
        .map(|new| {
            format!(
                "{} {} {} {:?}",
                new.ppa.name, new.ppa.uri, new.ppa.suite, new.ppa.architectures
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"my-tools https://mirror.example/a noble ["amd64", "arm64"]"#,
            r#"my-tools-2 https://mirror.example/a noble-updates ["amd64", "arm64"]"#,
            "my-tools-3 https://private.example/flat ./ []",
        ]
    );
    for new in &found {
        assert_eq!(new.ppa.keys.fingerprints()[0].as_str(), fingerprint);
    }
    assert_eq!(found[2].credentials, Some(Credentials::new("jane", "hush").unwrap()));
    let named = SpecOptions {
        name: Some("tools".parse().unwrap()),
        ..SpecOptions::default()
    };
    assert_eq!(repositories(&words, &named)[1].ppa.name.as_str(), "tools-2");
}

#[test]
fn what_is_wrong_is_told_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = SigningKey::load_or_create(folder.path()).unwrap();
    fs::write(at("key.asc"), key.public_armored().unwrap()).unwrap();
    fs::write(at("no-key.asc"), "nothing").unwrap();
    fs::write(at("empty.asc"), "").unwrap();
    let stanza = |fields: &str| format!("Types: deb\n{fields}");
    let whole = "URIs: https://jane:hush@mirror.example/a\nSuites: noble\nComponents: main\n";
    for (name, text) in [
        ("unsigned.sources", stanza(whole)),
        (
            "no-file.sources",
            stanza(&format!("{whole}Signed-By: {}\n", at("missing.asc"))),
        ),
        (
            "no-key.sources",
            stanza(&format!("{whole}Signed-By: {}\n", at("no-key.asc"))),
        ),
        (
            "broken-key.sources",
            stanza(&format!(
                "{whole}Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n -----END PGP PUBLIC KEY BLOCK-----\n"
            )),
        ),
        (
            "other-key.sources",
            stanza(&format!(
                "{whole}Signed-By: {} 0123456789ABCDEF0123456789ABCDEF01234567\n",
                at("key.asc")
            )),
        ),
        (
            "in-clear.sources",
            stanza("URIs: http://jane:hush@mirror.example/a\nSuites: noble\nComponents: main\n"),
        ),
        (
            "file-uri.sources",
            stanza("URIs: file:/srv\nSuites: noble\nComponents: main\n"),
        ),
        (
            "arch.sources",
            stanza("URIs: http://mirror.example/a\nSuites: binary-$(ARCH)/\n"),
        ),
        ("source-only.sources", format!("Types: deb-src\n{whole}")),
    ] {
        fs::write(at(name), text).unwrap();
    }
    let plain = SpecOptions::default();
    let with = with_key(Path::new(&at("key.asc")));
    let with_token = SpecOptions {
        credentials: Some(Credentials::new("jane", "hush").unwrap().into()),
        ..with.clone()
    };
    for (words, options, wanted) in [
        (vec![], &plain, "write ppa:OWNER/NAME"),
        (
            vec!["jane:hush@mirror.example"],
            &plain,
            "is no PPA write ppa:OWNER/NAME",
        ),
        (vec!["ppa:jane"], &plain, "write ppa:OWNER/NAME, or"),
        (vec!["ppa:jane/tools", "noble"], &plain, "nothing more is expected"),
        (vec!["/etc/apt/sources.list"], &plain, "one-line sources are not read"),
        (
            vec!["https://mirror.example/a"],
            &with,
            "write URL SUITE COMPONENT…, or URL ./ for a flat",
        ),
        (
            vec!["https://mirror.example/a", "noble"],
            &with,
            "at least one component",
        ),
        (vec!["https://mirror.example/a", "./", "main"], &with, "no component"),
        (vec!["https://mirror.example/a", "../x", "main"], &with, "is no suite"),
        (
            vec!["https://mirror.example/a", "noble", "main"],
            &plain,
            "add --key FILE",
        ),
        (
            vec!["ftp://mirror.example/a", "noble", "main"],
            &with,
            "only http and https",
        ),
        (
            vec!["https://jane:hush@mirror.example:port/a", "noble", "main"],
            &with,
            "can't be parsed as a URL",
        ),
        (
            vec!["http://jane:hush@mirror.example/a", "noble", "main"],
            &with,
            "over https only",
        ),
        (
            vec!["http://mirror.example/a", "noble", "main"],
            &with_token,
            "over https only",
        ),
        (
            vec!["https://mirror.example/a", "noble", "main"],
            &with_key(Path::new(&at("no-key.asc"))),
            "no-key.asc: no OpenPGP public key can be read",
        ),
        (
            vec!["https://mirror.example/a", "noble", "main"],
            &with_key(Path::new(&at("empty.asc"))),
            "no OpenPGP public key in it",
        ),
        (
            vec![at("missing.sources").as_str()],
            &plain,
            "missing.sources: cannot be read",
        ),
        (
            vec![at("unsigned.sources").as_str()],
            &plain,
            "unsigned.sources:2, field URIs: it says not who may sign it",
        ),
        (
            vec![at("no-file.sources").as_str()],
            &plain,
            "missing.asc: cannot be read",
        ),
        (
            vec![at("no-key.sources").as_str()],
            &plain,
            "no-key.asc: no OpenPGP public key can be read",
        ),
        (
            vec![at("broken-key.sources").as_str()],
            &plain,
            "broken-key.sources:5, field Signed-By: no OpenPGP public key",
        ),
        (
            vec![at("other-key.sources").as_str()],
            &plain,
            "other-key.sources:5, field Signed-By: it has no key with the fingerprint",
        ),
        (
            vec![at("in-clear.sources").as_str()],
            &with,
            "in-clear.sources:2, field URIs: a token is sent over https only",
        ),
        (
            vec![at("file-uri.sources").as_str()],
            &with,
            "file-uri.sources:2, field URIs",
        ),
        (vec![at("arch.sources").as_str()], &with, "arch.sources:3, field Suites"),
        (
            vec![at("source-only.sources").as_str()],
            &with,
            "source-only.sources:1, field Types: no stanza has packages",
        ),
    ] {
        let told = match parse(&words, options) {
            Ok(found) => panic!("{words:?} gives {found:?}"),
            Err(error) => format!("{error} {} {error:?}", error.hint().unwrap_or_default()),
        };
        assert!(told.contains(wanted), "{told:?} for {words:?}");
        assert!(!told.contains("hush"), "{told:?}");
    }
}
