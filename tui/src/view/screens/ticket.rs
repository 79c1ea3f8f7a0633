//! One ticket: its way, its first error, its jobs, tests, findings, artifacts and warnings. One cursor goes through all that has
//! a log behind it.

use preflight_protocol::job::{Job, JobState, Purpose};
use preflight_protocol::result::{Finding, Severity, TestResult};
use preflight_protocol::ticket::{Signature, Ticket};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::measure;
use crate::model::detail::{self, Detail};
use crate::model::state::Model;
use crate::model::tickets::scrolled;
use crate::theme::{Role, Theme};
use crate::view::widgets::row::{Row, paint};
use crate::view::widgets::{sources, steps};

/// One line below the ticket's head.
enum Line<'a> {
    Empty,
    Heading(String),
    Error(&'a Job),
    Job(&'a Job),
    Test(&'a TestResult),
    Finding(&'a Finding),
    Text(String, Role),
}

/// Draws the screen.
pub fn draw(model: &Model, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let Some(detail) = &model.detail else { return };
    let Some(ticket) = &detail.ticket else {
        Row::new(buffer, theme, area, 1)
            .space(1)
            .role("Asking the daemon for the ticket …", Role::Dim);
        return;
    };
    let head = head(model, ticket, theme, buffer, area).min(area.height);
    let body = Rect {
        y: area.y + head,
        height: area.height - head,
        ..area
    };
    let (lines, cursor) = lines(ticket, detail);
    let height = usize::from(body.height);
    // Two lines of what follows stay visible, so that a heading or an end is seen.
    let top = scrolled(0, (cursor + 2).min(lines.len().saturating_sub(1)), height, lines.len()).min(cursor);
    for (y, line) in lines.iter().skip(top).take(height).enumerate() {
        draw_line(model, ticket, line, theme, buffer, body, y);
    }
    if !detail.rows().is_empty() {
        paint(buffer, body, cursor - top, theme.style(Role::Selected));
    }
}

/// Draws what stands above the lines; answers how high that is.
fn head(model: &Model, ticket: &Ticket, theme: Theme, buffer: &mut Buffer, area: Rect) -> u16 {
    let summary = &ticket.summary;
    let look = theme.ticket(summary);
    let code = summary
        .exit_code
        .map_or(String::new(), |code| format!(" (exit code {code})"));
    let mut y = 0;
    Row::new(buffer, theme, area, y)
        .space(1)
        .text(&format!("{} {}{code}", look.glyph, look.word), look.style)
        .space(2)
        .role(&summary.title, Role::Heading);
    y += 1;
    let took = match (summary.started_at, summary.finished_at) {
        (Some(start), Some(end)) => format!(", took {}", measure::seconds(measure::between(start, end.0))),
        (Some(start), None) => format!(", running for {}", measure::clock(measure::between(start, model.now))),
        _ => String::new(),
    };
    let bug = ticket.bug.as_ref().map_or(String::new(), |bug| format!(", bug {bug}"));
    let origin = ticket.origin.as_ref();
    let origin = origin.map_or(String::new(), |origin| {
        format!(", imported from {} #{}", origin.host, origin.ticket)
    });
    let results = ticket.results_origin.as_ref();
    let results = results.map_or(String::new(), |origin| format!(", results of {}", origin.place));
    Row::new(buffer, theme, area, y).space(1).role(
        &format!(
            "step {} {}{took}, by {} on {}{bug}{origin}{results}",
            summary.workflow_step.number(),
            summary.workflow_step,
            summary.owner,
            summary.series
        ),
        Role::Dim,
    );
    y += 1;
    if let Some(words) = sources::words(ticket) {
        Row::new(buffer, theme, area, y).space(1).role(&words, Role::Dim);
        y += 1;
    }
    steps::way(ticket, theme, Row::new(buffer, theme, area, y).space(1));
    y += 1;
    if let Some(reason) = &summary.reason {
        Row::new(buffer, theme, area, y).space(1).text(reason, look.style);
        y += 1;
    }
    y as u16
}

/// All lines, and which one is selected.
fn lines<'a>(ticket: &'a Ticket, detail: &Detail) -> (Vec<Line<'a>>, usize) {
    let mut lines = Vec::new();
    let mut cursor = 0;
    let selected = detail.cursor();
    let rows = detail.rows();
    let mut heading = None;
    for (place, row) in rows.iter().enumerate() {
        let job = |id| ticket.jobs.iter().find(|job| job.id == id);
        let (title, line) = match row {
            detail::Row::FirstError(id) => ("First error", job(*id).map(Line::Error)),
            detail::Row::Job(id) => ("Jobs", job(*id).map(Line::Job)),
            detail::Row::Test(id, source, name) => (
                "Tests",
                ticket
                    .tests
                    .iter()
                    .find(|test| (test.job, &test.source, &test.name) == (*id, source, name))
                    .map(Line::Test),
            ),
            detail::Row::Finding(place) => ("Findings", ticket.findings.get(*place).map(Line::Finding)),
        };
        if heading != Some(title) {
            heading = Some(title);
            lines.push(Line::Empty);
            lines.push(Line::Heading(title.to_owned()));
        }
        if place == selected {
            cursor = lines.len();
        }
        lines.extend(line);
    }
    let mut section = |title: &str, texts: Vec<(String, Role)>| {
        if !texts.is_empty() {
            lines.push(Line::Empty);
            lines.push(Line::Heading(title.to_owned()));
            lines.extend(texts.into_iter().map(|(text, role)| Line::Text(text, role)));
        }
    };
    let warning = |text: &String| (text.clone(), Role::Warning);
    section("Warnings", ticket.warnings.iter().map(warning).collect());
    section(
        "Sources",
        ticket
            .subtickets
            .iter()
            .map(|source| (subticket(source), Role::Plain))
            .collect(),
    );
    let artifact = |artifact: &preflight_protocol::result::Artifact| {
        (
            format!("{:>8}  {}", measure::bytes(artifact.size), artifact.name),
            Role::Plain,
        )
    };
    section("Artifacts", ticket.artifacts.iter().map(artifact).collect());
    let image = |image: &preflight_protocol::ids::ImageId| (image.to_string(), Role::Plain);
    section("Image", ticket.image.iter().map(image).collect());
    (lines, cursor)
}

fn subticket(source: &preflight_protocol::ticket::Subticket) -> String {
    let signature = match &source.signature {
        Signature::None => "unsigned".to_owned(),
        Signature::Good { signer, .. } => format!("signed by {signer}"),
        Signature::Unverified { reason } => format!("signature not verified: {reason}"),
    };
    format!(
        "{} {}  {signature}, from {}",
        source.source,
        source.version,
        source.origin.display()
    )
}

fn draw_line(model: &Model, ticket: &Ticket, line: &Line<'_>, theme: Theme, buffer: &mut Buffer, area: Rect, y: usize) {
    let mut row = Row::new(buffer, theme, area, y);
    row.space(1);
    match line {
        Line::Empty => {}
        Line::Heading(text) => {
            row.role(text, Role::Heading);
        }
        Line::Text(text, role) => {
            row.space(2).role(text, *role);
        }
        Line::Error(job) => {
            if let Some(error) = &job.first_error {
                // Narrow screens are for the line itself; its log is named once it is opened.
                let place = if area.width < 90 {
                    format!("line {}", error.line)
                } else {
                    format!("{}:{}", error.log, error.line)
                };
                row.space(2)
                    .role(&place, Role::Dim)
                    .space(2)
                    .role(error.text.trim(), Role::Bad);
            }
        }
        Line::Job(job) => draw_job(model, job, theme, &mut row),
        Line::Test(test) => {
            let look = theme.test(test.status);
            let many = ticket.subtickets.len() > 1;
            let name = if many {
                format!("{} {}", test.source, test.name)
            } else {
                test.name.clone()
            };
            row.space(2)
                .cell(&format!("{} {}", look.glyph, look.word), 10, look.style)
                .cell(&name, 24, theme.style(Role::Plain))
                .space(1)
                .cell_right(&measure::seconds(test.duration_s), 7, theme.style(Role::Dim))
                .space(2)
                .role(purpose(ticket, test), Role::Dim)
                .role(if test.dirty { "dirty  " } else { "" }, Role::Warning)
                .role(
                    &verdict(test),
                    test.verdict
                        .map_or(Role::Dim, |verdict| Role::of_verdict(verdict.meaning)),
                )
                .text(test.reason.as_deref().unwrap_or(""), look.style);
        }
        Line::Finding(finding) => {
            let role = match finding.severity() {
                Some(Severity::Error) => Role::Bad,
                Some(Severity::Note) => Role::Dim,
                _ if finding.declared => Role::Dim,
                _ => Role::Warning,
            };
            row.space(2)
                .role(&finding.subject(), Role::Dim)
                .space(2)
                .role(&finding.text, role);
        }
    }
}

/// What a test was run once more for.
fn purpose(ticket: &Ticket, test: &TestResult) -> &'static str {
    let job = ticket.jobs.iter().find(|job| job.id == test.job);
    match job.and_then(|job| job.rerun.as_ref()).map(|rerun| rerun.purpose) {
        None => "",
        Some(Purpose::Asked) => "rerun  ",
        Some(Purpose::Repeat) => "repeat  ",
        Some(Purpose::Baseline) => "baseline  ",
    }
}

/// What a result means, before its reason.
fn verdict(test: &TestResult) -> String {
    test.verdict.map(|verdict| format!("{verdict}  ")).unwrap_or_default()
}

fn draw_job(model: &Model, job: &Job, theme: Theme, row: &mut Row<'_>) {
    let look = theme.job(job.state);
    let name = match job.subject() {
        Some(subject) => format!("{} {subject}", job.title()),
        None => job.title(),
    };
    let time = match (job.started_at, job.finished_at) {
        (Some(start), Some(end)) => measure::seconds(measure::between(start, end.0)),
        (Some(start), None) if job.state == JobState::Running => measure::clock(measure::between(start, model.now)),
        _ => String::new(),
    };
    row.space(2)
        .cell(&format!("{} {}", look.glyph, look.word), 12, look.style)
        .cell(&name, 22, theme.style(Role::Plain))
        .space(1)
        .cell_right(&time, 7, theme.style(Role::Dim))
        .space(2);
    if job.attempt.0 > 1 {
        row.role(&format!("attempt {}  ", job.attempt), Role::Warning);
    }
    if job.attempts.iter().any(|record| record.kept.is_some()) {
        row.role("testbed kept  ", Role::Dim);
    }
    match (&job.progress, &job.reason) {
        (Some(progress), _) if job.state == JobState::Running => {
            if let Some(fraction) = progress.fraction {
                if model.size.0 >= 100 {
                    row.role(&steps::bar(fraction, 8, theme), Role::Running).space(1);
                }
                row.role(&format!("{:.0}% ", fraction * 100.0), Role::Running);
            }
            row.role(&progress.phase, Role::Running);
            if let Some(left) = progress.estimate_s {
                row.role(&format!(", about {} left", measure::clock(f64::from(left))), Role::Dim);
            }
        }
        (_, Some(reason)) => {
            row.text(reason, look.style);
        }
        _ => {}
    }
}
