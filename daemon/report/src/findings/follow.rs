//! How the lines after a line go on with it: each tool's own way to say more, or to say where. Reads few lines, and knows
//! neither the table nor the source.

use std::sync::LazyLock;

use regex::Regex;

use super::patterns::Follow;

/// What a line adds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum More {
    /// Nothing; what comes may.
    Nothing,
    /// It is about this place; there may be a better one.
    Place {
        file: String,
        line: Option<u32>,
        column: Option<u32>,
    },
    /// The column in the place that is known.
    Column(u32),
    /// More of the message.
    Message(String),
    /// This is the message.
    Instead(String),
    /// It is over, and the line is no part of it.
    End,
}

/// What is still to come of a finding.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) follow: Follow,
    left: u32,
}

struct Shapes {
    arrow: Regex,
    caret: Regex,
    java: Regex,
    go: Regex,
    sanitizer: Regex,
    perl: Regex,
    pytest: Regex,
    go_log: Regex,
}

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "constant patterns that every test of this room compiles"
    )]
    let shape = |pattern: &str| Regex::new(pattern).expect("a valid pattern");
    Shapes {
        arrow: shape(r"^\s*--> (?P<file>\S.*?):(?P<line>\d+):(?P<column>\d+)$"),
        caret: shape(r"^\s*\^\s*$"),
        java: shape(r"^\s*at (?P<class>[\w.$]+)\.[\w$<>]+\((?P<file>\w+\.(?:java|kt|scala|groovy)):(?P<line>\d+)\)"),
        go: shape(r"^\s+(?P<file>/?[^\s:]+\.go):(?P<line>\d+)(?: |$)"),
        sanitizer: shape(r"^\s*#\d+ 0x[0-9a-f]+ in .* (?P<file>[^\s:()]+):(?P<line>\d+)(?::(?P<column>\d+))?$"),
        perl: shape(r"^\s*#\s+at (?P<file>\S+) line (?P<line>\d+)\.?$"),
        pytest: shape(r"^(?P<file>[^\s:]+\.py):(?P<line>\d+): "),
        go_log: shape(r"^\s+(?P<file>[^\s:]+\.go):(?P<line>\d+): (?P<message>.*)$"),
    }
});

impl Open {
    pub(super) fn new(follow: Follow) -> Self {
        let left = match follow {
            Follow::Panic | Follow::GoLog => 1,
            Follow::PerlAt => 2,
            Follow::Rustc | Follow::Caret => 4,
            Follow::Indented | Follow::Block => 6,
            Follow::Pytest => 60,
            Follow::Frames => 100,
        };
        Self { follow, left }
    }

    /// What the next line adds; none where no more of it is looked at.
    pub(super) fn go_on(&mut self, line: &str) -> More {
        let Some(left) = self.left.checked_sub(1) else {
            return More::End;
        };
        self.left = left;
        let shapes = &*SHAPES;
        match self.follow {
            Follow::Rustc => placed(&shapes.arrow, line).unwrap_or(More::Nothing),
            Follow::Caret if shapes.caret.is_match(line) => {
                self.left = 0;
                let column = line.chars().take_while(|letter| *letter != '^').count() + 1;
                u32::try_from(column).map_or(More::End, More::Column)
            }
            Follow::Caret => More::Nothing,
            Follow::Indented if line.starts_with(' ') && !line.trim().is_empty() => {
                More::Message(line.trim().to_owned())
            }
            Follow::Indented => More::End,
            Follow::Block => {
                let said = without_number(line).trim();
                match said.is_empty() || said.starts_with('[') {
                    true => More::End,
                    false => More::Message(said.to_owned()),
                }
            }
            Follow::Panic if line.starts_with("note: ") || line.trim().is_empty() => More::End,
            Follow::Panic => More::Instead(line.trim().to_owned()),
            Follow::Frames => frame(line).unwrap_or(More::Nothing),
            Follow::PerlAt => placed(&shapes.perl, line).unwrap_or(More::Nothing),
            Follow::Pytest => match placed(&shapes.pytest, line) {
                Some(place) => {
                    self.left = 0;
                    place
                }
                None => More::Nothing,
            },
            Follow::GoLog => placed(&shapes.go_log, line).unwrap_or(More::End),
        }
    }
}

