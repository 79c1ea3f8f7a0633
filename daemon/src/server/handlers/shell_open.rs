//! `shell/open`: looks at what is asked for, finds the job that is meant, and has the shell opened. What its connection
//! becomes then is the session's matter.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use preflight_core::{Job, JobId, JobKind, JobState, Moment, Series, Ticket, TicketId};
use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::ids;
use preflight_protocol::job::JobKind as WireKind;
use preflight_protocol::shell::word::Word;
use preflight_protocol::shell::{JobChoice, ShellOpen, ShellOpened, ShellTarget};

use super::{Context, of_ticket};
use crate::loans::LoanId;
use crate::shells::{OpenShell, Phase, ShellInfo, ShellRequest, Target};

/// Opens a shell; a future that is dropped leaves nothing of it.
pub(in crate::server) async fn handle(
    context: &Context,
    request: ShellOpen,
    phase: Phase,
) -> Result<OpenShell, RpcError> {
    request
        .check()
        .map_err(|refused| RpcError::new(ErrorCode::InvalidParams, refused.to_string()))?;
    let target = match request.target {
        ShellTarget::Series(series) => Target::Series(Series(series.0)),
        ShellTarget::Ticket { ticket, job } => {
            let (ticket, job) = of_ticket(context, ticket, move |ticket, _| {
                choose(ticket, job.as_ref()).map(|job| (Arc::new(ticket.clone()), job))
            })
            .await??;
            Target::Ticket { ticket, job }
        }
        ShellTarget::Testbed(id) => Target::Lent(LoanId(id.0)),
    };
    let request = ShellRequest {
        target,
        command: request.command.map(|words| words.into_iter().map(os).collect()),
        terminal: request.terminal,
        env: request
            .env
            .into_iter()
            .map(|variable| (os(variable.name), os(variable.value)))
            .collect(),
        cwd: request.cwd.map(|cwd| os(cwd).into()),
        user: request.user,
    };
    context.services.shells.open(request, phase).await
}

fn os(word: Word) -> OsString {
    OsString::from_vec(word.0)
}

/// What the client is told of its shell.
pub(in crate::server) fn answer(info: &ShellInfo) -> ShellOpened {
    ShellOpened {
        machine: info.machine.clone(),
        series: ids::Series(info.series.0.clone()),
        image: ids::ImageId(info.image.0.clone()),
        job: info.job.map(|job| ids::JobId(job.0)),
        resumed: info.resumed,
        cwd: info
            .cwd
            .as_ref()
            .map(|cwd| Word(cwd.clone().into_os_string().into_vec())),
        note: info.note.clone(),
    }
}

/// The job that is meant. Without a choice it is the newest that failed, one whose testbed was kept before others; none
/// where nothing failed.
fn choose(ticket: &Ticket, choice: Option<&JobChoice>) -> Result<Option<JobId>, RpcError> {
    let Some(choice) = choice else {
        let failed = ticket.jobs.iter().filter(|job| job.state == JobState::Failed);
        return Ok(failed.max_by_key(|job| (is_kept(job), ended_at(job))).map(|job| job.id));
    };
    let job = match choice {
        JobChoice::Id(id) => {
            let found = ticket.jobs.iter().find(|job| job.id.0 == id.0);
            found.ok_or_else(|| no_job(ticket.id, &format!("job {id}")))?
        }
        JobChoice::Kind { kind, source } => of_kind(ticket, kind_of(*kind), source.as_deref())?,
    };
    if job.is_open() || !job.state.is_final() {
        let state = if job.attempts.is_empty() {
            "has not run yet"
        } else {
            "has not ended yet"
        };
        return Err(RpcError::new(
            ErrorCode::Conflict,
            format!("job {} of ticket {} {state}", job.id, ticket.id),
        )
        .with_hint(format!(
            "`preflight shell {}` opens the ticket's image or its newest failure",
            ticket.id
        )));
    }
    Ok(Some(job.id))
}

fn kind_of(kind: WireKind) -> JobKind {
    match kind {
        WireKind::Snapshot => JobKind::Snapshot,
        WireKind::BaseImage => JobKind::BaseImage,
        WireKind::Prefetch => JobKind::Prefetch,
        WireKind::Source => JobKind::Source,
        WireKind::Build => JobKind::Build,
        WireKind::Image => JobKind::Image,
        WireKind::Test => JobKind::Test,
    }
}

fn of_kind<'a>(ticket: &'a Ticket, kind: JobKind, source: Option<&str>) -> Result<&'a Job, RpcError> {
    let fits = |job: &&Job| job.kind == kind && source.is_none_or(|source| job.source.as_deref() == Some(source));
    let name = format!("{kind} job");
    let wanted = match source {
        Some(source) => format!("{name} of {source}"),
        None => name.clone(),
    };
    let all: Vec<&Job> = ticket.jobs.iter().filter(fits).collect();
    // Reruns are jobs too: the one that failed last is what there is to see.
    let failed = all.iter().filter(|job| job.state == JobState::Failed);
    let mut sources: Vec<_> = all
        .iter()
        .map(|job| job.source.as_deref().unwrap_or_default())
        .collect();
    sources.dedup();
    if source.is_none() && sources.len() > 1 {
        let message = format!("ticket {} has a {name} for each of {}", ticket.id, sources.join(", "));
        return Err(RpcError::new(ErrorCode::InvalidParams, message).with_hint("name the source, as in `test/hello`"));
    }
    failed
        .max_by_key(|job| (is_kept(job), ended_at(job)))
        .or(all.last())
        .copied()
        .ok_or_else(|| no_job(ticket.id, &wanted))
}

fn is_kept(job: &Job) -> bool {
    job.attempts.iter().any(|attempt| attempt.kept.is_some())
}

fn ended_at(job: &Job) -> Option<Moment> {
    job.newest()?.finished_at
}

fn no_job(ticket: TicketId, wanted: &str) -> RpcError {
    RpcError::new(ErrorCode::NotFound, format!("ticket {ticket} has no {wanted}"))
        .with_hint(format!("`preflight ticket show {ticket}` lists its jobs"))
}
