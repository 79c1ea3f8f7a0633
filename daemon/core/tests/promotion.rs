//! Promotions: what a link wants of a ticket, what is missing, where links go and go back to.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use preflight_core::promotion::*;
use preflight_core::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, ending, source, ticket};

use TestStatus::{Fail, Flaky, Pass, Skip};

const GENERATION: Sha256 = Sha256([7; 32]);

type Results<'a> = &'a [(&'a str, &'a str, TestStatus)];

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn result(source: &str, name: &str, status: TestStatus) -> TestResult {
    TestResult {
        source: source.into(),
        name: name.into(),
        status,
        reason: None,
        duration: std::time::Duration::ZERO,
        log_line: None,
    }
}

/// The exit code of a source with these results.
fn code(results: &[&(&str, &str, TestStatus)]) -> u8 {
    let any = |status| results.iter().any(|(_, _, other)| *other == status);
    match (any(Fail), any(Skip) || any(Flaky), any(Pass)) {
        (true, true, _) => 6,
        (true, false, _) => 4,
        (false, _, false) => 8,
        (false, true, true) => 2,
        (false, false, true) => 0,
    }
}

/// Runs what can run: tests have these results, builds pass but for those of `broken` sources.
fn run(house: &mut House, results: Results<'_>, broken: &[&str]) {
    while let Some(id) = house.start() {
        let job = house.state.job(id).unwrap().clone();
        let attempt = job.attempt();
        let name = job.source.clone().unwrap_or_default();
        let mut reports = vec![];
        let mut end = Ending::pass();
        match job.kind {
            JobKind::Image => reports.push(Report::Image(ImageRecord {
                id: ImageId(format!("image-{}", job.ticket)),
                series: Series("debian-bookworm".into()),
                kind: ImageKind::Ticket,
                parent: None,
                size: 1,
                created_at: Moment(0),
                path: "/i".into(),
            })),
            JobKind::Test => {
                let meant = |(source, test, _): &&(&str, &str, TestStatus)| {
                    let rerun = job.rerun.as_ref();
                    *source == name && rerun.is_none_or(|rerun| rerun.test == *test)
                };
                let own: Vec<_> = results.iter().filter(meant).collect();
                let exit_code = ExitCode::try_from(code(&own)).unwrap();
                end = ending(exit_code.outcome(), exit_code.code());
                reports.extend(
                    own.iter()
                        .map(|(source, test, status)| Report::Test(result(source, test, *status))),
                );
            }
            _ if broken.contains(&name.as_str()) => end = ending(Outcome::BadPackage, 12),
            _ => {}
        }
        for report in reports.into_iter().chain([Report::Finished(end)]) {
            house
                .send(Command::Report {
                    job: id,
                    attempt,
                    report,
                })
                .unwrap();
        }
    }
}

fn check(house: &mut House, series: &str, results: Results<'_>, broken: &[&str]) -> TicketId {
    let sources = vec![source("hello", false, &[]), source("world", false, &[])];
    let id = house.create(NewTicket {
        series: Series(series.into()),
        ..ticket(sources)
    });
    run(house, results, broken);
    id
}

/// What is missing, line by line.
fn missing(house: &House, criteria: &Criteria, id: TicketId) -> Vec<String> {
    let ticket = house.state.ticket(id).unwrap();
    let now = Moment(house.now);
    match evaluate(criteria, ticket, Some(GENERATION), &house.state, now) {
        Ok(()) => vec![],
        Err(missing) => missing.iter().map(ToString::to_string).collect(),
    }
}

fn built_in(name: &str) -> Criteria {
    Criteria::built_in(&link(name)).unwrap()
}

const GOOD: Results<'static> = &[("hello", "upstream", Pass), ("world", "smoke", Pass)];
const BAD: Results<'static> = &[
    ("hello", "upstream", Fail),
    ("hello", "other", Pass),
    ("world", "smoke", Pass),
];

