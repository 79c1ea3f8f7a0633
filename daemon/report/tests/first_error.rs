//! Logs as tools really write them, and the line that a maintainer wants to see. (Captured on Debian 12.)

use std::{fs::File, path::Path};

use preflight_report::findings::{Category, Ending, JobKind, first_error};
use pretty_assertions::assert_eq;

const LOGS: &[(&str, JobKind, u64, &str, Category)] = &[
    (
        "compiler",
        JobKind::Build,
        6,
        "hello.c:1:30: error: expected ‘;’ before ‘}’ token",
        Category::Compiler,
    ),
    (
        "linker",
        JobKind::Build,
        4,
        "hello.c:(.text+0x5): undefined reference to `bar'",
        Category::Linker,
    ),
    (
        "command-of-make",
        JobKind::Build,
        2,
        "cp: cannot stat 'nofile': No such file or directory",
        Category::Command,
    ),
    (
        "network-python",
        JobKind::Test,
        46,
        "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
        Category::Network,
    ),
    (
        "network-curl",
        JobKind::Test,
        1,
        "curl: (6) Could not resolve host: no-such-host.invalid",
        Category::Network,
    ),
    (
        "network-bash",
        JobKind::Test,
        1,
        "bash: connect: Connection refused",
        Category::Network,
    ),
    ("perl-tests", JobKind::Test, 2, "#   Failed test 'b'", Category::Test),
    (
        "perl-module",
        JobKind::Build,
        1,
        "Can't locate Not/There.pm in @INC",
        Category::Compiler,
    ),
    (
        "python-unittest",
        JobKind::Test,
        11,
        "AssertionError: 1 != 2",
        Category::Exception,
    ),
    (
        "own-rules",
        JobKind::Build,
        11,
        "frobnicate: error: the moon is not full",
        Category::Command,
    ),
    (
        "unmet-build-dependency",
        JobKind::Build,
        5,
        "dpkg-checkbuilddeps: error: Unmet build dependencies: libmissing-dev (>= 2)",
        Category::Dependency,
    ),
];

#[test]
fn the_line_is_found() {
    for &(name, job, line, text, category) in LOGS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/logs")
            .join(format!("{name}.log"));
        let found = first_error(File::open(path).unwrap(), job, Ending::Failed)
            .unwrap()
            .unwrap();
        assert_eq!((found.line, found.category), (line, category), "{name}: {}", found.text);
        assert!(found.text.starts_with(text), "{name}: {}", found.text);
    }
}
