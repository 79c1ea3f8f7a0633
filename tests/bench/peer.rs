//! The peer: autopkgtest's own qemu server, on an image of its own of the same release.

pub(crate) mod image;
pub(crate) mod machine;
pub(crate) mod server;
pub(crate) mod trial;
pub(crate) mod zeros;
