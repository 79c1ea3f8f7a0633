//! Fetching over HTTP: resumed, retried, bounded in parallel, watched for stalls. A file of known digest is verified
//! before it becomes an object of the store; small files of unknown digest are handed back as bytes for the caller to
//! judge. Knows nothing of archives' formats.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Client, ClientBuilder, Response, StatusCode};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use crate::content::{ContentStore, Object};
use crate::error::ArchiveError;
use crate::partial::Partial;
use crate::places::{HostProxy, Place, PlaceKind};
use crate::ppa::CredentialBook;
use crate::release::Listed;

/// How long to wait, how often to try and how much at once.
#[derive(Debug, Clone)]
pub struct HttpTimeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a single byte: the request is given up and resumed.
    pub stall: Duration,
    /// Further attempts after one that brought nothing; an attempt that brought something is not counted.
    pub retries: u32,
    /// Before the first further attempt; doubled each time, at most 10 s.
    pub backoff: Duration,
    /// Requests at once, over all sessions.
    pub parallel: usize,
}

impl Default for HttpTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            stall: Duration::from_secs(30),
            retries: 3,
            backoff: Duration::from_millis(500),
            parallel: 6,
        }
    }
}

/// A package cache is near: one that does not answer soon is not worth waiting for.
const PROXY_CONNECT: Duration = Duration::from_secs(3);

/// How far a fetch is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The URL as it is fetched.
    pub url: String,
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes of the whole, where known.
    pub total: Option<u64>,
    /// Whether this fetch has ended well.
    pub finished: bool,
}

/// Is told of progress; called from the fetching task, so it must not block.
pub type ProgressCallback = Arc<dyn Fn(Progress) + Send + Sync>;

/// Why there is no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FetchError {
    /// The mirror has no such file.
    NotFound,
    /// The mirror answers with an error.
    Status(u16),
    /// No connection, or it breaks time and again.
    Unreachable(String),
    /// The content is not what was expected.
    Wrong(String),
    /// The store failed.
    Store(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("the mirror has no such file"),
            Self::Status(status) => write!(f, "the mirror answered with status {status}"),
            Self::Unreachable(reason) => write!(f, "the mirror can't be reached: {reason}"),
            Self::Wrong(reason) => f.write_str(reason),
            Self::Store(reason) => write!(f, "the daemon's content store failed: {reason}"),
        }
    }
}

/// One attempt's end.
enum Broken {
    /// Worth another attempt.
    Transient(String),
    Final(FetchError),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::Final(FetchError::Store(error.to_string()))
    }
}

#[derive(Debug)]
pub(crate) struct Fetcher {
    client: Client,
    slots: Semaphore,
    timeouts: HttpTimeouts,
    fetched: AtomicU64,
    pub(crate) credentials: CredentialBook,
}

/// How one URL is asked.
#[derive(Clone, Copy)]
struct Asking<'a> {
    client: &'a Client,
    /// Whose client that is, where it is a proxy's.
    proxy: Option<&'a HostProxy>,
    url: &'a str,
    retries: u32,
}

impl Fetcher {
    pub(crate) fn new(timeouts: HttpTimeouts) -> Result<Self, ArchiveError> {
        // reqwest is built without a provider of its own. An error says that one is installed already: as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client_builder(&timeouts)
            .connect_timeout(timeouts.connect)
            .build()
            .map_err(|error| ArchiveError::HttpClient(reason(&error)))?;
        Ok(Self {
            client,
            slots: Semaphore::new(timeouts.parallel.max(1)),
            timeouts,
            fetched: AtomicU64::new(0),
            credentials: CredentialBook::default(),
        })
    }

    /// A caching proxy of the host's.
    pub(crate) fn proxy(&self, url: &str) -> Result<HostProxy, ArchiveError> {
        let client = reqwest::Proxy::all(url).and_then(|proxy| {
            client_builder(&self.timeouts)
                .connect_timeout(self.timeouts.connect.min(PROXY_CONNECT))
                .proxy(proxy)
                .build()
        });
        let client = client.map_err(|error| ArchiveError::HttpClient(format!("package cache: {}", reason(&error))))?;
        Ok(HostProxy::new(client))
    }

