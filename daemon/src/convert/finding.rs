//! What a run has revealed, from the daemon's words to the wire's.

use preflight_core as core;
use preflight_protocol::ids::Attempt;
use preflight_protocol::result as wire;

use super::job_id;

/// A finding; `ticket` is the one whose job it is of.
pub(super) fn finding(record: &core::FindingRecord, ticket: &core::Ticket) -> wire::Finding {
    let finding = &record.finding;
    wire::Finding {
        job: job_id(record.job),
        attempt: Attempt(record.attempt.0),
        source: ticket.job(record.job).and_then(|job| job.source.clone()),
        test: finding.test.clone(),
        kind: match finding.kind.clone() {
            core::FindingKind::Network(network) => wire::FindingKind::Network {
                protocol: match network.protocol {
                    core::NetworkProtocol::Tcp => wire::NetworkProtocol::Tcp,
                    core::NetworkProtocol::Udp => wire::NetworkProtocol::Udp,
                    core::NetworkProtocol::Dns => wire::NetworkProtocol::Dns,
                    core::NetworkProtocol::Ping => wire::NetworkProtocol::Ping,
                    core::NetworkProtocol::Other(number) => wire::NetworkProtocol::Other(number),
                },
                destination: network.destination,
                name: network.name,
                port: network.port,
                process: network.process.map(|process| wire::GuestProcess {
                    pid: process.pid,
                    uid: process.uid,
                    name: process.name,
                    command_line: process.command_line,
                    parents: process.parents,
                }),
            },
            core::FindingKind::Fetch { url, reason } => wire::FindingKind::Fetch { url, reason },
            core::FindingKind::Unlisted => wire::FindingKind::Unlisted,
            core::FindingKind::Log(said) => wire::FindingKind::Log {
                severity: match said.severity {
                    core::Severity::Error => wire::Severity::Error,
                    core::Severity::Warning => wire::Severity::Warning,
                    core::Severity::Note => wire::Severity::Note,
                },
                tool: said.tool,
                message: said.message,
                place: said.place.map(|place| wire::FilePlace {
                    file: place.file,
                    in_source: place.in_source,
                    line: place.line,
                    column: place.column,
                }),
            },
        },
        declared: finding.declared,
        log_line: finding.log_line,
        count: finding.count,
        text: finding.to_string(),
    }
}
