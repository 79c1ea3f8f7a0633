//! `preflight repo serve`: a state of a repository over plain http, from an exported tree, until Ctrl-C. apt verifies what it
//! gets by the key, so that the way there need not be trusted.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use preflight_protocol::ids::TicketId;
use preflight_protocol::repository::{ExportedRepository, RepositoryExport, RepositoryShow, RepositoryState};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::files::{Body, Files};
use super::named;
use super::paste::{paste, safe_lines};
use super::state::State;
use crate::cli::context::{Context, ask};
use crate::cli::error::CliError;
use crate::cli::output;
use crate::theme::Role;
use crate::{measure, safe};

/// How many may be connected at once; further ones wait.
const MOST_CONNECTIONS: usize = 64;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may last: who does not read what it asked for is not to keep others out for ever.
const LONGEST_CONNECTION: Duration = Duration::from_secs(3600);

/// Arguments of `repo serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ticket, or a state of its repository
    #[arg(value_name = "TICKET|POOL[@GENERATION]")]
    state: State,
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Print a JSON object a line: first where it is served, then each request
    #[arg(long)]
    json: bool,
}

/// The first line of `--json`.
#[derive(Serialize)]
struct Serving<'a> {
    url: &'a str,
    ticket: TicketId,
    generation: &'a str,
}

/// A further line of `--json`.
#[derive(Serialize)]
struct Served {
    peer: String,
    method: String,
    path: String,
    status: u16,
    bytes: u64,
}

/// Runs the command.
///
/// # Errors
/// Where there is nothing to serve, or the address cannot be had.
pub(super) async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let listening = async {
        TcpListener::bind(args.listen)
            .await
            .and_then(|there| Ok((there.local_addr()?, there)))
    };
    let (address, listener) = listening.await.map_err(|error| {
        CliError::usage(
            format!("nobody can listen on {}: {error}", args.listen),
            "--listen names another address, port 0 any port that is free",
        )
    })?;
    let url = format!("http://{}/", reached_at(address));
    // Interrupts count from here on: the tree must not stay.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut termination = signal(SignalKind::terminate())?;
    let tree = tempfile::Builder::new().prefix("preflight-repo-").tempdir();
    let tree = tree.map_err(CliError::file("a folder for the tree"))?;
    let source = Source {
        context,
        state: &args.state,
        tree: tree.path(),
        url: &url,
    };
    let exported = tokio::select! {
        exported = source.export() => exported?,
        _ = interrupt.recv() => return Ok(0),
        _ = termination.recv() => return Ok(0),
    };
    let told = safe_lines(&paste(&exported, Some(&url)));
    announce(context, &exported, &url, &told, args.json)?;

    let (asks, asked) = mpsc::channel(MOST_CONNECTIONS);
    let desk = Arc::new(Desk {
        files: Files::new(tree.path().to_owned(), told),
        // Only what has no name of its own can change.
        asks: args.state.generation.is_none().then_some(asks),
        json: args.json,
    });
    let following = source.follow(exported.state.generation.0, asked);
    tokio::pin!(following);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = termination.recv() => break,
            never = &mut following => match never {},
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                // A client that has gone before it was heard, or no more files for this process: the next may fare better.
                if let Ok((stream, peer)) = accepted {
                    connections.spawn(Arc::clone(&desk).serve(stream, peer));
                }
            }
        }
    }
    connections.shutdown().await;
    Ok(0)
}

/// Where others reach an address that is listened on.
fn reached_at(address: SocketAddr) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    format!("{}:{}", name.as_deref().unwrap_or("localhost"), address.port())
}

fn announce(context: &Context, exported: &ExportedRepository, url: &str, told: &str, json: bool) -> io::Result<()> {
    if json {
        let serving = Serving {
            url,
            ticket: exported.state.ticket,
            generation: &exported.state.generation.0,
        };
        return output::print(&serde_json::to_string(&serving)?);
    }
    let packages = measure::plural(exported.packages as usize, "package");
    let heading = format!("{} ({packages}) is served at {url}", named(&exported.state));
    let heading = context.output.out.role(Role::Heading, &heading);
    output::print(&format!("{heading}\n\n{told}\nCtrl-C ends it.\n"))
}

/// Where the tree comes from.
struct Source<'a> {
    context: &'a Context,
    state: &'a State,
    tree: &'a Path,
    url: &'a str,
}

