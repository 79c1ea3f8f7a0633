//! Fetches files into the content store: what the host has first, then what must come over the network, several at a time.
//! What cannot be had is named with the reason, and a host that cannot be reached is asked once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{self, StreamExt};
use preflight_archive::{Lock, Progress, Refusal, RefusalKind, Session};
use preflight_core::Options;
use preflight_protocol::prefetch::{FileCount, Missing, PrefetchResult};

use super::answers::NamedFile;
use super::meter::Meter;
use crate::executor::{BootImage, JobContext, Repositories, StepFailure};

/// So many files are fetched at once.
const PARALLEL: usize = 4;

/// Files that testbeds of an image would ask for.
pub(super) struct Errand {
    /// The image, whose archive state says what is at their URLs.
    pub(super) image: BootImage,
    /// The files.
    pub(super) files: Vec<NamedFile>,
    /// What the files are, where that is known from an earlier run: then nothing else will do.
    pub(super) lock: Option<Lock>,
}

/// Fetches all; the result and the job's lock tell of what is there then.
pub(super) async fn run(
    context: &JobContext,
    errands: Vec<Errand>,
    result: &mut PrefetchResult,
) -> Result<(), StepFailure> {
    let files = || errands.iter().flat_map(|errand| &errand.files);
    let bytes = files().fold(0_u64, |all, file| all.saturating_add(file.size));
    let meter = Arc::new(Meter::new(files().count() as u64, bytes, context.teller()));
    for errand in errands {
        let fetch = Fetch::new(context, &errand, &meter)?;
        let fetched = stream::iter(errand.files)
            .map(|file| fetch.file(file))
            .buffer_unordered(PARALLEL)
            .collect::<Vec<Fetched>>()
            .await;
        context.lock_also(fetch.lock(&fetched));
        for one in fetched {
            match one.outcome {
                Outcome::There(bytes) => count(&mut result.there, bytes),
                Outcome::Fetched(bytes) => count(&mut result.fetched, bytes),
                Outcome::Missing(reason) => result.missing.push(Missing {
                    what: one.file.name,
                    reason,
                }),
            }
        }
    }
    Ok(())
}

fn count(count: &mut FileCount, bytes: u64) {
    count.files += 1;
    count.bytes += bytes;
}

enum Outcome {
    /// The host had it.
    There(u64),
    /// It came over the network.
    Fetched(u64),
    /// It cannot be had.
    Missing(String),
}

struct Fetched {
    file: NamedFile,
    outcome: Outcome,
}

/// One errand under way.
struct Fetch<'a> {
    /// Serves what the host has.
    local: Session,
    /// Serves what can be had.
    online: Session,
    meter: &'a Meter,
    /// Hosts that cannot be reached, and why not.
    unreachable: Mutex<BTreeMap<String, String>>,
}

impl<'a> Fetch<'a> {
    fn new(context: &JobContext, errand: &Errand, meter: &'a Arc<Meter>) -> Result<Self, StepFailure> {
        let options = &context.order.ticket.options;
        let offline = Options {
            offline: true,
            ..options.clone()
        };
        let session = |options: &Options| {
            let meter = Arc::clone(meter);
            let base = &errand.image.base;
            let others = context.order.folder.repositories();
            let repositories = Repositories {
                own: None,
                others: Some(&others),
            };
            let tell = Arc::new(move |progress: Progress| meter.note(&progress));
            let session = context.workshop.session(base, options, repositories, tell)?;
            if let Some(lock) = &errand.lock {
                session.seal_to(lock.clone());
            }
            Ok::<_, StepFailure>(session)
        };
        Ok(Self {
            local: session(&offline)?,
            online: session(options)?,
            meter,
            unreachable: Mutex::default(),
        })
    }

    async fn file(&self, file: NamedFile) -> Fetched {
        let outcome = match self.local.get(&file.url).await {
            Ok(object) => Outcome::There(object.size),
            Err(_) => self.over_network(&file).await,
        };
        self.meter.done(file.size);
        Fetched { file, outcome }
    }

    async fn over_network(&self, file: &NamedFile) -> Outcome {
        let host = host_of(&file.url);
        let known = || self.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = known().get(host) {
            return Outcome::Missing(reason.clone());
        }
        match self.online.get(&file.url).await {
            Ok(object) => Outcome::Fetched(object.size),
            Err(refusal) => {
                let reason = words_of(&refusal);
                if refusal.kind != RefusalKind::Unreachable {
                    return Outcome::Missing(reason);
                }
                let reason = format!("{host}: {reason}");
                known().insert(host.to_owned(), reason.clone());
                Outcome::Missing(reason)
            }
        }
    }

    /// What is in the store now, as the sessions have it: a sealed one's lock names what is missing, too.
    fn lock(&self, fetched: &[Fetched]) -> Lock {
        let all = self.local.lock().merged(self.online.lock());
        let is_there = |fetched: &&Fetched| !matches!(fetched.outcome, Outcome::Missing(_));
        let urls = fetched
            .iter()
            .filter(is_there)
            .filter_map(|one| one.file.url.parse().ok());
        urls.filter_map(|url| all.get(&url).cloned()).collect()
    }
}

/// The part of a URL that names its host.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn words_of(refusal: &Refusal) -> String {
    match refusal.kind {
        RefusalKind::NetworkForbidden => "it is not in the store, and the network is off".to_owned(),
        // It is told with the file's name.
        _ => {
            let reason = refusal.reason.strip_prefix(refusal.url.as_str());
            reason
                .and_then(|reason| reason.strip_prefix(": "))
                .unwrap_or(&refusal.reason)
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_does_not_say_the_url_again() {
        let refusal = |kind, reason: &str| Refusal {
            url: "http://mirror.example/a".to_owned(),
            method: "GET".to_owned(),
            kind,
            reason: reason.to_owned(),
            at: std::time::SystemTime::UNIX_EPOCH,
        };
        for (kind, reason, words) in [
            (
                RefusalKind::NotFound,
                "http://mirror.example/a: it is gone",
                "it is gone",
            ),
            (RefusalKind::Internal, "the store is full", "the store is full"),
            (
                RefusalKind::NetworkForbidden,
                "whatever",
                "it is not in the store, and the network is off",
            ),
        ] {
            assert_eq!(words_of(&refusal(kind, reason)), words);
        }
    }

    #[test]
    fn hosts_are_told_apart() {
        for (url, host) in [
            ("http://mirror.example/debian/a", "mirror.example"),
            ("http://mirror.example:8080/", "mirror.example:8080"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}
