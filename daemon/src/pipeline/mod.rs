//! What each step of the workflow does, one file a step. A step works on what it is handed: an order, a log, a way to
//! lease testbeds. It knows neither the queue nor the database nor the clients.

mod apt;
pub mod base_image;
pub mod build;
pub mod image;
pub mod intake;
mod results;
pub mod source;
mod stage;
pub mod test;
mod test_machine;
