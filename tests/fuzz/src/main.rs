//! `make fuzz`: finds the tests whose names begin with `fuzz_`, builds them with overflow checks, runs each with many cases in
//! a process of its own, with bounded memory and time, and prints a table. Knows no parser.

mod build;
mod error;
mod find;
mod run;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;

use error::FuzzError;

/// Run the properties of parsers with many inputs
#[derive(Debug, clap::Parser)]
#[command(
    name = "preflight-fuzz",
    after_help = "Examples:\n  preflight-fuzz\n  preflight-fuzz --cases 10000 --only subunit"
)]
struct Options {
    /// Inputs of each target
    #[arg(long, default_value_t = 1_000_000)]
    cases: u32,
    /// Only targets whose names hold this
    #[arg(long, default_value = "")]
    only: String,
    /// Only this package's targets; may be given several times
    #[arg(long)]
    package: Vec<String>,
    /// Memory that a target may map, in MiB
    #[arg(long, default_value_t = 1024)]
    memory: u64,
    /// Minutes that a target may take
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

fn main() -> ExitCode {
    match fuzz(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("preflight-fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all targets held.
fn fuzz(options: &Options) -> Result<bool, FuzzError> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut packages = find::packages(&root)?;
    packages.retain(|package| options.package.is_empty() || options.package.contains(package));
    let targets = build::targets(&root, &packages, &options.only)?;
    let limits = run::Limits {
        cases: options.cases,
        memory: options.memory,
        time: Duration::from_secs(options.minutes * 60),
    };
    let mut runs = Vec::new();
    for target in targets {
        eprintln!("{target}");
        runs.push(run::run(target, &limits)?);
    }
    println!("{}", table::of(&runs, options.cases));
    for run in runs.iter().filter(|run| !run.has_held) {
        eprintln!("{} did not hold:\n{}", run.target, run.output);
    }
    Ok(runs.iter().all(|run| run.has_held))
}
