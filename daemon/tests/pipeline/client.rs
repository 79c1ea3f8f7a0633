//! A client that follows a ticket.

use std::time::Duration;

use preflight_protocol::client::{Connection, Notification};
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::{Job, JobKind};
use preflight_protocol::method::{Subscribe, TicketCancel, TicketCreate, TicketCreated, TicketShow};
use preflight_protocol::ticket::Ticket;
use tokio::sync::mpsc;

use crate::machines::real_time;

/// How long anything here may take: only a broken daemon gets there.
const LONG: Duration = Duration::from_secs(100);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::select! {
        value = future => value,
        () = real_time(LONG) => panic!("it takes far too long"),
    }
}

pub(crate) struct Client {
    pub(crate) connection: Connection,
    notifications: mpsc::Receiver<Notification>,
}

impl Client {
    pub(crate) async fn open(socket: &std::path::Path) -> Self {
        let (connection, notifications) = within(Connection::open(socket, "test")).await.unwrap();
        within(connection.request(&Subscribe { ticket: None })).await.unwrap();
        Self {
            connection,
            notifications,
        }
    }

    pub(crate) async fn create(&self, request: TicketCreate) -> TicketCreated {
        within(self.connection.request(&request)).await.unwrap()
    }

    pub(crate) async fn cancel(&self, id: TicketId) {
        within(self.connection.request(&TicketCancel { id })).await.unwrap();
    }

    pub(crate) async fn show(&self, id: TicketId) -> Ticket {
        within(self.connection.request(&TicketShow { id })).await.unwrap()
    }

    /// Follows until the ticket is as awaited.
    pub(crate) async fn until(&mut self, id: TicketId, found: impl Fn(&Ticket) -> bool) -> Ticket {
        loop {
            let ticket = self.show(id).await;
            if found(&ticket) {
                return ticket;
            }
            match within(self.notifications.recv()).await {
                Some(_) => {}
                None => panic!("the daemon has gone; the ticket is as in {ticket:#?}"),
            }
        }
    }

    /// Follows until the ticket has ended and no attempt is winding down any more.
    pub(crate) async fn until_ended(&mut self, id: TicketId) -> Ticket {
        self.until(id, |ticket| ticket.summary.status.is_final() && is_idle(ticket))
            .await
    }
}

/// Whether no executor works for the ticket.
fn is_idle(ticket: &Ticket) -> bool {
    let mut attempts = ticket.jobs.iter().flat_map(|job| &job.attempts);
    attempts.all(|attempt| attempt.finished_at.is_some())
}

/// The only job of a kind.
pub(crate) fn job(ticket: &Ticket, kind: JobKind) -> &Job {
    let mut found = ticket.jobs.iter().filter(|job| job.kind == kind);
    let job = found.next().unwrap();
    assert!(found.next().is_none(), "several jobs are of this kind");
    job
}
