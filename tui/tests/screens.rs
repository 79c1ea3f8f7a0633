//! Snapshots of every view at three sizes, each with its styles below its text. `INSTA_UPDATE=always` writes them anew.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod stub;

use std::fmt::Write as _;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use preflight_protocol::ids::{Sequence, Sha256, TicketId};
use preflight_protocol::method::Snapshot;
use preflight_protocol::package_sources::{UsedPocket, UsedPpa};
use preflight_protocol::ticket::Ticket;
use preflight_tui::log::file::Line;
use preflight_tui::log::reader::{LogNews, Order};
use preflight_tui::model::state::Model;
use preflight_tui::theme::Theme;
use preflight_tui::update::{Effect, Msg, update};
use preflight_tui::view::frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use stub::fixtures;

const SIZES: [(u16, u16); 3] = [(60, 15), (80, 24), (120, 40)];
const COLOURS: Theme = Theme {
    colour: true,
    unicode: true,
};

/// A screen with its tickets, whose effects are carried out at once.
struct Stage {
    model: Model,
    tickets: Vec<Ticket>,
}

impl Stage {
    fn new(size: (u16, u16), tickets: Vec<Ticket>) -> Self {
        let mut stage = Self {
            model: Model::new(size, fixtures::noon().0),
            tickets,
        };
        let snapshot = Snapshot {
            seq: Sequence(0),
            tickets: stage.tickets.iter().map(|ticket| ticket.summary.clone()).collect(),
            ticket: None,
            daemon: fixtures::daemon(fixtures::noon()),
        };
        stage.send(Msg::Attached(Box::new(snapshot)));
        stage
    }

    fn world(size: (u16, u16)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = fixtures::world(folder.path(), fixtures::noon());
        Self::new(size, state.tickets)
    }

    fn send(&mut self, msg: Msg) {
        for effect in update(&mut self.model, msg).effects {
            match effect {
                Effect::Show(id) => {
                    let ticket = self.tickets.iter().find(|ticket| ticket.summary.id == id).unwrap();
                    self.send(Msg::Shown(id, Ok(Box::new(ticket.clone()))));
                }
                Effect::OpenLog { generation, .. } => self.send(Msg::Log(
                    generation,
                    LogNews::Size {
                        lines: log().len() as u64,
                        complete: true,
                    },
                )),
                Effect::Read(Order::Window { first, count }) => {
                    let generation = self.model.openings;
                    let lines = log().into_iter().skip(first as usize).take(count).collect();
                    self.send(Msg::Log(generation, LogNews::Window { first, lines }));
                }
                Effect::Read(Order::Search { .. }) => {
                    let generation = self.model.openings;
                    self.send(Msg::Log(generation, LogNews::Found(Some(fixtures::ERROR_LINE - 1))));
                }
                _ => {}
            }
        }
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        for character in keys.chars() {
            let code = match character {
                '\n' => KeyCode::Enter,
                other => KeyCode::Char(other),
            };
            self.send(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        }
        self
    }

    fn select(&mut self, id: u64) -> &mut Self {
        self.model.tickets.selected = Some(TicketId(id));
        self
    }

    fn dump(&self, theme: Theme) -> String {
        let (columns, rows) = self.model.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
        frame::draw(&self.model, theme, &mut buffer);
        text(&buffer) + &styles(&buffer)
    }
}

fn log() -> Vec<Line> {
    let lines = fixtures::test_log();
    let line = |line: &str| Line {
        bytes: line.as_bytes().to_vec(),
        cut: 0,
    };
    lines.lines().map(line).collect()
}

fn text(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        writeln!(out, "|{line}|").unwrap();
    }
    out
}

/// Every run of cells that do not look plain: `y x..x colour on colour modifiers`.
fn styles(buffer: &Buffer) -> String {
    use ratatui::style::{Color, Modifier};
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let look = |x: u16| {
                let cell = &buffer[(x, y)];
                (cell.fg, cell.bg, cell.modifier)
            };
            let (fg, bg, modifier) = look(x);
            let start = x;
            while x < buffer.area.width && look(x) == (fg, bg, modifier) {
                x += 1;
            }
            if (fg, bg, modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
                writeln!(out, "{y:>2} {start:>3}..{x:<3} {fg} on {bg} {modifier:?}").unwrap();
            }
        }
    }
    out
}

fn each(name: &str, stage: impl Fn((u16, u16)) -> Stage) {
    for size in SIZES {
        let dump = stage(size).dump(COLOURS);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), dump);
    }
}

