//! The agent as an ordinary process, over two sockets instead of virtio-serial ports: commands, copies, tunnel and credit
//! for real, without a virtual machine. The process is this test program itself, started again.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod harness;
mod renewal;
mod terminal;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Agent, PATIENCE, guest, in_time, is_alive, sh};
use preflight_guest::{
    ChannelSockets, CloseReason, Exec, ExitStatus, FailureKind, FileMode, Guest, GuestError, OutputStream, TreeLimits,
};
use preflight_guest_protocol::message::{ExecRequest, HostHello, Leftovers, ToGuest, to_payload};
use preflight_guest_protocol::{Channel, Inbound, Incoming, Kind, Outbound, SessionId, StreamId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn output_is_kept_apart_and_the_exit_code_told() {
    let (_agent, guest) = guest().await;
    let captured = guest.output(sh("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!(
        (captured.stdout.as_slice(), captured.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(captured.status, ExitStatus::Code(7));
}

#[tokio::test]
async fn environment_and_directory_are_the_asked_ones() {
    let (agent, guest) = guest().await;
    let exec = sh("pwd; echo $WORD; echo $PATH; env | grep -c TEST_AGENT")
        .cwd(agent.folder.path())
        .env("WORD", "ä b");
    let captured = guest.output(exec).await.unwrap();
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let expected = format!("{}\nä b\n{path}\n0\n", agent.folder.path().display());
    assert_eq!(String::from_utf8_lossy(&captured.stdout), expected);
}

/// What scripts do although they have file descriptors 1 and 2.
#[tokio::test]
async fn a_users_command_may_open_its_outputs_anew() {
    let (_agent, guest) = guest().await;
    let asked = guest.output(sh("id -nu")).await.unwrap();
    let own = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
    // Only root can run commands as somebody else.
    let user = if own == "root" { "nobody".to_owned() } else { own };
    let exec = sh("id -nu; echo out >>/dev/stdout; echo err >>/dev/stderr").user(&user);
    let captured = guest.output(exec).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&captured.stdout), format!("{user}\nout\n"));
    assert_eq!(String::from_utf8_lossy(&captured.stderr), "err\n");
}

#[tokio::test]
async fn a_command_that_cannot_start_says_why() {
    let (_agent, guest) = guest().await;
    for (exec, kind) in [
        (Exec::new(["no-such-program"]), FailureKind::NotFound),
        (sh("true").user("no-such-user"), FailureKind::UnknownUser),
        (sh("true").cwd("/no/such/folder"), FailureKind::NotFound),
        (Exec::new::<&str>([]), FailureKind::Unsuitable),
    ] {
        let error = guest.output(exec.clone()).await.unwrap_err();
        assert_eq!(error.refusal(), Some(kind), "{exec:?}: {error}");
    }
}

#[tokio::test]
async fn input_is_fed_and_ended() {
    let (_agent, guest) = guest().await;
    let mut running = guest.exec(Exec::new(["sha256sum"]).stdin()).await.unwrap();
    let mut stdin = running.take_stdin().unwrap();
    let feeding = async {
        for _ in 0..64 {
            stdin.write_all(&[b'x'; 50_000]).await.unwrap();
        }
        stdin.close().await.unwrap();
    };
    let ((), output) = in_time("the digest", async { tokio::join!(feeding, running.output()) }).await;
    let expected = Command::new("sh")
        .args(["-c", "head -c 3200000 /dev/zero | tr '\\0' x | sha256sum"])
        .output();
    assert_eq!(output.unwrap().unwrap().bytes, expected.unwrap().stdout);
    assert_eq!(running.wait().await.unwrap(), ExitStatus::Code(0));
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_block() {
    let (_agent, guest) = guest().await;
    let mut running = guest.exec(sh("exec <&-; exec sleep 1000").stdin()).await.unwrap();
    let mut stdin = running.take_stdin().unwrap();
    in_time("input to be dropped", stdin.write_all(&vec![0; 3_000_000]))
        .await
        .unwrap();
    running.signals().kill_all();
    in_time("the end", running.wait()).await.unwrap();
}

#[tokio::test]
async fn input_for_a_command_that_has_ended_is_lost() {
    let (_agent, guest) = guest().await;
    let mut running = guest.exec(sh("exit 4").stdin()).await.unwrap();
    let mut stdin = running.take_stdin().unwrap();
    in_time("input to be dropped", stdin.write_all(&vec![0; 3_000_000]))
        .await
        .unwrap();
    assert_eq!(in_time("the end", running.wait()).await.unwrap(), ExitStatus::Code(4));
}

#[tokio::test]
async fn signals_reach_the_process() {
    let (_agent, guest) = guest().await;
    let mut running = guest
        .exec(sh(
            "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done",
        ))
        .await
        .unwrap();
    assert_eq!(
        in_time("readiness", running.output()).await.unwrap().unwrap().bytes,
        b"ready\n"
    );
    running.signals().signal(15);
    assert_eq!(
        in_time("the trap", running.output()).await.unwrap().unwrap().bytes,
        b"caught\n"
    );
    assert_eq!(running.wait().await.unwrap(), ExitStatus::Code(3));
}

#[tokio::test]
async fn killing_takes_the_whole_group() {
    let (_agent, guest) = guest().await;
    let mut running = guest.exec(sh("sleep 1000 & echo $!; wait")).await.unwrap();
    let child = in_time("the child", running.output()).await.unwrap().unwrap().bytes;
    running.signals().kill_all();
    assert_eq!(in_time("the end", running.wait()).await.unwrap(), ExitStatus::Signal(9));
    assert!(!is_alive(&String::from_utf8(child).unwrap()));
}

#[tokio::test]
async fn leftovers_do_not_hold_up_the_end() {
    let (_agent, guest) = guest().await;
    let captured = in_time("the end", guest.output(sh("sleep 1000 & echo $!")))
        .await
        .unwrap();
    assert!(captured.is_success());
    let pid = String::from_utf8(captured.stdout).unwrap();
    assert!(is_alive(&pid), "a leftover is kept unless it is to be killed");
    guest.output(Exec::new(["kill", "-9", pid.trim()])).await.unwrap();
}

#[tokio::test]
async fn daemonised_leftovers_are_killed_when_asked() {
    let (_agent, guest) = guest().await;
    let script = "setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.5";
    let captured = in_time("the end", guest.output(sh(script).kill_leftovers()))
        .await
        .unwrap();
    let pid = String::from_utf8(captured.stdout).unwrap();
    // Only a cgroup finds what has left the process group.
    if guest.hello().has_cgroups {
        assert!(!is_alive(&pid));
    } else {
        guest.output(Exec::new(["kill", "-9", pid.trim()])).await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_command_is_killed() {
    let (_agent, guest) = guest().await;
    let mut running = guest.exec(sh("echo $$; exec sleep 1000")).await.unwrap();
    let pid = String::from_utf8(in_time("the pid", running.output()).await.unwrap().unwrap().bytes).unwrap();
    drop(running);
    in_time("its death", async {
        while is_alive(&pid) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Output that nobody takes stops the command, and neither the beats nor other commands.
#[tokio::test]
async fn a_slow_taker_holds_up_its_own_command_only() {
    let (_agent, guest) = guest().await;
    let bytes = 20 * 1024 * 1024;
    let mut slow = guest
        .exec(sh(&format!("head -c {bytes} /dev/zero; echo done >&2")))
        .await
        .unwrap();
    let mut health = guest.health();
    let mut first = None;
    in_time(
        "three beats",
        health.wait_for(|health| {
            let number = health.map(|health| health.beat.number);
            first = first.or(number);
            number.zip(first).is_some_and(|(now, first)| now >= first + 3)
        }),
    )
    .await
    .unwrap();
    assert_eq!(guest.output(sh("echo quick")).await.unwrap().stdout, b"quick\n");

    let (mut taken, mut tail) = (0, Vec::new());
    while let Some(output) = in_time("output", slow.output()).await.unwrap() {
        match output.stream {
            OutputStream::Stdout => taken += output.bytes.len(),
            OutputStream::Stderr => tail.extend(output.bytes),
        }
    }
    assert_eq!((taken, tail.as_slice()), (bytes, &b"done\n"[..]));
}

#[tokio::test]
async fn files_are_copied_whole_with_their_modes() {
    use std::os::unix::fs::PermissionsExt;
    let (agent, guest) = guest().await;
    let content: Vec<u8> = (0..1_500_000_u32).map(|number| number.to_le_bytes()[1]).collect();
    let there = agent.path("new/folder/file");
    guest
        .push_bytes(&there, &content, FileMode::new(0o640), None)
        .await
        .unwrap();
    assert_eq!(std::fs::read(&there).unwrap(), content);
    assert_eq!(std::fs::metadata(&there).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(guest.read_bytes(&there, 2_000_000).await.unwrap(), content);
    let back = agent.path("back");
    assert_eq!(guest.pull_file(&there, &back, 2_000_000).await.unwrap(), 1_500_000);
    assert_eq!(std::fs::read(back).unwrap(), content);
    let again = agent.path("again");
    guest.push_file(&there, &again, None).await.unwrap();
    assert_eq!(std::fs::metadata(&again).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_and_leaves_nothing() {
    let (agent, guest) = guest().await;
    std::fs::write(agent.path("large"), [0; 1000]).unwrap();
    let cases = [
        (
            guest.pull_file(agent.path("large"), agent.path("out"), 999).await,
            FailureKind::TooLarge,
        ),
        (
            guest.pull_file("/no/such/file", agent.path("out"), 999).await,
            FailureKind::NotFound,
        ),
        (
            guest.pull_file("/etc", agent.path("out"), 999_999).await,
            FailureKind::Unsuitable,
        ),
        (
            guest.pull_file("/dev/zero", agent.path("out"), 999).await,
            FailureKind::Unsuitable,
        ),
        (
            guest.pull_file("relative", agent.path("out"), 999).await,
            FailureKind::Unsuitable,
        ),
    ];
    for (result, kind) in cases {
        assert_eq!(result.unwrap_err().refusal(), Some(kind));
    }
    // The agent refuses long before all of it is sent.
    let large = vec![0; 5_000_000];
    let pushed = in_time(
        "refusal",
        guest.push_bytes("/proc/no-such", &large, FileMode::PLAIN, None),
    )
    .await;
    assert!(matches!(pushed, Err(GuestError::Refused(_))), "{pushed:?}");
    let names = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    assert_eq!(names(agent.folder.path()), 3, "control, bulk and large");
}

#[tokio::test]
async fn trees_are_copied_both_ways() {
    let (agent, guest) = guest().await;
    let script = "mkdir -p t/d t/empty t/closed && echo one >t/d/f && chmod 755 t/d/f && ln -s d/f t/link && \
                  ln -s /etc/passwd t/out && mkfifo t/fifo && head -c 3000000 /dev/zero >t/large && \
                  echo in >t/closed/f && chmod 500 t/closed";
    assert!(
        guest
            .output(sh(script).cwd(agent.folder.path()))
            .await
            .unwrap()
            .is_success()
    );
    let limits = TreeLimits {
        max_bytes: 10_000_000,
        max_entries: 100,
    };
    let report = guest
        .pull_tree(agent.path("t"), agent.path("pulled"), limits)
        .await
        .unwrap();
    assert_eq!(
        (report.files, report.bytes, report.left_out_count),
        (3, 3_000_007, 1),
        "{report:?}"
    );
    std::fs::remove_file(agent.path("t/fifo")).unwrap();
    guest
        .push_tree(agent.path("t"), agent.path("pushed/there"), None)
        .await
        .unwrap();
    let same =
        guest.output(Exec::new(["diff", "-r", "--no-dereference", "t", "pushed/there"]).cwd(agent.folder.path()));
    assert_eq!(same.await.unwrap().stdout, b"");
    let modes = guest
        .output(sh("stat -c %a pushed/there/closed pushed/there/d/f").cwd(agent.folder.path()))
        .await
        .unwrap();
    assert_eq!(modes.stdout, b"500\n755\n");

    let tight = TreeLimits {
        max_bytes: 1_000_000,
        max_entries: 100,
    };
    let refused = guest.pull_tree(agent.path("t"), agent.path("tight"), tight).await;
    assert!(matches!(refused, Err(GuestError::Unacceptable(_))), "{refused:?}");
    assert!(
        guest.output(sh("true")).await.unwrap().is_success(),
        "the session goes on"
    );
}

#[tokio::test]
async fn the_tunnel_carries_connections_both_ways() {
    let agent = Agent::start();
    let (guest, mut tunnels) = agent.attach().await;
    let port = guest.hello().tunnel_port;
    let client = std::thread::spawn(move || {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut writer = connection.try_clone().unwrap();
        let writing = std::thread::spawn(move || {
            writer.write_all(&vec![b'q'; 3_000_000]).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        writing.join().unwrap();
        answer
    });
    let mut connection = in_time("the connection", tunnels.recv()).await.unwrap();
    let mut question = Vec::new();
    connection.read_to_end(&mut question).await.unwrap();
    assert_eq!(question, vec![b'q'; 3_000_000]);
    connection.write_all(&vec![b'a'; 3_000_000]).await.unwrap();
    connection.shutdown().await.unwrap();
    let answer = in_time("the answer", tokio::task::spawn_blocking(|| client.join().unwrap()))
        .await
        .unwrap();
    assert_eq!(answer, vec![b'a'; 3_000_000]);
}

#[tokio::test]
async fn a_tunnel_without_a_server_closes_connections() {
    let agent = Agent::start();
    let (guest, tunnels) = agent.attach().await;
    drop(tunnels);
    let port = guest.hello().tunnel_port;
    let read = tokio::task::spawn_blocking(move || {
        let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        connection.read(&mut [0; 10]).unwrap_or(0)
    });
    assert_eq!(in_time("the end", read).await.unwrap(), 0);
}

#[tokio::test]
async fn a_new_session_ends_the_old_ones_commands() {
    let agent = Agent::start();
    let (first, _tunnels) = agent.attach().await;
    let mut running = first.exec(sh("echo $$; exec sleep 1000")).await.unwrap();
    let pid = String::from_utf8(running.output().await.unwrap().unwrap().bytes).unwrap();
    drop((running, first));
    let (second, _tunnels) = agent.attach().await;
    assert!(second.output(sh("true")).await.unwrap().is_success());
    in_time("its death", async {
        while is_alive(&pid) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Both ports hear of the next daemon at once, and each by itself: neither may end the session that the other has opened.
#[tokio::test]
async fn sessions_that_follow_each_other_at_once_all_answer() {
    let agent = Agent::start();
    for _ in 0..50 {
        let (guest, _tunnels) = in_time("the session", agent.attach()).await;
        let captured = in_time("an answer", guest.output(sh("echo here"))).await.unwrap();
        assert_eq!(captured.stdout, b"here\n");
    }
}

/// Measured on virtio-serial: the agent's write to the bulk port blocks while the host is away, and the host comes back to
/// the control port first. That port must answer all the same.
#[test]
fn the_control_port_answers_while_the_bulk_port_is_stuck() {
    let agent = Agent::start();
    let hello = to_payload(&HostHello {
        daemon: "test".to_owned(),
        resume: None,
    });
    let open = |name: &str, session: u64| {
        let start = Instant::now();
        let mut socket = loop {
            match UnixStream::connect(agent.path(name)) {
                Ok(socket) => break socket,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
            }
        };
        let (outbound, bytes) = Outbound::opening(SessionId::new(session), &hello).unwrap();
        socket.write_all(&bytes).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        (socket, outbound, Inbound::of_session(SessionId::new(session)))
    };
    let hear = |socket: &mut UnixStream, inbound: &mut Inbound| {
        let mut buffer = [0; 4096];
        loop {
            if let Some(incoming) = inbound.next_incoming() {
                return incoming.unwrap();
            }
            let length = socket.read(&mut buffer).unwrap();
            inbound.push(&buffer[..length]);
        }
    };
    let (mut control, _, mut control_inbound) = open("control", 1);
    hear(&mut control, &mut control_inbound);
    let (mut bulk, mut outbound, mut inbound) = open("bulk", 1);
    hear(&mut bulk, &mut inbound);
    let exec = ToGuest::Exec(ExecRequest {
        argv: vec![b"cat".to_vec(), b"/dev/zero".to_vec()],
        env: Vec::new(),
        cwd: None,
        user: None,
        stdin: false,
        leftovers: Leftovers::Kill,
        terminal: None,
    });
    let mut bytes = Vec::new();
    outbound
        .encode(
            StreamId::new(1),
            Kind::Message,
            Channel::Main,
            &to_payload(&exec),
            &mut bytes,
        )
        .unwrap();
    bulk.write_all(&bytes).unwrap();
    // It writes, nobody reads, and the window is larger than a socket's buffer: after a few beats it is stuck.
    assert!(matches!(hear(&mut bulk, &mut inbound), Incoming::Frame(_)));
    for _ in 0..3 {
        assert!(matches!(hear(&mut control, &mut control_inbound), Incoming::Frame(_)));
    }
    drop(control);
    let (mut control, _, mut inbound) = open("control", 2);
    assert!(matches!(hear(&mut control, &mut inbound), Incoming::Hello(_)));
}

#[tokio::test]
async fn a_guest_that_dies_ends_everything() {
    let mut agent = Agent::start();
    let (guest, mut tunnels) = agent.attach().await;
    let mut running = guest.exec(sh("echo here; exec sleep 5")).await.unwrap();
    running.output().await.unwrap();
    agent.process.kill().unwrap();
    assert_eq!(in_time("the news", guest.closed()).await, CloseReason::MachineGone);
    assert!(
        in_time("the command's end", running.wait())
            .await
            .unwrap_err()
            .is_guest_lost()
    );
    assert!(guest.output(sh("true")).await.unwrap_err().is_guest_lost());
    assert!(in_time("the tunnel's end", tunnels.recv()).await.is_none());
}

#[tokio::test]
async fn a_missing_guest_is_told_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let sockets = ChannelSockets {
        control: folder.path().join("c"),
        bulk: folder.path().join("b"),
    };
    let error = Guest::attach(sockets, Instant::now() + Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(matches!(error, GuestError::Connect { .. }), "{error}");
    let silent = folder.path().join("silent");
    let _listener = std::os::unix::net::UnixListener::bind(&silent).unwrap();
    let sockets = ChannelSockets {
        control: silent.clone(),
        bulk: silent,
    };
    let error = Guest::attach(sockets, Instant::now() + Duration::from_millis(100))
        .await
        .unwrap_err();
    assert!(matches!(error, GuestError::NoAnswer { .. }), "{error}");
}
