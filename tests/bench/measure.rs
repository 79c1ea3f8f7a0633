//! The measures, one a file. Each brings the home to where it begins, and keeps what it finds as it finds it.

pub(crate) mod archive;
pub(crate) mod claim;
pub(crate) mod clones;
pub(crate) mod cost;
pub(crate) mod download;
pub(crate) mod hello;
pub(crate) mod idle;
pub(crate) mod many_tests;
pub(crate) mod peer;
pub(crate) mod rebuild;
pub(crate) mod rerun;
pub(crate) mod tunnel;
