//! Results by URL: one file, or what belongs to a run's folder as Ubuntu's and Debian's infrastructure have it. Sizes, times
//! and redirections are bounded; only http and https are spoken.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_results::limits::MOST_BYTES;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::super::desk::at;
use super::Purse;
use crate::disk::NO_ROOM_HINT;

/// What was fetched, below the staging folder.
pub(super) const FETCHED: &str = "fetched";
/// What a run's folder may hold; any of it may be missing, but not all.
const OF_A_RUN: [&str; 9] = [
    "result.tar",
    "log.gz",
    "log",
    "artifacts.tar.gz",
    "summary",
    "exitcode",
    "duration",
    "testpkg-version",
    "testinfo.json",
];
/// Of these the others are found beside.
const KNOWN: [&str; 3] = ["result.tar", "log.gz", "artifacts.tar.gz"];
const CONNECT: Duration = Duration::from_secs(20);
/// Without a single byte.
const STALL: Duration = Duration::from_secs(60);
const MOST_REDIRECTIONS: usize = 5;

/// The URL that a place is, if it is one.
///
/// # Errors
/// It is neither a URL of a scheme that is spoken nor an absolute path, or it has a password in it.
pub(super) fn url(place: &str) -> Result<Option<Url>, RpcError> {
    if Path::new(place).is_absolute() {
        return Ok(None);
    }
    let bad = || {
        let error = RpcError::new(
            ErrorCode::InvalidParams,
            format!("{place:?} is neither an absolute path nor a URL"),
        );
        error.with_hint("URLs begin with https:// or http://")
    };
    let url: Url = place.parse().map_err(|_| bad())?;
    // It would be in the ticket, and in every error.
    if !url.username().is_empty() || url.password().is_some() {
        let error = RpcError::new(
            ErrorCode::InvalidParams,
            "a URL with a name or password in it is not taken",
        );
        return Err(error.with_hint("fetch it yourself, and name the folder or file"));
    }
    let is_spoken = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_spoken { Ok(Some(url)) } else { Err(bad()) }
}

/// Fetches into a folder of its own, and answers what is there to be read: that folder, or the one file.
pub(super) async fn fetch(url: &Url, staging: &Path, purse: &mut Purse) -> Result<PathBuf, RpcError> {
    let client = client()?;
    let folder = staging.join(FETCHED);
    std::fs::create_dir(&folder).map_err(|error| at(&folder, &error))?;
    let mut left = MOST_BYTES;
    let name = url
        .path_segments()
        .and_then(|mut parts| parts.next_back())
        .unwrap_or_default();
    if !name.is_empty() && !KNOWN.contains(&name) {
        let target = folder.join("file");
        return match get(&client, url, &target, &mut left, purse).await? {
            true => Ok(target),
            false => Err(missing(url, "there is nothing at this URL")),
        };
    }
    let mut found = 0;
    for name in OF_A_RUN {
        // A log is there in one form.
        if name == "log" && folder.join("log.gz").exists() {
            continue;
        }
        let Ok(one) = url.join(name) else { continue };
        found += u32::from(get(&client, &one, &folder.join(name), &mut left, purse).await?);
    }
    if found == 0 {
        return Err(missing(
            url,
            "there is neither result.tar nor log.gz nor any other file of a run",
        ));
    }
    Ok(folder)
}

fn missing(url: &Url, why: &str) -> RpcError {
    let error = RpcError::new(ErrorCode::NotFound, format!("{url}: {why}"));
    error.with_hint("name the folder of one run, with a slash at its end, or a file in it; nothing was imported")
}

fn client() -> Result<Client, RpcError> {
    let redirections = Policy::custom(|attempt| {
        if attempt.previous().len() > MOST_REDIRECTIONS {
            return attempt.error("too many redirections");
        }
        match attempt.url().scheme() {
            "https" | "http" => attempt.follow(),
            _ => attempt.error("a redirection to something else than http"),
        }
    });
    // reqwest is built without a provider of its own. An error says that one is installed already: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .read_timeout(STALL)
        .redirect(redirections)
        .user_agent(concat!("preflight/", env!("CARGO_PKG_VERSION")))
        .build();
    client.map_err(|error| RpcError::new(ErrorCode::Internal, format!("no client for http: {error}")))
}

/// Whether there is such a file; if so, it is at `target`.
async fn get(client: &Client, url: &Url, target: &Path, left: &mut u64, purse: &mut Purse) -> Result<bool, RpcError> {
    let failed = |error: reqwest::Error| {
        let error = RpcError::new(ErrorCode::Host, format!("{url}: {}", chain(&error)));
        error.with_hint("look whether this host reaches it; nothing was imported")
    };
    let response = client.get(url.clone()).send().await.map_err(failed)?;
    match response.status() {
        status if status.is_success() => {}
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => return Ok(false),
        status => {
            let error = RpcError::new(ErrorCode::Host, format!("{url}: the server answered {status}"));
            return Err(error.with_hint("try again later; nothing was imported"));
        }
    }
    let mut file = tokio::fs::File::create_new(target)
        .await
        .map_err(|error| at(target, &error))?;
    let mut content = response.bytes_stream();
    while let Some(piece) = content.next().await {
        let piece = piece.map_err(failed)?;
        let length = piece.len() as u64;
        *left = left.checked_sub(length).ok_or_else(|| {
            let message = format!("{url}: no more than {} MiB are taken", MOST_BYTES >> 20);
            RpcError::new(ErrorCode::InvalidParams, message).with_hint("nothing was imported")
        })?;
        purse
            .fill(length)
            .await
            .map_err(|error| RpcError::new(ErrorCode::Host, error.to_string()).with_hint(NO_ROOM_HINT))?;
        file.write_all(&piece).await.map_err(|error| at(target, &error))?;
    }
    file.flush().await.map_err(|error| at(target, &error))?;
    Ok(true)
}

/// An error with what caused it: reqwest's own words leave that out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
