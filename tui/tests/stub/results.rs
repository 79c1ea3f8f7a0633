//! Results in the formats of others, as a daemon writes them: the summary's lines in every file.

use preflight_protocol::error::{ErrorCode, RpcError};
use preflight_protocol::result::TestResult;
use preflight_protocol::result_export::{ResultFormat, ResultsExport, ResultsExported};
use preflight_protocol::ticket::Ticket;
use preflight_tui::cli::report;

pub(super) fn export(ticket: &Ticket, request: &ResultsExport) -> Result<ResultsExported, RpcError> {
    if !ticket.summary.status.is_final() {
        return Err(RpcError::new(ErrorCode::Conflict, "the tests have not ended"));
    }
    let is_wanted = |test: &&TestResult| match request.job {
        Some(job) => test.job == job,
        None => !ticket.is_rerun(test.job),
    };
    let tests = ticket.tests.iter().filter(is_wanted);
    let line = |test: &TestResult| report::summary_line(&test.name, test.status, test.reason.as_deref()) + "\n";
    let text: String = tests.map(line).collect();
    let file = match request.format {
        ResultFormat::Autopkgtest | ResultFormat::Debci => {
            std::fs::create_dir(&request.output).unwrap();
            request.output.join("summary")
        }
        _ => request.output.clone(),
    };
    std::fs::write(file, &text).unwrap();
    Ok(ResultsExported {
        output: request.output.clone(),
        sources: ticket.summary.sources.clone(),
        files: 1,
        size: text.len() as u64,
        notes: vec!["artifacts/a is the one of test b\u{1b}: an earlier test has left another one".to_owned()],
    })
}
