//! A PPA and a pocket of one ticket, with pins: the build, the image and the test get each package from where the pins say.
//! Then somebody tampers with the PPA, and what is known to be good stays in use.

use preflight_protocol::archive::Lock;
use preflight_protocol::job::JobKind;
use preflight_tests::home::Home;
use preflight_tests::repository::{Repository, SUITE, Tampering};
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

use crate::check::{check, job};
use crate::own_archive::{self, PROPOSED, SERIES};

const EXTRA: &str = "preflight-extra";
const OTHER: &str = "preflight-other";
/// Only in the pocket, and in need of more from there than its pins give.
const NEWER: &str = "preflight-newer";
const TOOL: &str = "preflight-tool";

/// `NAME_VERSION SUITE` of each of the test's own packages in a job's lock, by name.
fn came_from(home: &Home, ticket: &str, kind: JobKind) -> Vec<String> {
    let locks: Vec<Lock> = home.json("lock-show.answer", &["lock", ticket, "--json"]).parse();
    let id = job(&home.ticket(ticket.parse().unwrap()), kind).id;
    let lock = locks.into_iter().find(|lock| lock.job == id).unwrap();
    let mut found: Vec<String> = lock
        .entries
        .iter()
        .filter_map(|entry| {
            let file = entry.url.rsplit('/').next()?.strip_suffix("_all.deb")?;
            let suite = entry.origin.as_ref()?.rsplit('/').next()?;
            file.starts_with("preflight-").then(|| format!("{file} {suite}"))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn pins_decide_what_comes_from_a_pocket_and_a_ppa() {
    let home = shared::turn("ppas");
    let archive = Repository::start();
    let ppa = Repository::of("Tools");
    let scratch = tempfile::tempdir().unwrap();
    let key = scratch.path().join("tools.asc");
    ppa.key(&key);
    // All that is pinned is older or newer than what would come without a pin.
    archive.publish(&[(EXTRA, "1"), (OTHER, "1"), (TOOL, "2")]);
    let newer = format!("{OTHER} (>= 2)");
    archive.publish_depending(PROPOSED, &[(EXTRA, "2", ""), (OTHER, "2", ""), (NEWER, "2", &newer)]);
    ppa.publish(&[(TOOL, "1")]);
    own_archive::configure(&home, &archive, &scratch.path().join("archive.gpg"));
    let source = fixture::folder("pinned");
    let path = source.to_str().unwrap();
    let pins = [
        "--pocket",
        "proposed=src:preflight-extra",
        "--ppa",
        "tools=preflight-tool",
    ];
    let options = [&["--series", SERIES, "--add-package", TOOL][..], &pins].concat();
    // What there is not is refused before anything is made of it.
    let none = home.run(&["check", path, "--series", SERIES, "--pocket", "experimental"]);
    assert!(none.code != Some(0), "{none}");
    assert!(
        none.stderr.contains("only updates, security, proposed, backports"),
        "{none}"
    );
    let _ = own_archive::update(&home);
    // A run that has failed may have left one.
    let _ = home.run(&["ppa", "remove", "tools"]);
    let add = ["ppa", "add", ppa.url(), SUITE, "main", "--key", key.to_str().unwrap()];
    let _ = home
        .run(&[&add[..], &["--name", "tools", "--series", SERIES]].concat())
        .with_code(0);

    let checked = check(&home, "ppas", &[&source], &options, 0);
    assert_eq!(checked.tests(), ["pinned versions PASS", "pinned without-pins PASS"]);
    let ticket = &checked.ticket;
    assert_eq!(
        ticket.warnings,
        [
            "test without-pins: its dependencies cannot be satisfied with the pins of proposed: it ran with all that proposed has"
        ]
    );
    assert_eq!(ticket.pockets[0].suite, PROPOSED);
    assert_eq!(ticket.ppas[0].name, "tools");
    let id = ticket.summary.id.to_string();
    let tool = format!("{TOOL}_1 {SUITE}");
    let [extra, other] = [format!("{EXTRA}_2 {PROPOSED}"), format!("{OTHER}_1 {SUITE}")];
    let came_from = |kind| came_from(&home, &id, kind);
    assert_eq!(came_from(JobKind::Build), [&extra, &other, &tool].map(String::clone));
    assert_eq!(came_from(JobKind::Image), [tool]);
    let given_up = [format!("{NEWER}_2 {PROPOSED}"), format!("{OTHER}_2 {PROPOSED}")];
    assert_eq!(
        came_from(JobKind::Test),
        [&extra, &given_up[0], &other, &given_up[1]].map(String::clone)
    );
    let build = job(ticket, JobKind::Build).id.to_string();
    let log = home.run(&["logs", &id, "--job", &build]).with_code(0).stdout;
    for line in [
        "preflight: from proposed: preflight-extra 2",
        "preflight: from PPA tools: preflight-tool 1",
    ] {
        assert!(log.contains(line), "{log}");
    }

    let states = || {
        let shown = home.run(&["ppa", "show", "tools", "--json"]).with_code(0).json();
        shown["states"].clone()
    };
    let good = states();
    for how in Tampering::ALL {
        ppa.tamper(SUITE, how);
        let refused = home.run(&["ppa", "refresh", "tools"]);
        let reason = match how {
            Tampering::AnotherKey => "signed by",
            Tampering::Unsigned => "not signed",
            Tampering::Expired => "expired at 2025-11-01",
            Tampering::RolledBack => "older than the one",
            Tampering::AnotherIndex => "signed index says",
        };
        assert!(refused.code != Some(0), "{how:?}: {refused}");
        assert!(format!("{refused}").contains(reason), "{how:?}: {refused}");
        assert_eq!(states(), good, "{how:?}");
    }
    ppa.publish(&[(TOOL, "3")]);
    let _ = home.run(&["ppa", "refresh", "tools"]).with_code(0);
    assert_ne!(states(), good);
    let _ = home.run(&["ppa", "remove", "tools"]).with_code(0);
    own_archive::forget(&home);
}
