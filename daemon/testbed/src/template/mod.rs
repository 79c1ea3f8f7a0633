//! Templates: frozen machines from which clones start, kept on disk. This room knows their files and their names; who
//! boots, freezes and proves them is the daemon's executor.

mod identity;
mod seal;
mod store;

pub use identity::{TemplateId, TemplateIdentity};
pub use store::{Draft, Record, Template, TemplateError, TemplateStore};
