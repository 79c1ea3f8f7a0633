//! One disk budget for all that the daemon keeps: what there is, what goes when it is used up, and when. Whoever makes
//! something large asks the [`Budget`] for room; one task frees it. It never frees what is in use, and no state ever names
//! what is gone.

mod budget;
mod caretaker;
mod census;
mod file_system;
mod holds;
mod item;
mod meter;
mod names;
mod outlook;
mod plan;
mod removal;
mod storage;
mod wire;

pub use budget::{Budget, NO_ROOM_HINT, NoRoom, Room};
pub use holds::{Hold, Holds};
pub use item::{Device, Item, ItemId, Subject};
pub use meter::Size;
pub use plan::{Goal, Plan, plan};
pub use storage::{DiskKeeper, Storage, StorageDesk, StorageParts};
