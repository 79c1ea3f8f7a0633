//! A check against real Debian, on a snapshot, handed over as a file and replayed with the network cut: from its locks alone,
//! to the same results and the same packages, bit for bit.

use std::collections::BTreeMap;

use preflight_protocol::archive::{ArchiveSnapshot, Lock};
use preflight_protocol::job::JobKind;
use preflight_protocol::replay::Agreement;
use preflight_protocol::ticket::Ticket;
use preflight_protocol::transfer::TicketImported;
use preflight_tests::home::Home;
use preflight_tests::{fixture, shared};
use pretty_assertions::assert_eq;

use crate::check::{check, job};

const SERIES: &str = "debian-bookworm";
/// Packages of Debian that the fixture is built with.
const BUILD_DEPENDS: usize = 12;

/// The packages that a ticket has built, by name and digest.
fn packages(ticket: &Ticket) -> BTreeMap<&str, String> {
    let debs = ticket
        .artifacts
        .iter()
        .filter(|artifact| artifact.name.ends_with(".deb"));
    debs.map(|artifact| (artifact.name.as_str(), artifact.sha256.to_string()))
        .collect()
}

/// The lock of a ticket's only job of this kind.
fn lock(home: &Home, ticket: &Ticket, kind: JobKind) -> Lock {
    let (id, job) = (ticket.summary.id.to_string(), job(ticket, kind).id.to_string());
    let locks: Vec<Lock> = home
        .json("lock-show.answer", &["lock", &id, "--job", &job, "--json"])
        .parse();
    let [lock] = locks.try_into().unwrap();
    lock
}

/// What a job's lock names, whatever its ticket's numbers are. A replay makes an image of its own.
fn named(home: &Home, ticket: &Ticket, kind: JobKind) -> String {
    let mut lock = lock(home, ticket, kind);
    lock.job = preflight_protocol::ids::JobId(0);
    if let Some(head) = &mut lock.head {
        head.image = None;
    }
    serde_json::to_string_pretty(&lock).unwrap()
}

#[test]
fn a_ticket_is_replayed_bit_for_bit_from_its_file_with_the_network_cut() {
    let home = shared::turn("replay");
    let scratch = tempfile::tempdir().unwrap();
    let _ = home.run(&["archive", "update", SERIES, "--quiet"]).with_code(0);
    let snapshots: Vec<ArchiveSnapshot> = home
        .json("archive-list.answer", &["archive", "list", SERIES, "--json"])
        .parse();
    let snapshot = &snapshots.first().unwrap().name;
    let dsc = fixture::dsc("almanac", scratch.path());
    let first = check(&home, "almanac", &[&dsc], &["--snapshot", snapshot], 0).ticket;
    let fetched = lock(&home, &first, JobKind::Build).entries;
    let debs = fetched.iter().filter(|entry| entry.url.ends_with(".deb")).count();
    assert!(debs >= BUILD_DEPENDS, "{fetched:#?}");

    let file = scratch.path().join("almanac.preflight");
    let (id, file) = (first.summary.id.to_string(), file.to_str().unwrap());
    let _ = home.json(
        "ticket-export.answer",
        &["export", &id, file, "--with-packages", "--json"],
    );
    let imported: TicketImported = home.json("ticket-import.answer", &["import", file, "--json"]).parse();

    home.stop_daemon();
    home.start_daemon_without_network();
    let imported = imported.ticket.to_string();
    let replay = home.start("replay, network cut", &["replay", &imported, "--json"]);
    let agreement: Agreement = replay.wait().with_code(0).parse();
    let later = home.ticket(agreement.ticket);
    assert!(agreement.agrees, "{agreement:#?}");
    let same = agreement.same;
    assert_eq!((same.jobs, same.tests, same.packages), (3, 1, 1));
    assert!(same.files >= fetched.len() as u64, "{same:?}");
    assert_eq!(packages(&later), packages(&first));
    for kind in [JobKind::Build, JobKind::Image, JobKind::Test] {
        assert_eq!(
            named(&home, &later, kind),
            named(&home, &first, kind),
            "the lock of the {kind} job"
        );
    }
    assert_ne!(later.image, first.image, "the image was made anew");

    // One job alone, on what the others have made; and what came of the replay is said once more.
    let test = job(&later, JobKind::Test).id.to_string();
    let whole = later.summary.id.to_string();
    let alone = home.run(&["replay", &whole, "--job", &test]).with_code(0);
    let said = format!("replay of the test of almanac of #{whole} agrees: 1 job, 1 test, ");
    assert!(alone.stdout.contains(&said), "{alone}");
    let once_more = home.run(&["replay", &whole, "--agreement"]).with_code(0);
    assert!(
        once_more.stdout.contains(&format!(
            "replay of #{imported} agrees: 3 jobs, 1 test, 1 package bit for bit, "
        )),
        "{once_more}"
    );
    home.stop_daemon();
}
