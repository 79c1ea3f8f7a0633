//! The place where trees are built: namespaces in which this process' user is root over the tree, running one shell
//! script. Knows how to start it, follow it and end it; not what an image is.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use crate::workshop_error::{WorkshopError, system};

const WATCH: &str = include_str!("workshop/watch.sh");
const WORK: &str = include_str!("workshop/workshop.sh");
/// mmdebstrap's customize hook.
pub(crate) const CUSTOMIZE: &str = include_str!("workshop/customize.sh");
/// The same for the build variant.
pub(crate) const EXTEND: &str = include_str!("workshop/extend.sh");

/// The only search path: tools of the host's packages, not whatever the daemon's user has in front of them.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Tools, and the Debian and Ubuntu packages that bring them.
const TOOLS: [(&str, &str); 7] = [
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("unshare", "util-linux"),
    ("mount", "mount"),
    ("tar", "tar"),
    ("chroot", "coreutils"),
    ("sha256sum", "coreutils"),
];

/// How many of the last lines an error shows.
const TAIL_LINES: usize = 25;
/// Longer lines are cut: nothing that a person reads is longer.
const LONGEST_LINE: u64 = 64 * 1024;
/// For the namespaces' processes to be gone after the lifeline is cut; the kernel takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// How this user gets namespaces in which it is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// By unshare(1), with the user itself as the namespace's root: the result is written in place.
    Direct,
    /// By mmdebstrap, which Ubuntu's AppArmor lets make user namespaces where it does not let unshare(1). The
    /// namespace's root is another user, so the result is streamed out.
    Streamed,
}

impl Place {
    /// A command in namespaces of its own: mounts, processes, and for an ordinary user the users of /etc/subuid.
    fn command(self, program: &str) -> Command {
        let mut command = match self {
            Self::Direct => {
                let mut command = Command::new("unshare");
                if !nix::unistd::Uid::effective().is_root() {
                    command.args(["--user", "--map-root-user", "--map-auto"]);
                }
                command.args(["--mount", "--pid", "--fork", "--kill-child", "--"]);
                command
            }
            Self::Streamed => {
                let mut command = Command::new("mmdebstrap");
                command.arg("--unshare-helper");
                command
            }
        };
        command.arg(program).env_clear().env("PATH", PATH);
        command
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .kill_on_drop(true);
        command
    }

    /// Whether it works here; if not, what the tool said last.
    async fn probe(self) -> Result<Result<(), String>, WorkshopError> {
        let mut probe = self.command("sh");
        probe.args(["-c", "mount -t tmpfs preflight /mnt"]).stdin(Stdio::null());
        let output = probe.output().await.map_err(system("cannot start unshare"))?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Ok(Err(said
            .lines()
            .last()
            .unwrap_or("it failed without a word")
            .trim()
            .to_owned()))
    }

    /// The way that works on this host.
    pub(crate) async fn find() -> Result<Self, WorkshopError> {
        for (tool, package) in TOOLS {
            if !PATH.split(':').any(|folder| Path::new(folder).join(tool).is_file()) {
                return Err(WorkshopError::ToolMissing { tool, package });
            }
        }
        let Err(detail) = Self::Direct.probe().await? else {
            return Ok(Self::Direct);
        };
        if !nix::unistd::Uid::effective().is_root() && Self::Streamed.probe().await?.is_ok() {
            return Ok(Self::Streamed);
        }
        Err(WorkshopError::NoNamespace {
            hint: namespace_hint(&detail),
            detail,
        })
    }
}

/// Whether images can be built here: tools are there, and namespaces work.
///
/// # Errors
/// [`WorkshopError::ToolMissing`] or [`WorkshopError::NoNamespace`], with what to install or do.
pub async fn check_host() -> Result<(), WorkshopError> {
    Place::find().await.map(drop)
}

/// A folder on which the work can be mounted, seen by its processes alone: one that every Unix has, has a plain name,
/// and hides nothing of `needed`.
pub(crate) fn mount_point(needed: &Path) -> Option<&'static Path> {
    let needed = needed.canonicalize().ok()?;
    ["/mnt", "/media", "/srv"]
        .map(Path::new)
        .into_iter()
        .find(|point| point.is_dir() && !needed.starts_with(point))
}

