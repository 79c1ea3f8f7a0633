//! Pieces that several screens are made of.

pub mod bar;
pub mod overlay;
pub mod row;
pub mod sources;
pub mod steps;
