//! Shells over the real socket: bytes both ways, ends, signals, sizes, credit, and what is left when a client goes.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::{Bytes, BytesMut};
use preflight_protocol::client::ClientError;
use preflight_protocol::codec;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids::{JobId, Series, TicketId};
use preflight_protocol::job::JobKind;
use preflight_protocol::shell::connection::{self, FrameReader, FrameWriter, OpenConnection, ShellLost};
use preflight_protocol::shell::frame::{Exit, ToClient, ToDaemon};
use preflight_protocol::shell::window::{Due, WINDOW, Window};
use preflight_protocol::shell::word::Word;
use preflight_protocol::shell::{JobChoice, ShellOpen, ShellTarget, TerminalSize};
use preflightd::testing::{BROKEN_SERIES, SLOW_SERIES};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what fails in a test's helper fails the test"
)]
#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, within};

fn series(name: &str) -> ShellTarget {
    ShellTarget::Series(Series(name.into()))
}

fn request(command: &[&str]) -> ShellOpen {
    ShellOpen {
        target: series("debian-bookworm"),
        command: Some(command.iter().map(|&word| word.into()).collect()),
        terminal: None,
        env: vec![],
        cwd: None,
        user: None,
    }
}

fn script(text: &str) -> ShellOpen {
    request(&["sh", "-c", text])
}

async fn open(house: &House, request: &ShellOpen) -> Result<OpenConnection, ClientError> {
    let socket = house.folders().socket().unwrap();
    within(connection::open(&socket, "test", request, |_| {})).await
}

