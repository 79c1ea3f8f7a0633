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

const SCRIPT: &str = include_str!("workshop/workshop.sh");
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
    ("fallocate", "util-linux"),
    ("mount", "mount"),
    ("chroot", "coreutils"),
    ("sha256sum", "coreutils"),
];

/// How many of the last lines an error shows.
const TAIL_LINES: usize = 25;
/// Longer lines are cut: nothing that a person reads is longer.
const LONGEST_LINE: u64 = 64 * 1024;
/// For the namespaces' processes to be gone after the lifeline is cut; the kernel takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why a workshop cannot be entered, or its work failed.
#[derive(Debug, thiserror::Error)]
pub enum WorkshopError {
    /// A tool is not installed.
    #[error("`{tool}` is not installed; install the package `{package}`")]
    ToolMissing {
        /// The command.
        tool: &'static str,
        /// The package that brings it.
        package: &'static str,
    },
    /// The host does not let this user have namespaces of their own.
    #[error("images cannot be built by this user: {detail}; {hint}")]
    NoNamespace {
        /// What unshare(1) said.
        detail: String,
        /// What to install or do.
        hint: &'static str,
    },
    /// The work failed.
    #[error("building failed ({status}); the last lines were:\n{tail}")]
    Failed {
        /// How the script ended.
        status: std::process::ExitStatus,
        /// The last lines of the tools' output.
        tail: String,
    },
    /// It was cancelled, and all its processes are gone.
    #[error("building was cancelled")]
    Cancelled,
    /// The system failed us.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What it said.
        source: std::io::Error,
    },
}

fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> WorkshopError {
    let what = what.into();
    move |source| WorkshopError::System { what, source }
}

/// A command in namespaces of its own: mounts, processes, and for an ordinary user the users of /etc/subuid.
fn unshared(program: &str) -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::Uid::effective().is_root() {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--", program]);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command.kill_on_drop(true);
    command
}

/// Whether images can be built here: tools are there, and namespaces work.
///
/// # Errors
/// [`WorkshopError::ToolMissing`] or [`WorkshopError::NoNamespace`], with what to install or do.
pub async fn check_host() -> Result<(), WorkshopError> {
    for (tool, package) in TOOLS {
        if !PATH.split(':').any(|folder| Path::new(folder).join(tool).is_file()) {
            return Err(WorkshopError::ToolMissing { tool, package });
        }
    }
    let mut probe = unshared("sh");
    probe.args(["-c", "mount -t tmpfs preflight /mnt"]).stdin(Stdio::null());
    let output = probe.output().await.map_err(system("cannot start unshare"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let detail = said
        .lines()
        .last()
        .unwrap_or("unshare failed without a word")
        .trim()
        .to_owned();
    Err(WorkshopError::NoNamespace {
        hint: namespace_hint(&detail),
        detail,
    })
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
    /// `PF_*` variables.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Gets all output.
    pub(crate) log: &'a Path,
    /// Ends the work.
    pub(crate) cancel: &'a CancellationToken,
}

/// Runs the script to its end.
pub(crate) async fn run(work: Work<'_>, on_line: &mut (dyn FnMut(&str) + Send)) -> Result<(), WorkshopError> {
    let mut log = tokio::fs::File::create(work.log)
        .await
        .map_err(system("cannot write the build log"))?;
    let mut command = unshared("sh");
    // The script starts itself once more under its own watch; see its head.
    command
        .args(["-c", SCRIPT])
        .env("PF_WORKSHOP", SCRIPT)
        .envs(work.variables);
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        // The host's way out; a proxy of the daemon's comes by apt's configuration, which wins.
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(system("cannot start unshare"))?;
    let lifeline = child.stdin.take();
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(system("no pipes to the workshop")(std::io::Error::other(
            "they were asked for",
        )));
    };
    let mut stdout = BufReader::new(stdout);
    let mut stderr = BufReader::new(stderr);
    let mut tail = VecDeque::new();
    let (mut out_line, mut err_line) = (Vec::new(), Vec::new());
    let (mut out_open, mut err_open) = (true, true);
    while out_open || err_open {
        // Each reader keeps its own half line, so that losing the race loses nothing.
        let line = tokio::select! {
            () = work.cancel.cancelled() => {
                drop(lifeline);
                end(&mut child).await;
                return Err(WorkshopError::Cancelled);
            }
            read = read_line(&mut stdout, &mut out_line), if out_open => {
                out_open = read.map_err(system("reading from the workshop"))?;
                std::mem::take(&mut out_line)
            }
            read = read_line(&mut stderr, &mut err_line), if err_open => {
                err_open = read.map_err(system("reading from the workshop"))?;
                std::mem::take(&mut err_line)
            }
        };
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
    let status = child.wait().await.map_err(system("waiting for the workshop"))?;
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
    let room = LONGEST_LINE.saturating_sub(line.len() as u64);
    Ok(reader.take(room).read_until(b'\n', line).await? > 0)
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
            let status = unshared("rm")
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
