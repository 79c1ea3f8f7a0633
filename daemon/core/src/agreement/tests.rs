use std::time::Duration;

use super::*;
use crate::command::{Command, NewSubticket, NewTicket, Report};
use crate::decide::decide;
use crate::ids::{Moment, Series};
use crate::job::Ending;
use crate::result::{Artifact, TestResult};
use crate::state::State;
use crate::ticket::{Options, Signature};

type Locks = Vec<(JobId, Vec<LockEntry>)>;

/// What a run's jobs report; all else is as usual.
#[derive(Clone)]
struct Script {
    sources: Vec<&'static str>,
    /// Tickets that were made before: another machine has other numbers.
    others: usize,
    test: Option<TestStatus>,
    build: Outcome,
    deb: u8,
    url: &'static str,
    fetched: Vec<u8>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            sources: vec!["hello"],
            others: 0,
            test: Some(TestStatus::Pass),
            build: Outcome::Pass,
            deb: 1,
            url: "http://mirror.example/pool",
            fetched: vec![1, 2],
        }
    }
}

impl Script {
    fn run(&self) -> (Ticket, Locks) {
        let mut state = State::default();
        let mut locks = Locks::new();
        for _ in 0..=self.others {
            act(&mut state, Command::Create(Box::new(self.ticket())));
        }
        let id = state.tickets().last().unwrap().id;
        let jobs: Vec<Job> = state.ticket(id).unwrap().jobs.clone();
        for job in jobs {
            if state.job(job.id).unwrap().state != JobState::Queued {
                continue;
            }
            act(&mut state, Command::Start { job: job.id });
            for report in self.reports(&job) {
                if let Report::Lock(entries) = &report {
                    locks.push((job.id, entries.clone()));
                }
                let attempt = state.job(job.id).unwrap().attempt();
                let job = job.id;
                act(&mut state, Command::Report { job, attempt, report });
            }
        }
        (state.ticket(id).unwrap().clone(), locks)
    }

    fn ticket(&self) -> NewTicket {
        let subticket = |name: &&str| NewSubticket {
            source: (*name).into(),
            version: "1".into(),
            origin: "/src".into(),
            signature: Signature::None,
            staged: format!("sources/{name}").into(),
            needs_source_package: true,
            build_after: vec![],
        };
        NewTicket {
            title: String::new(),
            description: String::new(),
            bug: None,
            owner: String::new(),
            series: Series("sid".into()),
            options: Options::default(),
            subtickets: self.sources.iter().map(subticket).collect(),
            preparation: None,
            wait: false,
            warnings: vec![],
        }
    }

    fn reports(&self, job: &Job) -> Vec<Report> {
        let source = job.source.clone().unwrap_or_default();
        let artifact = |name: String, byte| {
            Report::Artifact(Artifact {
                name,
                sha256: Sha256([byte; 32]),
                size: 1,
                path: "/x".into(),
            })
        };
        let mut reports = match job.kind {
            JobKind::Build => {
                let entry = |byte: &u8| LockEntry {
                    url: format!("{}/{byte}", self.url),
                    sha256: Sha256([*byte; 32]),
                    size: 1,
                    origin: None,
                };
                vec![
                    artifact(format!("{source}_1_amd64.deb"), self.deb),
                    // Never the same twice.
                    artifact(
                        format!("{source}_1_amd64.buildinfo"),
                        self.deb.wrapping_add(job.id.0 as u8),
                    ),
                    Report::Lock(self.fetched.iter().map(entry).collect()),
                ]
            }
            JobKind::Test => self
                .test
                .map(|status| {
                    Report::Test(TestResult {
                        source,
                        name: "command1".into(),
                        status,
                        reason: None,
                        duration: Duration::from_secs(job.id.0),
                        log_line: None,
                    })
                })
                .into_iter()
                .collect(),
            _ => vec![],
        };
        let outcome = match (job.kind, self.test) {
            (JobKind::Build, _) => self.build,
            (JobKind::Test, Some(TestStatus::Fail)) => Outcome::Fail,
            _ => Outcome::Pass,
        };
        reports.push(Report::Finished(Ending::new(outcome, None)));
        reports
    }
}

