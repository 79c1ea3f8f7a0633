//! What happens when something happens: takes the model and a message, changes the model, and says what is to be done
//! outside. Pure: no I/O, no clock, no drawing.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::Timestamp;
use preflight_protocol::event::{Beat, Envelope, EventKind};
use preflight_protocol::ids::TicketId;
use preflight_protocol::job::JobState;
use preflight_protocol::log::LogName;
use preflight_protocol::method::Snapshot;
use preflight_protocol::ticket::{Ticket, TicketStatus};

use crate::keymap::{self, Action};
use crate::log::reader::{LogNews, Order};
use crate::model::detail::{Detail, Jump, Target};
use crate::model::fold;
use crate::model::logview::LogView;
use crate::model::state::{Link, Model, Notice, Overlay, Screen};

/// Columns that one step sideways goes.
const SIDEWAYS: usize = 8;

/// What has happened.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has so many columns and rows now.
    Resize(u16, u16),
    /// It is so late now.
    Tick(Timestamp),
    /// The daemon is being started.
    Starting,
    /// The daemon answers, and this is all that there is.
    Attached(Box<Snapshot>),
    /// The daemon is gone, or refuses.
    Lost(String),
    /// A state change.
    Event(Box<Envelope>),
    /// News of a running job.
    Beat(Beat),
    /// The daemon's answer on a ticket.
    Shown(TicketId, Result<Box<Ticket>, String>),
    /// The daemon's answer on a cancellation.
    Cancelled(TicketId, Result<(), String>),
    /// News of the log of that opening.
    Log(u64, LogNews),
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the daemon for a ticket.
    Show(TicketId),
    /// Ask the daemon to end a ticket.
    Cancel(TicketId),
    /// Find a log's file and start reading it.
    OpenLog {
        /// Which opening.
        generation: u64,
        /// The ticket.
        ticket: TicketId,
        /// The log.
        name: LogName,
    },
    /// Give the reader an order.
    Read(Order),
    /// Stop reading.
    CloseLog,
    /// Subscribe again.
    Refresh,
    /// Start the daemon.
    StartDaemon,
    /// Leave.
    Quit,
}

/// What an update has come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// What is to be done outside.
    pub effects: Vec<Effect>,
    /// Whether the screen shows something else now.
    pub redraw: bool,
}

/// Takes one message.
pub fn update(model: &mut Model, msg: Msg) -> Update {
    let mut effects = Vec::new();
    let redraw = match msg {
        Msg::Tick(now) => {
            // Ages are told in minutes; only clocks need every second.
            let minute = now.as_second() / 60 != model.now.as_second() / 60;
            model.now = now;
            minute || model.clock_runs()
        }
        Msg::Resize(columns, rows) => {
            model.size = (columns, rows);
            let height = model.log_height();
            if let Some(log) = &mut model.log {
                log.grown(log.lines, log.complete, height);
            }
            true
        }
        Msg::Key(key) => {
            model.notice = None;
            pressed(model, key, &mut effects);
            true
        }
        Msg::Starting => {
            model.link = Link::Starting;
            true
        }
        Msg::Lost(why) => {
            let same = model.link == Link::Lost(why.clone());
            model.link = Link::Lost(why);
            !same
        }
        Msg::Attached(snapshot) => {
            attached(model, *snapshot, &mut effects);
            true
        }
        Msg::Event(event) => happened(model, *event, &mut effects),
        Msg::Beat(beat) => beaten(model, &beat),
        Msg::Shown(id, answer) => shown(model, id, answer, &mut effects),
        Msg::Cancelled(id, answer) => {
            model.notice = Some(match answer {
                Ok(()) => Notice::Done(format!("ticket #{id} is cancelled")),
                Err(error) => Notice::Trouble(error),
            });
            true
        }
        Msg::Log(generation, news) => log_news(model, generation, news),
    };
    settle(model, &mut effects);
    Update { effects, redraw }
}

/// Whatever has happened: the selection is in view, and the reader knows which lines are needed.
fn settle(model: &mut Model, effects: &mut Vec<Effect>) {
    let height = model.list_height();
    model.tickets.keep_in_view(height);
    let height = model.log_height();
    if let Some(log) = &mut model.log
        && let Some((first, count)) = log.wanted(height)
    {
        effects.push(Effect::Read(Order::Window { first, count }));
    }
}

fn attached(model: &mut Model, snapshot: Snapshot, effects: &mut Vec<Effect>) {
    model.link = Link::Attached(Box::new(snapshot.daemon));
    model.loaded = true;
    model.tickets.replace(snapshot.tickets);
    if let Some(detail) = &mut model.detail {
        detail.asking = true;
        detail.replay.clear();
        effects.push(Effect::Show(detail.id));
    }
}

