//! A small ticket with something of everything, and the parts of a bundle by hand.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};

use jiff::Timestamp;
use preflight_bundle::*;
use preflight_debian::Sha256Digest;

/// Files by name.
pub(crate) type Contents = BTreeMap<EntryName, Vec<u8>>;

/// Keeps all in memory.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) begun: Option<Document>,
    pub(crate) files: Contents,
}

impl Sink for Kept {
    fn begin(&mut self, document: &Document) -> io::Result<()> {
        self.begun = Some(document.clone());
        Ok(())
    }

    fn file(&mut self, file: &CarriedFile, content: &mut dyn Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        self.files.insert(file.name.clone(), bytes);
        Ok(())
    }
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_microsecond(1_795_000_000_000_000 + second * 1_000_000 + 7).unwrap()
}

pub(crate) fn list(contents: &Contents) -> Vec<CarriedFile> {
    let file = |(name, bytes): (&EntryName, &Vec<u8>)| CarriedFile {
        name: name.clone(),
        size: bytes.len() as u64,
        sha256: Sha256Digest::of(bytes),
    };
    contents.iter().map(file).collect()
}

/// A document and the files that it lists.
pub(crate) fn sample() -> (Document, Contents) {
    let object = b"a package".to_vec();
    let long = format!(
        "tests/hello/smoke/{}/x",
        ["d".repeat(100), "e".repeat(100), "f".repeat(100)].join("/")
    );
    let mut contents: Contents = [
        (
            "sources/0-hello/package/hello_2.10-3.dsc",
            b"Format: 3.0 (quilt)\n".to_vec(),
        ),
        ("sources/0-hello/control", b"Source: hello\n".to_vec()),
        ("logs/5-build-hello.1.log", b"\x1b[31mE: no\n".to_vec()),
        ("logs/5-build-hello.1.log.idx", vec![0; 24]),
        ("results/6.subunit", b"\xb3\x29".to_vec()),
        ("artifacts/hello_2.10-3_amd64.deb", b"!<arch>\n".to_vec()),
        ("tests/hello/smoke/empty", vec![]),
        (&long, b"deep".to_vec()),
        ("reruns/7/debian/tests/smoke", b"#!/bin/sh\n".to_vec()),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.parse().unwrap(), bytes))
    .collect();
    let release = b"Origin: Preflight".to_vec();
    let generation = Sha256Digest::of(&release);
    let name = Place::Repositories
        .file(format!("generation-{generation}/Release"))
        .unwrap();
    contents.insert(name, release);
    let name = Place::Objects.file(Sha256Digest::of(&object)).unwrap();
    contents.insert(name, object);
    let mut document = document();
    document.files = list(&contents);
    (document, contents)
}

fn attempt(log: &str, outcome: Outcome, exit_code: u8) -> Attempt {
    Attempt {
        number: 1,
        started_at: moment(20),
        finished_at: moment(30),
        outcome: Some(outcome),
        exit_code: Some(exit_code),
        reason: None,
        log: log.into(),
        first_error: None,
        unresponsive: false,
    }
}

fn job(number: u64, kind: &str, attempt: Attempt) -> Job {
    Job {
        number,
        kind: JobKind(kind.into()),
        subticket: Some(3),
        needs: vec![],
        rerun: None,
        state: JobState::Passed,
        reason: None,
        attempts: vec![attempt],
    }
}

fn suite(uri: &str, suite: &str) -> Suite {
    Suite {
        uri: uri.into(),
        suite: suite.into(),
        components: vec!["main".into()],
    }
}

