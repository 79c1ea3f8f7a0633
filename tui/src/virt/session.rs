//! The server's state, closed or open, and what each request does to it. Sans I/O: it says what is to be done, is told how
//! that went, and says what is answered.

use super::line::{Copy, NoRequest, Request, quote};

/// What is to be done for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// Write this line; nothing else is to be done.
    Answer(String),
    /// Borrow a testbed and make this folder in it, or any where there is none yet: [`Session::opened`].
    Open(Option<Vec<u8>>),
    /// Have a fresh testbed, and make this folder in it: [`Session::opened`].
    Revert(Vec<u8>),
    /// Restart it, and have this folder as it was.
    Reboot {
        /// The folder.
        scratch: Vec<u8>,
        /// It restarts by itself.
        prepare_only: bool,
    },
    /// Give the testbed back.
    Close,
    /// Say how commands are run in it.
    PrintExecuteCommand,
    /// Copy.
    Copy(Copy),
    /// A shell in it.
    Shell {
        /// The folder.
        folder: Vec<u8>,
        /// Variables, as `NAME=VALUE`.
        env: Vec<Vec<u8>>,
    },
    /// Give back what is borrowed, and end.
    Quit,
}

/// A request that cannot be served: the server ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It is none.
    #[error(transparent)]
    NoRequest(#[from] NoRequest),
    /// There is no testbed.
    #[error("`{0}' when not open")]
    NotOpen(&'static str),
    /// There is one.
    #[error("`open' when already open")]
    Open,
}

/// The state of a server.
#[derive(Debug)]
pub(super) struct Session {
    capabilities: Vec<String>,
    is_open: bool,
    /// The folder that callers may use. Once there is one it is always at this place: packages that were built in it may
    /// refer to that.
    scratch: Option<Vec<u8>>,
}

/// What every testbed of Preflight is. There is no shared folder, and so no `downtmp-host`.
const CAPABILITIES: [&str; 5] = [
    "revert",
    "revert-full-system",
    "root-on-testbed",
    "isolation-machine",
    "reboot",
];

impl Session {
    /// A server without a testbed.
    pub(super) fn new() -> Self {
        Self {
            capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
            is_open: false,
            scratch: None,
        }
    }

    /// What a request means now.
    ///
    /// # Errors
    /// It cannot be served in this state.
    pub(super) fn take(&mut self, request: Request) -> Result<Task, Fault> {
        Ok(match request {
            Request::Capabilities => Task::Answer(self.capabilities()),
            Request::Open if self.is_open => return Err(Fault::Open),
            Request::Open => Task::Open(self.scratch.clone()),
            Request::Revert => Task::Revert(self.open("revert")?),
            Request::Reboot { prepare_only } => Task::Reboot {
                scratch: self.open("reboot")?,
                prepare_only,
            },
            Request::Close => {
                self.open("close")?;
                self.is_open = false;
                Task::Close
            }
            Request::PrintExecuteCommand => {
                self.open("print-execute-command")?;
                Task::PrintExecuteCommand
            }
            Request::Copy(copy) => {
                self.open(if copy.up { "copyup" } else { "copydown" })?;
                Task::Copy(copy)
            }
            Request::Shell { folder, env } => {
                self.open("shell")?;
                Task::Shell { folder, env }
            }
            Request::DebugFail => Task::Answer("ok".to_owned()),
            Request::Quit => Task::Quit,
        })
    }

    /// A testbed is there, with this folder, and this user who is no administrator; answers the answer.
    pub(super) fn opened(&mut self, scratch: Vec<u8>, user: &str) -> String {
        let answer = format!("ok {}", quote(&scratch));
        self.is_open = true;
        self.scratch = Some(scratch);
        self.capabilities = CAPABILITIES.map(str::to_owned).to_vec();
        self.capabilities
            .push(format!("suggested-normal-user={}", quote(user.as_bytes())));
        answer
    }

    fn capabilities(&self) -> String {
        format!("ok {}", self.capabilities.join(" "))
    }

    fn open(&self, what: &'static str) -> Result<Vec<u8>, Fault> {
        let scratch = self.scratch.clone().filter(|_| self.is_open);
        scratch.ok_or(Fault::NotOpen(what))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::virt::line::parse;

    fn take(session: &mut Session, line: &str) -> Result<Task, Fault> {
        session.take(parse(line.as_bytes())?)
    }

    #[test]
    fn a_testbed_is_opened_used_and_closed() {
        let mut session = Session::new();
        assert_eq!(
            take(&mut session, "capabilities"),
            Ok(Task::Answer(
                "ok revert revert-full-system root-on-testbed isolation-machine reboot".into()
            ))
        );
        assert_eq!(take(&mut session, "open"), Ok(Task::Open(None)));
        assert_eq!(session.opened("/tmp/a b".into(), "tester"), "ok /tmp/a%20b");
        let Ok(Task::Answer(told)) = take(&mut session, "capabilities") else {
            panic!("no answer")
        };
        assert!(told.ends_with(" suggested-normal-user=tester"), "{told}");
        assert_eq!(take(&mut session, "open"), Err(Fault::Open));
        assert_eq!(take(&mut session, "revert"), Ok(Task::Revert("/tmp/a b".into())));
        assert_eq!(take(&mut session, "close"), Ok(Task::Close));
        // What was built in the folder may refer to it.
        assert_eq!(take(&mut session, "open"), Ok(Task::Open(Some("/tmp/a b".into()))));
    }

    #[test]
    fn without_a_testbed_nothing_is_done_in_it() {
        for (line, name) in [
            ("revert", "revert"),
            ("close", "close"),
            ("reboot", "reboot"),
            ("print-execute-command", "print-execute-command"),
            ("copyup /a /b", "copyup"),
            ("copydown /a/ /b/", "copydown"),
            ("shell /", "shell"),
        ] {
            assert_eq!(take(&mut Session::new(), line), Err(Fault::NotOpen(name)), "{line}");
        }
        assert_eq!(take(&mut Session::new(), "quit"), Ok(Task::Quit));
    }

    proptest! {
        #[test]
        fn whatever_is_asked_in_whatever_order_nothing_is_done_without_a_testbed(
            lines in prop::collection::vec(prop::sample::select(vec![
                "open", "close", "revert", "reboot", "copyup /a /b", "capabilities", "shell /", "bogus", "quit",
            ]), 0..40)
        ) {
            let mut session = Session::new();
            let mut is_open = false;
            for line in lines {
                match take(&mut session, line) {
                    Ok(Task::Open(_)) => {
                        prop_assert!(!is_open);
                        session.opened("/tmp/x".into(), "tester");
                        is_open = true;
                    }
                    Ok(Task::Close) => {
                        prop_assert!(is_open);
                        is_open = false;
                    }
                    Ok(Task::Answer(_) | Task::Quit) => {}
                    Ok(task) => prop_assert!(is_open, "{task:?}"),
                    Err(_) => {}
                }
            }
        }
    }
}
