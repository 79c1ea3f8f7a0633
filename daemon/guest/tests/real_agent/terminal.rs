//! Commands on terminals, with shells as their own oracle: what they do on a real terminal they must do here.

use preflight_guest::{Exec, ExitStatus, OutputStream, Running, Stdin};

use crate::harness::{PATIENCE, guest, in_time, is_alive, sh};

/// A person at a terminal.
struct Seat {
    running: Running,
    keys: Stdin,
    seen: String,
}

impl Seat {
    fn take(mut running: Running) -> Self {
        let keys = running.take_stdin().unwrap();
        Self {
            running,
            keys,
            seen: String::new(),
        }
    }

    async fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.unwrap();
    }

    /// Reads on to the command's end.
    async fn ends(mut self) -> ExitStatus {
        let seen = &mut self.seen;
        let end = async {
            while let Some(output) = self.running.output().await.unwrap() {
                seen.push_str(&String::from_utf8_lossy(&output.bytes));
            }
        };
        if tokio::time::timeout(PATIENCE, end).await.is_err() {
            panic!("no end after {:?}", self.seen);
        }
        self.running.wait().await.unwrap()
    }

    /// Reads on until this is seen, and forgets all up to there.
    async fn sees(&mut self, words: &str) {
        loop {
            if let Some(at) = self.seen.find(words) {
                self.seen.drain(..at + words.len());
                return;
            }
            let output = in_time(words, self.running.output()).await.unwrap();
            let output = output.unwrap_or_else(|| panic!("{words:?} does not come after {:?}", self.seen));
            assert_eq!(output.stream, OutputStream::Stdout);
            self.seen.push_str(&String::from_utf8_lossy(&output.bytes));
        }
    }
}

#[tokio::test]
async fn all_three_streams_are_one_terminal_of_the_asked_size() {
    let (_agent, guest) = guest().await;
    let script = "test -t 0 && test -t 1 && test -t 2 && stty size; echo err >&2; echo $TERM; tty";
    let exec = sh(script).terminal(33, 101).env("TERM", "xterm-256color");
    let captured = in_time("the end", guest.output(exec)).await.unwrap();
    let text = String::from_utf8(captured.stdout).unwrap();
    assert!(
        text.starts_with("33 101\r\nerr\r\nxterm-256color\r\n/dev/pts/"),
        "{text:?}"
    );
    assert_eq!(
        (captured.stderr.as_slice(), captured.status),
        (&b""[..], ExitStatus::Code(0))
    );
}

#[tokio::test]
async fn a_command_without_a_terminal_has_none() {
    let (_agent, guest) = guest().await;
    let running = guest.exec(sh("test -t 0 || : </dev/tty")).await.unwrap();
    assert!(running.terminal().is_none());
    assert_ne!(in_time("the end", running.wait()).await.unwrap(), ExitStatus::Code(0));
}

#[tokio::test]
async fn a_new_size_is_told_to_the_foreground() {
    let (_agent, guest) = guest().await;
    let script = "trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done";
    let mut seat = Seat::take(guest.exec(sh(script).terminal(24, 80)).await.unwrap());
    seat.sees("ready").await;
    seat.running.terminal().unwrap().resize(50, 132);
    seat.sees("50 132").await;
    assert_eq!(
        in_time("the end", seat.running.wait()).await.unwrap(),
        ExitStatus::Code(5)
    );
}

#[tokio::test]
async fn a_shell_controls_its_jobs() {
    let (_agent, guest) = guest().await;
    for shell in [&["sh", "-i"][..], &["bash", "--norc", "-i"]] {
        let exec = Exec::new(shell).terminal(24, 80).env("PS1", "prompt> ").env("ENV", "");
        let mut seat = Seat::take(guest.exec(exec).await.unwrap());
        seat.sees("prompt> ").await;
        seat.types("sh -c 'echo re\"\"ady; exec sleep 1000'\r").await;
        seat.sees("\nready").await;
        seat.types("\x03").await;
        seat.sees("prompt> ").await;
        seat.types("echo code=$?\r").await;
        seat.sees("\ncode=130").await;
        seat.sees("prompt> ").await;

        // A job that never forks: while a shell starts a program, it can't be stopped.
        seat.types("sh -c 'echo re\"\"ady; exec cat'\r").await;
        seat.sees("\nready").await;
        seat.types("\x1a").await;
        seat.sees("Stopped").await;
        seat.sees("prompt> ").await;
        seat.types("fg\r").await;
        seat.sees("exec cat").await;
        seat.types("line\r").await;
        // The terminal's echo, and the program's, once it is in the foreground.
        seat.sees("line").await;
        seat.sees("line").await;
        seat.types("\x03").await;
        seat.sees("prompt> ").await;
        seat.types("jobs; exit 7\r").await;
        assert_eq!(seat.ends().await, ExitStatus::Code(7), "{shell:?}");
    }
}