fn namespace_hint(detail: &str) -> &'static str {
    if nix::unistd::Uid::effective().is_root() {
        "this looks like a container without the right to mount: give it CAP_SYS_ADMIN, or build outside it"
    } else if detail.contains("newuidmap") && !Path::new("/usr/bin/newuidmap").exists() {
        "install the package `uidmap`"
    } else if detail.contains("sub") || detail.contains("newuidmap") || detail.contains("newgidmap") {
        "give the user ids to map: `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`"
    } else {
        "the kernel restricts user namespaces: set the sysctls kernel.unprivileged_userns_clone=1 and \
         kernel.apparmor_restrict_unprivileged_userns=0 where they exist, or build as root"
    }
}

/// What the script is told, and where its output goes.
pub(crate) struct Work<'a> {
    pub(crate) place: Place,
    /// `PF_*` variables.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Gets what the tools say.
    pub(crate) log: &'a Path,
    /// Gets the result.
    pub(crate) result: &'a Path,
    /// Ends the work.
    pub(crate) cancel: &'a CancellationToken,
}

/// Runs the script to its end.
pub(crate) async fn run(work: Work<'_>, on_line: &mut (dyn FnMut(&str) + Send)) -> Result<(), WorkshopError> {
    run_script(WORK, work, on_line).await
}

async fn run_script(script: &str, work: Work<'_>, on_line: &mut (dyn FnMut(&str) + Send)) -> Result<(), WorkshopError> {
    let mut log = tokio::fs::File::create(work.log)
        .await
        .map_err(system("cannot write the build log"))?;
    let mut command = work.place.command("sh");
    command.args(["-c", WATCH]).env("PF_WORK", script).envs(work.variables);
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        // The host's way out; a proxy of the daemon's comes by apt's configuration, which wins.
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut unpacking = match work.place {
        Place::Direct => {
            command.env("PF_RESULT", work.result).stdout(Stdio::null());
            None
        }
        Place::Streamed => {
            let mut tar = Command::new("tar");
            tar.args(["--extract", "--sparse", "--directory"])
                .arg(work.result)
                .stdin(Stdio::piped());
            let mut tar = tar.kill_on_drop(true).spawn().map_err(system("cannot start tar"))?;
            let pipe = tar
                .stdin
                .take()
                .ok_or_else(|| std::io::Error::other("no pipe"))
                .and_then(|pipe| pipe.into_owned_fd());
            command.stdout(pipe.map_err(system("cannot start tar"))?);
            Some(tar)
        }
    };
    let mut child = {
        // The command holds tar's pipe: it must go, or tar would wait for more.
        let mut command = command;
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(system("cannot start the workshop"))?
    };
    let lifeline = child.stdin.take();
    let Some(stderr) = child.stderr.take() else {
        return Err(system("no pipe from the workshop")(std::io::Error::other(
            "it was asked for",
        )));
    };
    let mut stderr = BufReader::new(stderr);
    let mut tail = VecDeque::new();
    loop {
        let mut line = Vec::new();
        let more = tokio::select! {
            () = work.cancel.cancelled() => {
                drop(lifeline);
                end(&mut child).await;
                return Err(WorkshopError::Cancelled);
            }
            read = read_line(&mut stderr, &mut line) => read.map_err(system("reading from the workshop"))?,
        };
        if !more {
            break;
        }
        log.write_all(&line)
            .await
            .map_err(system("cannot write the build log"))?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            on_line(text);
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(text.to_owned());
        }
    }
    log.flush().await.map_err(system("cannot write the build log"))?;
    let mut status = child.wait().await.map_err(system("waiting for the workshop"))?;
    if let Some(tar) = &mut unpacking {
        let unpacked = tar.wait().await.map_err(system("waiting for tar"))?;
        if status.success() {
            status = unpacked;
        }
    }
    if status.success() {
        Ok(())
    } else {
        Err(WorkshopError::Failed {
            status,
            tail: tail.make_contiguous().join("\n"),
        })
    }
}

/// Appends up to one line; false at the end.
async fn read_line(
    reader: &mut (impl tokio::io::AsyncBufRead + Unpin + Send),
    line: &mut Vec<u8>,
) -> std::io::Result<bool> {
    Ok(reader.take(LONGEST_LINE).read_until(b'\n', line).await? > 0)
}

