//! The static binary that every guest runs. As the initrd's `/init` it loads drivers, mounts the root disk and hands over
//! to systemd ([`init`]); as an early service it serves the guest protocol over two virtio-serial ports ([`serve`]).
//! No tokio and no name-service switch: threads, and `/etc/passwd` read by itself, keep it small and static.

pub mod apt;
mod cgroup;
mod clock;
mod console;
mod exec;
mod failure;
pub mod init;
mod link;
mod loopback;
mod port;
mod renew;
mod requests;
mod serve;
mod session;
mod stream;
mod sys;
mod terminal;
mod transfer;
mod tree;
mod tunnel;
mod users;
mod vitals;
mod watch;

pub use port::PortSource;
pub use renew::Renews;
pub use serve::{Options, ServeError, serve};
