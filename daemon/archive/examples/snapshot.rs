//! Takes a snapshot of a real series, as the daemon does, and says how long it took and what changed since the last one.
//!
//! `snapshot STORE SERIES ARCHITECTURE KEYRING URL SUITE COMPONENT,… [URL SUITE COMPONENT,…]…`

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use preflight_archive::{
    Archive, ArchiveConfig, HttpTimeouts, Mirror, SnapshotProgress, SnapshotRequest, SuiteSpec, ValidUntil,
};

const USAGE: &str = "usage: snapshot STORE SERIES ARCHITECTURE KEYRING URL SUITE COMPONENT,…";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, series, architecture, keyring, suites @ ..] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let suites = suites.chunks(3).map(|suite| match suite {
        [url, suite, components] => Ok(SuiteSpec {
            optional: false,
            mirror: Mirror::new(url),
            suite: suite.clone(),
            components: components.split(',').map(str::to_owned).collect(),
        }),
        _ => Err(USAGE),
    });
    let request = SnapshotRequest {
        series: series.clone(),
        architecture: architecture.clone(),
        suites: suites.collect::<Result<_, _>>()?,
        at: SystemTime::now(),
    };
    let archive = Archive::open(ArchiveConfig {
        folder: PathBuf::from(store),
        keyrings: vec![PathBuf::from(keyring)],
        http: HttpTimeouts::default(),
        valid_until: ValidUntil::Enforce,
    })?;
    let before = archive.newest_snapshot(series, architecture)?;
    let started = Instant::now();
    let progress = |progress: SnapshotProgress| {
        eprint!("\r{} of {:?} bytes ", progress.bytes, progress.total);
    };
    let taken = archive
        .take_snapshot(request, Some(std::sync::Arc::new(progress)))
        .await?;
    let snapshot = taken.snapshot;
    eprintln!("\n{:?}, {} bytes came", started.elapsed(), archive.fetched_bytes());
    println!("{} new: {}, {} bytes", snapshot.name, taken.is_new, snapshot.size());
    let started = Instant::now();
    let mut packages = 0;
    archive.snapshot_packages(&snapshot, |_| packages += 1)?;
    println!("{packages} packages, {:?}", started.elapsed());
    if let Some(before) = before.filter(|_| taken.is_new) {
        for change in archive.diff_snapshots(&before, &snapshot)?.changes {
            println!("{:?} {change:?}", change.change());
        }
    }
    Ok(())
}
