//! Serves a session to tools on this host, as the image builder does: prints apt's proxy line, waits for the end of
//! standard input, then prints the lock.
//!
//! `proxy STORE on|off KEYRING URL…`

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use preflight_archive::{Archive, ArchiveConfig, HttpTimeouts, Mirror, Network, SessionOptions, ValidUntil};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("preflight_archive=debug")
        .init();
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: proxy STORE on|off KEYRING URL…");
    let folder = PathBuf::from(next()?);
    let network = if next()? == "on" {
        Network::Allowed
    } else {
        Network::Forbidden
    };
    let keyrings = vec![PathBuf::from(next()?)];
    let mirrors = arguments.map(Mirror::new).collect();
    let config = ArchiveConfig {
        folder,
        keyrings,
        http: HttpTimeouts::default(),
        valid_until: ValidUntil::Enforce,
    };
    let archive = Archive::open(config)?;
    let session = archive.session(SessionOptions {
        network,
        mirrors,
        ..SessionOptions::default()
    })?;
    let loopback = session.listen_loopback().await?;
    println!("Acquire::http::Proxy \"{}\";", loopback.proxy_url());
    std::io::stdout().flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    eprintln!("state {}", session.state().await?);
    eprintln!(
        "fetched {} bytes, {:?}, {} refusals",
        archive.fetched_bytes(),
        session.transferred(),
        session.refusal_count()
    );
    for refusal in session.refusals() {
        eprintln!("{refusal:?}");
    }
    println!("{}", session.lock().to_json());
    Ok(())
}
