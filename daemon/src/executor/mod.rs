//! Runs the steps of jobs: the only room that knows both what was ordered and how the pipeline does it. It leases
//! testbeds, keeps logs, and makes sure that whatever a job leased is gone when the job is.

mod answering;
mod attempts;
mod context;
mod failure;
mod findings;
mod image_state;
mod kept;
mod layer;
mod log;
mod machine;
mod manifest;
mod named_image;
mod pool;
mod pulse;
mod remains;
mod runner;
mod session;
mod shells;
mod spare;
mod sweep;
mod templates;
mod testbed;
mod testbed_doctor;
mod ticket_image;
mod unpacked;
mod workshop;

pub use attempts::SeenAttempt;
pub use context::JobContext;
pub use failure::StepFailure;
pub use findings::{FindingBook, Subject};
pub(crate) use image_state::{read as remembered_state, write as remember_state};
pub use kept::{KeptTestbed, Scene};
pub use layer::{Before, LayerSpec, Prepare, Prepared};
pub use log::JobLog;
pub(crate) use manifest::manifest_of;
pub use runner::PipelineExecutor;
pub(crate) use session::mirrors;
pub use shells::TestbedShells;
pub use templates::Templates;
pub use testbed::{Ran, Testbed, describe, make_reachable};
pub use testbed_doctor::TestbedDoctor;
pub use ticket_image::{Draft, TicketImage, TicketImages};
pub use unpacked::UnpackedSources;
pub use workshop::{BootImage, HypervisorSource, JobFolders, JobSettings, Limits, Workshop};
pub(crate) use workshop::{REPOSITORY, repository};
