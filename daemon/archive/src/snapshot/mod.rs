//! Archive snapshots: all suites of a series at one moment, with all their indices, by digest. They are taken whole or
//! not at all and never change; what they hold are objects of the content store. Knows neither tickets nor images.

mod diff;
mod error;
mod meter;
mod name;
mod packages;
mod prune;
mod record;
mod request;
mod shelf;
mod take;
mod whole_suite;

pub use diff::{Change, PackageChange, SnapshotDiff};
pub use error::SnapshotError;
pub use meter::{SnapshotProgress, SnapshotProgressCallback};
pub use name::{SnapshotName, SnapshotNameError};
pub use packages::SnapshotPackage;
pub use prune::KeptSnapshots;
pub use record::{FileRole, Snapshot, SnapshotFile, SnapshotSuite};
pub use request::{SnapshotRequest, SuiteSpec};
pub(crate) use shelf::Shelf;
pub use take::TakenSnapshot;
