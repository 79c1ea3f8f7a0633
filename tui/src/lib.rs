//! Preflight's terminal UI and command line. Both talk to the daemon through [`conn`] alone, and neither knows anything
//! of the daemon but its protocol.
//!
//! The terminal UI keeps three things apart: a [`model`], a pure [`update`] and a [`view`] that only reads; [`app`] runs
//! the effects that `update` asks for. The command line has one file a command in [`cli`].

pub mod app;
pub mod cli;
pub mod conn;
pub mod keymap;
pub mod log;
pub mod measure;
pub mod model;
pub mod safe;
pub mod terminal;
pub mod terminal_raw;
pub mod theme;
pub mod update;
pub mod view;
pub mod virt;
