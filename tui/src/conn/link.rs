//! The screen's connection: attaches, subscribes, hands on what the daemon tells, and begins again when it is gone.
//! It starts the daemon once, at the beginning or when asked; a daemon that its owner stops stays stopped.

use std::time::Duration;

use preflight_protocol::client::{ClientError, Connection, Notification};
use preflight_protocol::event::{Beat, Envelope};
use preflight_protocol::method::{Snapshot, Subscribe};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{sleep, timeout};

use super::attach::{AttachError, Attached, Endpoint};

/// How long to wait before the daemon is looked for again.
const RETRY: Duration = Duration::from_millis(300);

/// What the screen learns of its connection.
#[derive(Debug, Clone)]
pub enum LinkNews {
    /// Connected and subscribed; requests go over this connection.
    Attached(Connection, Box<Snapshot>),
    /// A state change.
    Event(Box<Envelope>),
    /// News of a running job.
    Beat(Beat),
    /// No connection; it is looked for again.
    Lost(String),
    /// The daemon is being started.
    Starting,
}

/// What the screen wants of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkOrder {
    /// Start the daemon.
    Start,
    /// Subscribe again, from the beginning.
    Refresh,
}

/// Runs until nobody listens to the news.
pub async fn run(endpoint: Endpoint, mut orders: Receiver<LinkOrder>, news: Sender<LinkNews>) {
    let mut start = true;
    // Why the daemon did not start says more than that nobody answers.
    let mut not_started = None;
    loop {
        match attach(&endpoint, start, &news).await {
            Ok(attached) => {
                not_started = None;
                if !serve(attached, &mut orders, &news).await {
                    return;
                }
            }
            Err(error) => {
                let why = error.to_string();
                if matches!(error, AttachError::Start(_)) {
                    not_started = Some(why.clone());
                }
                let why = not_started.clone().unwrap_or(why);
                if news.send(LinkNews::Lost(why)).await.is_err() {
                    return;
                }
            }
        }
        start = false;
        match timeout(RETRY, orders.recv()).await {
            Ok(Some(LinkOrder::Start)) => start = true,
            Ok(Some(LinkOrder::Refresh)) | Err(_) => {}
            Ok(None) => return,
        }
    }
}

async fn attach(endpoint: &Endpoint, start: bool, news: &Sender<LinkNews>) -> Result<Attached, AttachError> {
    match endpoint.connect().await {
        Err(ClientError::NoDaemon { .. } | ClientError::Closed) if start => {
            // Whoever does not listen any more is noticed with the next news.
            let _ = news.send(LinkNews::Starting).await;
            endpoint.connect_or_start().await
        }
        other => Ok(other?),
    }
}

/// Hands on news until the connection ends. Answers whether anybody still listens.
async fn serve(
    (connection, mut notifications): Attached,
    orders: &mut Receiver<LinkOrder>,
    news: &Sender<LinkNews>,
) -> bool {
    'subscribe: loop {
        let snapshot = match connection.request(&Subscribe { ticket: None }).await {
            Ok(snapshot) => snapshot,
            Err(ClientError::Closed) => break,
            Err(error) => {
                if news.send(LinkNews::Lost(error.to_string())).await.is_err() {
                    return false;
                }
                sleep(RETRY).await;
                break;
            }
        };
        let mut seen = snapshot.seq;
        if news
            .send(LinkNews::Attached(connection.clone(), Box::new(snapshot)))
            .await
            .is_err()
        {
            return false;
        }
        loop {
            let told = tokio::select! {
                notification = notifications.recv() => match notification {
                    Some(Notification::Event(event)) => {
                        if event.seq <= seen {
                            continue;
                        }
                        seen = event.seq;
                        news.send(LinkNews::Event(event)).await
                    }
                    Some(Notification::Beat(beat)) => news.send(LinkNews::Beat(beat)).await,
                    Some(Notification::Testbed(_)) => Ok(()),
                    Some(Notification::Resync) => continue 'subscribe,
                    None => break 'subscribe,
                },
                order = orders.recv() => match order {
                    Some(LinkOrder::Refresh) => continue 'subscribe,
                    Some(LinkOrder::Start) => Ok(()),
                    None => return false,
                },
            };
            if told.is_err() {
                return false;
            }
        }
    }
    news.send(LinkNews::Lost("the daemon has closed the connection".to_owned()))
        .await
        .is_ok()
}
