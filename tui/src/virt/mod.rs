//! `autopkgtest-virt-preflight`: Preflight's testbeds for autopkgtest and whoever else speaks its virtualisation servers'
//! protocol, such as sbuild. It knows that protocol and the daemon's, and nothing of what its callers do with a testbed.
//!
//! The protocol's text is autopkgtest's `README.virtualisation-server`; where that is silent, what its own servers do
//! (`lib/VirtSubproc.py`) counts.

mod arguments;
mod command;
mod copy;
mod execute;
mod lent;
mod line;
mod run;
mod serve;
mod session;
mod sources;
mod unpack;

pub use arguments::Arguments;
pub use run::main;
