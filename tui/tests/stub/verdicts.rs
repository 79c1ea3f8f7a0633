//! Verdicts over invented tickets: one test of each kind, all of them known already.

use preflight_protocol::error::RpcError;
use preflight_protocol::ids::{JobId, TicketId};
use preflight_protocol::method::{Method, TicketBaseline, TicketVerdicts};
use preflight_protocol::result::{Outcome, TestStatus};
use preflight_protocol::verdict::{
    BaselineRun, JudgedTest, LogDivergence, LogLine, Meaning, PackageDifference, Rate, TakenFrom, TicketBaselining,
    Verdict,
};
use serde_json::Value;

use super::{read, write};

fn test(name: &str, status: TestStatus, meaning: Option<Meaning>) -> JudgedTest {
    JudgedTest {
        source: "hello".into(),
        name: name.into(),
        job: JobId(3),
        status,
        reason: (status == TestStatus::Fail).then(|| "non-zero exit status 1".into()),
        verdict: meaning.map(|meaning| Verdict { meaning, again: None }),
        again: Rate::default(),
        baseline: Some(BaselineRun {
            job: JobId(4),
            outcome: Some(Outcome::Pass),
            status: Some(TestStatus::Pass),
            reason: None,
            taken_from: None,
        }),
        packages: vec![],
        more_packages: 0,
        divergence: None,
    }
}

fn judged(ticket: TicketId) -> Vec<JudgedTest> {
    let fixed = test("fixed", TestStatus::Pass, Some(Meaning::Fixed));
    let mut flaky = test("flaky", TestStatus::Fail, Some(Meaning::Flaky));
    flaky.again = Rate { passed: 1, runs: 3 };
    flaky.verdict = flaky.verdict.map(|verdict| Verdict {
        again: Some(flaky.again),
        ..verdict
    });
    flaky.baseline = None;
    if ticket == TicketId(2) {
        return vec![fixed, flaky];
    }
    let mut worse = test("worse", TestStatus::Fail, Some(Meaning::Regression));
    worse.packages = (0..12)
        .map(|number| PackageDifference {
            name: format!("lib{number}"),
            with: Some("2".into()),
            without: (number > 0).then(|| "1".into()),
        })
        .collect();
    worse.more_packages = 5;
    worse.divergence = Some(LogDivergence {
        with: Some(LogLine {
            job: JobId(3),
            line: 12,
            text: "expected 3\u{1b}[31m".into(),
        }),
        without: None,
    });
    if let Some(baseline) = &mut worse.baseline {
        baseline.taken_from = Some(TakenFrom {
            ticket: TicketId(1),
            job: JobId(9),
        });
    }
    vec![worse, fixed, flaky]
}

pub(super) fn answer(method: &str, params: &Value) -> Option<Result<Value, RpcError>> {
    Some(match method {
        TicketBaseline::NAME => {
            read::<TicketBaseline>(params.clone()).and_then(|_| write(TicketBaselining { jobs: vec![] }))
        }
        TicketVerdicts::NAME => {
            read::<TicketVerdicts>(params.clone()).and_then(|request| write(judged(request.ticket)))
        }
        _ => return None,
    })
}