/// A document without files.
pub(crate) fn document() -> Document {
    let deb = b"!<arch>\n";
    let state = Sha256Digest::of(b"a state");
    Document {
        format: FORMAT,
        release: "0.1.0".into(),
        origin: Origin {
            host: "lab".into(),
            ticket: 12,
            exported_at: moment(100),
        },
        ticket: Ticket {
            title: "hello 2.10-3".into(),
            description: "says hello".into(),
            bug: Some("#1".into()),
            owner: "jane".into(),
            series: "debian-bookworm".into(),
            options: Options {
                add_packages: vec!["gdb".into()],
                remove_packages: vec![],
                sources: PackageSources {
                    snapshot: Some(Snapshot {
                        name: "debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c".into(),
                        state,
                        suites: vec![suite("http://mirror.example/debian", "bookworm")],
                    }),
                    pockets: vec![Pocket {
                        pocket: "proposed".into(),
                        suite: suite("http://mirror.example/debian", "bookworm-proposed-updates"),
                        packages: vec!["src:hello".into()],
                    }],
                    ppas: vec![Ppa {
                        name: "ppa:jane/hello".into(),
                        suite: suite("http://ppa.example/jane/hello", "bookworm"),
                        upstream: "https://ppa.example/jane/hello".into(),
                        keys: "-----BEGIN PGP PUBLIC KEY BLOCK-----".into(),
                        state,
                        priority: Some(600),
                        packages: vec![],
                    }],
                    repositories: vec![Repository {
                        ticket: 9,
                        generation: Sha256Digest::of(b"Origin: Preflight"),
                        link: Some("tested".into()),
                    }],
                },
                offline: false,
                test_timeout_us: Some(1_500_000),
                build_timeout_us: None,
                keep_going: true,
                keep_failed: KeepFailed::Newest,
                priority: Priority::Normal,
                tests: TestOptions {
                    internet: InternetPolicy::Try,
                    timeouts: vec![TestTimeout {
                        of: "hello/smoke".into(),
                        after_us: 2_500_000,
                    }],
                    triggers: vec!["hello/2.10-3".into()],
                    env: vec!["A=b".into()],
                    rerun_failed: 2,
                    baseline: BaselinePolicy::Failed,
                    no_build: false,
                },
                replay_of: Some(ReplayOf {
                    ticket: 11,
                    job: Some(JobLabel {
                        kind: JobKind("build".into()),
                        source: Some("hello".into()),
                    }),
                }),
            },
            status: Status::Failed,
            created_at: moment(0),
            queued_at: Some(moment(1)),
            started_at: Some(moment(20)),
            end: End {
                outcome: Outcome::Fail,
                exit_code: 4,
                reason: Some("test of hello: smoke".into()),
                at: moment(60),
            },
            subtickets: vec![Subticket {
                number: 3,
                source: "hello".into(),
                version: "2.10-3".into(),
                origin: "/home/jane/hello".into(),
                signature: Signature::Good {
                    signer: "Jane <jane@example.org>".into(),
                    fingerprint: "00AA".into(),
                },
                staged: "sources/0-hello".parse().unwrap(),
                needs_source_package: false,
            }],
            jobs: vec![
                job(5, "build", attempt("5-build-hello.1.log", Outcome::Pass, 0)),
                Job {
                    needs: vec![5],
                    state: JobState::Failed,
                    ..job(
                        6,
                        "test",
                        Attempt {
                            first_error: Some(FirstError {
                                log: "6-test-hello.1.log".into(),
                                line: 9,
                                text: "no".into(),
                            }),
                            ..attempt("6-test-hello.1.log", Outcome::Fail, 4)
                        },
                    )
                },
                Job {
                    needs: vec![5],
                    rerun: Some(Rerun {
                        test: "smoke".into(),
                        purpose: Purpose::Asked,
                        dirty: true,
                    }),
                    ..job(7, "test", attempt("7-test-hello.1.log", Outcome::Pass, 0))
                },
            ],
            tests: vec![Test {
                job: 6,
                attempt: 1,
                source: "hello".into(),
                name: "smoke".into(),
                status: TestStatus::Fail,
                reason: Some("non-zero exit status 1".into()),
                duration_us: 2_000_000,
                log_line: Some(4),
            }],
            findings: vec![
                Finding {
                    job: 6,
                    attempt: 1,
                    test: Some("smoke".into()),
                    found: Found::Network {
                        protocol: Protocol::Dns,
                        destination: [10, 0, 2, 3].into(),
                        name: Some("example.org".into()),
                        port: Some(53),
                        process: Some(Process {
                            pid: 77,
                            uid: 1000,
                            name: "curl".into(),
                            command_line: vec!["curl".into(), "example.org".into()],
                            parents: vec!["sh".into()],
                        }),
                    },
                    declared: false,
                    log_line: Some(5),
                    count: 2,
                },
                Finding {
                    job: 5,
                    attempt: 1,
                    test: None,
                    found: Found::Unlisted,
                    declared: false,
                    log_line: None,
                    count: 1,
                },
                Finding {
                    job: 5,
                    attempt: 1,
                    test: None,
                    found: Found::Log {
                        severity: Severity::Warning,
                        tool: "gcc".into(),
                        message: "unused variable 'x'".into(),
                        place: Some(FilePlace {
                            file: "src/hello.c".into(),
                            in_source: true,
                            line: Some(3),
                            column: None,
                        }),
                    },
                    declared: false,
                    log_line: Some(2),
                    count: 1,
                },
            ],
            artifacts: vec![Artifact {
                job: 5,
                attempt: 1,
                name: "hello_2.10-3_amd64.deb".into(),
                sha256: Sha256Digest::of(deb),
                size: deb.len() as u64,
            }],
            image: Some("ticket-1f2e".into()),
            warnings: vec!["it is not signed".into()],
        },
        images: vec![Image {
            id: "debian-bookworm-test-1f2e".into(),
            kind: ImageKind::Base,
            series: "debian-bookworm".into(),
            parent: None,
            created_at: moment(-1000),
            base: Some(BaseFacts {
                recipe: "debian-bookworm".into(),
                architecture: "amd64".into(),
                digest: Sha256Digest::of(b"an image"),
                sources_list: "deb http://mirror.example/debian bookworm main\n".into(),
                state: Some(state),
            }),
        }],
        locks: vec![Lock {
            head: Some(LockHead {
                base: "debian-bookworm-build-1f2e".into(),
                archive_state: Some(state),
                image: None,
                sources: vec![SourceFile {
                    name: "hello_2.10-3.dsc".into(),
                    sha256: Sha256Digest::of(b"a .dsc"),
                    size: 6,
                }],
            }),
            job: 5,
            entries: vec![LockEntry {
                url: "http://mirror.example/debian/pool/main/h/hello/hello-dev_1_all.deb".into(),
                sha256: Sha256Digest::of(b"a package"),
                size: 9,
                origin: Some("http://mirror.example/debian/dists/bookworm".into()),
            }],
        }],
        states: vec![ArchiveState {
            digest: state,
            named_by: "image debian-bookworm-test-1f2e".into(),
        }],
        files: vec![],
    }
}

