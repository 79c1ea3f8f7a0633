//! The fake guest answers as a real one would, and its faults arrive as what they imitate.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::time::{Duration, Instant};

use preflight_guest::fake::{FakeAgent, FakeCommand, FakeEvent, FakeFile, FakeGuest, FakeShell, Faults, Scripted};
use preflight_guest::{
    ChannelSockets, CloseReason, Exec, ExitStatus, FailureKind, FileMode, Guest, Renewal, TreeLimits, TunnelConnection,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const LIMITS: TreeLimits = TreeLimits {
    max_bytes: 1_000_000,
    max_entries: 100,
};

struct Lab {
    folder: tempfile::TempDir,
    agent: FakeAgent,
    guest: Guest,
    tunnels: mpsc::Receiver<TunnelConnection>,
}

async fn lab(script: impl FakeGuest, faults: Faults) -> Lab {
    let folder = tempfile::tempdir().unwrap();
    let sockets = ChannelSockets {
        control: folder.path().join("c"),
        bulk: folder.path().join("b"),
    };
    let agent = FakeAgent::start(&sockets, script, faults).unwrap();
    let (guest, tunnels) = Guest::attach(sockets, Instant::now() + Duration::from_secs(60))
        .await
        .unwrap();
    Lab {
        folder,
        agent,
        guest,
        tunnels,
    }
}

#[tokio::test]
async fn a_script_decides_how_commands_end() {
    let script = Scripted::new()
        .on("dpkg-buildpackage", b"built\n", 0)
        .on_error("false", b"no\n", 1)
        .on_makes("make", &[("/build/a.deb", b"deb"), ("/build/d/b.deb", b"deb2")])
        .on_hangs("sleep", b"zzz");
    let lab = lab(script, Faults::default()).await;
    assert_eq!(
        lab.guest
            .output(Exec::new(["dpkg-buildpackage", "-b"]))
            .await
            .unwrap()
            .stdout,
        b"built\n"
    );
    let failed = lab.guest.output(Exec::new(["false"])).await.unwrap();
    assert_eq!(
        (failed.status, failed.stderr.as_slice()),
        (ExitStatus::Code(1), &b"no\n"[..])
    );
    assert!(lab.guest.output(Exec::new(["anything"])).await.unwrap().is_success());

    lab.guest.output(Exec::new(["make"])).await.unwrap();
    let report = lab
        .guest
        .pull_tree("/build", lab.folder.path().join("out"), LIMITS)
        .await
        .unwrap();
    assert_eq!((report.files, report.bytes), (2, 7));

    let mut hanging = lab.guest.exec(Exec::new(["sleep"])).await.unwrap();
    assert_eq!(hanging.output().await.unwrap().unwrap().bytes, b"zzz");
    hanging.signals().kill_all();
    assert_eq!(hanging.wait().await.unwrap(), ExitStatus::Signal(9));
}

#[tokio::test]
async fn files_are_in_memory() {
    let lab = lab(Scripted::new(), Faults::default()).await;
    let large = vec![7; 3_000_000];
    lab.guest
        .push_bytes("/a/file", &large, FileMode::PROGRAM, Some("builder"))
        .await
        .unwrap();
    let file = lab.agent.files().read("/a/file").unwrap();
    assert_eq!(
        file,
        FakeFile {
            bytes: large.clone(),
            mode: 0o755,
            owner: Some("builder".to_owned())
        }
    );
    assert_eq!(lab.guest.read_bytes("/a/file", 3_000_000).await.unwrap(), large);
    let refused = lab.guest.read_bytes("/a/none", 10).await.unwrap_err();
    assert_eq!(refused.refusal(), Some(FailureKind::NotFound));
    std::fs::create_dir_all(lab.folder.path().join("t/d")).unwrap();
    std::fs::write(lab.folder.path().join("t/d/f"), "x").unwrap();
    lab.guest
        .push_tree(lab.folder.path().join("t"), "/b", None)
        .await
        .unwrap();
    assert_eq!(lab.agent.files().read("/b/d/f").unwrap().bytes, b"x");
}

struct Fetching;

impl FakeGuest for Fetching {
    async fn exec(&self, command: FakeCommand, shell: FakeShell) -> ExitStatus {
        let answer = shell.fetch(&command.argv[1]).await;
        shell.stdout(&answer).await;
        ExitStatus::Code(0)
    }
}

#[tokio::test]
async fn a_played_command_can_fetch_through_the_tunnel() {
    let mut lab = lab(Fetching, Faults::default()).await;
    let server = async {
        let mut connection = lab.tunnels.recv().await.unwrap();
        let mut head = vec![0; 4096];
        let length = connection.read(&mut head).await.unwrap();
        assert!(head[..length].starts_with(b"GET http://mirror.example/x HTTP/1.1\r\n"));
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\npackage").await.unwrap();
    };
    let ((), captured) = tokio::join!(server, lab.guest.output(Exec::new(["get", "http://mirror.example/x"])));
    assert_eq!(captured.unwrap().stdout, b"HTTP/1.1 200 OK\r\n\r\npackage");
}

#[tokio::test]
async fn attempts_and_beats_arrive() {
    let lab = lab(
        Scripted::new().on_tries_network("curl", "tracker.example", 6),
        Faults::default(),
    )
    .await;
    let mut attempts = lab.guest.network_attempts();
    assert_eq!(
        lab.guest.output(Exec::new(["curl"])).await.unwrap().status,
        ExitStatus::Code(6)
    );
    assert_eq!(attempts.recv().await.unwrap().query.as_deref(), Some("tracker.example"));
    let mut health = lab.guest.health();
    health
        .wait_for(|health| health.is_some_and(|health| health.beat.number >= 3))
        .await
        .unwrap();
}

#[tokio::test]
async fn faults_end_the_session_with_their_reason() {
    let large = vec![0; 2_000_000];
    let dropped = Faults {
        drop_after: Some(1_000_000),
        ..Faults::default()
    };
    let garbled = Faults {
        garbage_after: Some(1_000_000),
        seed: 42,
        ..Faults::default()
    };
    for (faults, is_expected) in [
        (
            dropped,
            (|reason| reason == CloseReason::MachineGone) as fn(CloseReason) -> bool,
        ),
        (garbled, |reason| matches!(reason, CloseReason::Broken(_))),
    ] {
        let lab = lab(Scripted::new().on("cat", &large, 0), faults).await;
        let error = lab.guest.output(Exec::new(["cat"])).await.unwrap_err();
        assert!(error.is_guest_lost(), "{error}");
        assert!(is_expected(lab.guest.closed().await));
    }
    let lab = lab(
        Scripted::new(),
        Faults {
            beats: Some(2),
            ..Faults::default()
        },
    )
    .await;
    let mut health = lab.guest.health();
    let last = health
        .wait_for(|health| health.is_some_and(|health| health.beat.number == 2))
        .await
        .unwrap()
        .unwrap();
    assert!(
        lab.guest.output(Exec::new(["true"])).await.unwrap().is_success(),
        "commands go on"
    );
    assert_eq!(lab.guest.health().borrow().unwrap().beat.number, last.beat.number);
}

struct Sized;

impl FakeGuest for Sized {
    async fn exec(&self, command: FakeCommand, shell: FakeShell) -> ExitStatus {
        let first = command.terminal.unwrap();
        shell.stdout(format!("{}x{} ", first.rows, first.cols).as_bytes()).await;
        let next = shell.resized().await;
        shell.stdout(format!("{}x{} ", next.rows, next.cols).as_bytes()).await;
        while let Some(keys) = shell.stdin().await {
            shell.stdout(&keys).await;
        }
        ExitStatus::Code(0)
    }
}

#[tokio::test]
async fn a_fake_terminal_has_sizes_and_keys() {
    let lab = lab(Sized, Faults::default()).await;
    let mut running = lab.guest.exec(Exec::new(["sh"]).terminal(24, 80)).await.unwrap();
    assert_eq!(running.output().await.unwrap().unwrap().bytes, b"24x80 ");
    running.terminal().unwrap().resize(50, 132);
    assert_eq!(running.output().await.unwrap().unwrap().bytes, b"50x132 ");
    let mut keys = running.take_stdin().unwrap();
    keys.write_all(b"ls\r").await.unwrap();
    assert_eq!(running.output().await.unwrap().unwrap().bytes, b"ls\r");
    keys.close().await.unwrap();
    assert_eq!(running.wait().await.unwrap(), ExitStatus::Code(0));
}

#[tokio::test]
async fn what_the_daemon_did_is_remembered_in_order() {
    let lab = lab(Scripted::new(), Faults::default()).await;
    let renewal = Renewal::now(Some("pf-1".to_owned()));
    let running = lab.guest.renew_and_exec(&renewal, Exec::new(["first"])).await.unwrap();
    running.wait().await.unwrap();
    lab.guest.renew(&renewal).await.unwrap();
    let history = lab.agent.history();
    let [
        FakeEvent::Renewed(one),
        FakeEvent::Started(command),
        FakeEvent::Renewed(_),
    ] = &history[..]
    else {
        panic!("{history:?}");
    };
    assert_eq!((one, command.line().as_str()), (&renewal, "first"));
}
