//! Reads the packets that would leave the guest, and makes the answers that end an attempt at once: a refusal for TCP, "no
//! such name" for DNS. Pure; layouts are those of RFC 791, 8200, 9293, 768 and 1035.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use preflight_guest_protocol::message::AttemptProtocol;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const DNS_PORT: u16 = 53;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const RST_ACK: u8 = 0x14;

/// An attempt and what to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    pub(super) protocol: AttemptProtocol,
    pub(super) source_port: Option<u16>,
    pub(super) destination: IpAddr,
    pub(super) port: Option<u16>,
    pub(super) query: Option<String>,
    pub(super) reply: Option<Vec<u8>>,
}

struct Packet<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

/// The attempt that a packet is; `None` for what no program asked for: the kernel's own multicasts, later packets.
pub(super) fn look(bytes: &[u8]) -> Option<Seen> {
    let packet = parse(bytes)?;
    let is_to_all = match packet.destination {
        IpAddr::V4(address) => address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast(),
    };
    if is_to_all {
        return None;
    }
    match packet.protocol {
        TCP => tcp(&packet),
        UDP => udp(&packet),
        ICMP if packet.payload.first() == Some(&8) => Some(ping(&packet)),
        ICMPV6 if packet.payload.first() == Some(&128) => Some(ping(&packet)),
        ICMP | ICMPV6 => None,
        other => Some(seen(&packet, AttemptProtocol::Other(other), None, None)),
    }
}

fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    match bytes.first()? >> 4 {
        4 => {
            let header_len = usize::from(bytes[0] & 0x0f) * 4;
            let header: &[u8; 20] = bytes.first_chunk()?;
            // Only a first fragment has ports.
            if u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0 {
                return None;
            }
            Some(Packet {
                source: Ipv4Addr::from(*header[12..].first_chunk::<4>()?).into(),
                destination: Ipv4Addr::from(*header[16..].first_chunk::<4>()?).into(),
                protocol: header[9],
                payload: bytes.get(header_len.max(20)..)?,
            })
        }
        6 => {
            let header: &[u8; 40] = bytes.first_chunk()?;
            Some(Packet {
                source: Ipv6Addr::from(*header[8..].first_chunk::<16>()?).into(),
                destination: Ipv6Addr::from(*header[24..].first_chunk::<16>()?).into(),
                protocol: header[6],
                payload: &bytes[40..],
            })
        }
        _ => None,
    }
}

fn seen(packet: &Packet<'_>, protocol: AttemptProtocol, source_port: Option<u16>, port: Option<u16>) -> Seen {
    Seen {
        protocol,
        source_port,
        destination: packet.destination,
        port,
        query: None,
        reply: None,
    }
}

fn ports(segment: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *segment.first_chunk()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

fn tcp(packet: &Packet<'_>) -> Option<Seen> {
    let header: &[u8; 20] = packet.payload.first_chunk()?;
    let (from, to) = ports(header)?;
    if header[13] & (SYN | ACK) != SYN {
        return None;
    }
    let next = u32::from_be_bytes([header[4], header[5], header[6], header[7]]).wrapping_add(1);
    let mut segment = Vec::with_capacity(20);
    segment.extend(to.to_be_bytes());
    segment.extend(from.to_be_bytes());
    segment.extend([0; 4]);
    segment.extend(next.to_be_bytes());
    segment.extend([5 << 4, RST_ACK, 0, 0, 0, 0, 0, 0]);
    let reply = answer(packet, segment, 16);
    Some(Seen {
        reply,
        ..seen(packet, AttemptProtocol::Tcp, Some(from), Some(to))
    })
}

fn udp(packet: &Packet<'_>) -> Option<Seen> {
    let (from, to) = ports(packet.payload)?;
    let question = (to == DNS_PORT).then(|| question(packet.payload.get(8..)?)).flatten();
    let Some((query, message)) = question else {
        return Some(seen(packet, AttemptProtocol::Udp, Some(from), Some(to)));
    };
    let mut segment = Vec::with_capacity(8 + message.len());
    segment.extend(to.to_be_bytes());
    segment.extend(from.to_be_bytes());
    segment.extend(u16::try_from(8 + message.len()).ok()?.to_be_bytes());
    segment.extend([0; 2]);
    segment.extend(message);
    let reply = answer(packet, segment, 6);
    Some(Seen {
        query: Some(query),
        reply,
        ..seen(packet, AttemptProtocol::Dns, Some(from), Some(to))
    })
}

fn ping(packet: &Packet<'_>) -> Seen {
    let id = packet.payload.get(4..6).map(|id| u16::from_be_bytes([id[0], id[1]]));
    seen(packet, AttemptProtocol::Ping, id, None)
}

/// The name that a DNS query asks for, and the answer that there is none.
fn question(query: &[u8]) -> Option<(String, Vec<u8>)> {
    let header: &[u8; 12] = query.first_chunk()?;
    let is_question = header[2] & 0x80 == 0 && header[4..6] == [0, 1];
    if !is_question {
        return None;
    }
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        let label = query.get(at..at + length).filter(|_| length < 64 && name.len() < 254)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '?'
            }
        }));
        at += length;
    }
    let mut message = query.get(..at + 4)?.to_vec();
    message[2] = 0x80 | (header[2] & 0x79);
    message[3] = 0x80 | 3;
    message[6..12].fill(0);
    Some((name, message))
}

