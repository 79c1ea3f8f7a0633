//! What each step of the workflow does, one file a step. A step works on what it is handed: an order, a log, a way to
//! lease testbeds. It knows neither the queue nor the database nor the clients.

mod apt;
mod artifacts;
mod bare;
pub mod base_image;
mod baseline;
pub mod build;
pub(crate) mod built_tree;
mod generated_tests;
pub mod image;
mod image_disk;
pub mod intake;
pub(crate) mod log_findings;
mod own_boot;
mod package_sources;
pub mod prefetch;
pub(crate) mod rebuild;
mod rerun_intake;
mod results;
pub mod snapshot;
pub mod source;
mod source_names;
pub(crate) mod stage;
pub mod test;
mod test_files;
mod test_layer;
mod test_log;
mod test_machine;
mod test_order;
mod test_plan;
mod test_record;
mod test_rules;
mod test_run;
pub(crate) mod tree;
mod tree_digest;
