//! Runs an attempt of a job to its end, whatever happens: success, failure, cancellation, a panic. When the end is
//! reported, nothing that the job leased is left.

use std::sync::Arc;

use async_trait::async_trait;
use preflight_core::{Attempt, Ending, JobId, JobKind, Outcome, Ticket};
use preflight_protocol::error::RpcError;
use preflight_store::LogWriter;
use tokio_util::task::AbortOnDropHandle;

use super::context::JobContext;
use super::log::JobLog;
use super::replaying::replayed;
use super::sweep;
use super::workshop::Workshop;
use crate::pipeline;
use crate::services::{Executor, JobOrder, JobReport, Reports};

/// Runs jobs by the pipeline's steps.
pub struct PipelineExecutor(Arc<Workshop>);

impl PipelineExecutor {
    /// An executor over what all jobs share.
    #[must_use]
    pub fn new(workshop: Arc<Workshop>) -> Self {
        Self(workshop)
    }
}

#[async_trait]
impl Executor for PipelineExecutor {
    fn start(&self, order: JobOrder, reports: Reports) {
        tokio::spawn(attempt(Arc::clone(&self.0), order, reports));
    }

    fn interest(&self, ticket: Arc<Ticket>) {
        let workshop = Arc::clone(&self.0);
        // Only what is there: nobody has asked for a boot.
        self.0.tidying.spawn(async move {
            let Ok(image) = workshop.ticket_image(&ticket) else {
                return;
            };
            if let Some(id) = &image.template
                && workshop.connected().is_some()
                && let Some(template) = workshop.templates.find(id).await
            {
                workshop.expect(&template, &image, 1);
            }
        });
    }

    async fn reconcile(&self, live: &[(JobId, Attempt)]) -> Result<(), RpcError> {
        // A machine does not outlive its daemon usefully: interrupted jobs run again from their beginning.
        debug_assert!(live.is_empty(), "no attempt survives a daemon yet");
        let swept = sweep::leftovers(&self.0).await;
        self.0.set_swept();
        swept
    }
}

async fn attempt(workshop: Arc<Workshop>, order: JobOrder, reports: Reports) {
    let log = match LogWriter::create(&order.log, &order.index) {
        Ok(log) => JobLog::new(log, reports.clone()),
        Err(error) => {
            let reason = format!("the log {} cannot be written: {error}", order.log.display());
            reports.send(JobReport::Finished(Ending::new(Outcome::TestbedBroken, Some(reason))));
            return;
        }
    };
    let (kind, cancel) = (order.kind, order.cancel.clone());
    let (order, replay) = match replayed(order) {
        Ok(found) => found,
        Err(reason) => {
            log.say(&format!("preflight: {reason}"));
            reports.send(JobReport::Finished(Ending::new(Outcome::TestbedBroken, Some(reason))));
            return;
        }
    };
    let context = Arc::new(JobContext::new(order, log, workshop, reports).replaying(replay));
    let stepping = Arc::clone(&context);
    let _host = AbortOnDropHandle::new(tokio::spawn(context.pulse.clone().beat_for_the_host()));
    // A task of its own, so that a panic in a step is one attempt's end and not the clearing's.
    let mut step = tokio::spawn(async move { run(kind, &stepping).await });
    let ending = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            step.abort();
            // Aborted, or just done: either way nothing of it runs any more.
            let _ = (&mut step).await;
            Ending::new(Outcome::Cancelled, None)
        }
        ended = &mut step => ended.unwrap_or_else(|error| {
            Ending::new(Outcome::TestbedBroken, Some(format!("Preflight's own fault: {error}")))
        }),
    };
    if ending.unresponsive {
        context.keep_lost().await;
    }
    context.clear().await;
    context.drop_own_layers().await;
    context.report_findings(context.findings.take());
    let mut ending = match context.log.failure() {
        Some(error) => Ending::new(
            Outcome::TestbedBroken,
            Some(format!("the log cannot be written: {error}")),
        ),
        None => ending,
    };
    let last_words = match &ending.reason {
        Some(reason) => format!("preflight: {}: {reason}", ending.outcome),
        None => format!("preflight: {}", ending.outcome),
    };
    let line = context.log.say(&last_words);
    if !ending.outcome.is_good() && ending.outcome != Outcome::Cancelled {
        // Whoever looks for what went wrong is led to a line in any case.
        ending
            .first_error
            .get_or_insert_with(|| context.first_error(line, last_words));
    }
    context.report_findings(pipeline::log_findings::of(&context, &ending).await);
    context.report(JobReport::Finished(ending));
}

async fn run(kind: JobKind, context: &JobContext) -> Ending {
    let done = match kind {
        JobKind::Snapshot => pipeline::snapshot::run(context).await,
        JobKind::BaseImage => pipeline::base_image::run(context).await,
        JobKind::Prefetch => pipeline::prefetch::run(context).await,
        JobKind::Source => pipeline::source::run(context).await,
        JobKind::Build => pipeline::build::run(context).await,
        JobKind::Image if context.order.ticket.options.rebuild.is_some() => pipeline::rebuild::run(context).await,
        JobKind::Image => pipeline::image::run(context).await,
        JobKind::Test => pipeline::test::run(context).await,
    };
    done.unwrap_or_else(super::failure::StepFailure::ending)
}