#[test]
fn tickets() {
    each("tickets", |size| {
        let mut stage = Stage::world(size);
        stage.select(4);
        stage
    });
}

#[test]
fn no_tickets() {
    each("no_tickets", |size| Stage::new(size, vec![]));
}

#[test]
fn failed_ticket() {
    each("failed_ticket", |size| {
        let mut stage = Stage::world(size);
        stage.select(3).keys("\n");
        stage
    });
}

#[test]
fn findings_of_a_ticket_that_passed() {
    let mut ticket = fixtures::passed(2, "hello", "2.10-3", fixtures::noon());
    let mut expected = fixtures::finding(&ticket.jobs[2], Some("upstream-tests"), 77, 12);
    expected.declared = true;
    ticket.findings = vec![
        fixtures::finding(&ticket.jobs[0], None, 5, 1),
        fixtures::finding(&ticket.jobs[2], Some("command1"), 31, 3),
        expected,
    ];
    let mut stage = Stage::new((120, 40), vec![ticket]);
    insta::assert_snapshot!("findings_120x40", stage.keys("\n").dump(COLOURS));
}

#[test]
fn a_ticket_says_where_its_packages_come_from() {
    let plain = fixtures::passed(2, "hello", "2.10-3", fixtures::noon());
    let mut ticket = plain.clone();
    ticket.snapshot = Some("debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c".into());
    ticket.pockets = vec![UsedPocket {
        pocket: "proposed".into(),
        suite: "bookworm-proposed-updates".into(),
        packages: vec!["src:glibc".into(), "gcc".into()],
    }];
    ticket.ppas = vec![UsedPpa {
        name: "jane/tools".into(),
        uri: "https://ppa.example/jane".into(),
        suite: "bookworm".into(),
        state: Sha256("1f".repeat(32)),
        priority: None,
        packages: vec![],
    }];
    let dump = |ticket| Stage::new((120, 40), vec![ticket]).keys("\n").dump(COLOURS);
    let line = "packages from debian-bookworm@2026-11-20T14:00:00Z-1f2e3d4c, proposed (src:glibc, gcc), PPA jane/tools";
    let shown = dump(ticket);
    assert!(shown.contains(line), "{shown}");
    assert!(!dump(plain).contains("packages from"));
}

#[test]
fn running_ticket() {
    each("running_ticket", |size| {
        let mut stage = Stage::world(size);
        stage.select(4).keys("\n");
        stage
    });
}

#[test]
fn log_at_the_first_error() {
    each("log", |size| {
        let mut stage = Stage::world(size);
        stage.select(3).keys("\n\n");
        stage
    });
}

#[test]
fn log_that_follows() {
    each("log_end", |size| {
        let mut stage = Stage::world(size);
        stage.select(4).keys("\n\n");
        stage
    });
}

#[test]
fn log_search() {
    each("log_search", |size| {
        let mut stage = Stage::world(size);
        stage.select(4).keys("\n\n/greeting\n");
        stage
    });
}

#[test]
fn help() {
    each("help", |size| {
        let mut stage = Stage::world(size);
        stage.keys("?");
        stage
    });
}

#[test]
fn cancelling_is_asked() {
    each("cancel", |size| {
        let mut stage = Stage::world(size);
        stage.select(4).keys("c");
        stage
    });
}

#[test]
fn lost_daemon() {
    each("lost", |size| {
        let mut stage = Stage::world(size);
        stage.send(Msg::Lost("the daemon has closed the connection".into()));
        stage
    });
}

#[test]
fn without_colours_and_beyond_ascii_nothing_is_lost() {
    let theme = Theme {
        colour: false,
        unicode: false,
    };
    let mut stage = Stage::world((80, 24));
    stage.select(3);
    insta::assert_snapshot!("ascii_tickets", stage.dump(theme));
    insta::assert_snapshot!("ascii_ticket", stage.keys("\n").dump(theme));
    insta::assert_snapshot!("ascii_log", stage.keys("\n").dump(theme));
    for dump in [stage.dump(theme), stage.keys("?").dump(theme)] {
        assert!(dump.is_ascii(), "{dump}");
    }
}

#[test]
fn any_size_is_drawn() {
    for columns in [1, 5, 19, 20, 25, 33, 200] {
        for rows in [1, 2, 3, 4, 5, 11, 12, 60] {
            let mut stage = Stage::world((columns, rows));
            for keys in ["", "?", "x", "\n", "\n", "?"] {
                stage.select(3).keys(keys).dump(COLOURS);
            }
        }
    }
}
