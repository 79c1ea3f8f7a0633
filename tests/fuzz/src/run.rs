//! Runs one target in a process of its own: with so many cases, so much memory and so much time. Memory is bounded by the
//! system, so that a parser that takes more than it may is one that fails.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::build::Target;
use crate::error::FuzzError;

/// What a target may take.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) cases: u32,
    /// MiB.
    pub(crate) memory: u64,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) target: Target,
    pub(crate) has_held: bool,
    pub(crate) time: Duration,
    /// KiB.
    pub(crate) peak: Option<u64>,
    /// Bytes, where the target tells.
    pub(crate) largest: Option<u64>,
    pub(crate) output: String,
}

/// How often the process is looked at.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn run(target: Target, limits: &Limits) -> Result<Run, FuzzError> {
    let failed = || FuzzError::io(target.program.display().to_string());
    let began = Instant::now();
    // A shell, since a process bounds only itself and what follows it.
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\" && shift && exec \"$@\"", "sh"])
        .arg((limits.memory * 1024).to_string())
        .arg(&target.program)
        .args(["--exact", &target.name, "--nocapture", "--test-threads", "1"])
        .current_dir(&target.folder)
        .env("PROPTEST_CASES", limits.cases.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed())?;
    let words = collect(&mut child);
    let mut peak = None;
    let mut is_late = false;
    let mut output = loop {
        match words.recv_timeout(LOOK) {
            Ok(output) => break output,
            // Its reader has panicked, and has said so.
            Err(RecvTimeoutError::Disconnected) => break String::new(),
            Err(RecvTimeoutError::Timeout) => peak = peak_of(child.id()).or(peak),
        }
        if began.elapsed() > limits.time && !is_late {
            is_late = true;
            child.kill().map_err(failed())?;
        }
    };
    let status = child.wait().map_err(failed())?;
    if is_late {
        output.push_str("\nit took too long");
    }
    let said = |words: &str| {
        let rest = output.split(words).nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Ok(Run {
        has_held: status.success() && !is_late,
        time: began.elapsed(),
        peak,
        largest: said("largest input: "),
        target,
        output,
    })
}

/// Reads both streams to their ends, so that the process never waits for a reader, and hands over what they said.
fn collect(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let errors = std::thread::spawn(move || all_of(err));
        let mut text = all_of(out);
        text.extend(errors.join().unwrap_or_default());
        // Nobody listens where the run has failed already.
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}

/// A process that was ended has said what it has said.
fn all_of(stream: Option<impl Read>) -> Vec<u8> {
    let mut text = Vec::new();
    let _ = stream.map(|mut stream| stream.read_to_end(&mut text));
    text
}

/// The most memory that a process has had, in KiB; none of one that has ended.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
