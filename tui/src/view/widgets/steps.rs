//! How far a ticket or a job is: its way through the workflow, and a bar.

use preflight_protocol::job::{JobKind, JobState};
use preflight_protocol::ticket::{Ticket, TicketStatus};

use super::row::Row;
use crate::theme::{Look, Role, Theme};

/// Draws the ticket's way: `✓ source ── ✓ build ── ▶ image ── · test`. Kinds of job that it has none of are left out.
pub fn way(ticket: &Ticket, theme: Theme, row: &mut Row<'_>) {
    let link = theme.pick(" ── ", " -- ");
    let mut first = true;
    for kind in [
        JobKind::Snapshot,
        JobKind::BaseImage,
        JobKind::Prefetch,
        JobKind::Source,
        JobKind::Build,
        JobKind::Image,
        JobKind::Test,
    ] {
        let states: Vec<JobState> = ticket
            .jobs
            .iter()
            .filter(|job| job.kind == kind)
            .map(|job| job.state)
            .collect();
        let Some(state) = together(&states) else { continue };
        if !first {
            row.role(link, Role::Dim);
        }
        first = false;
        let Look { glyph, style, .. } = theme.job(state);
        let done = states.iter().filter(|state| **state == JobState::Passed).count();
        let word = if states.len() > 1 {
            format!("{glyph} {kind} {done}/{}", states.len())
        } else {
            format!("{glyph} {kind}")
        };
        row.text(&word, style);
    }
    if first {
        let word = match ticket.summary.status {
            TicketStatus::Waiting => "made with --wait: `preflight ticket update N --queue` queues it",
            _ => "its jobs are not planned yet",
        };
        row.role(word, Role::Dim);
    }
}

/// The state of several jobs of one kind: the most telling one's.
fn together(states: &[JobState]) -> Option<JobState> {
    [
        JobState::Failed,
        JobState::Running,
        JobState::Cancelled,
        JobState::Queued,
        JobState::Skipped,
        JobState::Passed,
    ]
    .into_iter()
    .find(|state| states.contains(state))
}

/// A bar of so many columns for a fraction from 0 to 1.
#[must_use]
pub fn bar(fraction: f32, columns: usize, theme: Theme) -> String {
    let fraction = if fraction.is_finite() {
        fraction.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let full = (fraction * columns as f32).round() as usize;
    let (done, open) = (theme.pick("█", "#"), theme.pick("░", "."));
    format!("{}{}", done.repeat(full), open.repeat(columns - full))
}