fn happened(model: &mut Model, event: Envelope, effects: &mut Vec<Effect>) -> bool {
    match &event.kind {
        EventKind::TicketCreated(ticket) => model.tickets.put(ticket.summary.clone()),
        EventKind::TicketChanged(summary) => model.tickets.put((**summary).clone()),
        EventKind::TicketRemoved { id } => removed(model, *id, effects),
        EventKind::JobChanged(job) => {
            if let Some(log) = &model.log
                && job.id == log.job
            {
                let growing = job.state == JobState::Running;
                effects.push(Effect::Read(Order::Growing(growing)));
            }
        }
        _ => {}
    }
    if let Some(detail) = &mut model.detail
        && Some(detail.id) == event.ticket
    {
        detail.event(&event.kind);
    }
    true
}

/// What is no more is not shown: back to the list.
fn removed(model: &mut Model, id: TicketId, effects: &mut Vec<Effect>) {
    model.tickets.remove(id);
    if model.detail.as_ref().is_some_and(|detail| detail.id == id) {
        model.detail = None;
        if model.log.take().is_some() {
            effects.push(Effect::CloseLog);
        }
        model.screen = Screen::Tickets;
        model.notice = Some(Notice::Trouble(format!("ticket #{id} was removed")));
    }
    if model.overlay == Some(Overlay::ConfirmCancel(id)) {
        model.overlay = None;
    }
}

fn beaten(model: &mut Model, beat: &Beat) -> bool {
    let mut changed = false;
    if let Some(row) = model.tickets.rows.iter_mut().find(|row| row.id == beat.ticket)
        && row.progress != beat.progress
    {
        row.progress.clone_from(&beat.progress);
        changed = true;
    }
    if let Some(detail) = &mut model.detail
        && detail.id == beat.ticket
        && let Some(ticket) = &mut detail.ticket
    {
        fold::beat(ticket, beat);
    }
    changed && model.screen != Screen::Log
}

fn shown(model: &mut Model, id: TicketId, answer: Result<Box<Ticket>, String>, effects: &mut Vec<Effect>) -> bool {
    let Some(detail) = model.detail.as_mut().filter(|detail| detail.id == id) else {
        return false;
    };
    match answer {
        Ok(ticket) => {
            detail.shown(ticket);
            match detail.jump.take() {
                Some(Jump::FirstError) => first_error(model, effects),
                Some(Jump::Selected) => open_row(model, effects),
                None => {}
            }
        }
        Err(error) => {
            detail.asking = false;
            model.notice = Some(Notice::Trouble(error));
        }
    }
    true
}

fn log_news(model: &mut Model, generation: u64, news: LogNews) -> bool {
    let height = model.log_height();
    let Some(log) = model.log.as_mut().filter(|log| log.generation == generation) else {
        return false;
    };
    match news {
        LogNews::Size { lines, complete } => log.grown(lines, complete, height),
        LogNews::Window { first, lines } => {
            (log.held_from, log.held) = (first, lines);
        }
        LogNews::Found(Some(line)) => log.point_at(line, height),
        LogNews::Found(None) => {
            let pattern = log.pattern.clone().unwrap_or_default();
            model.notice = Some(Notice::Trouble(format!("not found: {pattern}")));
        }
        LogNews::Trouble(text) => model.notice = Some(Notice::Trouble(text)),
    }
    true
}

fn pressed(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let action = keymap::lookup(model.screen, key);
    let control_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if control_c {
        return effects.push(Effect::Quit);
    }
    if let Some(overlay) = model.overlay.take() {
        if let Overlay::ConfirmCancel(id) = overlay
            && matches!(key.code, KeyCode::Char('y' | 'Y'))
        {
            effects.push(Effect::Cancel(id));
        }
        return;
    }
    if model.log.as_ref().is_some_and(|log| log.typing.is_some()) {
        return typed(model, key, effects);
    }
    if let Some(action) = action {
        act(model, action, effects);
    }
}

fn typed(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Some(log) = &mut model.log else { return };
    let Some(typing) = &mut log.typing else { return };
    match key.code {
        KeyCode::Esc => log.typing = None,
        KeyCode::Enter => {
            let typed = log.typing.take().filter(|typed| !typed.is_empty());
            if typed.is_some() {
                log.pattern = typed;
            }
            // From the top of what is seen, so that a match on the screen is found first.
            let from = log.top.checked_sub(1).unwrap_or(log.lines);
            search(log, from, true, effects);
        }
        KeyCode::Backspace if typing.is_empty() => log.typing = None,
        KeyCode::Backspace => drop(typing.pop()),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => typing.clear(),
        KeyCode::Char(character) if !key.modifiers.contains(KeyModifiers::CONTROL) => typing.push(character),
        _ => {}
    }
}

fn search(log: &LogView, from: u64, forward: bool, effects: &mut Vec<Effect>) {
    if let Some(pattern) = &log.pattern {
        effects.push(Effect::Read(Order::Search {
            pattern: pattern.clone(),
            from,
            forward,
        }));
    }
}