fn act(state: &mut State, command: Command) {
    for event in decide(state, command, Moment(1)).unwrap() {
        state.apply(&event);
    }
}

fn between(earlier: &Script, later: &Script) -> Agreement {
    between_jobs(earlier, later, None)
}

fn between_jobs(earlier: &Script, later: &Script, only: Option<&JobLabel>) -> Agreement {
    let ((before, before_locks), (after, after_locks)) = (earlier.run(), later.run());
    compare(
        Run {
            ticket: &before,
            locks: &before_locks,
        },
        Run {
            ticket: &after,
            locks: &after_locks,
        },
        only,
    )
}

fn lines(agreement: &Agreement) -> Vec<String> {
    agreement.differences.iter().map(ToString::to_string).collect()
}

#[test]
fn equal_runs_agree_whatever_their_numbers_and_mirrors_are() {
    let usual = Script::default();
    let found = between(&usual, &usual);
    assert!(found.agrees());
    let same = Counts {
        jobs: 3,
        tests: 1,
        packages: 1,
        files: 2,
    };
    assert_eq!(found.same, same);
    let elsewhere = Script {
        others: 3,
        url: "http://elsewhere.example/pool",
        ..Script::default()
    };
    assert_eq!(lines(&between(&usual, &elsewhere)), Vec::<String>::new());
}

#[test]
fn each_difference_is_one_line() {
    let usual = Script::default();
    let two = Script {
        sources: vec!["hello", "world"],
        ..Script::default()
    };
    let failing = Script {
        test: Some(TestStatus::Fail),
        ..Script::default()
    };
    let untested = Script {
        test: None,
        ..Script::default()
    };
    let broken = Script {
        build: Outcome::BadPackage,
        ..Script::default()
    };
    let rebuilt = Script {
        deb: 2,
        ..Script::default()
    };
    let updated = Script {
        fetched: vec![1, 3],
        ..Script::default()
    };
    let more = Script {
        fetched: vec![1, 2, 3],
        ..Script::default()
    };
    for (earlier, later, same_results, expected) in [
        (
            &usual,
            &failing,
            false,
            &["test of hello: fail, was pass", "test command1: FAIL, was PASS"][..],
        ),
        (&usual, &untested, false, &["test command1: not run, was PASS"]),
        (&untested, &usual, false, &["test command1: PASS, was not run"]),
        (
            &usual,
            &broken,
            false,
            &[
                "build of hello: bad package, was pass",
                "image: not run, since what it needs has failed, was pass",
                "test of hello: not run, since what it needs has failed, was pass",
                "test command1: not run, was PASS",
            ],
        ),
        (
            &usual,
            &rebuilt,
            true,
            &["hello_1_amd64.deb differs: 020202020202, was 010101010101"],
        ),
        (
            &usual,
            &updated,
            true,
            &["lock of the build of hello: 2 files differ: http://mirror.example/pool/2 …"],
        ),
        (
            &usual,
            &more,
            true,
            &["lock of the build of hello: 1 file differs: http://mirror.example/pool/3"],
        ),
        (
            &usual,
            &two,
            false,
            &[
                "build of world: pass, was not there",
                "lock of the build of world: 2 files differ: http://mirror.example/pool/1 …",
                "world_1_amd64.deb was not made before",
                "test of world: pass, was not there",
                "test world/command1: PASS, was not run",
            ],
        ),
    ] {
        let found = between(earlier, later);
        assert_eq!(lines(&found), expected);
        assert_eq!((found.agrees(), found.same_results()), (false, same_results));
    }
}

#[test]
fn one_job_can_be_judged_alone() {
    let broken = Script {
        build: Outcome::BadPackage,
        ..Script::default()
    };
    let found = |job: &JobLabel| between_jobs(&Script::default(), &broken, Some(job));
    let image = JobLabel {
        kind: JobKind::Image,
        source: None,
    };
    assert_eq!(found(&image).differences.len(), 1);
    let build = JobLabel {
        kind: JobKind::Build,
        source: Some("hello".into()),
    };
    assert_eq!(lines(&found(&build)), ["build of hello: bad package, was pass"]);
}
