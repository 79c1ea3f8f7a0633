//! `preflight-differential`: runs the dep8 tests of small Debian packages by Preflight and by Debian's own autopkgtest (over
//! our virtualisation server, and in a chroot over one of its own), and holds the results against each other. Started by
//! `make differential`; it builds nothing of Preflight itself. An answer is kept as soon as it is there, so that a run that
//! was stopped goes on where it was.

mod answer;
mod bed;
mod command;
mod compare;
mod error;
mod known;
mod list;
mod options;
mod runners;
mod shelf;
mod source;
mod table;
mod work;

use std::process::ExitCode;

use clap::Parser;

use crate::answer::Runner;
use crate::bed::Bed;
use crate::error::DifferentialError;
use crate::list::Package;
use crate::options::Options;
use crate::shelf::Shelf;
use crate::table::Row;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("preflight-differential: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Compares what was chosen; whether all of it could be run, and every difference is explained. What the archive does not
/// give is told, and no failure of Preflight's.
fn run(options: &Options) -> Result<bool, DifferentialError> {
    let known = known::all()?;
    let chosen = list::chosen(&options.only)?;
    let bed = Bed::make(&options.folder, options.home.as_deref())?;
    let shelf = Shelf::below(&options.folder);
    let failures = work::through(&bed, &shelf, options, &chosen)?;

    let rows = rows(&shelf, list::all()?);
    let file = options
        .table
        .clone()
        .unwrap_or_else(|| options.folder.join("RESULTS.md"));
    std::fs::write(&file, table::document(&rows, &known)).map_err(DifferentialError::io(file.display().to_string()))?;
    let mut good = true;
    let is_chosen = |row: &&Row| chosen.iter().any(|package| package.name == row.package.name);
    for row in rows.iter().filter(is_chosen) {
        for difference in row.differences(&known) {
            println!("{}", table::tell(&row.package.name, &difference));
            good &= difference.why.is_some();
        }
    }
    for (work, error) in &failures {
        println!("{work} has no answer: {error}");
        good &= matches!(error, DifferentialError::NoSource { .. });
    }
    println!("The table: {}", file.display());
    Ok(good)
}

/// The packages with all that was ever said of them.
fn rows(shelf: &Shelf, packages: Vec<Package>) -> Vec<Row> {
    let row = |package: Package| Row {
        answers: Runner::ALL.map(|runner| shelf.get(&package.name, runner)),
        package,
    };
    packages.into_iter().map(row).collect()
}