fn act(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    match action {
        Action::Quit => effects.push(Effect::Quit),
        Action::Help => model.overlay = Some(Overlay::Help),
        Action::Refresh => effects.push(match model.link {
            Link::Lost(_) => Effect::StartDaemon,
            _ => Effect::Refresh,
        }),
        Action::Cancel => ask_to_cancel(model),
        Action::FirstError => match model.screen {
            Screen::Tickets => open_ticket(model, Some(Jump::FirstError), effects),
            Screen::Ticket | Screen::Log => first_error(model, effects),
        },
        Action::Enter => match model.screen {
            Screen::Tickets => open_ticket(model, None, effects),
            Screen::Ticket => open_row(model, effects),
            Screen::Log => {}
        },
        Action::Back => back(model, effects),
        Action::Down => step(model, 1),
        Action::Up => step(model, -1),
        Action::PageDown => step(model, page(model)),
        Action::PageUp => step(model, -page(model)),
        Action::First => step(model, isize::MIN),
        Action::Last => {
            step(model, isize::MAX);
            if let (Screen::Log, Some(log)) = (model.screen, &mut model.log) {
                log.follow = true;
            }
        }
        Action::Left | Action::Right | Action::Follow | Action::Search | Action::NextMatch | Action::PreviousMatch => {
            act_on_log(model, action, effects);
        }
    }
}

fn act_on_log(model: &mut Model, action: Action, effects: &mut Vec<Effect>) {
    let height = model.log_height();
    let Some(log) = &mut model.log else { return };
    match action {
        Action::Left => log.left = log.left.saturating_sub(SIDEWAYS),
        Action::Right => log.left += SIDEWAYS,
        Action::Follow => {
            log.follow = !log.follow;
            if log.follow {
                log.top = log.last_top(height);
            }
        }
        Action::Search => log.typing = Some(String::new()),
        Action::NextMatch => search(log, log.mark.unwrap_or(log.top), true, effects),
        Action::PreviousMatch => search(log, log.mark.unwrap_or(log.top), false, effects),
        _ => {}
    }
}

fn page(model: &Model) -> isize {
    let height = match model.screen {
        Screen::Tickets => model.list_height(),
        Screen::Ticket => model.body_height(),
        Screen::Log => model.log_height(),
    };
    height.saturating_sub(1).max(1) as isize
}

fn step(model: &mut Model, by: isize) {
    let height = model.log_height();
    match model.screen {
        Screen::Tickets => model.tickets.step(by),
        Screen::Ticket => {
            if let Some(detail) = &mut model.detail {
                detail.step(by);
            }
        }
        Screen::Log => {
            if let Some(log) = &mut model.log {
                log.scroll(by as i64, height);
            }
        }
    }
}

fn open_ticket(model: &mut Model, jump: Option<Jump>, effects: &mut Vec<Effect>) {
    let Some(row) = model.tickets.current() else { return };
    let id = row.id;
    model.tickets.selected = Some(id);
    model.detail = Some(Detail::new(id, jump));
    model.screen = Screen::Ticket;
    effects.push(Effect::Show(id));
}

fn open_row(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(detail) = &mut model.detail else { return };
    if detail.ticket.is_none() {
        // Enter was pressed again before the daemon's answer: it means what is selected then.
        detail.jump = Some(Jump::Selected);
        return;
    }
    let row = detail.rows().into_iter().nth(detail.cursor());
    let target = row.as_ref().and_then(|row| detail.target(row));
    match (row, target) {
        (Some(row), Some(target)) => {
            detail.selected = Some(row);
            open_log(model, target, effects);
        }
        (Some(_), None) => model.notice = Some(Notice::Trouble("it has written no log yet".to_owned())),
        (None, _) => {}
    }
}

fn first_error(model: &mut Model, effects: &mut Vec<Effect>) {
    let Some(detail) = &model.detail else { return };
    match detail.first_error() {
        Some(target) => open_log(model, target, effects),
        None => model.notice = Some(Notice::Trouble(format!("ticket #{} has no failing line", detail.id))),
    }
}

fn open_log(model: &mut Model, target: Target, effects: &mut Vec<Effect>) {
    let Some(ticket) = model.detail.as_ref().map(|detail| detail.id) else {
        return;
    };
    let height = model.log_height();
    if let (Screen::Log, Some(log), Some(line)) = (model.screen, &mut model.log, target.line)
        && log.name == target.log
    {
        return log.point_at(line.saturating_sub(1), height);
    }
    model.openings += 1;
    let generation = model.openings;
    model.log = Some(LogView::new(
        generation,
        ticket,
        target.job,
        target.log.clone(),
        target.line,
    ));
    model.screen = Screen::Log;
    effects.push(Effect::OpenLog {
        generation,
        ticket,
        name: target.log,
    });
}

fn back(model: &mut Model, effects: &mut Vec<Effect>) {
    match model.screen {
        Screen::Tickets => {}
        Screen::Ticket => {
            model.detail = None;
            model.screen = Screen::Tickets;
        }
        Screen::Log => {
            model.log = None;
            model.screen = Screen::Ticket;
            effects.push(Effect::CloseLog);
        }
    }
}

fn ask_to_cancel(model: &mut Model) {
    let Some(id) = model.current() else { return };
    let status = model.tickets.rows.iter().find(|row| row.id == id).map(|row| row.status);
    if status.is_none_or(TicketStatus::is_final) {
        model.notice = Some(Notice::Trouble(format!("ticket #{id} has ended already")));
    } else {
        model.overlay = Some(Overlay::ConfirmCancel(id));
    }
}