impl Source<'_> {
    fn request(&self, state: RepositoryState) -> RepositoryExport {
        RepositoryExport {
            state,
            folder: self.tree.to_owned(),
            uri: Some(self.url.to_owned()),
        }
    }

    async fn export(&self) -> Result<ExportedRepository, CliError> {
        let (connection, _notifications) = self.context.attach().await?;
        let state = self.state.resolve(&connection).await?;
        self.context
            .ask_patiently(&self.request(state), "writing the tree")
            .await
    }

    /// Whenever somebody asks for the newest state, has the tree show it. Where that cannot be, the tree stays as it is.
    async fn follow(&self, mut shown: String, mut asked: mpsc::Receiver<oneshot::Sender<()>>) -> Infallible {
        let mut complained = false;
        loop {
            let Some(first) = asked.recv().await else {
                return std::future::pending().await;
            };
            // Whoever asked meanwhile gets the same answer.
            let mut askers = vec![first];
            while let Ok(another) = asked.try_recv() {
                askers.push(another);
            }
            match self.renew(&shown).await {
                Ok(newest) => {
                    shown = newest;
                    complained = false;
                }
                Err(error) if !complained => {
                    complained = true;
                    let reason = error.to_string();
                    eprintln!("what was there is served on: {}", safe::text(&reason));
                }
                Err(_) => {}
            }
            for asker in askers {
                // Its client may have gone.
                let _ = asker.send(());
            }
        }
    }

    /// The generation that the tree shows from now on.
    async fn renew(&self, shown: &str) -> Result<String, CliError> {
        // A daemon that was stopped is not started for this.
        let (connection, _notifications) = self.context.endpoint.connect().await?;
        let state = self.state.resolve(&connection).await?;
        let current = ask(&connection, &RepositoryShow { state: state.clone() }).await?;
        if current.summary.generation.0 == shown {
            return Ok(shown.to_owned());
        }
        let exported = ask(&connection, &self.request(state)).await?;
        Ok(exported.state.generation.0)
    }
}

/// Serves connections.
struct Desk {
    files: Files,
    /// Asks for the newest state; none where the state stays what it is.
    asks: Option<mpsc::Sender<oneshot::Sender<()>>>,
    json: bool,
}

impl Desk {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let service = service_fn(move |request: Request<Incoming>| {
            let desk = Arc::clone(&self);
            async move { Ok::<_, Infallible>(desk.answer(&request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        // How a client's connection ends is its own affair.
        let _ = timeout(LONGEST_CONNECTION, connection).await;
    }

    async fn answer(&self, request: &Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        // What apt asks for first. All that it names stays in the tree, so that no reader needs the others renewed.
        let is_first = ["/InRelease", "/Release"]
            .iter()
            .any(|name| request.uri().path().ends_with(name));
        if let Some(asks) = self.asks.as_ref().filter(|_| is_first) {
            let (answer, answered) = oneshot::channel();
            if asks.send(answer).await.is_ok() {
                let _ = answered.await;
            }
        }
        let response = self.files.answer(request).await;
        let length = response.headers().get(header::CONTENT_LENGTH);
        let length = length.filter(|_| request.method() != Method::HEAD);
        let served = Served {
            peer: peer.to_string(),
            method: safe::text(request.method().as_str()).into_owned(),
            path: safe::text(request.uri().path()).into_owned(),
            status: response.status().as_u16(),
            bytes: length
                .and_then(|length| length.to_str().ok()?.parse().ok())
                .unwrap_or(0),
        };
        let line = match (self.json, serde_json::to_string(&served)) {
            (true, Ok(line)) => line,
            _ => format!(
                "{}  {} {}  {}  {}",
                served.peer,
                served.method,
                served.path,
                served.status,
                measure::bytes(served.bytes)
            ),
        };
        // Nobody may read it: that is no reason to serve nobody.
        let _ = output::print(&line);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_all_is_told_by_the_hosts_name() {
        assert_eq!(reached_at("127.0.0.1:80".parse().unwrap()), "127.0.0.1:80");
        assert_eq!(reached_at("[::1]:80".parse().unwrap()), "[::1]:80");
        let all = reached_at("0.0.0.0:8000".parse().unwrap());
        assert!(all.ends_with(":8000") && !all.starts_with("0.0.0.0"), "{all}");
    }
}
