//! The proxy's HTTP: requests in absolute form on any byte stream, answered from a session. It knows conditional and
//! partial requests and what apt makes of an error; what may be served it leaves to the session.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWrite};
use tokio_util::io::ReaderStream;

use crate::error::{Refusal, RefusalKind, Refused};
use crate::resolve::Found;
use crate::session::Session;

type Body = BoxBody<Bytes, io::Error>;

impl Session {
    /// Serves proxy requests on one stream until the client ends it. Several streams may be served at once.
    pub async fn serve<S>(&self, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve_authorised(stream, None).await
    }

    /// The same; a `password` is what `Proxy-Authorization` must say.
    pub(crate) async fn serve_authorised<S>(&self, stream: S, password: Option<Arc<str>>) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let (session, password) = (self.clone(), password.clone());
            async move { Ok::<_, Infallible>(session.respond(&request, password.as_deref()).await) }
        });
        hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(stream), service)
            .await
            .map_err(io::Error::other)
    }

    async fn respond(&self, request: &Request<Incoming>, password: Option<&str>) -> Response<Body> {
        let head_only = request.method() == Method::HEAD;
        match self.try_respond(request, password).await {
            Ok(response) => response,
            Err(refusal) => refusal_response(&refusal, head_only),
        }
    }

    async fn try_respond(
        &self,
        request: &Request<Incoming>,
        password: Option<&str>,
    ) -> Result<Response<Body>, Refusal> {
        let (method, url) = (request.method(), request.uri().to_string());
        let refuse = |kind, reason: &str| self.refuse(method.as_str(), &url, Refused::new(kind, reason));
        let given = request.headers().get(header::PROXY_AUTHORIZATION);
        if password.is_some_and(|wanted| given.is_none_or(|given| given.as_bytes() != wanted.as_bytes())) {
            return Err(refuse(
                RefusalKind::Unauthorised,
                "the proxy's password is missing or wrong",
            ));
        }
        if method == Method::CONNECT {
            return Err(refuse(
                RefusalKind::NotAMirror,
                "no network in a testbed: only package sources over plain http are served",
            ));
        }
        if method != Method::GET && method != Method::HEAD {
            return Err(refuse(RefusalKind::NotSupported, "only GET and HEAD are served"));
        }
        if request.uri().scheme().is_none() {
            return Err(refuse(
                RefusalKind::NotSupported,
                "this is a proxy: ask with the whole URL",
            ));
        }
        let found = self.answer(method.as_str(), &url).await?;
        self.count_request();
        self.content_response(method == Method::HEAD, request.headers(), &found)
            .await
            .map_err(|error| self.refuse(method.as_str(), &url, Refused::store(&error)))
    }

    async fn content_response(&self, head_only: bool, asked: &HeaderMap, found: &Found) -> io::Result<Response<Body>> {
        let object = &found.object;
        let modified = found.modified.map(http_date);
        let etag = format!("\"{}\"", object.sha256);
        let mut response = Response::new(empty());
        let headers = response.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        insert(headers, header::ETAG, &etag);
        if let Some(modified) = &modified {
            insert(headers, header::LAST_MODIFIED, modified);
        }
        let said = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        // Only the same date is "not modified": a session may serve an older state than the client has seen.
        let same = said(header::IF_NONE_MATCH).map_or_else(
            || modified.is_some() && said(header::IF_MODIFIED_SINCE) == modified.as_deref(),
            |tag| tag == etag,
        );
        if same {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        let unchanged = said(header::IF_RANGE).is_none_or(|seen| seen == etag || Some(seen) == modified.as_deref());
        let range = said(header::RANGE)
            .filter(|_| unchanged)
            .map(|range| parse_range(range, object.size));
        let (start, length) = match range {
            Some(Range::Part { start, length }) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let headers = response.headers_mut();
                insert(
                    headers,
                    header::CONTENT_RANGE,
                    &format!("bytes {start}-{}/{}", start + length - 1, object.size),
                );
                (start, length)
            }
            Some(Range::Outside) => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                insert(
                    response.headers_mut(),
                    header::CONTENT_RANGE,
                    &format!("bytes */{}", object.size),
                );
                return Ok(response);
            }
            Some(Range::Whole) | None => (0, object.size),
        };
        insert(response.headers_mut(), header::CONTENT_LENGTH, &length.to_string());
        if head_only {
            return Ok(response);
        }
        let mut file = tokio::fs::File::open(&object.path).await?;
        file.seek(io::SeekFrom::Start(start)).await?;
        let stream = ReaderStream::with_capacity(file.take(length), 64 * 1024).map_ok(Frame::data);
        *response.body_mut() = StreamBody::new(stream).boxed();
        self.count_served(length);
        Ok(response)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Part {
        start: u64,
        length: u64,
    },
    Outside,
    /// Several ranges, or something else that a server may ignore (RFC 9110, 14.2).
    Whole,
}

fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Range::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let (start, end) = match (number(first), number(last)) {
        (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(size)),
        (Some(start), None) if last.is_empty() => (start, size),
        (None, Some(suffix)) if first.is_empty() => (size.saturating_sub(suffix), size),
        _ => return Range::Whole,
    };
    if start >= end {
        Range::Outside
    } else {
        Range::Part {
            start,
            length: end - start,
        }
    }
}

fn refusal_response(refusal: &Refusal, head_only: bool) -> Response<Body> {
    let text = format!("preflight: {}\n", refusal.reason);
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::from_u16(refusal.kind.status()).unwrap_or(StatusCode::FORBIDDEN);
    // apt shows the status line, not the body.
    let phrase: String = refusal
        .reason
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .take(300)
        .collect();
    if let Ok(phrase) = ReasonPhrase::try_from(phrase.into_bytes()) {
        response.extensions_mut().insert(phrase);
    }
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    insert(headers, header::CONTENT_LENGTH, &text.len().to_string());
    if refusal.kind == RefusalKind::Unauthorised {
        headers.insert(
            header::PROXY_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"preflight\""),
        );
    }
    if !head_only {
        *response.body_mut() = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    }
    response
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn http_date(at: std::time::SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |start, length| Range::Part { start, length };
        for (text, wanted) in [
            ("bytes=0-", part(0, 10)),
            ("bytes=4-", part(4, 6)),
            ("bytes=4-5", part(4, 2)),
            ("bytes=4-99", part(4, 6)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
            ("bytes=10-", Range::Outside),
            ("bytes=-0", Range::Outside),
            ("bytes=5-4", Range::Whole),
            ("bytes=0-1,3-4", Range::Whole),
            ("lines=1-2", Range::Whole),
            ("bytes=x-", Range::Whole),
        ] {
            assert_eq!(parse_range(text, 10), wanted, "{text}");
        }
    }
}
