//! What is made from the command line and committed: schemas of what only it prints, man pages, completions.
//! `PREFLIGHT_UPDATE=1 cargo test -p preflight --test generated` writes them anew.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use preflight_tui::cli::baseline::BaselineReport;
use preflight_tui::cli::daemon::DaemonReport;
use preflight_tui::cli::findings::FindingsReport;
use preflight_tui::cli::generate::{self, What};
use preflight_tui::cli::logs::FirstErrorReport;
use preflight_tui::cli::prefetch::PrefetchReport;
use preflight_tui::cli::repo::status::RepositoryStatus;
use preflight_tui::cli::report::CheckReport;
use preflight_tui::cli::rerun::RerunReport;
use preflight_tui::cli::results::ResultsReport;
use preflight_tui::cli::status::StatusReport;

fn room() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| wanted(name))
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// Compares a committed folder's files with what they should be, or writes them.
fn same(folder: &Path, wanted: impl Fn(&str) -> bool, made: &BTreeMap<String, String>) {
    if std::env::var_os("PREFLIGHT_UPDATE").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        for name in files(folder, &wanted).keys() {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        for (name, text) in made {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }
    let committed = files(folder, wanted);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(made), "in {}", folder.display());
    for (name, text) in made {
        assert!(
            committed[name] == *text,
            "{} has drifted: PREFLIGHT_UPDATE=1 cargo test -p preflight --test generated",
            folder.join(name).display()
        );
    }
}

#[test]
fn man_pages() {
    let folder = tempfile::tempdir().unwrap();
    generate::write(What::Man, folder.path()).unwrap();
    same(&room().join("man"), |_| true, &files(folder.path(), |_| true));
}

#[test]
fn completions() {
    let folder = tempfile::tempdir().unwrap();
    generate::write(What::Completions, folder.path()).unwrap();
    same(&room().join("completions"), |_| true, &files(folder.path(), |_| true));
}

#[test]
fn schemas_of_what_only_the_command_line_prints() {
    let made = [
        ("cli-baseline.json", schemars::schema_for!(BaselineReport)),
        ("cli-check.json", schemars::schema_for!(CheckReport)),
        ("cli-daemon-status.json", schemars::schema_for!(DaemonReport)),
        ("cli-findings.json", schemars::schema_for!(FindingsReport)),
        ("cli-first-error.json", schemars::schema_for!(FirstErrorReport)),
        ("cli-prefetch.json", schemars::schema_for!(PrefetchReport)),
        ("cli-repo-status.json", schemars::schema_for!(RepositoryStatus)),
        ("cli-rerun.json", schemars::schema_for!(RerunReport)),
        ("cli-results.json", schemars::schema_for!(ResultsReport)),
        ("cli-status.json", schemars::schema_for!(StatusReport)),
    ]
    .into_iter()
    .map(|(name, schema)| (name.to_owned(), serde_json::to_string_pretty(&schema).unwrap() + "\n"))
    .collect();
    let folder = room().join("../protocol/schema");
    same(&folder, |name| name.starts_with("cli-"), &made);
}