    /// Bytes that came over the network so far, over all sessions.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// A small file of at most `limit` bytes, whatever it holds.
    pub(crate) async fn bytes(
        &self,
        url: &str,
        limit: u64,
        progress: Option<&ProgressCallback>,
    ) -> Result<Vec<u8>, FetchError> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|error| FetchError::Unreachable(error.to_string()))?;
        let asking = self.asking(url);
        let mut failures = 0;
        loop {
            match self.bytes_once(asking, limit).await {
                Ok(bytes) => {
                    let size = bytes.len() as u64;
                    tell(progress, url, size, Some(size), true);
                    return Ok(bytes);
                }
                Err(Broken::Final(error)) => return Err(error),
                Err(Broken::Transient(reason)) => self.pause(&mut failures, asking, reason).await?,
            }
        }
    }

    fn asking<'a>(&'a self, url: &'a str) -> Asking<'a> {
        Asking {
            client: &self.client,
            proxy: None,
            url,
            retries: self.timeouts.retries,
        }
    }

    async fn bytes_once(&self, asking: Asking<'_>, limit: u64) -> Result<Vec<u8>, Broken> {
        let response = self.send(asking, HeaderMap::new()).await?;
        let wanted = response.content_length();
        let mut bytes = Vec::new();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| Broken::Transient(reason(&error)))?;
            self.fetched.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                return Err(Broken::Final(FetchError::Wrong(format!(
                    "it is larger than the accepted {limit} bytes"
                ))));
            }
        }
        match wanted {
            Some(wanted) if wanted != bytes.len() as u64 => Err(Broken::Transient("the connection was cut".to_owned())),
            _ => Ok(bytes),
        }
    }

    /// A file of known digest and size, into the store; what an earlier attempt or process left is resumed.
    pub(crate) async fn object(
        &self,
        store: &ContentStore,
        place: &Place,
        wanted: Listed,
        progress: Option<&ProgressCallback>,
    ) -> Result<Object, FetchError> {
        let PlaceKind::Cache(proxy) = &place.kind else {
            return self.object_by(store, self.asking(&place.url), wanted, progress).await;
        };
        let Some(client) = proxy.client() else {
            return Err(FetchError::Unreachable("the package cache did not answer".to_owned()));
        };
        let asking = Asking {
            client,
            proxy: Some(proxy),
            url: &place.url,
            retries: 0,
        };
        self.object_by(store, asking, wanted, progress).await
    }

    async fn object_by(
        &self,
        store: &ContentStore,
        asking: Asking<'_>,
        wanted: Listed,
        progress: Option<&ProgressCallback>,
    ) -> Result<Object, FetchError> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|error| FetchError::Unreachable(error.to_string()))?;
        let failed = |error: std::io::Error| FetchError::Store(error.to_string());
        let aside = store.partial_path(wanted.sha256);
        let mut partial = Partial::open(&aside).await.map_err(failed)?;
        let mut failures = 0;
        loop {
            let before = partial.hashing.size();
            match self.continue_object(asking, wanted, &mut partial, progress).await {
                Ok(()) => break,
                Err(Broken::Final(error)) => {
                    // What is wrong as a whole can't be continued either.
                    if matches!(error, FetchError::Wrong(_)) {
                        tokio::fs::remove_file(&aside).await.map_err(failed)?;
                    }
                    return Err(error);
                }
                Err(Broken::Transient(reason)) => {
                    if partial.hashing.size() > before {
                        failures = 0;
                    }
                    self.pause(&mut failures, asking, reason).await?;
                    partial.resumed = partial.hashing.size() > 0;
                }
            }
        }
        partial.file.flush().await.map_err(failed)?;
        let file = partial.file.into_std().await;
        let store = store.clone();
        let object = tokio::task::spawn_blocking(move || store.publish(&file, &aside, wanted.sha256))
            .await
            .map_err(|error| FetchError::Store(error.to_string()))?
            .map_err(failed)?;
        tell(progress, asking.url, wanted.size, Some(wanted.size), true);
        Ok(object)
    }

    async fn continue_object(
        &self,
        asking: Asking<'_>,
        wanted: Listed,
        partial: &mut Partial,
        progress: Option<&ProgressCallback>,
    ) -> Result<(), Broken> {
        if partial.hashing.size() > wanted.size {
            partial.restart().await?;
        }
        if partial.hashing.size() < wanted.size || wanted.size == 0 {
            self.append(asking, wanted, partial, progress).await?;
        }
        let (found, size) = partial.hashing.clone().finish();
        if size < wanted.size {
            return Err(Broken::Transient(format!(
                "the connection was cut after {size} of {} bytes",
                wanted.size
            )));
        }
        if found == wanted.sha256 {
            return Ok(());
        }
        if partial.resumed {
            // Pieces of two versions of the file: once more from the start, then the verdict is the mirror's fault.
            partial.restart().await?;
            return Err(Broken::Transient("the pieces do not fit together".to_owned()));
        }
        Err(Broken::Final(FetchError::Wrong(format!(
            "its SHA-256 is {found}, but the signed index says {}",
            wanted.sha256
        ))))
    }

    async fn append(
        &self,
        asking: Asking<'_>,
        wanted: Listed,
        partial: &mut Partial,
        progress: Option<&ProgressCallback>,
    ) -> Result<(), Broken> {
        let have = partial.hashing.size();
        let mut headers = HeaderMap::new();
        if have > 0 {
            if let Ok(range) = HeaderValue::try_from(format!("bytes={have}-")) {
                headers.insert(RANGE, range);
            }
            if let Some(validator) = &partial.validator {
                headers.insert(IF_RANGE, validator.clone());
            }
        }
        let response = match self.send(asking, headers).await {
            Err(Broken::Final(FetchError::Status(416))) => {
                partial.restart().await?;
                return Err(Broken::Transient("the mirror does not continue the file".to_owned()));
            }
            other => other?,
        };
        let continues = response.status() == StatusCode::PARTIAL_CONTENT
            && response
                .headers()
                .get(CONTENT_RANGE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.starts_with(&format!("bytes {have}-")));
        if have > 0 && !continues {
            partial.restart().await?;
        }
        let announced = response
            .content_length()
            .map(|length| partial.hashing.size().saturating_add(length));
        // A connection that is cut promised more than it brought; this is another file, and asking again gives the same.
        if let Some(size) = announced.filter(|&size| size < wanted.size) {
            if partial.resumed {
                partial.restart().await?;
                return Err(Broken::Transient("the pieces do not fit together".to_owned()));
            }
            let problem = format!("it has {size} bytes, but the signed index says {}", wanted.size);
            return Err(Broken::Final(FetchError::Wrong(problem)));
        }
        // A weak validator does not promise the same bytes (RFC 9110, 13.1.5).
        let strong = response
            .headers()
            .get(ETAG)
            .filter(|tag| !tag.as_bytes().starts_with(b"W/"));
        partial.validator = strong.or_else(|| response.headers().get(LAST_MODIFIED)).cloned();
        let mut stream = response.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    partial.file.flush().await?;
                    return Err(Broken::Transient(reason(&error)));
                }
            };
            self.fetched.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if partial.hashing.size() + chunk.len() as u64 > wanted.size {
                let problem = format!("it is larger than the {} bytes that the signed index says", wanted.size);
                return Err(Broken::Final(FetchError::Wrong(problem)));
            }
            partial.file.write_all(&chunk).await?;
            partial.hashing.update(&chunk);
            tell(progress, asking.url, partial.hashing.size(), Some(wanted.size), false);
        }
        partial.file.flush().await?;
        Ok(())
    }

    async fn send(&self, asking: Asking<'_>, mut headers: HeaderMap) -> Result<Response, Broken> {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // A cache of the host's is told no secret; it would keep what is private, too.
        if let (Some(value), None) = (self.credentials.header(asking.url), asking.proxy) {
            headers.insert(AUTHORIZATION, value);
        }
        let request = asking.client.get(asking.url).headers(headers);
        let response = request.send().await.map_err(|error| {
            if let Some(proxy) = asking.proxy.filter(|_| error.is_connect()) {
                proxy.rest();
            }
            if error.is_builder() || error.is_redirect() {
                Broken::Final(FetchError::Unreachable(reason(&error)))
            } else {
                Broken::Transient(reason(&error))
            }
        })?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Broken::Final(FetchError::NotFound)),
            status if status.is_server_error() || matches!(status.as_u16(), 408 | 429) => {
                Err(Broken::Transient(format!("status {status}")))
            }
            status => Err(Broken::Final(FetchError::Status(status.as_u16()))),
        }
    }

    async fn pause(&self, failures: &mut u32, asking: Asking<'_>, reason: String) -> Result<(), FetchError> {
        if *failures >= asking.retries {
            return Err(FetchError::Unreachable(reason));
        }
        let wait = self
            .timeouts
            .backoff
            .saturating_mul(1 << (*failures).min(10))
            .min(Duration::from_secs(10));
        *failures += 1;
        tracing::warn!(
            url = asking.url,
            reason,
            attempt = *failures,
            ?wait,
            "a fetch broke; trying again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// What all clients have in common.
fn client_builder(timeouts: &HttpTimeouts) -> ClientBuilder {
    Client::builder()
        .read_timeout(timeouts.stall)
        .user_agent(concat!("preflight/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::limited(5))
}

/// The innermost cause says the most: reqwest's own words are "error sending request".
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn tell(progress: Option<&ProgressCallback>, url: &str, bytes: u64, total: Option<u64>, finished: bool) {
    if let Some(progress) = progress {
        progress(Progress {
            url: url.to_owned(),
            bytes,
            total,
            finished,
        });
    }
}