#[test]
fn the_links_that_need_no_file() {
    const TESTED: &str = "on debian-bookworm with pass, skipped or no tests: that of ticket 1";
    let failed = format!("test of hello {TESTED} has fail (upstream)");
    let skipped = |what: &str| format!("{what}: that of ticket 1 was not run, since what it needs has failed");
    let build = "build of hello on debian-bookworm with pass: that of ticket 1 has bad package".to_owned();
    let test_of = |source: &str| {
        skipped(&format!(
            "test of {source} on debian-bookworm with pass, skipped or no tests"
        ))
    };
    for (results, broken, current, consistent, tested) in [
        (GOOD, &[][..], vec![], vec![], vec![]),
        (BAD, &[], vec![], vec![], vec![failed]),
        (
            &[("hello", "a", Pass), ("hello", "b", Flaky)],
            &[],
            vec![],
            vec![],
            vec![],
        ),
        (
            GOOD,
            &["hello"],
            vec![],
            vec![build.clone()],
            vec![
                build.clone(),
                skipped("image on debian-bookworm with pass"),
                test_of("hello"),
                test_of("world"),
            ],
        ),
        (
            GOOD,
            &["hello", "world"],
            vec![build.clone(), build.replace("hello", "world")],
            vec![build.clone(), build.replace("hello", "world")],
            vec![
                build.clone(),
                build.replace("hello", "world"),
                skipped("image on debian-bookworm with pass"),
                test_of("hello"),
                test_of("world"),
            ],
        ),
    ] {
        let mut house = House::new();
        let id = check(&mut house, "debian-bookworm", results, broken);
        for (name, expected) in [("current", current), ("consistent", consistent), ("tested", tested)] {
            assert_eq!(
                missing(&house, &built_in(name), id),
                expected,
                "{name} {results:?} {broken:?}"
            );
        }
    }
    assert_eq!(Criteria::built_in(&link("own")), None);
}

#[test]
fn what_has_not_ended_is_missing_and_so_is_a_repository() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("hello", false, &[])]));
    assert_eq!(
        missing(&house, &built_in("current"), id),
        ["build of hello on debian-bookworm with pass: that of ticket 1 has not started"]
    );
    house.start().unwrap();
    assert_eq!(
        missing(&house, &built_in("current"), id),
        ["build of hello on debian-bookworm with pass: that of ticket 1 has not ended"]
    );
    let ticket = house.state.ticket(id).unwrap();
    let nothing = evaluate(&Criteria::default(), ticket, None, &house.state, Moment(0)).unwrap_err();
    assert_eq!(
        nothing[0].to_string(),
        "a repository: nothing has been built, or it has been freed"
    );
}

fn tests(series: &[&str], source: Which, exempt: Vec<Exemption>) -> Criteria {
    let jobs = JobRequirement {
        job: JobKind::Test,
        series: series.iter().map(|series| Series((*series).into())).collect(),
        source,
        how_many: HowMany::Every,
        outcomes: vec![Outcome::Pass],
    };
    Criteria {
        requires: vec![Requirement::Jobs(jobs)],
        exempt,
    }
}

fn exemption(source: &str, test: &str, until: Option<i64>) -> Exemption {
    let which = |name: &str| match name {
        "*" => Which::Any,
        name => Which::Named(name.into()),
    };
    Exemption {
        source: which(source),
        test: which(test),
        reason: "bug 1".into(),
        until: until.map(Moment),
    }
}

#[test]
fn an_exempt_test_does_not_count_until_its_day() {
    let mut house = House::new();
    let id = check(&mut house, "debian-bookworm", BAD, &[]);
    const LATER: i64 = i64::MAX;
    let failed = "test of hello on debian-bookworm with pass: that of ticket 1 has fail (upstream)";
    for (exempt, expected) in [
        (vec![], vec![failed.to_owned()]),
        (vec![exemption("hello", "upstream", None)], vec![]),
        (vec![exemption("hello", "upstream", Some(LATER))], vec![]),
        (vec![exemption("*", "upstream", Some(LATER))], vec![]),
        (vec![exemption("hello", "*", None)], vec![]),
        (vec![exemption("hello", "other", None)], vec![failed.to_owned()]),
        (vec![exemption("world", "upstream", None)], vec![failed.to_owned()]),
        (
            vec![exemption("hello", "upstream", Some(1))],
            vec![format!("{failed}; exempt no longer: upstream")],
        ),
        (
            vec![
                exemption("hello", "upstream", Some(1)),
                exemption("*", "upstream", None),
            ],
            vec![],
        ),
    ] {
        let criteria = tests(&[], Which::Any, exempt);
        assert_eq!(missing(&house, &criteria, id), expected, "{:?}", criteria.exempt);
    }
}

