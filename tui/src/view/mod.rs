//! Draws the model. Views read and never change; each screen has a file in `screens`, what several use is in `widgets`.

pub mod frame;
pub mod screens;
pub mod widgets;
