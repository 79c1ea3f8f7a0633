//! `preflight-bench`: measures what testbeds must show, autopkgtest's qemu server beside it, and prints a table. Started by
//! `make bench`; it builds nothing of Preflight itself.

mod bed;
mod disk;
mod error;
mod finding;
mod host;
mod job_log;
mod lines;
mod live;
mod measure;
mod options;
mod peer;
mod process;
mod report;
mod spans;
mod statistics;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;
use preflight_tests::progress;

use crate::bed::Bed;
use crate::error::BenchError;
use crate::finding::Findings;
use crate::host::Host;
use crate::measure::{archive, claim, clones, cost, hello, idle, many_tests, rerun, tunnel};
use crate::options::{Measure, Options};
use crate::peer::image::Image;
use crate::peer::machine::Machine;
use crate::report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("preflight-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures all that was chosen; whether all of it could be measured.
fn run(options: &Options) -> Result<bool, BenchError> {
    let chosen = options.measures();
    let mut host = Host::here();
    let bed = Bed::make(&options.folder)?;
    let mut findings = Findings::default();
    let mut failures = Vec::new();
    for measure in &chosen {
        progress::say(&format!("== {measure:?}"));
        let count = options.count(*measure);
        // The harness gives up as tests do; the other measures' numbers are not to go with it.
        let result = catch_unwind(AssertUnwindSafe(|| take(*measure, &bed, count, &mut findings)));
        let why = match result {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => words(panic.as_ref()),
        };
        progress::say(&format!("== {measure:?} could not be measured: {why}"));
        failures.push((*measure, why));
    }
    host.accelerator = bed.accelerator()?.to_owned();
    bed.end(options.keep)?;
    let report = Report {
        host,
        findings,
        chosen,
        failures,
    };
    let file = options.folder.join("bench.json");
    std::fs::write(&file, format!("{:#}\n", report.json())).map_err(BenchError::io(file.display().to_string()))?;
    println!("{}\nAll numbers: {}", report.table(), file.display());
    Ok(report.failures.is_empty())
}

fn take(measure: Measure, bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    match measure {
        Measure::Hello => hello::measure(bed, count, findings),
        Measure::Claim => claim::measure(bed, count, findings),
        Measure::Clones => clones::measure(bed, count, findings),
        Measure::Tests => many_tests::measure(bed, count, findings),
        Measure::Rerun => rerun::measure(bed, count, findings),
        Measure::Cost => cost::measure(bed, count, findings),
        Measure::Idle => idle::measure(bed, count, findings),
        Measure::Tunnel => tunnel::measure(bed, count, findings),
        Measure::Archive => archive::measure(bed, count, findings),
        Measure::Rebuild => measure::rebuild::measure(bed, count, findings),
        Measure::PeerOpen => measure::peer::testbed(&machine(bed)?, count, findings),
        Measure::PeerTests => measure::peer::tests(&machine(bed)?, &bed.folder, count, findings),
        Measure::PeerHello => measure::peer::hello(&machine(bed)?, &hello::source(bed)?, count, findings),
        Measure::PeerNetwork => measure::peer::network(&machine(bed)?, count, findings),
    }
}

/// The peer's machine. Preflight's probe says whether it may have KVM; its daemon rests while the peer is measured.
fn machine(bed: &Bed) -> Result<Machine, BenchError> {
    let kvm = bed.accelerator()? == "kvm";
    bed.home.stop_daemon();
    let image = Image::make(&bed.folder.join("peer"))?;
    Ok(Machine { image, kvm })
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
