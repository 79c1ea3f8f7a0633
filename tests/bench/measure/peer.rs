//! The peer's numbers: its testbed, its twenty tests, its hello, its network.

use std::path::Path;
use std::time::{Duration, Instant};

use preflight_tests::{fixture, progress};

use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::measure::download::Download;
use crate::measure::hello;
use crate::measure::many_tests::{FIXTURE, TESTS};
use crate::peer::machine::Machine;
use crate::peer::server::Server;
use crate::peer::trial::{self, Trial};
use crate::peer::zeros;
use crate::process;

/// Its testbed, so many times: open to first output, memory, revert to first output. A try that one of its own time-outs
/// ends is followed by another, twice as many tries at most; what a try has shown until then counts.
pub(crate) fn testbed(machine: &Machine, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    let mut seen = Seen::default();
    let mut broke = Vec::new();
    for number in 1..=2 * count {
        if seen.reverts.len() >= count as usize {
            break;
        }
        let result = once(machine, &mut seen);
        progress::say(&format!("peer's testbed, try {number}: {result:.1?}, {seen:.1?}"));
        broke.extend(result.err().map(|error| error.to_string()));
    }
    if let Some(first) = broke.first().filter(|_| seen.opens.is_empty()) {
        return Err(BenchError::Unexpected(format!(
            "none of {} tries gave a testbed: {first}",
            2 * count
        )));
    }
    let note = broke
        .first()
        .map(|first| format!("{} tries broke off, such as {first}", broke.len()));
    findings.found(Key::PeerClaim, seen.opens, note.clone());
    findings.found(Key::PeerRevert, seen.reverts, note);
    let pss = "the peer's machine after its first command (Pss)";
    findings.found(Key::PeerMemory, seen.memory, Some(pss.to_owned()));
    Ok(())
}

/// Seconds and bytes so far.
#[derive(Debug, Default)]
struct Seen {
    opens: Vec<f64>,
    reverts: Vec<f64>,
    memory: Vec<f64>,
}

fn once(machine: &Machine, seen: &mut Seen) -> Result<(), BenchError> {
    let (mut server, asked) = Server::open(machine)?;
    let open = server.first_output_of(&["echo", "here"])? - asked;
    seen.opens.push(open.as_secs_f64());
    // Its disk is an overlay somewhere; its kernel is the image's own.
    let processes = process::with_arguments(&["qemu-system", &machine.image.folder.display().to_string()]);
    let memory = processes
        .into_iter()
        .filter_map(|pid| process::proportional_memory(pid).ok())
        .max();
    seen.memory.extend(memory.map(|bytes| bytes as f64));
    let asked = Instant::now();
    server.revert()?;
    let revert = server.first_output_of(&["echo", "here"])? - asked;
    seen.reverts.push(revert.as_secs_f64());
    server.quit()
}

/// Its twenty tests: what lies between two of them.
pub(crate) fn tests(machine: &Machine, folder: &Path, tries: u32, findings: &mut Findings) -> Result<(), BenchError> {
    let work = folder.join("peer-source");
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(BenchError::io(work.display().to_string()))?;
    }
    std::fs::create_dir_all(&work).map_err(BenchError::io(work.display().to_string()))?;
    let trials = trial::run(machine, &fixture::dsc(FIXTURE, &work), tries)?;
    // The one that came furthest; the last of equals is the one that came to results.
    let best = trials.iter().max_by_key(|trial| trial.spans.tests.len());
    let gaps: Vec<f64> = best
        .map(|trial| trial.spans.between_tests())
        .unwrap_or_default()
        .iter()
        .map(Duration::as_secs_f64)
        .collect();
    if gaps.is_empty() {
        return Err(BenchError::Unexpected(format!(
            "it came to no second test: {}",
            story(&trials)
        )));
    }
    let reached = gaps.len() + 1;
    let unfinished = (reached < TESTS).then(|| format!("{reached} of {TESTS} tests were reached: {}", story(&trials)));
    let all = (trials.len() > 1).then(|| story(&trials));
    findings.found(Key::PeerBetweenTests, gaps, unfinished.or(all));
    Ok(())
}

/// Its hello.
pub(crate) fn hello(machine: &Machine, dsc: &Path, tries: u32, findings: &mut Findings) -> Result<(), BenchError> {
    let trials = trial::run(machine, dsc, tries)?;
    let done: Vec<&Trial> = trials.iter().filter(|trial| trial.broke.is_none()).collect();
    let overhead = |trial: &Trial| hello::overhead(trial.took, &trial.spans).as_secs_f64();
    if done.is_empty() {
        // What it took until then is a lower bound; the longest says most.
        let Some(longest) = trials.iter().max_by_key(|trial| trial.took) else {
            return Ok(());
        };
        findings.broke(Key::PeerHello, longest.took.as_secs_f64(), story(&trials));
        findings.broke(Key::PeerHelloOverhead, overhead(longest), story(&trials));
        return Ok(());
    }
    let note = (trials.len() > done.len()).then(|| story(&trials));
    let whole = done.iter().map(|trial| trial.took.as_secs_f64()).collect();
    findings.found(Key::PeerHello, whole, note.clone());
    findings.found(
        Key::PeerHelloOverhead,
        done.iter().map(|trial| overhead(trial)).collect(),
        note,
    );
    Ok(())
}

/// What is fetched over its network, in bytes.
const LARGE: u64 = 100_000_000;
/// By what address its guests reach the host (QEMU's user network).
const HOST: &str = "10.0.2.2";

/// A large file over its network, so many times after once.
pub(crate) fn network(machine: &Machine, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    let (port, _serving) = zeros::serve(LARGE).map_err(BenchError::io("a server for the peer"))?;
    let (server, _) = Server::open(machine)?;
    let mut rates = Vec::new();
    for number in 0..=count {
        let ended = server.run(&Download::command(HOST, &port.to_string(), "/"))?;
        let found = Download::of(&ended, LARGE)?;
        progress::say(&format!("peer's fetch {number} of {count}: {:.1} MB/s", found.rate()));
        if number > 0 {
            rates.push(found.rate());
        }
    }
    let note = "100 MB from this host's memory, by QEMU's user network and a virtio card";
    findings.found(Key::PeerNetwork, rates, Some(note.to_owned()));
    server.quit()
}

/// How tries ended.
fn story(trials: &[Trial]) -> String {
    let ends: Vec<String> = trials
        .iter()
        .map(|trial| {
            let end = trial.broke.as_deref().unwrap_or("came to results");
            format!("{end} after {:.0} s", trial.took.as_secs_f64())
        })
        .collect();
    format!("autopkgtest's tries: {}", ends.join("; "))
}
