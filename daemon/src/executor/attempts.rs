//! What a guest tries to reach and is refused: on the network that it does not have, and of what its archive session does not
//! serve. It is taken down in the job's log as it comes, and in the book of findings of whom the guest works for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use preflight_archive::{RefusalKind, Session};
use preflight_core::{FindingKind, GuestProcess, NetworkFinding, NetworkProtocol};
use preflight_guest::{AttemptProtocol, NetworkAttempt};
use tokio::sync::broadcast;

use super::findings::{FindingBook, Subject};
use super::log::JobLog;

/// An attempt to reach the network, and the log's line that tells of it.
#[derive(Debug, Clone)]
pub struct SeenAttempt {
    /// The line, counted from 1.
    pub line: u64,
    /// The line's text.
    pub text: String,
}

/// What a guest has tried. Whatever becomes of its testbed, what has come by then is taken down with this value's end.
#[derive(Debug)]
pub(super) struct Attempts(Arc<Mutex<Told>>);

#[derive(Debug)]
struct Told {
    /// Those that are not in the log yet.
    network: broadcast::Receiver<NetworkAttempt>,
    session: Session,
    /// So many of the session's refusals are taken down, or were there before.
    refused: u64,
    log: JobLog,
    /// None where nobody wants to know.
    book: Option<FindingBook>,
    subject: Subject,
    seen: Vec<SeenAttempt>,
}

impl Attempts {
    /// A guest can try at will: further attempts have no line in the log.
    const MOST: usize = 100;

    pub(super) fn new(
        network: broadcast::Receiver<NetworkAttempt>,
        session: Session,
        log: JobLog,
        book: Option<FindingBook>,
    ) -> Self {
        Self(Arc::new(Mutex::new(Told {
            network,
            refused: session.refusal_count(),
            session,
            log,
            book,
            subject: Subject::default(),
            seen: Vec::new(),
        })))
    }

    /// Takes down attempts as they come. `wake` only tells that there are some.
    pub(super) fn watch(&self, mut wake: broadcast::Receiver<NetworkAttempt>) -> impl Future<Output = ()> + use<> {
        use broadcast::error::RecvError;
        let told = Arc::clone(&self.0);
        async move {
            while let Ok(_) | Err(RecvError::Lagged(_)) = wake.recv().await {
                drop(take_down(&told));
            }
        }
    }

    /// Goes on with another session of the guest's, once it has started again.
    pub(super) fn follow(&self, network: broadcast::Receiver<NetworkAttempt>) {
        take_down(&self.0).network = network;
    }

    /// What comes from here on is somebody else's doing.
    pub(super) fn attribute(&self, subject: Subject) {
        take_down(&self.0).subject = subject;
    }

    /// The first attempt that the log tells of from this line on.
    pub(super) fn since(&self, line: u64) -> Option<SeenAttempt> {
        let told = take_down(&self.0);
        told.seen.iter().find(|attempt| attempt.line >= line).cloned()
    }

    /// Takes down what has come.
    pub(super) fn settle(&self) {
        drop(take_down(&self.0));
    }
}

impl Drop for Attempts {
    fn drop(&mut self) {
        self.settle();
    }
}

fn take_down(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    use broadcast::error::TryRecvError;
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match told.network.try_recv() {
            Ok(attempt) => told.note_attempt(attempt),
            Err(TryRecvError::Lagged(missed)) => told.note_unlisted(missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    told.note_refusals();
    told
}

impl Told {
    fn note_attempt(&mut self, attempt: NetworkAttempt) {
        let left_out = attempt.left_out.into();
        let kind = finding_of(attempt).bounded();
        let mut line = None;
        if self.seen.len() < Attempts::MOST {
            let text = format!("preflight: {kind}");
            let said = self.log.say(&text);
            self.seen.push(SeenAttempt { line: said, text });
            line = Some(said);
        }
        if let Some(book) = &self.book {
            book.note(&self.subject, kind, left_out, || line);
        }
    }

    fn note_unlisted(&self, times: u64) {
        if let Some(book) = &self.book {
            book.note_unlisted(&self.subject, times);
        }
    }

    fn note_refusals(&mut self) {
        let all = self.session.refusal_count();
        let Some(book) = self.book.as_ref().filter(|_| all > self.refused) else {
            return;
        };
        let kept = self.session.refusals();
        let from = usize::try_from(self.refused).map_or(kept.len(), |from| from.min(kept.len()));
        for refusal in &kept[from..] {
            // What else is refused is the archive's failure, and none of the guest's doing.
            if let RefusalKind::NotAMirror | RefusalKind::Sealed | RefusalKind::NotSupported | RefusalKind::Malformed =
                refusal.kind
            {
                let kind = FindingKind::Fetch {
                    url: refusal.url.clone(),
                    reason: refusal.reason.clone(),
                };
                let kind = kind.bounded();
                let text = format!("preflight: {kind}");
                book.note(&self.subject, kind, 0, || Some(self.log.say(&text)));
            }
        }
        let told = (kept.len() - from) as u64;
        self.note_unlisted((all - self.refused).saturating_sub(told));
        self.refused = all.max(self.refused + told);
    }
}

fn finding_of(attempt: NetworkAttempt) -> FindingKind {
    FindingKind::Network(NetworkFinding {
        protocol: match attempt.protocol {
            AttemptProtocol::Tcp => NetworkProtocol::Tcp,
            AttemptProtocol::Udp => NetworkProtocol::Udp,
            AttemptProtocol::Dns => NetworkProtocol::Dns,
            AttemptProtocol::Ping => NetworkProtocol::Ping,
            AttemptProtocol::Other(number) => NetworkProtocol::Other(number),
        },
        destination: attempt.destination,
        name: attempt.query,
        port: attempt.port,
        process: attempt.owner.map(|owner| GuestProcess {
            pid: owner.pid,
            uid: owner.uid,
            name: owner.name,
            command_line: owner.command_line,
            parents: owner.ancestors,
        }),
    })
}
