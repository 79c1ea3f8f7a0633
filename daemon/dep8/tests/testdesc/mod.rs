//! autopkgtest's own reader of test control files (`testdesc.parse_debian_source`) beside ours: what the two must agree in.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use preflight_dep8::{
    control::TestControl,
    dependency::Dependencies,
    dialect::Dialect,
    plan::{Capabilities, Executes, Plan, Setting, plan},
    source::SourceControl,
};
use serde::Deserialize;

const ARCHITECTURE: &str = "amd64";
const CAPABILITIES: &str = "isolation-machine revert revert-full-system root-on-testbed";

/// Reads `DIRECTORY` a line, writes what autopkgtest makes of its source tree as JSON.
const THEIRS: &str = r#"
import json, sys
sys.path.insert(0, '/usr/share/autopkgtest/lib')
import adtlog, testdesc

architecture, capabilities = sys.argv[1], sys.argv[2].split()
reported = []
adtlog.report = lambda name, text: reported.append([name, text])
for line in sys.stdin:
    del reported[:]
    answer = {'invalid': None, 'tests': []}
    try:
        (tests, _) = testdesc.parse_debian_source(line.rstrip('\n'), capabilities, architecture, auto_control=True)
        for t in tests:
            answer['tests'].append({
                'name': t.name, 'path': t.path, 'command': t.command,
                'restrictions': sorted(t.restrictions), 'depends': ', '.join(t.depends),
                'own': [d if isinstance(d, list) else [d] for d in t.synth_depends]})
    except testdesc.InvalidControl as error:
        answer['invalid'] = str(error)
    answer['skips'] = list(reported)
    print(json.dumps(answer))
"#;

#[derive(Debug, Deserialize)]
struct Answer {
    invalid: Option<String>,
    tests: Vec<TheirTest>,
    skips: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
struct TheirTest {
    name: String,
    path: Option<String>,
    command: Option<String>,
    restrictions: Vec<String>,
    depends: String,
    own: Vec<Vec<String>>,
}

/// What the two must agree in.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Outcome {
    pub(crate) is_invalid: bool,
    /// Name, what is executed, restrictions, dependencies, own packages.
    pub(crate) tests: Vec<[String; 5]>,
    pub(crate) skips: Vec<String>,
}

fn reduced(depends: &str) -> String {
    let read = Dependencies::parse(depends).unwrap_or_else(|error| panic!("{error}: {depends}"));
    let reduced = read.reduced(ARCHITECTURE);
    reduced.to_string()
}

fn of_theirs(answer: Answer) -> Outcome {
    if answer.invalid.is_some() {
        return Outcome {
            is_invalid: true,
            ..Outcome::default()
        };
    }
    let test = |test: TheirTest| {
        [
            test.name,
            test.path
                .map(|path| format!("file {path}"))
                .unwrap_or_else(|| format!("command {:?}", test.command.unwrap())),
            test.restrictions.join(" "),
            reduced(&test.depends),
            format!("{:?}", test.own),
        ]
    };
    let skip = |(name, words): (String, String)| format!("{name:<20} {words}");
    Outcome {
        is_invalid: false,
        tests: answer.tests.into_iter().map(test).collect(),
        skips: answer.skips.into_iter().map(skip).collect(),
    }
}

fn of_ours(plan: Option<Plan>) -> Outcome {
    let Some(plan) = plan else {
        return Outcome {
            is_invalid: true,
            ..Outcome::default()
        };
    };
    let tests = plan.runs().map(|test| {
        let mut restrictions: Vec<&str> = test.restrictions.iter().map(|word| word.word()).collect();
        restrictions.sort_unstable();
        [
            test.name.to_string(),
            match &test.executes {
                Executes::File(path) => format!("file {path}"),
                Executes::Command(command) => format!("command {command:?}"),
            },
            restrictions.join(" "),
            test.dependencies.to_string(),
            format!("{:?}", test.own_packages),
        ]
    });
    // They say that only after all was run.
    let skips = plan.skips().filter(|result| result.name != "*");
    Outcome {
        is_invalid: false,
        tests: tests.collect(),
        skips: skips.map(ToString::to_string).collect(),
    }
}

/// What we make of a source's control files.
pub(crate) fn ours(source: &str, control: &str) -> Outcome {
    let source = SourceControl::parse(source.as_bytes()).unwrap();
    let setting = Setting {
        capabilities: CAPABILITIES.split(' ').collect::<Capabilities>(),
        architecture: ARCHITECTURE.to_owned(),
        dialect: installed(),
    };
    let control = TestControl::parse(control.as_bytes());
    of_ours(control.and_then(|control| plan(Some(&control), &source, &setting)).ok())
}

fn installed() -> Dialect {
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Version}", "autopkgtest"])
        .output()
        .unwrap();
    String::from_utf8(asked.stdout).unwrap().parse().unwrap()
}

/// What autopkgtest makes of source trees. One process reads all of them.
pub(crate) fn theirs(trees: &[PathBuf]) -> Vec<Outcome> {
    let lines = trees.iter().map(|tree| format!("{}\n", tree.to_str().unwrap()));
    let asked: String = lines.collect();
    let mut python = Command::new("/usr/bin/python3")
        .args(["-c", THEIRS, ARCHITECTURE, CAPABILITIES])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 is installed (package autopkgtest)");
    let mut input = python.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(asked.as_bytes()));
    let answered = python.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(
        answered.status.success(),
        "autopkgtest (package autopkgtest): {}",
        String::from_utf8_lossy(&answered.stderr)
    );
    let answers = String::from_utf8(answered.stdout).unwrap();
    let answers = answers
        .lines()
        .map(|line| of_theirs(serde_json::from_str(line).unwrap()));
    answers.collect()
}