/// A packet back to the sender, with the checksum of its segment at this place.
fn answer(packet: &Packet<'_>, mut segment: Vec<u8>, checksum_at: usize) -> Option<Vec<u8>> {
    let length = u16::try_from(segment.len()).ok()?;
    let mut pseudo = Vec::new();
    let mut out = Vec::with_capacity(40 + segment.len());
    match (packet.destination, packet.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            out.extend([0x45, 0]);
            out.extend((20 + length).to_be_bytes());
            out.extend([0, 0, 0x40, 0, 64, packet.protocol, 0, 0]);
            out.extend(from.octets());
            out.extend(to.octets());
            let checksum = checksum(&[&out]);
            out[10..12].copy_from_slice(&checksum.to_be_bytes());
            pseudo.extend(from.octets());
            pseudo.extend(to.octets());
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            out.extend([0x60, 0, 0, 0]);
            out.extend(length.to_be_bytes());
            out.extend([packet.protocol, 64]);
            out.extend(from.octets());
            out.extend(to.octets());
            pseudo.extend(from.octets());
            pseudo.extend(to.octets());
        }
        _ => return None,
    }
    // For these lengths both families' pseudo headers have the same sum.
    pseudo.extend([0, packet.protocol]);
    pseudo.extend(length.to_be_bytes());
    let sum = match checksum(&[&pseudo, &segment]) {
        // For UDP over IPv6 zero means "none", which is not allowed.
        0 if packet.protocol == UDP => 0xffff,
        sum => sum,
    };
    segment
        .get_mut(checksum_at..checksum_at + 2)?
        .copy_from_slice(&sum.to_be_bytes());
    out.extend(segment);
    Some(out)
}

/// The internet checksum of parts of which all but the last have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The loop has left no more than 16 bits.
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `ping`, `curl` and `getent` of an ordinary system send, shortened to what is read.
    fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![
            0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 203, 0, 113, 7,
        ];
        bytes.extend(payload);
        bytes
    }

    fn syn(flags: u8) -> Vec<u8> {
        let mut segment = vec![
            0x9c,
            0x40,
            0x01,
            0xbb,
            0xff,
            0xff,
            0xff,
            0xff,
            0,
            0,
            0,
            0,
            5 << 4,
            flags,
        ];
        segment.extend([0; 6]);
        segment
    }

    fn query() -> Vec<u8> {
        let mut segment = vec![0x9c, 0x40, 0, 53, 0, 0, 0, 0];
        segment.extend([0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
        segment.extend(b"\x03www\x07example\x00\x00\x01\x00\x01");
        segment.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        segment
    }

    #[test]
    fn a_connection_is_refused() {
        let seen = look(&ipv4(TCP, &syn(SYN))).unwrap();
        assert_eq!(
            (seen.protocol, seen.port, seen.source_port),
            (AttemptProtocol::Tcp, Some(443), Some(40_000))
        );
        assert_eq!(seen.destination, IpAddr::from([203, 0, 113, 7]));
        let reply = seen.reply.unwrap();
        assert_eq!(&reply[12..20], &[203, 0, 113, 7, 192, 0, 2, 1], "back to the sender");
        assert_eq!(&reply[20..24], &[0x01, 0xbb, 0x9c, 0x40]);
        assert_eq!(
            (&reply[28..32], reply[33]),
            (&[0, 0, 0, 0][..], RST_ACK),
            "the next byte, which wraps around"
        );
        assert_eq!(checksum(&[&reply[..20]]), 0);
        assert_eq!(checksum(&[&reply[12..20], &[0, TCP, 0, 20], &reply[20..]]), 0);
        assert_eq!(look(&ipv4(TCP, &syn(ACK))), None);
        assert_eq!(look(&ipv4(TCP, &syn(SYN | ACK))), None);
    }

    #[test]
    fn a_name_does_not_exist() {
        let seen = look(&ipv4(UDP, &query())).unwrap();
        assert_eq!(
            (seen.protocol, seen.query.as_deref()),
            (AttemptProtocol::Dns, Some("www.example"))
        );
        let reply = seen.reply.unwrap();
        let message = &reply[28..];
        assert_eq!(&message[..12], &[0xab, 0xcd, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert!(message.ends_with(b"example\x00\x00\x01\x00\x01"));
        assert_eq!(checksum(&[&reply[12..20], &[0, UDP], &reply[24..26], &reply[20..]]), 0);
    }

    #[test]
    fn ipv6_is_answered_too() {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 20, TCP, 64];
        bytes.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets());
        bytes.extend(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).octets());
        bytes.extend(syn(SYN));
        let reply = look(&bytes).unwrap().reply.unwrap();
        assert_eq!(checksum(&[&reply[8..40], &[0, TCP, 0, 20], &reply[40..]]), 0);
    }

    #[test]
    fn the_rest_is_told_or_passed_over() {
        assert_eq!(
            look(&ipv4(UDP, &[0, 1, 0, 123, 0, 0, 0, 0])).unwrap().protocol,
            AttemptProtocol::Udp
        );
        assert_eq!(look(&ipv4(ICMP, &[8, 0, 0, 0, 0, 7])).unwrap().source_port, Some(7));
        assert_eq!(look(&ipv4(ICMP, &[3, 0, 0, 0])), None);
        let mut multicast = ipv4(UDP, &query());
        multicast[16] = 224;
        assert_eq!(look(&multicast), None);
        for packet in [ipv4(UDP, &query()), ipv4(TCP, &syn(SYN))] {
            for length in 0..packet.len() {
                let _ = look(&packet[..length]);
            }
        }
    }
}