/// A bundle of these.
pub(crate) fn write(document: &Document, contents: &Contents) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), document).unwrap();
    while let Some(next) = writer.next() {
        let content = contents[&next.name].clone();
        writer.append(Cursor::new(content)).unwrap();
    }
    writer.finish().unwrap()
}

/// A tar archive of these.
pub(crate) fn parts(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// A zstd frame of these bytes.
pub(crate) fn pack(tar: &[u8]) -> Vec<u8> {
    zstd::encode_all(Cursor::new(tar), 1).unwrap()
}

/// The entries of a bundle's archive.
pub(crate) fn entries(bundle: &[u8]) -> Vec<(tar::Header, Vec<u8>)> {
    let tar = zstd::decode_all(Cursor::new(bundle)).unwrap();
    let mut archive = tar::Archive::new(Cursor::new(tar));
    let entry = |entry: io::Result<tar::Entry<'_, _>>| {
        let mut entry: tar::Entry<'_, Cursor<Vec<u8>>> = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.header().clone(), content)
    };
    archive.entries().unwrap().raw(true).map(entry).collect()
}

/// A bundle of such entries.
pub(crate) fn unsplit(entries: &[(tar::Header, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (header, content) in entries {
        tar.append(header, content.as_slice()).unwrap();
    }
    pack(&tar.into_inner().unwrap())
}
