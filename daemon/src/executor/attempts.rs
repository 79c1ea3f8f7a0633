//! What a guest has tried to reach on the network that it does not have: taken down in the job's log as it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_guest::NetworkAttempt;
use tokio::sync::broadcast;

use super::log::JobLog;

/// An attempt to reach the network, and the log's line that tells of it.
#[derive(Debug, Clone)]
pub struct SeenAttempt {
    /// The line, counted from 1.
    pub line: u64,
    /// The line's text.
    pub text: String,
}

/// The attempts to reach the network that a guest has told of; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Attempts(Arc<Mutex<Told>>);

#[derive(Debug)]
struct Told {
    /// Those that are not in the log yet.
    network: broadcast::Receiver<NetworkAttempt>,
    log: JobLog,
    seen: Vec<SeenAttempt>,
}

impl Attempts {
    /// A guest can try at will; further attempts are in its own output.
    const MOST: usize = 100;

    pub(super) fn new(network: broadcast::Receiver<NetworkAttempt>, log: JobLog) -> Self {
        let seen = Vec::new();
        Self(Arc::new(Mutex::new(Told { network, log, seen })))
    }

    /// Takes down attempts as they come. `wake` only tells that there are some.
    pub(super) async fn watch(self, mut wake: broadcast::Receiver<NetworkAttempt>) {
        use broadcast::error::RecvError;
        while let Ok(_) | Err(RecvError::Lagged(_)) = wake.recv().await {
            if self.take().seen.len() >= Self::MOST {
                return;
            }
        }
    }

    pub(super) fn since(&self, line: u64) -> Option<SeenAttempt> {
        self.take().seen.iter().find(|attempt| attempt.line >= line).cloned()
    }

    /// Takes down what has come.
    fn take(&self) -> MutexGuard<'_, Told> {
        use broadcast::error::TryRecvError;
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while told.seen.len() < Self::MOST {
            match told.network.try_recv() {
                Ok(attempt) => {
                    let text = words_of(&attempt);
                    let line = told.log.say(&text);
                    told.seen.push(SeenAttempt { line, text });
                }
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        told
    }
}

fn words_of(attempt: &NetworkAttempt) -> String {
    let mut text = format!("preflight: network attempt refused: {:?} to ", attempt.protocol).to_lowercase();
    match (&attempt.query, attempt.port) {
        (Some(query), _) => text += &format!("{} (asking for {query})", attempt.destination),
        (None, Some(port)) => text += &std::net::SocketAddr::new(attempt.destination, port).to_string(),
        (None, None) => text += &attempt.destination.to_string(),
    }
    match &attempt.owner {
        Some(owner) => text += &format!(" by {} (pid {}, uid {})", owner.name, owner.pid, owner.uid),
        None => text += " by a process that was gone",
    }
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(400)
        .collect()
}
