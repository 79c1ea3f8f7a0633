//! Brings the loopback up, for images whose init does not: the package tunnel listens there.

use std::net::UdpSocket;
use std::os::fd::AsFd;

/// Brings `lo` up; it is no error if it is.
pub(crate) fn bring_up() -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    crate::sys::interface_up(socket.as_fd(), "lo")
}
