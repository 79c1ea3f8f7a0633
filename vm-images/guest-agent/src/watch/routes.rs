//! Gives the watching device an address and the default routes, for both families, by rtnetlink (rtnetlink(7)). The
//! messages are few and fixed, so they are written as bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_F_NODAD: u8 = 2;
const RTA_OIF: u16 = 4;
const RTA_PRIORITY: u16 = 6;
/// Request, acknowledge, replace, create.
const FLAGS: u16 = 0x1 | 0x4 | 0x100 | 0x400;
/// A route that an image configures itself comes first.
const PRIORITY: u32 = 0x7fff_0000;
/// Addresses that no program sends anything to: the dummy address (RFC 7600) and one of the discard prefix (RFC 6666). Those
/// that documentation uses would not do: programs do try them, and the kernel would answer as this host, unseen.
const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8)),
    IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1)),
];

/// Makes all that is sent anywhere else come to this interface.
pub(super) fn take_all(interface: &str) -> io::Result<()> {
    let any = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    crate::sys::interface_up(any.as_fd(), interface)?;
    let index = nix::net::if_::if_nametoindex(interface)?;
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    for address in ADDRESSES {
        let done = ask(&netlink, &new_address(address, index)).and_then(|()| ask(&netlink, &new_route(address, index)));
        // A kernel without IPv6 can't send anything by it either.
        if address.is_ipv4() {
            done?;
        }
    }
    Ok(())
}

fn ask(netlink: &OwnedFd, message: &[u8]) -> io::Result<()> {
    sendto(netlink.as_raw_fd(), message, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut answer = [0; 1024];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // A header of 16 bytes, then the negative error number; 0 is the acknowledgement.
    let code = answer[..length]
        .get(16..20)
        .map_or(0, |code| i32::from_ne_bytes([code[0], code[1], code[2], code[3]]));
    if code == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(-code))
    }
}

fn family_and_bytes(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    }
}

fn new_address(address: IpAddr, index: u32) -> Vec<u8> {
    let (family, bytes) = family_and_bytes(address);
    let all_bits = if address.is_ipv4() { 32 } else { 128 };
    let mut body = vec![family, all_bits, IFA_F_NODAD, 0];
    body.extend(index.to_ne_bytes());
    attribute(&mut body, IFA_LOCAL, &bytes);
    attribute(&mut body, IFA_ADDRESS, &bytes);
    message(RTM_NEWADDR, &body)
}

fn new_route(address: IpAddr, index: u32) -> Vec<u8> {
    const MAIN_TABLE: u8 = 254;
    const STATIC: u8 = 4;
    const UNICAST: u8 = 1;
    let (family, _) = family_and_bytes(address);
    let link_scope = if address.is_ipv4() { 253 } else { 0 };
    let mut body = vec![family, 0, 0, 0, MAIN_TABLE, STATIC, link_scope, UNICAST, 0, 0, 0, 0];
    attribute(&mut body, RTA_OIF, &index.to_ne_bytes());
    attribute(&mut body, RTA_PRIORITY, &PRIORITY.to_ne_bytes());
    message(RTM_NEWROUTE, &body)
}

/// Appends an attribute. All values here have a multiple of 4 bytes and need no padding.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).unwrap_or(4);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

fn message(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(16);
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(FLAGS.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    message
}
