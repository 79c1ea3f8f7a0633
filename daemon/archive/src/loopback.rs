//! A session on 127.0.0.1, for tools that run on the host (mmdebstrap). A random password keeps other users of the
//! host from putting fetches into the session's lock.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sequoia_openpgp::crypto;
use sequoia_openpgp::fmt::hex;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::session::Session;

/// apt opens one connection a host; mmdebstrap a few apts in a row.
const MOST_CONNECTIONS: usize = 64;

const USER: &str = "preflight";

/// A listening session; stops listening and cuts its connections when dropped.
#[derive(Debug)]
pub struct Loopback {
    address: SocketAddr,
    password: String,
    task: AbortHandle,
}

impl Loopback {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give apt as `Acquire::http::Proxy`. It holds the password: better in a file that `APT_CONFIG` names
    /// than on a command line.
    #[must_use]
    pub fn proxy_url(&self) -> String {
        format!("http://{USER}:{}@{}", self.password, self.address)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Listens on a free port of 127.0.0.1. Must be called inside a runtime.
    pub async fn listen_loopback(&self) -> io::Result<Loopback> {
        let mut secret = [0_u8; 16];
        crypto::random(&mut secret).map_err(io::Error::other)?;
        let password = hex::encode(secret);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let wanted: Arc<str> = format!("Basic {}", BASE64.encode(format!("{USER}:{password}"))).into();
        let session = self.clone();
        // The connections belong to the task, so that they end with it.
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    continue;
                };
                while connections.try_join_next().is_some() {}
                if connections.len() >= MOST_CONNECTIONS {
                    connections.join_next().await;
                }
                let (session, wanted) = (session.clone(), Arc::clone(&wanted));
                connections.spawn(async move {
                    if let Err(error) = session.serve_authorised(stream, Some(wanted)).await {
                        tracing::debug!(%error, "a proxy connection ended");
                    }
                });
            }
        });
        Ok(Loopback {
            address,
            password,
            task: task.abort_handle(),
        })
    }
}
