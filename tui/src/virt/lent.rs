//! The testbed that this server has borrowed: the connection that it belongs to, and what is done to it as a whole. How its
//! users' commands get into it is [`super::execute`]'s matter.

use std::path::{Path, PathBuf};
use std::time::Duration;

use preflight_protocol::client::{Connection, Notification};
use preflight_protocol::method::Method;
use preflight_protocol::method::{TestbedClose, TestbedOpen, TestbedReboot, TestbedRevert};
use preflight_protocol::testbed::Testbed;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until};

use super::command::{self, CommandError, Place};
use crate::cli::error::CliError;
use crate::conn::attach::Endpoint;

/// What takes less is not told.
const SILENCE: Duration = Duration::from_secs(5);

/// A borrowed testbed. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Lent {
    connection: Connection,
    notifications: Receiver<Notification>,
    socket: PathBuf,
    testbed: Testbed,
    talk: bool,
}

impl Lent {
    /// Borrows one. The daemon is started where it does not run; with `talk`, standard error says what is waited for.
    ///
    /// # Errors
    /// There is no daemon, or it has no such testbed.
    pub(super) async fn open(endpoint: &Endpoint, request: &TestbedOpen, talk: bool) -> Result<Self, CliError> {
        let (connection, mut notifications) = endpoint.connect_or_start().await?;
        let testbed = ask(&connection, &mut notifications, request, talk).await?;
        Ok(Self {
            connection,
            notifications,
            socket: endpoint.socket.clone(),
            testbed,
            talk,
        })
    }

    /// Puts a fresh one in its place.
    ///
    /// # Errors
    /// The daemon has none, or is gone.
    pub(super) async fn revert(&mut self) -> Result<(), CliError> {
        let request = TestbedRevert {
            testbed: self.testbed.id.clone(),
        };
        self.testbed = ask(&self.connection, &mut self.notifications, &request, self.talk).await?;
        Ok(())
    }

    /// Starts it again; where it is `awaited`, what runs in it brings it down as soon as it is let.
    ///
    /// # Errors
    /// It does not come back, or the daemon is gone.
    pub(super) async fn reboot(&mut self, awaited: bool) -> Result<(), CliError> {
        if awaited {
            // Its end is the testbed's, which may come before it is told.
            let _ = command::script(self.place(), "rm -f /run/autopkgtest-reboot-prepare-mark", &[]).await;
        }
        let request = TestbedReboot {
            testbed: self.testbed.id.clone(),
            awaited,
        };
        self.testbed = ask(&self.connection, &mut self.notifications, &request, self.talk).await?;
        Ok(())
    }

    /// Keeps what is in the scratch folder over a boot, which may empty /tmp. Where the first of the places is read-only, the
    /// second may not be.
    ///
    /// # Errors
    /// The testbed cannot.
    pub(super) async fn keep_scratch(&self, scratch: &[u8]) -> Result<(), CommandError> {
        let script = "for place in /var/cache /home; do
                if [ -w $place ]; then
                    exec tar --warning=none --create --absolute-names -f $place/autopkgtest-tmpdir.tar \"$1\"
                fi
            done
            echo 'neither /var/cache nor /home can be written to' >&2; exit 1";
        let kept = command::script(self.place(), script, &[scratch]).await?;
        kept.must("keeping the scratch folder").map(drop)
    }

    /// Puts back what [`Lent::keep_scratch`] has kept.
    ///
    /// # Errors
    /// The testbed cannot.
    pub(super) async fn restore_scratch(&self) -> Result<(), CommandError> {
        let script = "for place in /var/cache /home; do
                if [ -e $place/autopkgtest-tmpdir.tar ]; then
                    tar --warning=none --extract --absolute-names -f $place/autopkgtest-tmpdir.tar
                    exec rm $place/autopkgtest-tmpdir.tar
                fi
            done
            echo 'it is not there any more' >&2; exit 1";
        let restored = command::script(self.place(), script, &[]).await?;
        restored.must("restoring the scratch folder").map(drop)
    }

    /// Gives it back.
    pub(super) async fn close(self) {
        let request = TestbedClose {
            testbed: self.testbed.id.clone(),
        };
        // It goes with the connection in any case.
        let _ = self.connection.request(&request).await;
    }

    /// The user who is no administrator.
    pub(super) fn user(&self) -> &str {
        &self.testbed.user
    }

    /// The daemon's socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where commands are run.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            socket: &self.socket,
            testbed: &self.testbed.id,
        }
    }

    /// Makes the folder that callers may use as they like: this one again, or a new one.
    ///
    /// # Errors
    /// The testbed cannot.
    pub(super) async fn make_scratch(&self, known: Option<&[u8]>) -> Result<Vec<u8>, CommandError> {
        let what = "making the scratch folder";
        if let Some(known) = known {
            let made = command::script(self.place(), "exec mkdir --mode=1777 --parents \"$1\"", &[known]).await?;
            made.must(what)?;
            return Ok(known.to_vec());
        }
        let script =
            "folder=$(mktemp --directory --tmpdir autopkgtest.XXXXXX); chmod 1777 \"$folder\"; echo \"$folder\"";
        let mut folder = command::script(self.place(), script, &[]).await?.must(what)?;
        if folder.last() == Some(&b'\n') {
            folder.pop();
        }
        Ok(folder)
    }
}

async fn ask<M: Method>(
    connection: &Connection,
    notifications: &mut Receiver<Notification>,
    request: &M,
    talk: bool,
) -> Result<M::Answer, CliError> {
    let answer = connection.request(request);
    tokio::pin!(answer);
    let patient = sleep_until(Instant::now() + SILENCE);
    tokio::pin!(patient);
    let (mut phase, mut told) = (None, !talk);
    let mut listening = true;
    loop {
        tokio::select! {
            answer = &mut answer => return Ok(answer?),
            notification = notifications.recv(), if listening => match notification {
                Some(Notification::Testbed(progress)) => {
                    if told && talk {
                        tell(&progress.phase);
                    }
                    phase = Some(progress.phase);
                }
                Some(_) => {}
                None => listening = false,
            },
            () = &mut patient, if !told => {
                told = true;
                tell(phase.as_deref().unwrap_or("waiting for the daemon"));
            }
        }
    }
}

/// A word on standard error, or a few lines.
pub(super) fn tell(words: &str) {
    for line in words.lines() {
        eprintln!("autopkgtest-virt-preflight: {}", crate::safe::text(line));
    }
}
