//! How a testbed comes to be. There is one way now; a clone of a template (a guest frozen in memory and on disk) is to
//! be the second, and everything above this room asks for a start without saying how.

/// The way in which a machine is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Kernel and initrd are booted on a fresh overlay.
    #[default]
    ColdBoot,
}
