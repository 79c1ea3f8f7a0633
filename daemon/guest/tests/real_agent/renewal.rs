//! A clone's new identity, in a folder in the place of a guest's root: no clock, generator or host name of this machine is
//! touched.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use preflight_guest::{Exec, FailureKind, Renewal};
use preflight_guest_protocol::frame::{HEADER_LEN, MAX_PAYLOAD, VERSION};
use preflight_guest_protocol::message::{HostHello, to_payload};
use preflight_guest_protocol::{Inbound, Incoming, Outbound, SessionId};

use crate::harness::{Agent, PATIENCE, in_time, sh};

const OLD: &str = "0123456789abcdef0123456789abcdef\n";

fn machine(agent: &Agent) {
    for folder in ["root/etc", "root/var/lib/dbus", "root/var/lib/systemd"] {
        fs::create_dir_all(agent.path(folder)).unwrap();
    }
    fs::write(agent.path("root/etc/machine-id"), OLD).unwrap();
    fs::write(agent.path("root/etc/hostname"), "a-longer-name-than-the-next\n").unwrap();
    fs::write(agent.path("root/etc/hosts"), "127.0.0.1 localhost").unwrap();
    fs::write(agent.path("root/var/lib/systemd/random-seed"), [7; 512]).unwrap();
}

#[tokio::test]
async fn a_renewed_machine_is_another_in_all_its_files() {
    let agent = Agent::start();
    let (guest, _tunnels) = agent.attach().await;
    machine(&agent);
    fs::write(agent.path("root/var/lib/dbus/machine-id"), OLD).unwrap();
    let renewal = Renewal {
        machine_id: [0x0a; 16],
        ..Renewal::now(Some("pf-1".to_owned()))
    };
    for _ in 0..2 {
        guest.renew(&renewal).await.unwrap();
    }
    let text = |path: &str| fs::read_to_string(agent.path(path)).unwrap();
    let id = format!("{}\n", "0a".repeat(16));
    assert_eq!(text("root/etc/machine-id"), id);
    assert_eq!(text("root/var/lib/dbus/machine-id"), id);
    assert_eq!(text("root/etc/hostname"), "pf-1\n");
    assert_eq!(text("root/etc/hosts"), "127.0.0.1 localhost\n127.0.1.1\tpf-1\n");
    let seed = fs::read(agent.path("root/var/lib/systemd/random-seed")).unwrap();
    assert_eq!(seed.len(), 512);
    assert_ne!(seed, [7; 512]);
}

#[tokio::test]
async fn only_the_machine_id_is_made_where_it_is_missing() {
    let agent = Agent::start();
    let (guest, _tunnels) = agent.attach().await;
    machine(&agent);
    fs::remove_file(agent.path("root/etc/machine-id")).unwrap();
    fs::remove_file(agent.path("root/var/lib/systemd/random-seed")).unwrap();
    symlink("/etc/machine-id", agent.path("root/var/lib/dbus/machine-id")).unwrap();
    let before = fs::read("/etc/machine-id").ok();
    let renewal = Renewal::now(None);
    guest.renew(&renewal).await.unwrap();
    let id = format!("{:032x}\n", u128::from_be_bytes(renewal.machine_id));
    assert_eq!(fs::read_to_string(agent.path("root/etc/machine-id")).unwrap(), id);
    assert!(!agent.path("root/var/lib/systemd/random-seed").exists());
    assert_eq!(fs::read("/etc/machine-id").ok(), before, "a link is left alone");
    assert!(
        fs::read_to_string(agent.path("root/etc/hostname"))
            .unwrap()
            .starts_with("a-longer")
    );
}

#[tokio::test]
async fn a_command_sent_right_behind_finds_the_machine_renewed() {
    let agent = Agent::start();
    let (guest, _tunnels) = agent.attach().await;
    machine(&agent);
    for _ in 0..20 {
        let renewal = Renewal::now(None);
        let exec = sh("cat root/etc/machine-id").cwd(agent.folder.path());
        let mut running = in_time("the start", guest.renew_and_exec(&renewal, exec))
            .await
            .unwrap();
        let output = in_time("output", running.output()).await.unwrap().unwrap();
        let id = format!("{:032x}\n", u128::from_be_bytes(renewal.machine_id));
        assert_eq!(String::from_utf8(output.bytes).unwrap(), id);
    }
}

#[tokio::test]
async fn an_impossible_identity_is_refused_and_changes_nothing() {
    let agent = Agent::start();
    let (guest, _tunnels) = agent.attach().await;
    machine(&agent);
    let zeros = Renewal {
        machine_id: [0; 16],
        ..Renewal::now(None)
    };
    for renewal in [Renewal::now(Some("no name".to_owned())), zeros] {
        let refused = guest.renew_and_exec(&renewal, Exec::new(["true"])).await.err().unwrap();
        assert_eq!(refused.refusal(), Some(FailureKind::Unsuitable), "{refused}");
    }
    assert_eq!(fs::read_to_string(agent.path("root/etc/machine-id")).unwrap(), OLD);
    assert!(guest.output(Exec::new(["true"])).await.unwrap().is_success());
}

#[test]
fn no_two_identities_are_alike() {
    let renewals: Vec<Renewal> = (0..100).map(|_| Renewal::now(None)).collect();
    let mut parts: Vec<&[u8]> = renewals.iter().flat_map(|renewal| renewal.seed.chunks(8)).collect();
    parts.extend(renewals.iter().map(|renewal| renewal.machine_id.as_slice()));
    let count = parts.len();
    parts.sort_unstable();
    parts.dedup();
    assert_eq!(parts.len(), count);
}

/// An agent that is frozen in a template speaks its day's version for ever: it must say so, not be silent.
#[test]
fn a_daemon_of_another_version_is_told_this_one() {
    let agent = Agent::start();
    let hello = to_payload(&HostHello {
        daemon: "of another day".to_owned(),
        resume: None,
    });
    let session = SessionId::new(1);
    let (_, mut bytes) = Outbound::opening(session, &hello).unwrap();
    let header = HEADER_LEN + MAX_PAYLOAD;
    bytes[header + 4] = VERSION + 1;
    let covered = header..header + HEADER_LEN - 4;
    let checksum = crc32fast::hash(&bytes[covered.clone()]).to_le_bytes();
    bytes[covered.end..covered.end + 4].copy_from_slice(&checksum);
    let start = Instant::now();
    let mut socket = loop {
        match UnixStream::connect(agent.path("control")) {
            Ok(socket) => break socket,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
    };
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(&bytes).unwrap();
    let mut inbound = Inbound::of_session(session);
    let mut buffer = [0; 4096];
    let answer = loop {
        if let Some(incoming) = inbound.next_incoming() {
            break incoming.unwrap();
        }
        let length = socket.read(&mut buffer).unwrap();
        assert!(length > 0, "the agent hung up");
        inbound.push(&buffer[..length]);
    };
    assert!(matches!(answer, Incoming::Hello(frame) if frame.version == VERSION));
}
