//! What each frame of the daemon's makes the agent do. What takes time gets a thread of its own; only what changes
//! the machine under all commands, and is short, keeps what comes behind it on its port waiting.

use std::sync::Arc;

use preflight_guest_protocol::message::{Failure, FailureKind, ToGuest, ToHost, of_payload};
use preflight_guest_protocol::{Frame, Kind};

use crate::failure::Refusal;
use crate::serve::{Agent, thread};
use crate::session::Session;
use crate::stream::{Port, Stream};
use crate::{clock, exec, transfer, tree};

/// Acts on a frame of the current session.
///
/// # Errors
/// Why the session can't go on: the daemon broke the protocol.
pub(crate) fn handle(agent: &Arc<Agent>, session: &Arc<Session>, port: Port, frame: Frame) -> Result<(), &'static str> {
    let stream = session.stream(frame.stream);
    match frame.kind {
        Kind::Hello => Ok(()),
        Kind::Data => {
            let kept = stream.is_none_or(|stream| stream.on_data(frame.payload));
            if kept { Ok(()) } else { Err("more data than credit") }
        }
        Kind::Eof => {
            if let Some(stream) = stream {
                stream.on_eof();
            }
            Ok(())
        }
        Kind::Credit => {
            let amount = frame
                .payload
                .try_into()
                .map(u32::from_le_bytes)
                .map_err(|_| "a malformed grant")?;
            let granted = stream.is_none_or(|stream| stream.on_credit(amount));
            if granted {
                Ok(())
            } else {
                Err("more credit than a window")
            }
        }
        Kind::Message => {
            let message = of_payload(&frame.payload).map_err(|_| "an unreadable message")?;
            match (message, stream) {
                (ToGuest::Signal { signal, to }, Some(stream)) => {
                    stream.with_process(|process| process.signal(signal, to));
                }
                (ToGuest::Resize(size), Some(stream)) => {
                    stream.with_process(|process| process.resize(size));
                }
                (ToGuest::Abort, Some(stream)) => {
                    session.done(frame.stream);
                    stream.abort();
                }
                // The command has ended while the message was on its way.
                (ToGuest::Signal { .. } | ToGuest::Resize(_) | ToGuest::Abort, None) => {}
                (_, Some(_)) => return Err("a request on an open stream"),
                (request @ (ToGuest::Renew(_) | ToGuest::SetClock { .. } | ToGuest::SeedRandom { .. }), None) => {
                    if let Some(stream) = session.open(frame.stream, port) {
                        // Not in a thread of its own: what comes behind it on the port must find it done.
                        answer(agent, session, &stream, request);
                    }
                }
                (request, None) => {
                    if let Some(stream) = session.open(frame.stream, port) {
                        start(agent, session, stream, request);
                    }
                }
            }
            Ok(())
        }
    }
}

fn start(agent: &Arc<Agent>, session: &Arc<Session>, stream: Arc<Stream>, request: ToGuest) {
    let id = stream.id();
    let (for_run, for_failure) = (Arc::clone(&stream), stream);
    let (agent, session_of_run) = (Arc::clone(agent), Arc::clone(session));
    let started = thread("request", move || answer(&agent, &session_of_run, &for_run, request));
    if let Err(error) = started {
        session.done(id);
        let failure = Failure {
            kind: FailureKind::Other,
            detail: format!("starting a thread: {error}"),
        };
        let _ = for_failure.tell(&ToHost::Failed(failure));
    }
}

/// Carries a request out, says if it failed, and ends its stream.
fn answer(agent: &Arc<Agent>, session: &Session, stream: &Arc<Stream>, request: ToGuest) {
    let result = carry_out(agent, stream, request);
    if let Some(failure) = result.err().and_then(|refusal| refusal.failure()) {
        let _ = stream.tell(&ToHost::Failed(failure));
    }
    stream.finish();
    session.done(stream.id());
}

fn carry_out(agent: &Arc<Agent>, stream: &Arc<Stream>, request: ToGuest) -> Result<(), Refusal> {
    match request {
        ToGuest::Exec(request) => exec::run(stream, request),
        ToGuest::WriteFile { path, mode, owner } => {
            transfer::write_file(stream, &transfer::path_of(path)?, mode, owner.as_deref())
        }
        ToGuest::ReadFile { path, max_bytes } => transfer::read_file(stream, &transfer::path_of(path)?, max_bytes),
        ToGuest::WriteTree { path, owner } => tree::write_tree(stream, &transfer::path_of(path)?, owner.as_deref()),
        ToGuest::ReadTree { path } => tree::read_tree(stream, &transfer::path_of(path)?),
        ToGuest::SetClock { seconds, nanoseconds } => {
            clock::set(seconds, nanoseconds)?;
            stream.tell(&ToHost::Done)
        }
        ToGuest::SeedRandom { bytes } => {
            clock::seed(&bytes)?;
            stream.tell(&ToHost::Done)
        }
        ToGuest::Renew(renewal) => {
            agent.renews.renew(&renewal)?;
            stream.tell(&ToHost::Done)
        }
        ToGuest::WatchNetwork { on } => {
            agent.watch.set(agent, on)?;
            stream.tell(&ToHost::Done)
        }
        // These were dealt with where they came in.
        ToGuest::Signal { .. } | ToGuest::Resize(_) | ToGuest::Abort => Ok(()),
    }
}