#[test]
fn what_ended_all_tests_is_excused_by_an_exemption_of_all_alone() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("hello", false, &[])]));
    for end in [Ending::pass(), Ending::pass(), ending(Outcome::TestbedBroken, 16)] {
        let job = house.start().unwrap();
        house.finish(job, end);
    }
    let broken = "test of hello on debian-bookworm with pass: that of ticket 1 has testbed broken";
    for (exempt, expected) in [
        (vec![exemption("hello", "upstream", None)], vec![broken]),
        (vec![exemption("hello", "*", None)], vec![]),
    ] {
        assert_eq!(missing(&house, &tests(&[], Which::Any, exempt), id), expected);
    }
    let mut house = House::new();
    let id = check(&mut house, "debian-bookworm", &[], &[]);
    assert_eq!(
        missing(&house, &tests(&[], Which::Named("hello".into()), vec![]), id),
        ["test of hello on debian-bookworm with pass: that of ticket 1 has no tests"],
        "no tests are no pass"
    );
}

#[test]
fn a_rerun_counts_unless_it_is_dirty() {
    for (staged, status, is_good) in [(false, Pass, true), (false, Fail, false), (true, Pass, false)] {
        let mut house = House::new();
        let id = check(&mut house, "debian-bookworm", BAD, &[]);
        house
            .send(Command::Rerun {
                ticket: id,
                test: "hello/upstream".into(),
                staged,
            })
            .unwrap();
        let criteria = tests(&[], Which::Any, vec![]);
        assert!(!missing(&house, &criteria, id).is_empty(), "it has not ended");
        run(&mut house, &[("hello", "upstream", status)], &[]);
        assert_eq!(
            missing(&house, &criteria, id).is_empty(),
            is_good,
            "dirty {staged}, {status:?}"
        );
    }
    // A test that passed, and failed when it was run once more, is not good either.
    let mut house = House::new();
    let id = check(&mut house, "debian-bookworm", GOOD, &[]);
    let rerun = Command::Rerun {
        ticket: id,
        test: "hello/upstream".into(),
        staged: false,
    };
    house.send(rerun).unwrap();
    run(&mut house, &[("hello", "upstream", Fail)], &[]);
    assert_eq!(missing(&house, &built_in("tested"), id).len(), 1);
}

#[test]
fn another_series_is_spoken_for_by_its_newest_ticket_of_the_same_sources() {
    let mut house = House::new();
    let id = check(&mut house, "debian-bookworm", GOOD, &[]);
    let criteria = tests(&["debian-bookworm", "debian-sid"], Which::Any, vec![]);
    assert_eq!(
        missing(&house, &criteria, id),
        ["test on debian-sid with pass: no ticket of these sources and versions"]
    );
    check(&mut house, "debian-sid", BAD, &[]);
    assert_eq!(
        missing(&house, &criteria, id),
        ["test of hello on debian-sid with pass: that of ticket 2 has fail (upstream)"]
    );
    check(&mut house, "debian-sid", GOOD, &[]);
    assert!(missing(&house, &criteria, id).is_empty());
    // One of another version says nothing.
    let mut other = vec![source("hello", false, &[]), source("world", false, &[])];
    other[0].version = "2-1".into();
    house.create(NewTicket {
        series: Series("debian-sid".into()),
        ..ticket(other)
    });
    assert!(missing(&house, &criteria, id).is_empty());
    assert_eq!(
        missing(&house, &tests(&[], Which::Named("moon".into()), vec![]), id),
        ["test of moon on debian-bookworm with pass: ticket 1 has none"]
    );
}

fn promote(house: &mut House, name: &str, ticket: TicketId, criteria: Criteria) -> Result<Vec<Event>, Refusal> {
    house.send(Command::Link(LinkCommand::Promote {
        link: link(name),
        to: RepositoryState {
            ticket,
            generation: GENERATION,
        },
        criteria,
        by: "jane".into(),
        why: Some("two\nlines".into()),
    }))
}

fn roll_back(house: &mut House, name: &str) -> Result<Vec<Event>, Refusal> {
    house.send(Command::Link(LinkCommand::RollBack {
        link: link(name),
        by: "joe".into(),
        why: None,
    }))
}

fn points_at(house: &House, name: &str) -> Option<u64> {
    Some(house.state.link(&link(name))?.points_at()?.ticket.0)
}

