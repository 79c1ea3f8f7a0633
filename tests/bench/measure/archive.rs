//! Updating what is known of the archive: with nothing there, and with everything; apt's own update of this host's sources
//! beside it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use preflight_tests::progress;

use crate::bed::{Bed, Pool};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::live;

/// Tens of megabytes over the network.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// What the reader has to know.
const OURS: &str = "all suites of the series, verified: Packages and Sources";
const APTS: &str = "`apt-get update` of this host's own sources into an empty folder, then again";

/// Measures each so many times; the home is empty afterwards.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    let (mut apt_cold, mut apt_cached) = (Vec::new(), Vec::new());
    for round in 1..=count {
        progress::say(&format!("index updates, {round} of {count}"));
        bed.empty()?;
        bed.restart(Pool::None)?;
        let update = || live::run(bed.home.command(&["archive", "update", &bed.series]), PATIENCE);
        cold.push(update()?.took.as_secs_f64());
        cached.push(update()?.took.as_secs_f64());
        let folder = bed.folder.join("apt");
        let apt = Apt::empty(&folder)?;
        apt_cold.push(apt.update()?.as_secs_f64());
        apt_cached.push(apt.update()?.as_secs_f64());
        progress::say(&format!(
            "took {:.1?} and {:.1?} s, apt {:.1?} and {:.1?} s",
            cold.last(),
            cached.last(),
            apt_cold.last(),
            apt_cached.last()
        ));
    }
    bed.empty()?;
    findings.found(Key::UpdateCold, cold, Some(OURS.to_owned()));
    findings.found(Key::UpdateCached, cached, Some(OURS.to_owned()));
    findings.found(Key::AptUpdateCold, apt_cold, Some(APTS.to_owned()));
    findings.found(Key::AptUpdateCached, apt_cached, Some(APTS.to_owned()));
    Ok(())
}

/// The host's apt with lists of its own.
struct Apt<'a> {
    folder: &'a Path,
}

impl<'a> Apt<'a> {
    fn empty(folder: &'a Path) -> Result<Self, BenchError> {
        let io = || BenchError::io(folder.display().to_string());
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(io())?;
        }
        for name in ["lists/partial", "cache"] {
            std::fs::create_dir_all(folder.join(name)).map_err(io())?;
        }
        Ok(Self { folder })
    }

    fn update(&self) -> Result<Duration, BenchError> {
        let mut command = Command::new("apt-get");
        command.args(["--quiet", "--error-on=any", "update", "-o", "APT::Sandbox::User=root"]);
        for (key, name) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
            command
                .arg("-o")
                .arg(format!("{key}={}", self.folder.join(name).display()));
        }
        Ok(live::run(command, PATIENCE)?.took)
    }
}