async fn refusal(house: &House, request: &ShellOpen) -> RpcError {
    match open(house, request).await {
        Err(ClientError::Rpc(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Waits until so many shells are open or about to be.
async fn until_open(house: &House, count: usize) {
    within(house.shells.open_now().wait_for(|&open| open == count))
        .await
        .unwrap();
}

#[derive(Default)]
struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Heard {
    /// Reads to the end, or until `enough`, giving credit as it goes.
    async fn listen(
        &mut self,
        reader: &mut FrameReader,
        writer: &mut FrameWriter,
        enough: impl Fn(&Self) -> bool,
    ) -> Option<Exit> {
        let mut due = Due::default();
        while !enough(self) {
            let bytes = match within(reader.next()).await.unwrap() {
                ToClient::Stdout(bytes) => {
                    self.stdout.extend_from_slice(&bytes);
                    bytes
                }
                ToClient::Stderr(bytes) => {
                    self.stderr.extend_from_slice(&bytes);
                    bytes
                }
                ToClient::Credit(_) => continue,
                ToClient::Exit(exit) => return Some(exit),
                ToClient::Error(error) => panic!("{error}"),
            };
            if let Some(credit) = due.passed(bytes.len()) {
                // The shell may have ended meanwhile.
                let _ = writer.send(&ToDaemon::Credit(credit)).await;
            }
        }
        None
    }
}

/// Runs a command to its end, sending and reading at once as a real client does.
async fn run(house: &House, request: &ShellOpen, stdin: &[u8]) -> (Exit, Heard) {
    let OpenConnection {
        mut reader, mut writer, ..
    } = open(house, request).await.unwrap();
    let (mut heard, mut window, mut due) = (Heard::default(), Window::default(), Due::default());
    let mut rest = Bytes::copy_from_slice(stdin);
    let mut ended = false;
    loop {
        while window.left() > 0 && !rest.is_empty() {
            // Pieces of all sizes, longer than a frame among them.
            let piece = rest.split_to(rest.len().min(window.left() as usize).min(100_000));
            window.take(piece.len()).unwrap();
            // A shell that has ended takes no more.
            let _ = writer.send(&ToDaemon::Stdin(piece)).await;
        }
        if rest.is_empty() && !ended {
            ended = true;
            let _ = writer.send(&ToDaemon::StdinEnd).await;
        }
        match within(reader.next()).await.unwrap() {
            ToClient::Credit(credit) => window.give(credit).unwrap(),
            ToClient::Exit(exit) => {
                let end = within(reader.next()).await;
                assert!(matches!(end, Err(ShellLost::Closed | ShellLost::Io(_))), "{end:?}");
                return (exit, heard);
            }
            ToClient::Error(error) => panic!("{error}"),
            ToClient::Stdout(bytes) => {
                heard.stdout.extend_from_slice(&bytes);
                if let Some(credit) = due.passed(bytes.len()) {
                    let _ = writer.send(&ToDaemon::Credit(credit)).await;
                }
            }
            ToClient::Stderr(bytes) => heard.stderr.extend_from_slice(&bytes),
        }
    }
}

/// Bytes of all values without a short period.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_pass_both_ways_byte_for_byte() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let sent = noise(10 << 20);
    let (exit, heard) = run(&house, &script("cat; echo done >&2; exit 3"), &sent).await;
    assert_eq!(exit, Exit::Code(3));
    assert!(heard.stdout == sent, "{} bytes came back", heard.stdout.len());
    assert_eq!(heard.stderr, b"done\n");
    until_open(&house, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_get_what_was_asked_for_and_end_as_they_end() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let mut wanted = request(&["sh", "-c", "printf '%s|' \"$PWD\" \"$A\" \"$1\"", "sh"]);
    wanted.command.as_mut().unwrap().push(Word(b"\xff b".to_vec()));
    wanted.env.push(preflight_protocol::shell::Variable {
        name: "A".into(),
        value: "ä".into(),
    });
    wanted.cwd = Some("/".into());
    assert_eq!(
        run(&house, &wanted, b"").await.1.stdout,
        "/|ä|".bytes().chain(*b"\xff b|").collect::<Vec<_>>()
    );
    for (text, exit) in [
        ("exit 255", Exit::Code(255)),
        ("kill -9 $$", Exit::Signal(9)),
        // It does not want what it is sent.
        ("exec <&-; exit 4", Exit::Code(4)),
    ] {
        assert_eq!(run(&house, &script(text), &noise(100_000)).await.0, exit, "{text}");
    }
    let mut terminal = request(&["whatever"]);
    terminal.terminal = TerminalSize::new(25, 81);
    let OpenConnection {
        opened,
        mut reader,
        mut writer,
    } = open(&house, &terminal).await.unwrap();
    assert_eq!((opened.machine.as_str(), opened.resumed), ("local", false));
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, &mut writer, |heard| heard.stdout == b"size 25 81\r\n")
        .await;
    writer
        .send(&ToDaemon::Resize(TerminalSize { rows: 50, cols: 132 }))
        .await
        .unwrap();
    heard
        .listen(&mut reader, &mut writer, |heard| {
            heard.stdout.ends_with(b"size 50 132\r\n")
        })
        .await;
    writer.send(&ToDaemon::Stdin("x\u{4}".into())).await.unwrap();
    let exit = heard.listen(&mut reader, &mut writer, |_| false).await;
    assert_eq!(exit, Some(Exit::Code(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_passes_all_that_waits() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    // Neither side of this one takes anything: all windows are full.
    let OpenConnection {
        mut reader, mut writer, ..
    } = open(&house, &script("yes & echo ready >&2; exec sleep 1000"))
        .await
        .unwrap();
    writer
        .send(&ToDaemon::Stdin(noise(WINDOW as usize).into()))
        .await
        .unwrap();
    let mut output = 0;
    while output < WINDOW as usize {
        match within(reader.next()).await.unwrap() {
            ToClient::Stdout(bytes) | ToClient::Stderr(bytes) => output += bytes.len(),
            ToClient::Credit(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(output, WINDOW as usize);
    // Meanwhile others are served.
    let (exit, heard) = run(&house, &script("echo other"), b"").await;
    assert_eq!((exit, heard.stdout), (Exit::Code(0), b"other\n".to_vec()));
    // The testbed goes though this client takes no more; the output before the end waits for it.
    writer.send(&ToDaemon::Signal(15)).await.unwrap();
    let mut heard = Heard::default();
    writer.send(&ToDaemon::Credit(WINDOW)).await.unwrap();
    let exit = heard.listen(&mut reader, &mut writer, |_| false).await;
    assert_eq!(exit, Some(Exit::Signal(15)));
    until_open(&house, 0).await;

    let trapped = script("trap 'echo got; exit 5' TERM; echo ready; read nothing; exit 1");
    let OpenConnection {
        mut reader, mut writer, ..
    } = open(&house, &trapped).await.unwrap();
    let mut heard = Heard::default();
    heard
        .listen(&mut reader, &mut writer, |heard| heard.stdout == b"ready\n")
        .await;
    writer.send(&ToDaemon::Signal(15)).await.unwrap();
    let exit = heard.listen(&mut reader, &mut writer, |_| false).await;
    assert_eq!((exit, heard.stdout), (Some(Exit::Code(5)), b"ready\ngot\n".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_leaves_no_testbed() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let first = open(&house, &script("exec sleep 1000")).await.unwrap();
    let second = open(&house, &script("exec yes")).await.unwrap();
    until_open(&house, 2).await;
    drop(first);
    until_open(&house, 1).await;
    drop(second);
    until_open(&house, 0).await;

    // One that is not there yet.
    let slow = ShellOpen {
        target: series(SLOW_SERIES),
        ..request(&["true"])
    };
    let socket = house.folders().socket().unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let opening = tokio::spawn(async move {
        connection::open(&socket, "test", &slow, move |progress| {
            tell.send(progress.phase).unwrap();
        })
        .await
    });
    assert_eq!(within(told.recv()).await.unwrap(), "waiting for the end of days");
    until_open(&house, 1).await;
    opening.abort();
    until_open(&house, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_the_rules_is_closed_and_leaves_no_testbed() {
    let house = House::new(|_, _| vec![]);
    let _daemon = house.start().await;
    let stdin = |length| ToDaemon::Stdin(noise(length).into());
    for (what, frames) in [
        ("more than it has credit for", vec![stdin(4 * WINDOW as usize)]),
        ("credit for nothing", vec![ToDaemon::Credit(1)]),
        ("stdin after its end", vec![ToDaemon::StdinEnd, stdin(1)]),
        ("what is no signal", vec![ToDaemon::Signal(77)]),
    ] {
        let OpenConnection {
            mut reader, mut writer, ..
        } = open(&house, &script("exec sleep 1000")).await.unwrap();
        for frame in frames {
            // It may have been closed before the last.
            let _ = writer.send(&frame).await;
        }
        let end = loop {
            match within(reader.next()).await {
                Ok(ToClient::Credit(_)) => {}
                end => break end,
            }
        };
        assert!(
            matches!(end, Err(ShellLost::Closed | ShellLost::Io(_))),
            "{what}: {end:?}"
        );
        until_open(&house, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_opened_is_refused_and_the_connection_goes_on() {
    let house = House::new(|kind, _| match kind {
        preflight_core::JobKind::Build => vec![],
        _ => vec![preflightd::testing::Step::Wait("never")],
    });
    let daemon = house.start().await;
    let mut client = house.client().await;
    let id = client.create(vec![house.source("hello", false)]).await.id;
    client.subscribe(Some(id)).await;
    let ticket = loop {
        let ticket = client.show(id).await;
        if ticket
            .jobs
            .iter()
            .any(|job| job.state == preflight_protocol::job::JobState::Running && job.kind != JobKind::Build)
        {
            break ticket;
        }
        client.event().await.unwrap();
    };
    let of = |ticket, job| ShellOpen {
        target: ShellTarget::Ticket { ticket, job },
        ..request(&["true"])
    };
    let kind = |kind, source: Option<&str>| {
        Some(JobChoice::Kind {
            kind,
            source: source.map(str::to_owned),
        })
    };
    let empty = request(&[]);
    let broken = ShellOpen {
        target: series(BROKEN_SERIES),
        ..request(&["true"])
    };
    for (request, code, words) in [
        (&empty, ErrorCode::InvalidParams, "the command has no program"),
        (&broken, ErrorCode::Host, "does not start"),
        (&of(TicketId(99), None), ErrorCode::NotFound, "there is no ticket 99"),
        (
            &of(id, Some(JobChoice::Id(JobId(99)))),
            ErrorCode::NotFound,
            "no job 99",
        ),
        (
            &of(id, kind(JobKind::Build, Some("other"))),
            ErrorCode::NotFound,
            "no build job of other",
        ),
        (
            &of(id, kind(JobKind::Source, None)),
            ErrorCode::NotFound,
            "no source job",
        ),
        (
            &of(id, kind(JobKind::Test, None)),
            ErrorCode::Conflict,
            "has not run yet",
        ),
    ] {
        let error = refusal(&house, request).await;
        assert!(error.code == code && error.message.contains(words), "{error:?}");
    }
    // Nothing failed: the ticket's image. A job that has ended: that one.
    assert_eq!(open(&house, &of(id, None)).await.unwrap().opened.job, None);
    let build = ticket.jobs.iter().find(|job| job.kind == JobKind::Build).unwrap().id;
    for choice in [
        Some(JobChoice::Id(build)),
        kind(JobKind::Build, None),
        kind(JobKind::Build, Some("hello")),
    ] {
        assert_eq!(open(&house, &of(id, choice)).await.unwrap().opened.job, Some(build));
    }
    until_open(&house, 0).await;

    // Over one raw connection: an error leaves it as it was, and one that is in use becomes no shell's.
    let mut stream = UnixStream::connect(house.folders().socket().unwrap()).await.unwrap();
    let hello = json!({"protocol": 1, "client": "raw"});
    let bad = json!({"target": {"series": BROKEN_SERIES}, "command": ["true"]});
    let good = json!({"target": {"series": "debian-bookworm"}, "command": ["true"]});
    ask(&mut stream, 1, "initialize", hello).await;
    assert_eq!(ask(&mut stream, 2, "shell/open", bad).await["error"]["code"], 5);
    assert_eq!(
        ask(&mut stream, 3, "ticket/list", json!({})).await["result"][0]["id"],
        1
    );
    ask(&mut stream, 4, "subscribe", json!({"ticket": null})).await;
    assert_eq!(
        ask(&mut stream, 5, "shell/open", good.clone()).await["error"]["code"],
        -32600
    );
    // And one that says more before the answer is closed.
    let mut stream = UnixStream::connect(house.folders().socket().unwrap()).await.unwrap();
    ask(&mut stream, 1, "initialize", json!({"protocol": 1, "client": "raw"})).await;
    let slow = json!({"target": {"series": SLOW_SERIES}});
    send(&mut stream, 2, "shell/open", slow).await;
    until_open(&house, 1).await;
    send(&mut stream, 3, "ticket/list", json!({})).await;
    until_open(&house, 0).await;
    drop(daemon);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_tickets_shell_is_where_it_failed_last_unless_a_testbed_was_kept() {
    use preflight_core::{Ending, JobKind, Outcome};
    use preflightd::services::JobReport;
    use preflightd::testing::Step;
    let fail = |kept: bool| {
        let ending = JobReport::Finished(Ending::new(Outcome::Fail, None));
        let kept = kept.then_some(Step::Report(JobReport::Kept { bytes: 1 }));
        kept.into_iter().chain([Step::Report(ending)]).collect()
    };
    for kept in [None, Some("first")] {
        let house = House::new(move |kind, source| match kind {
            JobKind::Test => fail(source == kept),
            _ => vec![],
        });
        let _daemon = house.start().await;
        let mut client = house.client().await;
        client.subscribe(None).await;
        let sources = vec![house.source("first", false), house.source("second", false)];
        let id = client.create(sources).await.id;
        let ticket = client.until_ended(id).await;
        let target = ShellTarget::Ticket { ticket: id, job: None };
        let request = ShellOpen {
            target,
            ..request(&["true"])
        };
        let chosen = open(&house, &request).await.unwrap().opened.job.unwrap();
        let job = ticket.jobs.iter().find(|job| job.id == chosen).unwrap();
        assert_eq!(
            (job.kind, job.source.as_deref()),
            (preflight_protocol::job::JobKind::Test, kept.or(Some("second")))
        );
        let which = ShellOpen {
            target: ShellTarget::Ticket {
                ticket: id,
                job: Some(JobChoice::Kind {
                    kind: preflight_protocol::job::JobKind::Test,
                    source: None,
                }),
            },
            ..request
        };
        let error = refusal(&house, &which).await;
        assert!(error.message.contains("for each of first, second"), "{error}");
    }
}

async fn send(stream: &mut UnixStream, id: u64, method: &str, params: Value) {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let mut frame = vec![];
    codec::encode(message.to_string().as_bytes(), &mut frame);
    stream.write_all(&frame).await.unwrap();
}

/// Sends a request and reads to its answer.
async fn ask(stream: &mut UnixStream, id: u64, method: &str, params: Value) -> Value {
    send(stream, id, method, params).await;
    let mut buffer = BytesMut::new();
    loop {
        if let Some(range) = codec::decode(&buffer).unwrap() {
            let whole = buffer.split_to(range.end);
            let message: Value = serde_json::from_slice(&whole[range.start..]).unwrap();
            if message["id"] == id {
                return message;
            }
        } else {
            assert_ne!(within(stream.read_buf(&mut buffer)).await.unwrap(), 0, "closed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stops_tells_its_shells() {
    let house = House::new(|_, _| vec![]);
    let daemon = house.start().await;
    let mut shell = open(&house, &script("exec sleep 1000")).await.unwrap();
    let slow = ShellOpen {
        target: series(SLOW_SERIES),
        ..request(&["true"])
    };
    let (opening, ended) = tokio::join!(refusal(&house, &slow), async {
        until_open(&house, 2).await;
        daemon.stopper().cancel();
        within(daemon.ended()).await
    });
    ended.unwrap();
    assert!(opening.message.contains("the daemon stops"), "{opening}");
    let ToClient::Error(error) = within(shell.reader.next()).await.unwrap() else {
        panic!()
    };
    assert!(error.message.contains("the daemon stops"), "{error}");
    assert_eq!(*house.shells.open_now().borrow(), 0, "before the daemon's end");
}