#[tokio::test]
async fn bytes_go_both_ways_as_they_are() {
    let (_agent, guest) = guest().await;
    let exec = sh("stty raw -echo; echo ready; exec head -c 256").terminal(24, 80);
    let mut seat = Seat::take(guest.exec(exec).await.unwrap());
    seat.sees("ready\n").await;
    let all: Vec<u8> = (0..=255).collect();
    seat.keys.write_all(&all).await.unwrap();
    let mut back = Vec::new();
    while let Some(output) = in_time("the bytes", seat.running.output()).await.unwrap() {
        back.extend(output.bytes);
    }
    assert_eq!(back, all);
}

#[tokio::test]
async fn much_output_comes_whole() {
    let (_agent, guest) = guest().await;
    let exec = sh("stty -opost; seq 200000").terminal(24, 80);
    let mut running = guest.exec(exec).await.unwrap();
    let mut text = Vec::new();
    while let Some(output) = in_time("output", running.output()).await.unwrap() {
        text.extend(output.bytes);
    }
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(text == expected.as_bytes(), "{} bytes", text.len());
}

#[tokio::test]
async fn closed_input_ends_nothing_and_hangs_nothing() {
    let (_agent, guest) = guest().await;
    let mut seat = Seat::take(
        guest
            .exec(sh("read a; read b; echo $a-$b").terminal(24, 80))
            .await
            .unwrap(),
    );
    seat.types("one\rtwo\r").await;
    seat.keys.close().await.unwrap();
    let mut text = Vec::new();
    while let Some(output) = in_time("output", seat.running.output()).await.unwrap() {
        text.extend(output.bytes);
    }
    assert!(text.ends_with(b"one-two\r\n"), "{:?}", String::from_utf8_lossy(&text));
    assert_eq!(
        in_time("the end", seat.running.wait()).await.unwrap(),
        ExitStatus::Code(0)
    );
}

#[tokio::test]
async fn keys_that_nobody_reads_hold_up_nothing() {
    let (_agent, guest) = guest().await;
    let exec = sh("stty raw -echo; echo ready; sleep 0.2; exit 3").terminal(24, 80);
    let mut seat = Seat::take(guest.exec(exec).await.unwrap());
    seat.sees("ready").await;
    // More than terminal and window hold.
    in_time("the keys to be dropped", seat.keys.write_all(&vec![b'x'; 3_000_000]))
        .await
        .unwrap();
    assert_eq!(
        in_time("the end", seat.running.wait()).await.unwrap(),
        ExitStatus::Code(3)
    );
}

#[tokio::test]
async fn what_stays_behind_on_the_terminal_does_not_hold_up_the_end() {
    let (_agent, guest) = guest().await;
    let script = "trap '' HUP; sleep 1000 & echo $!";
    let captured = in_time("the end", guest.output(sh(script).terminal(24, 80)))
        .await
        .unwrap();
    let pid = String::from_utf8(captured.stdout).unwrap();
    assert!(is_alive(&pid), "a leftover that ignores the hang-up is kept");
    guest.output(Exec::new(["kill", "-9", pid.trim()])).await.unwrap();
}

#[tokio::test]
async fn a_terminal_that_is_given_up_takes_its_jobs_with_it() {
    let (_agent, guest) = guest().await;
    let script = "set -m; sleep 1000 & echo $! $$; fg";
    let mut running = guest.exec(sh(script).terminal(24, 80)).await.unwrap();
    let mut seen = String::new();
    while !seen.contains('\n') {
        let output = in_time("the pids", running.output()).await.unwrap().unwrap();
        seen.push_str(&String::from_utf8_lossy(&output.bytes));
    }
    let pids: Vec<String> = seen
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    drop(running);
    in_time("their death", async {
        while pids.iter().any(|pid| is_alive(pid)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
