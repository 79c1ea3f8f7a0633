//! Finds the process behind an attempt: source port, socket, open file. Best effort: a process that has gone is not found.

use std::fs;
use std::path::Path;

use preflight_guest_protocol::message::{AttemptOwner, AttemptProtocol};

use super::packet::Seen;

/// Ancestors that are named.
const ANCESTORS: usize = 8;
/// Bytes of a command line that are told.
const COMMAND_LINE: usize = 1024;

/// The process that has the attempt's socket open.
pub(super) fn find(seen: &Seen) -> Option<AttemptOwner> {
    let tables = match seen.protocol {
        AttemptProtocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
        AttemptProtocol::Udp | AttemptProtocol::Dns => ["/proc/net/udp", "/proc/net/udp6"],
        AttemptProtocol::Ping => ["/proc/net/icmp", "/proc/net/icmp6"],
        AttemptProtocol::Other(_) => return None,
    };
    let port = seen.source_port?;
    let (inode, uid) = tables
        .iter()
        .find_map(|table| socket(&fs::read_to_string(table).ok()?, port))?;
    let pid = holder(&format!("socket:[{inode}]"))?;
    Some(describe(pid, uid))
}

/// Inode and user of the socket with this local port.
fn socket(table: &str, port: u16) -> Option<(u64, u32)> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let inode = fields.get(9)?.parse().ok().filter(|inode| *inode != 0)?;
        let uid = fields.get(7)?.parse().ok()?;
        (u16::from_str_radix(local, 16) == Ok(port)).then_some((inode, uid))
    })
}

fn holder(socket: &str) -> Option<u32> {
    let has_it = |pid: u32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        fds.into_iter()
            .any(|fd| fs::read_link(fd.path()).is_ok_and(|link| link == Path::new(socket)))
    };
    let pids = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // The newest first: a parent may hold its child's socket too.
    let mut pids: Vec<u32> = pids.collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    pids.into_iter().find(|pid| has_it(*pid))
}

fn describe(pid: u32, uid: u32) -> AttemptOwner {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = raw[..raw.len().min(COMMAND_LINE)]
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    let command_line = words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut ancestors = Vec::new();
    let mut current = parent(pid);
    while let Some(pid) = current.filter(|pid| *pid > 1 && ancestors.len() < ANCESTORS) {
        ancestors.push(name(pid));
        current = parent(pid);
    }
    AttemptOwner {
        pid,
        uid,
        name: name(pid),
        command_line,
        ancestors,
    }
}

fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_of_this_process_is_found() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let seen = Seen {
            protocol: AttemptProtocol::Udp,
            source_port: Some(socket.local_addr().unwrap().port()),
            destination: [203, 0, 113, 1].into(),
            port: Some(9),
            query: None,
            reply: None,
        };
        let owner = find(&seen).unwrap();
        assert_eq!(owner.pid, std::process::id());
        assert!(owner.command_line[0].contains("preflight_guest_agent"), "{owner:?}");
        assert!(!owner.ancestors.is_empty());
    }
}
