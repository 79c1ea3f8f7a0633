//! Starts a keeper in the background: the second process is a child of this short-lived one, so that it belongs to
//! nobody once this one has returned, and needs no fork of a running Rust program.

use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::arguments::Arguments;
use crate::home::Home;

/// Runs this binary again as the keeper, and returns once it says that it answers, or that another one does.
pub(crate) fn start(arguments: &Arguments) -> io::Result<()> {
    let home = Home::create(&arguments.home)?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("run")
        .args(std::env::args_os().skip(2))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(home.log_file()?)
        .spawn()?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut said)?;
    }
    match said.trim() {
        "ready" | "running" => {
            println!("{}", said.trim());
            Ok(())
        }
        "" => Err(io::Error::other(
            "the keeper ended before it was ready; its log says why",
        )),
        other => Err(io::Error::other(other.to_owned())),
    }
}
