//! Findings: recorded as they are reported, fit to be shown, and those of the newest attempt alone.

#![expect(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

use preflight_core::*;

#[expect(dead_code, reason = "other tests need more of it")]
mod support;
use support::{House, source, ticket};

fn finding(name: &str) -> Finding {
    Finding {
        test: Some("smoke\n".to_owned()),
        kind: FindingKind::Network(NetworkFinding {
            protocol: NetworkProtocol::Dns,
            destination: [192, 0, 2, 53].into(),
            name: Some(name.to_owned()),
            port: Some(53),
            process: None,
        }),
        declared: false,
        log_line: Some(7),
        count: 2,
    }
}

fn report(house: &mut House, job: JobId, finding: Finding) -> Result<Vec<Event>, Refusal> {
    let attempt = house.state.job(job).unwrap().attempt();
    house.send(Command::Report {
        job,
        attempt,
        report: Report::Finding(Box::new(finding)),
    })
}

#[test]
fn findings_are_the_newest_attempts() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let job = house.start().unwrap();
    report(&mut house, job, finding("evil\u{1b}[2J.example")).unwrap();
    let findings = &house.state.ticket(id).unwrap().findings;
    assert_eq!((findings[0].job, findings[0].attempt), (job, Attempt(1)));
    let found = &findings[0].finding;
    assert_eq!(
        (found.test.as_deref(), found.log_line, found.count),
        (Some("smoke\\n"), Some(7), 2)
    );
    assert_eq!(
        found.kind.to_string(),
        "network attempt refused: dns to 192.0.2.53 (asking for evil\\u{1b}[2J.example) by a process that was gone"
    );

    let reason = "the daemon died".to_owned();
    house.send(Command::Interrupt { job, reason }).unwrap();
    assert_eq!(house.start(), Some(job));
    assert_eq!(house.state.ticket(id).unwrap().findings, []);
}

#[test]
fn a_guest_cannot_fill_the_state() {
    let mut house = House::new();
    let id = house.create(ticket(vec![source("a", false, &[])]));
    let job = house.start().unwrap();
    let refused = (0..10_000).find_map(|number| report(&mut house, job, finding(&number.to_string())).err());
    assert_eq!(refused, Some(Refusal::TooMany(job, 2_000, "findings")));
    assert_eq!(house.state.ticket(id).unwrap().findings.len(), 2_000);
}
