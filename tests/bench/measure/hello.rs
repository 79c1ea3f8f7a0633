//! GNU hello from its `.dsc` to results: with nothing but base images, with its packages fetched, changed while layers are
//! warm, and unchanged. What is not its own build and test commands is told apart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use preflight_protocol::job::JobKind;
use preflight_tests::{fixture, progress};

use crate::bed::{Bed, CHECK};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::spans::Spans;
use crate::{job_log, live, spans};

/// Measures each so many times.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    let dsc = source(bed)?;
    let mut rounds = Rounds::default();
    for round in 1..=count {
        bed.empty()?;
        rounds.images.push(bed.images()?.as_secs_f64());
        findings.found(Key::HelloBaseImages, rounds.images.clone(), None);
        bed.probe();
        progress::say(&format!("hello, cold ({round} of {count})"));
        rounds
            .cold
            .check(bed, &dsc)?
            .keep(findings, Key::HelloCold, Key::HelloColdOverhead);
        bed.cool()?;
        progress::say(&format!("hello, packages cached ({round} of {count})"));
        let cached = rounds.cached.check(bed, &dsc)?;
        cached.keep(findings, Key::HelloCached, Key::HelloCachedOverhead);
        let changed = changed(&dsc, &bed.folder, round)?;
        progress::say(&format!("hello, changed ({round} of {count})"));
        rounds
            .warm
            .check(bed, &changed)?
            .keep(findings, Key::HelloWarm, Key::HelloWarmOverhead);
        progress::say(&format!("hello, identical ({round} of {count})"));
        let identical = rounds.identical.check(bed, &changed)?;
        identical.keep(findings, Key::HelloIdentical, Key::HelloIdenticalOverhead);
    }
    Ok(())
}

/// The numbers of all rounds so far.
#[derive(Debug, Default)]
struct Rounds {
    images: Vec<f64>,
    cold: Checks,
    cached: Checks,
    warm: Checks,
    identical: Checks,
}

/// Checks from the same beginning.
#[derive(Debug, Default)]
struct Checks {
    whole: Vec<f64>,
    overhead: Vec<f64>,
}

impl Checks {
    fn check(&mut self, bed: &Bed, dsc: &Path) -> Result<&Self, BenchError> {
        let (ticket, took) = bed.check(dsc)?;
        let ticket = bed.home.ticket(ticket);
        let logs = bed
            .home
            .folders
            .state
            .join(format!("tickets/{}/logs", ticket.summary.id));
        let mut own = Vec::new();
        for job in ticket
            .jobs
            .iter()
            .filter(|job| matches!(job.kind, JobKind::Build | JobKind::Test))
        {
            if let Some(log) = &job.log {
                let lines = job_log::read(&logs.join(&log.0))?;
                own.extend(Spans::of(lines.iter().map(|(at, text)| (*at, text.as_str()))).all());
            }
        }
        let own = spans::union(own);
        progress::say(&format!("took {took:.1?}, of which {own:.1?} were its own commands"));
        self.whole.push(took.as_secs_f64());
        self.overhead.push(took.saturating_sub(own).as_secs_f64());
        Ok(self)
    }

    fn keep(&self, findings: &mut Findings, whole: Key, overhead: Key) {
        findings.found(whole, self.whole.clone(), None);
        findings.found(overhead, self.overhead.clone(), None);
    }
}

/// hello's source package from the archive that this host uses, fetched once.
pub(crate) fn source(bed: &Bed) -> Result<PathBuf, BenchError> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/hello"));
    command.arg(bed.folder.join("source"));
    Ok(PathBuf::from(live::run(command, CHECK)?.text().trim()))
}

/// The same source with a newer version: its packages differ, what it builds with does not.
fn changed(dsc: &Path, folder: &Path, round: u32) -> Result<PathBuf, BenchError> {
    let work = folder.join("changed");
    let io = |path: &Path| BenchError::io(path.display().to_string());
    if work.exists() {
        std::fs::remove_dir_all(&work).map_err(io(&work))?;
    }
    std::fs::create_dir_all(&work).map_err(io(&work))?;
    let tree = work.join("tree");
    let tool = |command: &mut Command| {
        command.current_dir(&work);
        fixture::tool(command)
    };
    tool(
        Command::new("dpkg-source")
            .args(["--no-check", "-x"])
            .arg(dsc)
            .arg(&tree),
    );
    // dpkg-source wants the upstream archives beside the tree.
    let files = dsc
        .parent()
        .into_iter()
        .flat_map(|folder| folder.read_dir().into_iter().flatten().flatten());
    for file in files.map(|entry| entry.path()) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.contains(".orig.") {
            std::fs::copy(&file, work.join(name)).map_err(io(&file))?;
        }
    }
    let changelog = tree.join("debian/changelog");
    let text = std::fs::read_to_string(&changelog).map_err(io(&changelog))?;
    let entry =
        newer(&text, round).ok_or_else(|| BenchError::Unexpected(format!("no version in {}", changelog.display())))?;
    std::fs::write(&changelog, entry + &text).map_err(io(&changelog))?;
    tool(Command::new("dpkg-source").args(["-b"]).arg(&tree));
    Ok(fixture::found(&work, "dsc"))
}

/// An entry for a changelog's top (deb-changelog(5)), of a version above its newest.
fn newer(changelog: &str, round: u32) -> Option<String> {
    let (source, rest) = changelog.lines().next()?.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    Some(format!(
        "{source} ({version}+bench{round}){rest}\n\n  * Measured.\n\n -- Preflight <preflight@example.org>  Sun, 01 Nov 2026 12:00:00 +0000\n\n"
    ))
}

/// The time that nobody's commands took: the whole without its spans.
pub(crate) fn overhead(took: Duration, spans: &Spans) -> Duration {
    took.saturating_sub(spans::union(spans.all()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_gets_a_newer_entry() {
        let entry = newer("hello (2.10-3) unstable; urgency=medium\n\n  * Old.\n", 2).unwrap();
        assert!(
            entry.starts_with("hello (2.10-3+bench2) unstable; urgency=medium\n\n  * Measured.\n\n -- "),
            "{entry}"
        );
        assert_eq!(newer("nothing", 1), None);
    }
}