#[test]
fn a_link_moves_in_one_event_and_goes_back() {
    let mut house = House::new();
    let bad = check(&mut house, "debian-bookworm", BAD, &[]);
    let good = check(&mut house, "debian-bookworm", GOOD, &[]);
    let refused = promote(&mut house, "tested", bad, built_in("tested")).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.starts_with("ticket 1 cannot be promoted to tested:\ntest of hello on debian-bookworm"),
        "{text}"
    );
    assert_eq!(house.state.link(&link("tested")), None);

    let moved = promote(&mut house, "tested", good, built_in("tested")).unwrap();
    let [Event::LinkMoved(step)] = &moved[..] else {
        panic!("{moved:?}");
    };
    assert_eq!((step.from, step.rollback, step.by.as_str()), (None, false, "jane"));
    assert_eq!(step.why.as_deref(), Some("two\\nlines"), "text is made harmless");
    assert_eq!(
        promote(&mut house, "tested", good, built_in("tested")),
        Ok(vec![]),
        "it is there"
    );

    // An owner's criteria let the other one through, but only after it was promoted elsewhere.
    let own = Criteria {
        requires: vec![Requirement::Link(link("consistent"))],
        exempt: vec![],
    };
    let refused = promote(&mut house, "tested", bad, own.clone()).unwrap_err().to_string();
    assert!(
        refused.contains("promoted to consistent before: it was never there"),
        "{refused}"
    );
    promote(&mut house, "consistent", bad, built_in("consistent")).unwrap();
    promote(&mut house, "consistent", good, built_in("consistent")).unwrap();
    promote(&mut house, "tested", bad, own.clone()).unwrap();
    assert_eq!(points_at(&house, "tested"), Some(1));

    for (ticket, refusal) in [(bad, "tested"), (good, "consistent")] {
        let (link, ticket) = (link(refusal), ticket);
        assert_eq!(
            house.send(Command::Remove { ticket }),
            Err(LinkRefusal::PointsAt { link, ticket }.into())
        );
    }
    roll_back(&mut house, "tested").unwrap();
    assert_eq!(points_at(&house, "tested"), Some(2));
    roll_back(&mut house, "consistent").unwrap();
    assert_eq!(points_at(&house, "consistent"), Some(1));
    roll_back(&mut house, "consistent").unwrap();
    assert_eq!(points_at(&house, "consistent"), None);
    assert_eq!(
        roll_back(&mut house, "consistent"),
        Err(LinkRefusal::NothingBefore(link("consistent")).into())
    );
    assert_eq!(
        roll_back(&mut house, "own"),
        Err(LinkRefusal::NoLink(link("own")).into())
    );
    assert!(
        promote(&mut house, "tested", bad, own).is_err(),
        "what was rolled back was not promoted"
    );

    let history = house.state.link(&link("consistent")).unwrap().moves();
    let tickets = history.iter().map(|step| step.to.map(|to| to.ticket.0));
    assert_eq!(tickets.collect::<Vec<_>>(), [Some(1), Some(2), Some(1), None]);

    house.send(Command::Remove { ticket: bad }).unwrap();
    let third = check(&mut house, "debian-bookworm", GOOD, &[]);
    promote(&mut house, "current", third, built_in("current")).unwrap();
    let moves: Vec<LinkMove> = house
        .state
        .links()
        .flat_map(|(_, link)| link.moves())
        .cloned()
        .collect();
    let restored = State::restore(
        house.state.tickets().cloned().collect(),
        house.state.images().cloned().collect(),
        house.state.numbers(),
    );
    assert_eq!(restored.with_links(moves), house.state);
}

#[test]
fn what_was_removed_is_not_gone_back_to() {
    let mut house = House::new();
    let [first, second] = [(), ()].map(|()| check(&mut house, "debian-bookworm", GOOD, &[]));
    for ticket in [first, second] {
        promote(&mut house, "tested", ticket, built_in("tested")).unwrap();
    }
    house.send(Command::Remove { ticket: first }).unwrap();
    let gone = LinkRefusal::Gone {
        link: link("tested"),
        ticket: first,
    };
    assert_eq!(roll_back(&mut house, "tested"), Err(gone.into()));
    assert_eq!(points_at(&house, "tested"), Some(2));
    assert_eq!(
        promote(&mut house, "tested", first, Criteria::default()),
        Err(Refusal::NoTicket(first))
    );
}
