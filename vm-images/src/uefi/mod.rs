//! An image as a whole disk that boots by itself under UEFI: a partition table, an EFI system partition with loader, kernel
//! and initrd, and room for the image's own file system. Made of files alone: nothing is mounted, and nothing needs root.
//! It must not know how an image's disk gets into that room: its format is the caller's matter.

mod drivers;
mod error;
mod frame;
mod layout;
mod loader;
mod system_partition;
mod table;

pub use error::UefiError;
pub use frame::{Frame, write_frame};
pub use layout::{Extent, Layout};
