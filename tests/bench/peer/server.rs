//! A conversation with autopkgtest's virtualisation server, in the protocol of autopkgtest's `README.virtualisation-server`.

use std::borrow::Cow;
use std::process::Command;
use std::time::{Duration, Instant};

use percent_encoding::percent_decode_str;

use crate::error::BenchError;
use crate::live::{self, Ended, Live, Stream};
use crate::peer::machine::Machine;

/// For an answer that takes a boot.
const BOOT: Duration = Duration::from_secs(300);
/// For any other answer.
const SHORT: Duration = Duration::from_secs(60);

/// A server whose testbed is open.
#[derive(Debug)]
pub(crate) struct Server {
    live: Live,
    execute: Vec<String>,
}

impl Server {
    /// Starts a server and opens its testbed; also the moment at which that was asked for.
    pub(crate) fn open(machine: &Machine) -> Result<(Self, Instant), BenchError> {
        let mut server = Self {
            live: Live::start(machine.server(), true)?,
            execute: Vec::new(),
        };
        server.answer(SHORT)?;
        let asked = Instant::now();
        server.ask("open", BOOT)?;
        server.learn()?;
        Ok((server, asked))
    }

    /// Puts the testbed back to where it was opened.
    pub(crate) fn revert(&mut self) -> Result<(), BenchError> {
        self.ask("revert", BOOT)?;
        self.learn()
    }

    /// Runs a command in the testbed; answers with the moment of its first line of output.
    pub(crate) fn first_output_of(&self, words: &[&str]) -> Result<Instant, BenchError> {
        let asked = Instant::now();
        Ok(asked + self.run(words)?.first_output()?)
    }

    /// Runs a command in the testbed, which has to end well.
    pub(crate) fn run(&self, words: &[&str]) -> Result<Ended, BenchError> {
        let Some((program, arguments)) = self.execute.split_first() else {
            return Err(BenchError::Unexpected("the peer's testbed is not open".to_owned()));
        };
        let mut command = Command::new(program);
        command.args(arguments).args(words);
        live::run(command, SHORT)
    }

    /// Takes the testbed down.
    pub(crate) fn quit(mut self) -> Result<(), BenchError> {
        self.ask("close", SHORT)?;
        self.live.send("quit")?;
        self.live.finish(SHORT, |_| {}).map(|_| ())
    }

    fn learn(&mut self) -> Result<(), BenchError> {
        let answer = self.ask("print-execute-command", SHORT)?;
        self.execute = answer
            .split(',')
            .map(|word| percent_decode_str(word).decode_utf8().map(Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(|_| BenchError::Unexpected(format!("the peer's execute command is no text: {answer}")))?;
        Ok(())
    }

    fn ask(&mut self, command: &str, patience: Duration) -> Result<String, BenchError> {
        self.live.send(command)?;
        self.answer(patience)
    }

    fn answer(&mut self, patience: Duration) -> Result<String, BenchError> {
        let line = self
            .live
            .await_line("an answer", patience, |line| line.stream == Stream::Out)?;
        match line.text.split_once(' ') {
            Some(("ok", rest)) => Ok(rest.to_owned()),
            None if line.text == "ok" => Ok(String::new()),
            _ => Err(BenchError::Unexpected(format!(
                "the peer's server says {:?}",
                line.text
            ))),
        }
    }
}