/// ctest numbers the lines of its tests.
fn without_number(line: &str) -> &str {
    match line.split_once(": ") {
        Some((number, rest)) if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => rest,
        _ => line,
    }
}

fn placed(shape: &Regex, line: &str) -> Option<More> {
    let parts = shape.captures(line)?;
    let number = |name: &str| parts.name(name).and_then(|digits| digits.as_str().parse().ok());
    Some(More::Place {
        file: parts.name("file")?.as_str().to_owned(),
        line: number("line"),
        column: number("column"),
    })
}

fn frame(line: &str) -> Option<More> {
    let shapes = &*SHAPES;
    if let Some(parts) = shapes.java.captures(line) {
        // The class says in which folder: org.example.Outer$Inner is in org/example.
        let folder = parts["class"]
            .rsplit_once('.')
            .map(|(package, _)| package.replace('.', "/"));
        let file = match folder {
            Some(folder) => format!("{folder}/{}", &parts["file"]),
            None => parts["file"].to_owned(),
        };
        return Some(More::Place {
            file,
            line: parts["line"].parse().ok(),
            column: None,
        });
    }
    placed(&shapes.sanitizer, line).or_else(|| placed(&shapes.go, line))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn at(file: &str, line: u32, column: Option<u32>) -> More {
        More::Place {
            file: file.to_owned(),
            line: Some(line),
            column,
        }
    }

    #[test]
    fn each_tools_way() {
        for (follow, lines, expected) in [
            (
                Follow::Rustc,
                "  --> src/lib.rs:72:21\n   |",
                vec![at("src/lib.rs", 72, Some(21)), More::Nothing],
            ),
            (
                Follow::Caret,
                "\tfoo(bar);\n\t    ^",
                vec![More::Nothing, More::Column(6)],
            ),
            (
                Follow::Indented,
                "  By not providing\n\n  later",
                vec![
                    More::Message("By not providing".to_owned()),
                    More::End,
                    More::Message("later".to_owned()),
                ],
            ),
            (
                Follow::Panic,
                "left != right",
                vec![More::Instead("left != right".to_owned())],
            ),
            (Follow::Panic, "note: run with `RUST_BACKTRACE=1`", vec![More::End]),
            (
                Follow::Frames,
                "\tat org.junit.Assert.fail(Assert.java:89)\n\tat a.b.C$D.<init>(C.java:3)\n\tat Round.main(Round.java:8)",
                vec![
                    at("org/junit/Assert.java", 89, None),
                    at("a/b/C.java", 3, None),
                    at("Round.java", 8, None),
                ],
            ),
            (
                Follow::Frames,
                "goroutine 7 [running]:\ngithub.com/pkg/errors.New({0x1})\n\t/build/x/errors.go:104\n    #0 0x5605 in overrun tree.c:122:7",
                vec![
                    More::Nothing,
                    More::Nothing,
                    at("/build/x/errors.go", 104, None),
                    at("tree.c", 122, Some(7)),
                ],
            ),
            (
                Follow::PerlAt,
                "#   at t/basic.t line 56.",
                vec![at("t/basic.t", 56, None)],
            ),
            (
                Follow::Pytest,
                "E         - o2fXhW\n\ntest/test_hashids.py:18: AssertionError\nmore",
                vec![
                    More::Nothing,
                    More::Nothing,
                    at("test/test_hashids.py", 18, None),
                    More::End,
                ],
            ),
            (
                Follow::Block,
                "1: Expected equality of these values:\n1: [  FAILED  ] X",
                vec![
                    More::Message("Expected equality of these values:".to_owned()),
                    More::End,
                ],
            ),
            (
                Follow::GoLog,
                "    a_test.go:25: got 1",
                vec![at("a_test.go", 25, None)],
            ),
        ] {
            let mut open = Open::new(follow);
            let found: Vec<_> = lines.split('\n').map(|line| open.go_on(line)).collect();
            assert_eq!(found, expected, "{follow:?}");
        }
    }
}
