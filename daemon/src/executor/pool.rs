//! Clones that were made ahead and are held: taking one costs a resume instead of a start. How many there may be follows
//! from what the host can spare; they go when nobody takes them, when memory gets short, and on battery.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use preflight_testbed::Priority;
use preflight_testbed::template::{Template, TemplateId};
use tokio::sync::Notify;

use super::answering::Answering;
use super::failure::StepFailure;
use super::machine::{Ground, Launch, Launched};
use super::remains::Leases;
use super::spare::Spare;
use super::workshop::{BootImage, Workshop};

/// What nobody has taken for so long is not likely to be taken.
const LONGEST_HOLD: Duration = Duration::from_secs(600);
/// Between two looks whether the host can still spare what is held; only while something is.
const LOOK: Duration = Duration::from_secs(20);

/// The clones that are held.
#[derive(Default)]
pub(super) struct Pool {
    held: Mutex<Held>,
    /// One was made, or was not to be had.
    made: Notify,
}

#[derive(Default)]
struct Held {
    parked: HashMap<TemplateId, Vec<Parked>>,
    /// Clones that are being made now.
    making: HashMap<TemplateId, usize>,
    /// Who waits for one of them.
    waiting: HashMap<TemplateId, usize>,
    /// Whether somebody looks after them.
    watched: bool,
}

struct Parked {
    answering: Answering,
    leases: Leases,
    since: Instant,
}

impl Pool {
    /// Takes a clone of a template, if one is held that still lives, or is being made for nobody yet; `leases` sees to it
    /// from now on.
    pub(super) async fn take(&self, template: &TemplateId, leases: &Leases) -> Option<Answering> {
        loop {
            let made = self.made.notified();
            let _waiting = {
                let mut held = self.held();
                if let Some(answering) = held.take(template, leases) {
                    return Some(answering);
                }
                let making = held.making.get(template).copied().unwrap_or(0);
                let waiting = held.waiting.entry(template.clone()).or_default();
                if *waiting >= making {
                    return None;
                }
                *waiting += 1;
                Waiting { pool: self, template }
            };
            made.await;
        }
    }

    /// What came of one that was being made.
    fn made(&self, template: &TemplateId, parked: Option<Parked>) {
        let mut held = self.held();
        if let Some(making) = held.making.get_mut(template) {
            *making -= 1;
        }
        held.parked.entry(template.clone()).or_default().extend(parked);
        drop(held);
        self.made.notify_waiters();
    }

    fn count(&self) -> usize {
        let held = self.held();
        held.making.values().sum::<usize>() + held.parked.values().map(Vec::len).sum::<usize>()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn take(&mut self, template: &TemplateId, leases: &Leases) -> Option<Answering> {
        let parked = self.parked.get_mut(template)?;
        while let Some(found) = parked.pop() {
            if found.answering.machine.ended.borrow().is_none()
                && let Some(remains) = found.leases.take(&found.answering.machine.id)
            {
                leases.add(remains);
                return Some(found.answering);
            }
        }
        None
    }
}

/// A clone that is being made: who waits for it hears of its end, whatever that is.
struct Making<'a> {
    pool: &'a Pool,
    template: &'a TemplateId,
    made: Option<Parked>,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.pool.made(self.template, self.made.take());
    }
}

/// Somebody who waits for a clone that is being made.
struct Waiting<'a> {
    pool: &'a Pool,
    template: &'a TemplateId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.pool.held().waiting.get_mut(self.template) {
            *waiting -= 1;
        }
    }
}

impl Workshop {
    /// Somebody is likely to want `count` clones of this template soon: makes as many of them as the host can spare, in the
    /// background.
    pub(super) fn expect(self: &Arc<Self>, template: &Arc<Template>, image: &BootImage, count: usize) {
        let wanted = {
            let most = Spare::now().clones(self.settings.pool);
            let all = self.pool.count();
            let mut held = self.pool.held();
            let there = held.parked.get(template.id()).map_or(0, Vec::len);
            let making = held.making.entry(template.id().clone()).or_default();
            let wanted = count.saturating_sub(there + *making).min(most.saturating_sub(all));
            *making += wanted;
            wanted
        };
        for _ in 0..wanted {
            let (workshop, template, image) = (Arc::clone(self), Arc::clone(template), image.clone());
            self.tidying.spawn(async move {
                let mut making = Making {
                    pool: &workshop.pool,
                    template: template.id(),
                    made: None,
                };
                making.made = workshop.park(&template, &image).await;
            });
        }
        if wanted > 0 && !std::mem::replace(&mut self.pool.held().watched, true) {
            tokio::spawn(look_after(Arc::clone(self)));
        }
    }

    async fn park(&self, template: &Arc<Template>, image: &BootImage) -> Option<Parked> {
        let leases = Leases::default();
        let launch = Launch {
            image,
            ground: Ground::Template(template),
            disk: None,
            memory: None,
            label: "pool",
            priority: Priority::Interactive,
        };
        let parked = async {
            let (log, _scratch) = self.scratch_log("pool-")?;
            let launched = Launched::start(self, launch, &leases).await?;
            let answering = Answering::of(self, launched, &log).await?;
            answering.park(self.limit(|limits| limits.short)).await?;
            Ok::<_, StepFailure>(answering)
        };
        match parked.await {
            Ok(answering) => Some(Parked {
                answering,
                leases,
                since: Instant::now(),
            }),
            Err(error) => {
                tracing::warn!(%error, "no clone could be made ahead");
                leases.clear(self.connected().as_ref()).await;
                None
            }
        }
    }

    /// Takes down those of the held clones that `goes` names.
    async fn thin(&self, goes: impl Fn(&Parked) -> bool) {
        let leaving: Vec<Parked> = {
            let mut held = self.pool.held();
            let mut leaving = Vec::new();
            for parked in held.parked.values_mut() {
                let (go, stay) = std::mem::take(parked).into_iter().partition(&goes);
                *parked = stay;
                leaving.extend::<Vec<Parked>>(go);
            }
            held.parked.retain(|_, parked| !parked.is_empty());
            leaving
        };
        for parked in leaving {
            drop(parked.answering);
            parked.leases.clear(self.connected().as_ref()).await;
        }
    }

    /// Takes down all clones that are held, and waits for all machines that are on their way out.
    pub async fn finish(&self) {
        self.tidying.close();
        self.tidying.wait().await;
        self.thin(|_| true).await;
    }
}

/// Lets the pool shrink; ends with the last clone that is held.
async fn look_after(workshop: Arc<Workshop>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let spares = Spare::now().clones(workshop.settings.pool) > 0;
        workshop
            .thin(|parked| !spares || parked.since.elapsed() > LONGEST_HOLD)
            .await;
        let mut held = workshop.pool.held();
        if held.making.values().all(|making| *making == 0) && held.parked.is_empty() {
            held.watched = false;
            return;
        }
    }
}