/// The lifeline is cut; whatever does not go by itself is killed, and the namespace's end takes the rest along.
async fn end(child: &mut Child) {
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "the workshop's first process cannot be killed");
    }
}

/// Removes a folder that may hold files of mapped users.
pub(crate) async fn remove_tree(folder: PathBuf) -> Result<(), WorkshopError> {
    let what = format!("cannot remove {}", folder.display());
    match tokio::fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let status = Place::Direct
                .command("rm")
                .args(["-rf", "--"])
                .arg(&folder)
                .stdin(Stdio::null())
                .status()
                .await;
            match status.map_err(system(what.clone()))? {
                status if status.success() => Ok(()),
                _ => Err(system(what)(error)),
            }
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(system(what)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::{Flock, FlockArg};
    use std::fs::File;

    /// Holds a lock as long as one of its processes lives, in a process that nobody waits for.
    const STUBBORN: &str = "exec 9>\"$PF_RESULT/held\"; flock 9; \
        (trap '' TERM INT HUP; while :; do read -r line </dev/zero; done) & echo PF: ready >&2; wait";

    /// None where this host does not let the tests' user build in place; `check_host` says why.
    async fn place() -> Option<Place> {
        let found = Place::find()
            .await
            .inspect_err(|error| eprintln!("not tested: {error}"));
        found.ok().filter(|place| *place == Place::Direct)
    }

    async fn run_in(
        folder: &Path,
        script: &str,
        cancel: &CancellationToken,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Option<Result<(), WorkshopError>> {
        let log = folder.join("log");
        let place = place().await?;
        let work = Work {
            place,
            variables: vec![("PF_WORD", "said".into())],
            log: &log,
            result: folder,
            cancel,
        };
        Some(run_script(script, work, on_line).await)
    }

    async fn all_processes_are_gone(folder: &Path) -> bool {
        let file = File::options().write(true).open(folder.join("held")).unwrap();
        let lock = tokio::task::spawn_blocking(|| Flock::lock(file, FlockArg::LockExclusive).is_ok());
        tokio::time::timeout(Duration::from_secs(20), lock)
            .await
            .is_ok_and(|locked| locked.unwrap())
    }

    #[tokio::test]
    async fn a_cancelled_work_leaves_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let cancel = CancellationToken::new();
        let mut on_line = |line: &str| {
            assert_eq!(line, "PF: ready");
            cancel.cancel();
        };
        let Some(result) = run_in(folder.path(), STUBBORN, &cancel, &mut on_line).await else {
            return;
        };
        assert!(matches!(result, Err(WorkshopError::Cancelled)), "{result:?}");
        assert!(all_processes_are_gone(folder.path()).await);
    }

    #[tokio::test]
    async fn an_abandoned_work_leaves_no_process() {
        if place().await.is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (ready, started) = tokio::sync::oneshot::channel();
        let mut ready = Some(ready);
        let mut on_line = |_: &str| ready.take().unwrap().send(()).unwrap();
        let cancel = CancellationToken::new();
        tokio::select! {
            result = run_in(folder.path(), STUBBORN, &cancel, &mut on_line) => panic!("{result:?}"),
            started = started => started.unwrap(),
        }
        assert!(all_processes_are_gone(folder.path()).await);
    }

    #[tokio::test]
    async fn mounts_stay_inside_and_errors_show_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mounted")).unwrap();
        let script = "mount -t tmpfs preflight \"$PF_RESULT/mounted\" && : >\"$PF_RESULT/mounted/file\"
            : >\"$PF_RESULT/here\"; echo \"what went wrong was $PF_WORD\" >&2; exit 3";
        let cancel = CancellationToken::new();
        let Some(result) = run_in(folder.path(), script, &cancel, &mut |_| {}).await else {
            return;
        };
        let error = result.unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.ends_with("what went wrong was said"),
            "{error}"
        );
        assert!(folder.path().join("here").exists() && !folder.path().join("mounted/file").exists());
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log, "what went wrong was said\n");
    }

    #[test]
    fn the_mount_point_hides_nothing_that_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(mount_point(folder.path()), Some(Path::new("/mnt")));
        assert_ne!(mount_point(Path::new("/mnt")), Some(Path::new("/mnt")));
    }
}
