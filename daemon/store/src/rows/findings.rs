//! Findings: their rows, one a finding, and how they are read back. Lists of words stand with line ends between them; core
//! lets no control character into a word.

use std::net::IpAddr;

use preflight_core::{
    Attempt, Finding, FindingKind, FindingRecord, GuestProcess, JobId, NetworkFinding, NetworkProtocol,
};
use rusqlite::{Connection, Result, Row, params};

use super::{log_findings, run};
use crate::error::StoreError;
use crate::words::{nonsense, number, unsigned};

const NETWORK: &str = "network";
const FETCH: &str = "fetch";
const UNLISTED: &str = "unlisted";

pub(super) fn write(db: &Connection, record: &FindingRecord) -> Result<()> {
    let finding = &record.finding;
    let network = match &finding.kind {
        FindingKind::Network(network) => Some(network),
        FindingKind::Log(said) => return log_findings::write(db, record, said),
        FindingKind::Fetch { .. } | FindingKind::Unlisted => None,
    };
    let process = network.and_then(|network| network.process.as_ref());
    let (kind, url, reason) = match &finding.kind {
        FindingKind::Network(_) => (NETWORK, None, None),
        FindingKind::Fetch { url, reason } => (FETCH, Some(url), Some(reason)),
        FindingKind::Unlisted | FindingKind::Log(_) => (UNLISTED, None, None),
    };
    run(
        db,
        "INSERT INTO findings (job, attempt, test, kind, declared, log_line, count, protocol, destination, name, port, pid,
         uid, process, command_line, parents, url, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            number(record.job.0),
            record.attempt.0,
            finding.test,
            kind,
            finding.declared,
            finding.log_line.map(number),
            number(finding.count),
            network.map(|network| protocol_word(network.protocol)),
            network.map(|network| network.destination.to_string()),
            network.and_then(|network| network.name.as_deref()),
            network.and_then(|network| network.port),
            process.map(|process| process.pid),
            process.map(|process| process.uid),
            process.map(|process| process.name.as_str()),
            process.and_then(|process| joined(&process.command_line)),
            process.and_then(|process| joined(&process.parents)),
            url,
            reason,
        ],
    )
}

/// A whole row.
pub(crate) fn read(row: &Row<'_>) -> std::result::Result<FindingRecord, StoreError> {
    let kind = match row.get::<_, String>("kind")?.as_str() {
        NETWORK => FindingKind::Network(network(row)?),
        FETCH => FindingKind::Fetch {
            url: row.get("url")?,
            reason: row.get("reason")?,
        },
        UNLISTED => FindingKind::Unlisted,
        other => return Err(nonsense("a finding's kind", other)),
    };
    Ok(FindingRecord {
        job: JobId(unsigned(row.get("job")?)),
        attempt: Attempt(row.get("attempt")?),
        finding: Finding {
            test: row.get("test")?,
            kind,
            declared: row.get("declared")?,
            log_line: row.get::<_, Option<i64>>("log_line")?.map(unsigned),
            count: unsigned(row.get("count")?),
        },
    })
}

fn network(row: &Row<'_>) -> std::result::Result<NetworkFinding, StoreError> {
    let destination: String = row.get("destination")?;
    let destination: IpAddr = destination
        .parse()
        .map_err(|_| nonsense("a destination", destination))?;
    let process = match row.get::<_, Option<u32>>("pid")? {
        None => None,
        Some(pid) => Some(GuestProcess {
            pid,
            uid: row.get("uid")?,
            name: row.get("process")?,
            command_line: parted(row.get("command_line")?),
            parents: parted(row.get("parents")?),
        }),
    };
    Ok(NetworkFinding {
        protocol: protocol(&row.get::<_, String>("protocol")?)?,
        destination,
        name: row.get("name")?,
        port: row.get("port")?,
        process,
    })
}

/// The protocol's name; of one that has none here, its number.
fn protocol_word(protocol: NetworkProtocol) -> String {
    match protocol {
        NetworkProtocol::Tcp => "tcp".to_owned(),
        NetworkProtocol::Udp => "udp".to_owned(),
        NetworkProtocol::Dns => "dns".to_owned(),
        NetworkProtocol::Ping => "ping".to_owned(),
        NetworkProtocol::Other(number) => number.to_string(),
    }
}

fn protocol(word: &str) -> std::result::Result<NetworkProtocol, StoreError> {
    match word {
        "tcp" => Ok(NetworkProtocol::Tcp),
        "udp" => Ok(NetworkProtocol::Udp),
        "dns" => Ok(NetworkProtocol::Dns),
        "ping" => Ok(NetworkProtocol::Ping),
        other => match other.parse() {
            Ok(number) => Ok(NetworkProtocol::Other(number)),
            Err(_) => Err(nonsense("a network protocol", other)),
        },
    }
}

/// The words; no text for no word, since one empty word is a text.
fn joined(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join("\n"))
}

fn parted(text: Option<String>) -> Vec<String> {
    text.map_or_else(Vec::new, |text| text.split('\n').map(str::to_owned).collect())
}
