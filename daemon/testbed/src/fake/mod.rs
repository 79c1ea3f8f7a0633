//! A hypervisor without machines, for the tests of the rooms above: it goes wrong when it is told to, by a seed, so
//! that a failing run can be repeated. What answers on a machine's sockets is the test's affair.

mod fault;
mod hypervisor;

pub use fault::{Chance, Faults};
pub use hypervisor::{FakeHypervisor, OnStart};
