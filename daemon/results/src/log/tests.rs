use preflight_fuzz::fuzz;
use proptest::prelude::*;

use super::*;

/// Of a run of autopkgtest 5.28's.
const LOG: &str = include_str!("../../tests/data/autopkgtest/log");

fn facts(text: &str) -> LogFacts {
    parse(text.as_bytes()).unwrap()
}

fn named(lines: &[SummaryLine]) -> Vec<(&str, TestStatus)> {
    let named = |line| match line {
        &SummaryLine::Result { ref name, status, .. } => Some((name.as_str(), status)),
        _ => None,
    };
    lines.iter().filter_map(named).collect()
}

#[test]
fn what_a_log_says() {
    let facts = facts(LOG);
    assert_eq!(facts.source.as_deref(), Some("dsc0t"));
    assert_eq!(facts.version.as_deref(), Some("0.4"));
    assert_eq!(facts.architecture.as_deref(), Some("amd64"));
    assert_eq!(facts.started, Some("2026-11-20T19:05:30Z".parse().unwrap()));
    assert_eq!(facts.lines, LOG.lines().count() as u64);
    let names: Vec<&str> = facts.tests.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "build",
            "smoke",
            "light",
            "units",
            "noisy",
            "sometimes",
            "kernel",
            "maybe"
        ]
    );
    let units = &facts.tests[3];
    assert_eq!(units.duration, Some(Duration::from_secs(1)));
    let line = LOG.lines().nth(usize::try_from(units.line).unwrap() - 1);
    assert_eq!(line, Some("running 2 tests"));
    assert_eq!(facts.summary.len(), 10);
}

/// The results one by one are those of the summary, one of which came before its mark.
#[test]
fn a_log_without_a_summary_tells_the_same() {
    let whole = facts(LOG);
    let cut = LOG.split("@@@@@@@@@@@@@@@@@@@@ summary").next().unwrap();
    assert_eq!(named(&facts(cut).results), named(&whole.summary));
    assert_eq!(facts(cut).summary, []);
}

/// Newer versions have seconds before each line, terminals colours, older versions another name.
#[test]
fn logs_of_other_versions() {
    let plain = facts(LOG);
    let prefixed: String = LOG
        .lines()
        .enumerate()
        .map(|(at, line)| format!("{:3}s {line}\n", at * 60))
        .collect();
    let other = facts(&prefixed);
    assert_eq!((&other.source, &other.summary), (&plain.source, &plain.summary));
    assert_eq!(other.tests[0].duration, Some(Duration::from_secs(120)), "by the prefix");
    let coloured: String = LOG
        .lines()
        .map(|line| format!("\u{1b}[34m{line}\u{1b}[0m\r\n"))
        .collect();
    assert_eq!(facts(&coloured), plain);
    let old = LOG.replace("autopkgtest [", "adt-run [");
    assert_eq!(facts(&old), plain);
}

#[test]
fn what_a_test_prints_is_no_test() {
    let text = "autopkgtest [23:59:59]: test a: [-----------------------\n\
                autopkgtest [00:00:00]: test b: [-----------------------\n\
                autopkgtest [00:00:00]: test b: -----------------------]\n\
                a                    PASS\n\
                autopkgtest [00:00:04]: test a: -----------------------]\n\
                autopkgtest [00:00:04]: test a:  - - - - - - - - - - results - - - - - - - - - -\n\
                a                    FAIL timed out\n";
    let facts = facts(text);
    assert_eq!(facts.tests.len(), 1);
    assert_eq!(facts.tests[0].duration, Some(Duration::from_secs(5)), "past midnight");
    assert_eq!(named(&facts.results), [("a", TestStatus::Fail)]);
}

#[test]
fn releases() {
    for (line, expected) in [
        (
            "autopkgtest [10:00:00]: testbed release detected to be: noble",
            Some("noble"),
        ),
        ("autopkgtest [10:00:00]: testbed release detected to be: None", None),
        (
            "Get:1 http://mirror.example/ubuntu noble-proposed InRelease [265 kB]",
            Some("noble"),
        ),
        (" 12s Hit:3 http://mirror.example/debian sid InRelease", Some("sid")),
        ("Get:1 http://mirror.example/ubuntu noble/main amd64 Packages", None),
    ] {
        assert_eq!(facts(line).release.as_deref(), expected, "{line}");
    }
}

/// Lines as a log has them, and as a hostile test would print them.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(LOG.lines().map(ToOwned::to_owned).collect::<Vec<_>>()),
        2 => ("( ?[0-9]{0,20}s )?", "autopkgtest|adt-run", "[0-9:]{0,12}", "test [a-b]{0,3}: ?(\\[?-{20,24}\\]?)?", ).prop_map(
            |(prefix, program, clock, message)| format!("{prefix}{program} [{clock}]: {message}")),
        1 => "[a-c]{1,3} +(PASS|FAIL|SKIP|FLAKY)( .{0,20})?",
        1 => "@{20} (summary|apt-source|source) .{0,20}",
        1 => "[ -~ü]{0,40}",
        1 => "[\u{0}-\u{ff}]{0,40}",
    ]
}

/// No panic, and nothing that is kept is larger than what was read.
#[test]
fn fuzz_log() {
    let noise = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    let logs = (prop::collection::vec(line(), 0..12), noise).prop_map(|(lines, noise)| {
        let mut bytes = lines.join("\n").into_bytes();
        for (at, byte) in noise {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    });
    fuzz(&logs, Vec::len, |bytes| {
        let facts = parse(&bytes[..]).unwrap();
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
        prop_assert!(facts.lines <= lines as u64);
        prop_assert!(facts.tests.iter().all(|test| test.line <= facts.lines + 1));
        prop_assert!(facts.tests.len() + facts.results.len() + facts.summary.len() <= lines);
        Ok(())
    });
}
