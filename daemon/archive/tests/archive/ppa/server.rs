//! A web server on 127.0.0.1 for tests: a folder, answers that stand in for files, and a password.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What it was told.
#[derive(Default)]
pub(crate) struct Told {
    /// Path, with its query, → status and body, in place of the folder's file.
    pub(crate) answers: BTreeMap<String, (u16, Vec<u8>)>,
    /// Path → bodies that are given once each, before all else.
    pub(crate) once: BTreeMap<String, VecDeque<Vec<u8>>>,
    /// The value of Authorization without which it answers 401.
    pub(crate) password: Option<String>,
    /// Every request: path with query, and Authorization.
    pub(crate) asked: Vec<(String, Option<String>)>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    told: Arc<Mutex<Told>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let told = Arc::new(Mutex::new(Told::default()));
        let (folder, shared) = (folder.to_owned(), Arc::clone(&told));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (folder, told) = (folder.clone(), Arc::clone(&shared));
                tokio::spawn(async move { answer(stream, &told, &folder).await });
            }
        });
        Self {
            url,
            told,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap());
    }

    /// A body for a path, with its query.
    pub(crate) fn give(&self, path: &str, status: u16, body: impl Into<Vec<u8>>) {
        self.tell(|told| _ = told.answers.insert(path.to_owned(), (status, body.into())));
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<(String, Option<String>)> {
        self.told.lock().unwrap().asked.clone()
    }
}

async fn answer(stream: TcpStream, told: &Mutex<Told>, folder: &Path) {
    let mut stream = BufReader::new(stream);
    let (mut path, mut authorisation) = (String::new(), None);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ').next().unwrap().clone_into(&mut path);
        } else if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            authorisation = Some(value.to_owned());
        }
    }
    let (status, body) = respond(&mut told.lock().unwrap(), folder, path, authorisation);
    let head = format!(
        "HTTP/1.1 {status} Told\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
    let _ = stream.flush().await;
    let _ = stream.into_inner().shutdown().await;
}

fn respond(told: &mut Told, folder: &Path, path: String, authorisation: Option<String>) -> (u16, Vec<u8>) {
    told.asked.push((path.clone(), authorisation.clone()));
    if told.password.is_some() && told.password != authorisation {
        return (401, Vec::new());
    }
    if let Some(body) = told.once.get_mut(&path).and_then(VecDeque::pop_front) {
        return (200, body);
    }
    if let Some(given) = told.answers.get(&path) {
        return given.clone();
    }
    let file: PathBuf = folder.join(path.trim_start_matches('/'));
    match fs::read(file) {
        Ok(body) => (200, body),
        Err(_) => (404, Vec::new()),
    }
}
