//! Adds a PPA as the daemon does, takes it as it is now, and says what it brings.
//!
//! `ppa STORE CODENAME ARCHITECTURE KEY|- ppa:OWNER/NAME | FILE.sources | URL SUITE COMPONENT…`

use std::path::PathBuf;
use std::time::Instant;

use preflight_archive::{
    Archive, ArchiveConfig, HttpTimeouts, LaunchpadClient, LaunchpadConfig, PpaSpec, SpecOptions, ValidUntil,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, code_name, architecture, key, words @ ..] = arguments.as_slice() else {
        return Err(
            "usage: ppa STORE CODENAME ARCHITECTURE KEY|- ppa:OWNER/NAME | FILE.sources | URL SUITE COMPONENT…".into(),
        );
    };
    let archive = Archive::open(ArchiveConfig {
        folder: PathBuf::from(store),
        keyrings: Vec::new(),
        http: HttpTimeouts::default(),
        valid_until: ValidUntil::Enforce,
    })?;
    let options = SpecOptions {
        key: (key != "-").then(|| PathBuf::from(key)),
        ..SpecOptions::default()
    };
    let found = match PpaSpec::parse(words, &options)? {
        PpaSpec::Repositories(found) => found,
        PpaSpec::Launchpad(spec) => {
            let client = LaunchpadClient::new(LaunchpadConfig::default(), HttpTimeouts::default())?;
            vec![client.complete(&spec).await?]
        }
    };
    for new in found {
        let started = Instant::now();
        archive.set_credentials(&new.ppa.uri, new.credentials)?;
        let taken = archive.refresh_ppa(&new.ppa, code_name, architecture, None).await?;
        println!(
            "{}: {} {:?}, state {}, {} packages, {} bytes came, {:?}",
            new.ppa.name,
            taken.suite,
            taken.labels,
            taken.state,
            taken.packages.len(),
            archive.fetched_bytes(),
            started.elapsed()
        );
    }
    Ok(())
}
