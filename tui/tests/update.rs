//! `update` as a table: what a message does to the model, and what is to be done outside.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use preflight_protocol::event::{Envelope, EventKind};
use preflight_protocol::ids::{Sequence, TicketId};
use preflight_protocol::job::JobState;
use preflight_protocol::log::LogName;
use preflight_protocol::method::Snapshot;
use preflight_protocol::ticket::{Ticket, TicketStatus};
use preflight_tui::log::reader::{LogNews, Order};
use preflight_tui::model::state::{Link, Model, Notice, Overlay, Screen};
use preflight_tui::update::{Effect, Msg, update};
use pretty_assertions::assert_eq;
use stub::fixtures::{self, noon};

fn tickets() -> Vec<Ticket> {
    vec![
        fixtures::running(4, "python-greeting", "1.4.2-1", noon()),
        fixtures::failed(3, "hello", "2.10-4", noon()),
        fixtures::passed(2, "hello", "2.10-3", noon()),
    ]
}

fn snapshot() -> Msg {
    Msg::Attached(Box::new(Snapshot {
        seq: Sequence(7),
        tickets: tickets().into_iter().map(|ticket| ticket.summary).collect(),
        ticket: None,
        daemon: fixtures::daemon(noon()),
    }))
}

fn model() -> Model {
    let mut model = Model::new((80, 24), noon().0);
    update(&mut model, snapshot());
    model
}

