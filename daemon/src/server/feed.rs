//! A subscription of one client: its snapshot, then every event after it, and beats at most ten times a second for
//! each job. A client that reads too slowly is told to subscribe again, and gets nothing more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use preflight_core::{JobId, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::event::{BEAT, Beat, RESYNC};
use preflight_protocol::message::Message;
use preflight_protocol::method::{Snapshot, Subscribe};
use serde_json::Value;

use super::session::Outgoing;
use super::{Context, handlers};
use crate::convert::{self, LiveJobs};
use crate::dispatcher::Subscription;

/// The least time between two beats of one job.
const BEAT_PERIOD: Duration = Duration::from_millis(100);
/// How often estimates are told anew while a job says nothing.
const ESTIMATE_PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn subscribe(id: u64, params: Value, context: &Context, outgoing: &Outgoing) {
    let (ticket, subscription) = match open(params, context).await {
        Ok(opened) => opened,
        Err(error) => {
            outgoing.answer(Some(id), Err(error)).await;
            return;
        }
    };
    let Subscription { snapshot, mut events } = subscription;
    if !outgoing.answer(Some(id), handlers::write_answer(&snapshot)).await {
        return;
    }
    // Events and beats are told by one task, so that no beat of a job comes after the event of its end.
    let mut beats = context.dispatcher.beats().subscribe();
    beats.mark_changed();
    let mut told = Told {
        ticket,
        last: BTreeMap::new(),
    };
    let mut period = tokio::time::interval(BEAT_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let beat_due = async {
            // First the pause, then the news: what comes in between is told at once.
            period.tick().await;
            // Estimates change with time, but only while something runs.
            let some_run = !beats.borrow().is_empty();
            if some_run {
                let _ = tokio::time::timeout(ESTIMATE_PERIOD, beats.changed()).await;
            } else {
                let _ = beats.changed().await;
            }
        };
        tokio::select! {
            biased;
            () = outgoing.gone.cancelled() => return,
            event = events.recv() => match event {
                Some(frame) => {
                    if !outgoing.send_frame(frame).await {
                        return;
                    }
                }
                None => break,
            },
            () = beat_due => {
                let live = context.dispatcher.beats().borrow().clone();
                for beat in told.news(&live) {
                    let params = serde_json::to_value(beat).unwrap_or_default();
                    if !outgoing.send(&Message::Notification { method: BEAT.to_owned(), params }).await {
                        return;
                    }
                }
            }
        }
    }
    if context.stop.is_cancelled() {
        return;
    }
    let error = RpcError::new(
        ErrorCode::Resync,
        "events have come faster than they were read: subscribe again",
    );
    let params = serde_json::to_value(error).unwrap_or_default();
    outgoing
        .send(&Message::Notification {
            method: RESYNC.to_owned(),
            params,
        })
        .await;
}

async fn open(params: Value, context: &Context) -> Result<(Option<TicketId>, Subscription<Snapshot>), RpcError> {
    let Subscribe { ticket } = handlers::read_params("subscribe", params)?;
    let ticket = ticket.map(|id| TicketId(id.0));
    let make_status = handlers::status::maker(context);
    let subscription = context
        .dispatcher
        .subscribe(ticket, move |view| {
            let whole = match ticket {
                Some(id) => {
                    let found = view.state.ticket(id).ok_or_else(|| handlers::no_ticket(id))?;
                    Some(Box::new(convert::ticket(found, view.live)))
                }
                None => None,
            };
            let summaries = view
                .state
                .tickets()
                .rev()
                .map(|ticket| convert::summary(ticket, view.live));
            Ok(Snapshot {
                seq: convert::sequence(view.seq),
                tickets: summaries.collect(),
                ticket: whole,
                daemon: make_status(view),
            })
        })
        .await?;
    let snapshot = subscription.snapshot?;
    Ok((
        ticket,
        Subscription {
            snapshot,
            events: subscription.events,
        },
    ))
}

/// What a subscriber has been told of running jobs.
struct Told {
    ticket: Option<TicketId>,
    last: BTreeMap<JobId, Beat>,
}

impl Told {
    /// The beats that say something new.
    fn news(&mut self, live: &LiveJobs) -> Vec<Beat> {
        self.last.retain(|job, _| live.contains_key(job));
        let now = Instant::now();
        let mine = live
            .iter()
            .filter(|(_, live)| self.ticket.is_none_or(|ticket| ticket == live.ticket));
        let mut news = Vec::new();
        for (&job, live) in mine {
            let beat = convert::beat(job, live, now);
            if self.last.get(&job) != Some(&beat) {
                self.last.insert(job, beat.clone());
                news.push(beat);
            }
        }
        news
    }
}
