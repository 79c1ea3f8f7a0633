//! Findings, from the daemon's own types to the bundle's and back.

use preflight_bundle as bundle;
use preflight_core as core;

pub(super) fn to(record: &core::FindingRecord) -> bundle::Finding {
    let finding = &record.finding;
    bundle::Finding {
        job: record.job.0,
        attempt: record.attempt.0,
        test: finding.test.clone(),
        found: match finding.kind.clone() {
            core::FindingKind::Network(network) => bundle::Found::Network {
                protocol: match network.protocol {
                    core::NetworkProtocol::Tcp => bundle::Protocol::Tcp,
                    core::NetworkProtocol::Udp => bundle::Protocol::Udp,
                    core::NetworkProtocol::Dns => bundle::Protocol::Dns,
                    core::NetworkProtocol::Ping => bundle::Protocol::Ping,
                    core::NetworkProtocol::Other(number) => bundle::Protocol::Other(number),
                },
                destination: network.destination,
                name: network.name,
                port: network.port,
                process: network.process.map(|process| bundle::Process {
                    pid: process.pid,
                    uid: process.uid,
                    name: process.name,
                    command_line: process.command_line,
                    parents: process.parents,
                }),
            },
            core::FindingKind::Fetch { url, reason } => bundle::Found::Fetch { url, reason },
            core::FindingKind::Unlisted => bundle::Found::Unlisted,
            core::FindingKind::Log(said) => bundle::Found::Log {
                severity: match said.severity {
                    core::Severity::Error => bundle::Severity::Error,
                    core::Severity::Warning => bundle::Severity::Warning,
                    core::Severity::Note => bundle::Severity::Note,
                },
                tool: said.tool,
                message: said.message,
                place: said.place.map(|place| bundle::FilePlace {
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
    }
}

pub(super) fn from(finding: &bundle::Finding) -> core::FindingRecord {
    core::FindingRecord {
        job: core::JobId(finding.job),
        attempt: core::Attempt(finding.attempt),
        finding: core::Finding {
            test: finding.test.clone(),
            kind: match finding.found.clone() {
                bundle::Found::Network {
                    protocol,
                    destination,
                    name,
                    port,
                    process,
                } => core::FindingKind::Network(core::NetworkFinding {
                    protocol: match protocol {
                        bundle::Protocol::Tcp => core::NetworkProtocol::Tcp,
                        bundle::Protocol::Udp => core::NetworkProtocol::Udp,
                        bundle::Protocol::Dns => core::NetworkProtocol::Dns,
                        bundle::Protocol::Ping => core::NetworkProtocol::Ping,
                        bundle::Protocol::Other(number) => core::NetworkProtocol::Other(number),
                    },
                    destination,
                    name,
                    port,
                    process: process.map(|process| core::GuestProcess {
                        pid: process.pid,
                        uid: process.uid,
                        name: process.name,
                        command_line: process.command_line,
                        parents: process.parents,
                    }),
                }),
                bundle::Found::Fetch { url, reason } => core::FindingKind::Fetch { url, reason },
                bundle::Found::Unlisted => core::FindingKind::Unlisted,
                bundle::Found::Log {
                    severity,
                    tool,
                    message,
                    place,
                } => core::FindingKind::Log(core::LogFinding {
                    severity: match severity {
                        bundle::Severity::Error => core::Severity::Error,
                        bundle::Severity::Warning => core::Severity::Warning,
                        bundle::Severity::Note => core::Severity::Note,
                    },
                    tool,
                    message,
                    place: place.map(|place| core::FilePlace {
                        file: place.file,
                        in_source: place.in_source,
                        line: place.line,
                        column: place.column,
                    }),
                }),
            },
            declared: finding.declared,
            log_line: finding.log_line,
            count: finding.count,
        },
    }
}