fn key(code: KeyCode) -> Msg {
    Msg::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn press(model: &mut Model, character: char) -> Vec<Effect> {
    let code = if character == '\n' {
        KeyCode::Enter
    } else {
        KeyCode::Char(character)
    };
    update(model, key(code)).effects
}

fn shown(id: u64) -> Msg {
    let ticket = tickets().into_iter().find(|ticket| ticket.summary.id.0 == id).unwrap();
    Msg::Shown(TicketId(id), Ok(Box::new(ticket)))
}

fn event(ticket: u64, kind: EventKind) -> Msg {
    Msg::Event(Box::new(Envelope {
        seq: Sequence(9),
        at: noon(),
        ticket: Some(TicketId(ticket)),
        kind,
    }))
}

fn open(generation: u64, ticket: u64, log: &str) -> Effect {
    Effect::OpenLog {
        generation,
        ticket: TicketId(ticket),
        name: LogName(log.into()),
    }
}

#[test]
fn from_the_list_to_the_failing_line_in_two_keys() {
    let mut model = model();
    model.tickets.selected = Some(TicketId(3));
    assert_eq!(press(&mut model, '\n'), [Effect::Show(TicketId(3))]);
    assert_eq!(update(&mut model, shown(3)).effects, []);
    assert_eq!(press(&mut model, '\n'), [open(1, 3, "33-test-hello.1.log")]);
    let log = model.log.as_ref().unwrap();
    assert_eq!((model.screen, log.mark, log.follow), (Screen::Log, Some(311), false));
    // Its lines come: the failing one is in view, and it is what is asked for.
    let size = LogNews::Size {
        lines: 400,
        complete: true,
    };
    let effects = update(&mut model, Msg::Log(1, size)).effects;
    let Some(Effect::Read(Order::Window { first, count })) = effects.first() else {
        panic!("{effects:?}")
    };
    assert!(*first < 311 && 311 < *first + *count as u64);
    let log = model.log.as_ref().unwrap();
    assert!(log.top <= 311 && 311 < log.top + model.log_height() as u64);
}

#[test]
fn keys_pressed_before_the_daemons_answer_are_not_lost() {
    for (keys, id, log, mark) in [
        ("\n\n", 3, "33-test-hello.1.log", Some(311)),
        ("e", 3, "33-test-hello.1.log", Some(311)),
        ("\n\n", 4, "43-test-python-greeting.1.log", None),
    ] {
        let mut model = model();
        model.tickets.selected = Some(TicketId(id));
        keys.chars().for_each(|key| drop(press(&mut model, key)));
        let effects = update(&mut model, shown(id)).effects;
        assert_eq!(effects, [open(1, id, log)], "{keys:?}");
        assert_eq!(model.log.as_ref().unwrap().mark, mark);
    }
}

#[test]
fn a_ticket_without_an_error_says_so() {
    let mut model = model();
    model.tickets.selected = Some(TicketId(2));
    press(&mut model, 'e');
    assert_eq!(update(&mut model, shown(2)).effects, []);
    assert_eq!(
        model.notice,
        Some(Notice::Trouble("ticket #2 has no failing line".into()))
    );
    assert_eq!(model.screen, Screen::Ticket);
}

#[test]
fn escape_goes_back_step_by_step() {
    let mut model = model();
    model.tickets.selected = Some(TicketId(3));
    press(&mut model, 'e');
    update(&mut model, shown(3));
    assert_eq!(model.screen, Screen::Log);
    assert_eq!(update(&mut model, key(KeyCode::Esc)).effects, [Effect::CloseLog]);
    assert_eq!(model.screen, Screen::Ticket);
    update(&mut model, key(KeyCode::Esc));
    assert_eq!((model.screen, model.detail.is_none()), (Screen::Tickets, true));
    assert_eq!(update(&mut model, key(KeyCode::Esc)).effects, []);
    assert_eq!(model.tickets.selected, Some(TicketId(3)));
}

#[test]
fn the_selection_stays_on_its_ticket_when_others_come() {
    let mut model = model();
    press(&mut model, 'j');
    assert_eq!(model.tickets.current().unwrap().id, TicketId(3));
    let new = fixtures::ticket(5, "cowsay", "3.03-1", noon());
    assert!(update(&mut model, event(5, EventKind::TicketCreated(Box::new(new)))).redraw);
    assert_eq!(model.tickets.current().unwrap().id, TicketId(3));
    assert_eq!(model.tickets.rows[0].id, TicketId(5));
}

#[test]
fn steps_stay_within_the_list() {
    let mut model = model();
    for (character, id) in [('k', 4), ('G', 2), ('j', 2), ('g', 4), ('j', 3)] {
        press(&mut model, character);
        assert_eq!(model.tickets.current().unwrap().id, TicketId(id), "{character}");
    }
}

#[test]
fn what_is_removed_is_left() {
    let mut model = model();
    let removed = |id: u64| event(id, EventKind::TicketRemoved { id: TicketId(id) });
    press(&mut model, 'j');
    press(&mut model, '\n');
    update(&mut model, shown(3));
    update(&mut model, removed(2));
    assert_eq!(model.screen, Screen::Ticket, "another is none of its business");
    update(&mut model, removed(3));
    assert_eq!((model.screen, &model.detail), (Screen::Tickets, &None));
    let rows: Vec<u64> = model.tickets.rows.iter().map(|row| row.id.0).collect();
    assert_eq!((rows, model.tickets.cursor()), (vec![4], 0));
    assert_eq!(model.notice, Some(Notice::Trouble("ticket #3 was removed".to_owned())));
}

#[test]
fn an_event_between_question_and_answer_is_not_lost() {
    let mut model = model();
    press(&mut model, '\n');
    let mut job = tickets()[0].jobs[2].clone();
    fixtures::end(&mut job, noon(), preflight_protocol::result::Outcome::Pass, None);
    update(&mut model, event(4, EventKind::JobChanged(Box::new(job))));
    // The answer was made before the event.
    update(&mut model, shown(4));
    let ticket = model.detail.as_ref().unwrap().ticket.as_ref().unwrap();
    assert_eq!(ticket.jobs[2].state, JobState::Passed);
}

#[test]
fn findings_are_the_newest_attempts_and_lead_to_their_lines() {
    let mut model = model();
    press(&mut model, '\n');
    update(&mut model, shown(4));
    let job = tickets()[0].jobs[2].clone();
    let found = |line| {
        let finding = fixtures::finding(&job, Some("command1"), line, 1);
        event(4, EventKind::FindingRecorded(Box::new(finding)))
    };
    for line in [7, 9] {
        update(&mut model, found(line));
    }
    let findings = |model: &Model| {
        let ticket = model.detail.as_ref().unwrap().ticket.as_ref().unwrap();
        let lines = ticket.findings.iter().map(|finding| finding.log_line);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(findings(&model), [Some(9)], "applying one twice is replacing");
    // The last row is the finding's.
    for _ in 0..10 {
        press(&mut model, 'j');
    }
    assert_eq!(press(&mut model, '\n'), [open(1, 4, "43-test-python-greeting.1.log")]);
    assert_eq!(model.log.as_ref().unwrap().mark, Some(8));

    let mut again = job.clone();
    fixtures::start(&mut again, noon());
    update(&mut model, event(4, EventKind::JobChanged(Box::new(again))));
    assert_eq!(findings(&model), []);
}

#[test]
fn cancelling_is_asked_first() {
    let mut model = model();
    assert_eq!(press(&mut model, 'c'), []);
    assert_eq!(model.overlay, Some(Overlay::ConfirmCancel(TicketId(4))));
    assert_eq!(press(&mut model, 'n'), []);
    assert_eq!(model.overlay, None);
    press(&mut model, 'c');
    assert_eq!(press(&mut model, 'y'), [Effect::Cancel(TicketId(4))]);
    // What has ended cannot be cancelled.
    press(&mut model, 'j');
    press(&mut model, 'c');
    assert_eq!(
        model.notice,
        Some(Notice::Trouble("ticket #3 has ended already".into()))
    );
}

#[test]
fn help_takes_the_next_key_and_ctrl_c_always_quits() {
    let mut model = model();
    press(&mut model, '?');
    assert_eq!(press(&mut model, 'q'), []);
    assert_eq!(model.overlay, None);
    assert_eq!(press(&mut model, 'q'), [Effect::Quit]);
    press(&mut model, '?');
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(update(&mut model, Msg::Key(control_c)).effects, [Effect::Quit]);
}

#[test]
fn a_daemon_that_comes_back_is_asked_for_the_open_ticket() {
    let mut model = model();
    press(&mut model, '\n');
    update(&mut model, shown(4));
    let lost = || Msg::Lost("gone".into());
    assert!(update(&mut model, lost()).redraw);
    assert!(!update(&mut model, lost()).redraw, "the same again is nothing new");
    assert_eq!(model.link, Link::Lost("gone".into()));
    assert_eq!(press(&mut model, 'r'), [Effect::StartDaemon]);
    assert_eq!(update(&mut model, snapshot()).effects, [Effect::Show(TicketId(4))]);
    assert!(matches!(model.link, Link::Attached(_)));
    assert_eq!(press(&mut model, 'r'), [Effect::Refresh]);
}

#[test]
fn clocks_redraw_only_while_something_runs() {
    let mut model = model();
    let second = |model: &mut Model, seconds: i64| {
        let now = noon().0 + jiff::SignedDuration::from_secs(seconds);
        update(model, Msg::Tick(now)).redraw
    };
    assert!(second(&mut model, 1));
    model.tickets.rows[0].status = TicketStatus::Complete;
    assert!(!second(&mut model, 2));
    assert!(second(&mut model, 61), "ages are told in minutes");
}

fn with_log(lines: u64) -> Model {
    let mut model = model();
    press(&mut model, '\n');
    update(&mut model, shown(4));
    press(&mut model, '\n');
    update(&mut model, Msg::Log(1, LogNews::Size { lines, complete: true }));
    model
}

#[test]
fn a_log_follows_until_it_is_scrolled() {
    let mut model = with_log(1000);
    let height = model.log_height() as u64;
    let top = |model: &Model| model.log.as_ref().unwrap().top;
    assert_eq!(top(&model), 1000 - height);
    update(
        &mut model,
        Msg::Log(
            1,
            LogNews::Size {
                lines: 1010,
                complete: true,
            },
        ),
    );
    assert_eq!(top(&model), 1010 - height);
    press(&mut model, 'k');
    update(
        &mut model,
        Msg::Log(
            1,
            LogNews::Size {
                lines: 1020,
                complete: true,
            },
        ),
    );
    assert_eq!(top(&model), 1009 - height);
    press(&mut model, 'G');
    update(
        &mut model,
        Msg::Log(
            1,
            LogNews::Size {
                lines: 1030,
                complete: true,
            },
        ),
    );
    assert_eq!(top(&model), 1030 - height);
    press(&mut model, 'g');
    assert_eq!((top(&model), model.log.as_ref().unwrap().follow), (0, false));
}

#[test]
fn news_of_an_earlier_log_are_not_for_this_one() {
    let mut model = with_log(10);
    let update = update(
        &mut model,
        Msg::Log(
            0,
            LogNews::Size {
                lines: 99,
                complete: true,
            },
        ),
    );
    assert!(!update.redraw);
    assert_eq!(model.log.as_ref().unwrap().lines, 10);
}

#[test]
fn lines_are_asked_for_once() {
    let mut model = with_log(1000);
    // Held: a page above and below. One step needs nothing new, a leap does.
    assert_eq!(press(&mut model, 'k'), []);
    let effects = press(&mut model, 'g');
    assert!(
        matches!(effects[..], [Effect::Read(Order::Window { first: 0, .. })]),
        "{effects:?}"
    );
    assert_eq!(press(&mut model, 'j'), []);
}

#[test]
fn a_search_is_typed_and_repeated() {
    let mut model = with_log(1000);
    for character in "/errx".chars() {
        assert_eq!(press(&mut model, character), []);
    }
    update(&mut model, key(KeyCode::Backspace));
    let effects = press(&mut model, '\n');
    let search = |from, forward| {
        Effect::Read(Order::Search {
            pattern: "err".into(),
            from,
            forward,
        })
    };
    let top = 1000 - model.log_height() as u64;
    assert_eq!(effects, [search(top - 1, true)]);
    update(&mut model, Msg::Log(1, LogNews::Found(Some(40))));
    assert_eq!(model.log.as_ref().unwrap().mark, Some(40));
    assert_eq!(press(&mut model, 'n'), [search(40, true)]);
    assert_eq!(press(&mut model, 'N'), [search(40, false)]);
    update(&mut model, Msg::Log(1, LogNews::Found(None)));
    assert_eq!(model.notice, Some(Notice::Trouble("not found: err".into())));
    // q is a letter while one types.
    press(&mut model, '/');
    assert_eq!(press(&mut model, 'q'), []);
    update(&mut model, key(KeyCode::Esc));
    assert_eq!(model.log.as_ref().unwrap().typing, None);
}

#[test]
fn a_job_that_ends_stops_the_reader_from_looking() {
    let mut model = with_log(10);
    let mut job = tickets()[0].jobs[2].clone();
    fixtures::end(&mut job, noon(), preflight_protocol::result::Outcome::Pass, None);
    let effects = update(&mut model, event(4, EventKind::JobChanged(Box::new(job)))).effects;
    assert_eq!(effects, [Effect::Read(Order::Growing(false))]);
}
