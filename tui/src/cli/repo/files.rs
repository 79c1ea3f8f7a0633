//! Answers http requests from the files of one folder, and from nothing else: read-only, whole files or one range. It
//! knows neither tickets nor connections.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::TryStreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::request::{self, Part};

/// How much of a file is read at once.
const PIECE: usize = 64 * 1024;

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// A folder that is served.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    /// What is told at `/`.
    greeting: Bytes,
}

impl Files {
    pub(super) fn new(root: PathBuf, greeting: String) -> Self {
        Self {
            root,
            greeting: greeting.into(),
        }
    }

    /// Answers a request.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let is_head = request.method() == Method::HEAD;
        if !is_head && request.method() != Method::GET {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served\n", false);
            insert(response.headers_mut(), header::ALLOW, "GET, HEAD");
            return response;
        }
        let Some(path) = request::path(request.uri().path()) else {
            return text(StatusCode::BAD_REQUEST, "this path leads nowhere\n", is_head);
        };
        if path.as_os_str().is_empty() {
            return text(StatusCode::OK, self.greeting.clone(), is_head);
        }
        match self.file(&path, request.headers(), is_head).await {
            Ok(response) => response,
            Err(error) if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory => {
                text(StatusCode::NOT_FOUND, "there is no such file\n", is_head)
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read\n", is_head),
        }
    }

    async fn file(&self, path: &Path, asked: &HeaderMap, is_head: bool) -> io::Result<Response<Body>> {
        let path = self.root.join(path);
        // Not through a link, and nothing but files: opening a pipe would wait for its other end.
        if !tokio::fs::symlink_metadata(&path).await?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut file = File::open(&path).await?;
        // Of the file that was opened: another one may have taken its place since.
        let metadata = file.metadata().await?;
        let size = metadata.len();
        // A file is replaced by another one and never written to, so that this tells any two apart.
        let etag = format!("\"{:x}-{:x}-{:x}\"", metadata.ino(), metadata.mtime_nsec(), size);
        let said = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok());
        let mut response = Response::new(empty());
        let headers = response.headers_mut();
        insert(headers, header::ACCEPT_RANGES, "bytes");
        insert(headers, header::CONTENT_TYPE, "application/octet-stream");
        insert(headers, header::ETAG, &etag);
        if said(header::IF_NONE_MATCH) == Some(etag.as_str()) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        // By nothing but the tag: dates of files that replace one another within a second are the same.
        let is_same = said(header::IF_RANGE).is_none_or(|seen| seen == etag);
        let part = said(header::RANGE).filter(|_| is_same);
        let (start, length) = match part.map_or(Part::Whole, |range| request::part(range, size)) {
            Part::Whole => (0, size),
            Part::Some { start, length } => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let range = format!("bytes {start}-{}/{size}", start + length - 1);
                insert(response.headers_mut(), header::CONTENT_RANGE, &range);
                (start, length)
            }
            Part::Outside => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                insert(
                    response.headers_mut(),
                    header::CONTENT_RANGE,
                    &format!("bytes */{size}"),
                );
                return Ok(response);
            }
        };
        insert(response.headers_mut(), header::CONTENT_LENGTH, &length.to_string());
        if !is_head {
            file.seek(io::SeekFrom::Start(start)).await?;
            let stream = ReaderStream::with_capacity(file.take(length), PIECE).map_ok(Frame::data);
            *response.body_mut() = BodyExt::boxed(StreamBody::new(stream));
        }
        Ok(response)
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>, is_head: bool) -> Response<Body> {
    let text = text.into();
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    insert(headers, header::CONTENT_TYPE, "text/plain; charset=utf-8");
    insert(headers, header::CONTENT_LENGTH, &text.len().to_string());
    if !is_head {
        *response.body_mut() = Full::new(text).map_err(|never| match never {}).boxed();
    }
    response
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    async fn ask(files: &Files, method: Method, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = files.answer(&request.body(()).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status.as_u16(),
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn files_parts_and_nothing_else() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("pool")).unwrap();
        std::fs::write(folder.path().join("pool/a+b.deb"), "0123456789").unwrap();
        std::fs::write(folder.path().join("empty"), "").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
        let files = Files::new(folder.path().to_owned(), "hello\n".to_owned());
        let get = |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
            let files = &files;
            async move {
                let (status, _, body) = ask(files, Method::GET, path, headers).await;
                (status, body)
            }
        };
        for (path, status, body) in [
            ("/", 200, "hello\n"),
            ("/./pool/a%2Bb.deb", 200, "0123456789"),
            ("/empty", 200, ""),
            ("/pool", 404, "there is no such file\n"),
            ("/pool/a+b.deb/x", 404, "there is no such file\n"),
            ("/none", 404, "there is no such file\n"),
            ("/link", 404, "there is no such file\n"),
            ("/../secret", 400, "this path leads nowhere\n"),
            ("/pool/%2e%2e/%2e%2e/secret", 400, "this path leads nowhere\n"),
        ] {
            assert_eq!(get(path, &[]).await, (status, body.to_owned()), "{path}");
        }
        assert_eq!(
            get("/pool/a+b.deb", &[("range", "bytes=7-")]).await,
            (206, "789".to_owned())
        );
        assert_eq!(
            get("/pool/a+b.deb", &[("range", "bytes=10-")]).await,
            (416, String::new())
        );
        assert_eq!(
            get(
                "/pool/a+b.deb",
                &[("range", "bytes=7-"), ("if-range", "Sat, 11 Jul 2026 10:16:37 GMT")]
            )
            .await,
            (200, "0123456789".to_owned())
        );

        let (status, headers, body) = ask(&files, Method::HEAD, "/pool/a+b.deb", &[]).await;
        assert_eq!(
            (status, headers["content-length"].to_str().unwrap(), body.as_str()),
            (200, "10", "")
        );
        let tag = headers["etag"].to_str().unwrap();
        let (status, ..) = ask(&files, Method::GET, "/pool/a+b.deb", &[("if-none-match", tag)]).await;
        assert_eq!(status, 304);
        let (status, headers, _) = ask(
            &files,
            Method::GET,
            "/pool/a+b.deb",
            &[("range", "bytes=0-0"), ("if-range", tag)],
        )
        .await;
        assert_eq!(
            (status, headers["content-range"].to_str().unwrap()),
            (206, "bytes 0-0/10")
        );
        let (status, headers, _) = ask(&files, Method::PUT, "/pool/a+b.deb", &[]).await;
        assert_eq!((status, headers["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    }
}
