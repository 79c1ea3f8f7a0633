//! Follows a ticket to its end: over the daemon's death, which it starts again, and until Ctrl-C, which cancels the
//! ticket. It knows what happens; how that is shown is the watcher's matter.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use preflight_protocol::client::{ClientError, Connection, Notification};
use preflight_protocol::error::ErrorCode;
use preflight_protocol::event::Beat;
use preflight_protocol::ids::{Sequence, TicketId};
use preflight_protocol::log::LogName;
use preflight_protocol::method::{LogList, Subscribe, TicketCancel, TicketShow};
use preflight_protocol::ticket::Ticket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::context::{Context, ask};
use super::error::CliError;
use crate::conn::attach::Attached;
use crate::conn::start;
use crate::model::fold;

/// A daemon that lives shorter than this has not come back.
const LIVELY: Duration = Duration::from_secs(20);
/// How many times in a row such a daemon is started again.
const STARTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(300);
/// How often clocks are shown anew, and the log's last line is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Who is told what happens.
pub trait Watcher {
    /// The ticket has changed.
    fn changed(&mut self, ticket: &Ticket);
    /// Time has passed; that is the running job's last line.
    fn tick(&mut self, ticket: &Ticket, last_line: Option<&str>);
    /// A word to the owner.
    fn say(&mut self, text: &str);
}

/// Ctrl-C. Listened to from before the ticket is made, so that none is missed and none ends the process over it.
#[derive(Debug)]
pub struct Interrupts(Signal);

impl Interrupts {
    /// Begins to listen; from now on Ctrl-C does not end the process by itself.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self(signal(SignalKind::interrupt())?))
    }
}

/// How following went.
#[derive(Debug)]
pub struct Followed {
    /// The ticket as it ended.
    pub ticket: Ticket,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

/// Why one connection's part of following ended.
enum Part {
    Ended(Box<Ticket>),
    Lost,
}

/// Follows a ticket until nothing more happens to it.
///
/// # Errors
/// Where the ticket is not known, or the daemon does not stay.
pub async fn follow(
    context: &Context,
    attached: Attached,
    id: TicketId,
    mut interrupts: Interrupts,
    watcher: &mut dyn Watcher,
) -> Result<Followed, CliError> {
    let mut following = Following {
        id,
        interrupted: false,
        seen: Sequence(0),
        logs: HashMap::new(),
        beat: None,
    };
    let mut attached = Some(attached);
    let mut short_lives = 0;
    loop {
        let (connection, notifications) = match attached.take() {
            Some(attached) => attached,
            None => {
                let attached = tokio::select! {
                    attached = async {
                        sleep(PAUSE).await;
                        context.attach().await
                    } => attached?,
                    _ = interrupts.0.recv() => {
                        watcher.say(&format!("not waiting for the daemon; ticket #{id} is kept"));
                        return Err(CliError::Interrupted);
                    }
                };
                watcher.say("the daemon is back");
                attached
            }
        };
        let since = Instant::now();
        match following
            .part(connection, notifications, &mut interrupts, watcher)
            .await
        {
            Ok(Part::Ended(ticket)) => {
                return Ok(Followed {
                    ticket: *ticket,
                    interrupted: following.interrupted,
                });
            }
            Ok(Part::Lost) => {}
            Err(error) => return Err(error),
        }
        short_lives = if since.elapsed() < LIVELY { short_lives + 1 } else { 0 };
        if short_lives > STARTS {
            let log = start::tail(&context.endpoint.folders.daemon_log(), 10);
            return Err(CliError::NoDaemon(
                format!(
                    "the daemon ended {short_lives} times in a row while ticket #{id} was followed; its log ends with:\n{log}"
                ),
                Some(format!("the ticket is kept: `preflight ticket show {id}`")),
            ));
        }
        watcher.say("the daemon is gone: starting it again");
    }
}

struct Following {
    id: TicketId,
    interrupted: bool,
    /// The last event that was applied.
    seen: Sequence,
    /// Where logs are.
    logs: HashMap<LogName, PathBuf>,
    /// The last beat, whose log's end is shown.
    beat: Option<Beat>,
}

impl Following {
    async fn part(
        &mut self,
        connection: Connection,
        mut notifications: tokio::sync::mpsc::Receiver<Notification>,
        interrupts: &mut Interrupts,
        watcher: &mut dyn Watcher,
    ) -> Result<Part, CliError> {
        let mut ticket = match self.subscribe(&connection).await? {
            Some(ticket) => ticket,
            None => return Ok(Part::Lost),
        };
        watcher.changed(&ticket);
        if self.interrupted && !ticket.summary.status.is_final() {
            // The daemon died over the cancellation.
            self.cancel(&connection).await?;
        }
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            if ticket.summary.status.is_final() && !ticket.is_being_judged() {
                // Events are pieces; what is reported is the daemon's own whole.
                return match ask(&connection, &TicketShow { id: self.id }).await {
                    Ok(whole) => Ok(Part::Ended(Box::new(whole))),
                    Err(CliError::NoDaemon(..)) => Ok(Part::Lost),
                    Err(error) => Err(error),
                };
            }
            tokio::select! {
                notification = notifications.recv() => match notification {
                    None => return Ok(Part::Lost),
                    Some(Notification::Event(event)) => {
                        if event.seq > self.seen && event.ticket == Some(self.id) {
                            self.seen = event.seq;
                            fold::event(&mut ticket, &event.kind);
                            watcher.changed(&ticket);
                        }
                    }
                    Some(Notification::Beat(beat)) => {
                        if beat.ticket == self.id {
                            fold::beat(&mut ticket, &beat);
                            self.beat = Some(beat);
                        }
                    }
                    Some(Notification::Testbed(_)) => {}
                    Some(Notification::Resync) => {
                        ticket = match self.subscribe(&connection).await? {
                            Some(ticket) => ticket,
                            None => return Ok(Part::Lost),
                        };
                        watcher.changed(&ticket);
                    }
                },
                _ = clock.tick() => {
                    let line = self.last_line(&connection).await;
                    watcher.tick(&ticket, line.as_deref());
                }
                _ = interrupts.0.recv() => {
                    if self.interrupted {
                        watcher.say("not waiting for the cancellation");
                        return Err(CliError::Interrupted);
                    }
                    self.interrupted = true;
                    watcher.say(&format!("cancelling ticket #{} (Ctrl-C again: do not wait for it)", self.id));
                    self.cancel(&connection).await?;
                }
            }
        }
    }

    async fn subscribe(&mut self, connection: &Connection) -> Result<Option<Ticket>, CliError> {
        let snapshot = match connection.request(&Subscribe { ticket: Some(self.id) }).await {
            Ok(snapshot) => snapshot,
            Err(ClientError::Closed) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.seen = snapshot.seq;
        match snapshot.ticket {
            Some(ticket) => Ok(Some(*ticket)),
            None => Ok(Some(ask(connection, &TicketShow { id: self.id }).await?)),
        }
    }

    async fn cancel(&self, connection: &Connection) -> Result<(), CliError> {
        match connection.request(&TicketCancel { id: self.id }).await {
            Ok(_) | Err(ClientError::Closed) => Ok(()),
            // It ended by itself meanwhile.
            Err(ClientError::Rpc(error)) if error.code == ErrorCode::Conflict => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn last_line(&mut self, connection: &Connection) -> Option<String> {
        let name = self.beat.as_ref()?.log.clone();
        if !self.logs.contains_key(&name) {
            let logs = connection
                .request(&LogList {
                    ticket: self.id,
                    job: None,
                })
                .await
                .ok()?;
            self.logs = logs.into_iter().map(|log| (log.name, log.path)).collect();
        }
        // A few kilobytes of a file that was just written.
        Some(start::tail(self.logs.get(&name)?, 1)).filter(|line| !line.is_empty())
    }
}
