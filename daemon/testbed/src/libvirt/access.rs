//! Which libvirt is used, and how it is reached: a configured one; for an ordinary user the session's; for root the
//! system's if one answers, otherwise a private one that the keeper starts. It opens connections and does no more.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::{User, geteuid};
use virt::connect::Connect;

use super::capabilities;
use crate::hypervisor::HypervisorError;
use crate::keeper::{Keeper, KeeperConfiguration, KeeperError, KeeperLibvirt};
use crate::machine::{Accelerator, InstallationId};
use crate::reach::QemuAccount;

/// Seconds between libvirt's questions whether the other end lives, and how many may go unanswered: a daemon that
/// hangs is a closed connection after 20 s.
const KEEP_ALIVE: (i32, u32) = (5, 3);

/// How machines are to be run on this host.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Tells our machines from other installations'.
    pub installation: InstallationId,
    /// The libvirt to use; without it, the usual one of this user.
    pub uri: Option<String>,
    /// The keeper's program; without it, the one beside this program.
    pub keeper: Option<PathBuf>,
    /// The keeper's folder, short: its socket and those of a private libvirt lie there.
    pub keeper_home: PathBuf,
    /// How long machines outlive the daemon.
    pub grace: Duration,
    /// Who runs QEMU under a private libvirt; without it, `libvirt-qemu` or `preflight-qemu`.
    pub qemu_user: Option<String>,
    /// Where a private libvirt keeps what it learnt of QEMU; without it, in the keeper's folder.
    pub libvirt_cache: Option<PathBuf>,
    /// What the probe has proven. Without it nothing is taken for granted: machines are emulated, but KVM is left in
    /// libvirt's sight for [`set_accelerator`](super::LibvirtHypervisor::set_accelerator).
    pub accelerator: Option<Accelerator>,
}

/// How libvirt is reached.
#[derive(Debug)]
pub(super) struct Access {
    uri: String,
    /// Whether the keeper starts libvirt's daemon, so that it is asked before each connection.
    kept: bool,
    pub(super) keeper: Keeper,
    /// Who runs QEMU, where that is another user than we.
    pub(super) account: Option<QemuAccount>,
    /// Whether that user's files are made his by us; a system's libvirt does it itself.
    pub(super) gives_files: bool,
}

impl Access {
    /// Chooses, and starts the keeper. Blocks.
    pub(super) fn choose(configuration: &Configuration) -> Result<Self, HypervisorError> {
        let keeper = |libvirt| {
            Keeper::ensure(KeeperConfiguration {
                program: configuration.keeper.clone(),
                home: configuration.keeper_home.clone(),
                installation: configuration.installation.clone(),
                grace: configuration.grace,
                libvirt,
                cache: configuration.libvirt_cache.clone(),
            })
            .map_err(|error| unavailable(&error))
        };
        let plain = |uri: &str, keeper, account| Self {
            uri: uri.to_owned(),
            kept: false,
            keeper,
            account,
            gives_files: false,
        };
        if let Some(uri) = &configuration.uri {
            let account = if geteuid().is_root() {
                system_account(uri)?
            } else {
                None
            };
            return Ok(plain(uri, keeper(KeeperLibvirt::None)?, account));
        }
        if !geteuid().is_root() {
            let keeper = keeper(KeeperLibvirt::Session)?;
            return Ok(Self {
                uri: String::new(),
                kept: true,
                keeper,
                account: None,
                gives_files: false,
            });
        }
        if system_answers() {
            let uri = "qemu:///system";
            return Ok(plain(uri, keeper(KeeperLibvirt::None)?, system_account(uri)?));
        }
        let account = QemuAccount::find(configuration.qemu_user.as_deref())?;
        let kvm = std::path::Path::new("/dev/kvm");
        let hide_kvm = !account.may_use(kvm) || configuration.accelerator == Some(Accelerator::Tcg);
        let keeper = keeper(KeeperLibvirt::Private {
            account: account.clone(),
            hide_kvm,
        })?;
        Ok(Self {
            uri: String::new(),
            kept: true,
            keeper,
            account: Some(account),
            gives_files: true,
        })
    }

    /// Opens a connection; libvirt's daemon is started first where that is ours to do. Blocks.
    pub(super) fn open(&self) -> Result<Connect, HypervisorError> {
        let uri = if self.kept {
            self.keeper.libvirt().map_err(|error| unavailable(&error))?
        } else {
            self.uri.clone()
        };
        let connect = open(&uri)?;
        watch_for_hanging(&connect, true);
        Ok(connect)
    }
}

/// Has libvirt's client ask the daemon every few seconds whether it lives, or lets it rest. A daemon that ends is noticed
/// in any case.
pub(super) fn watch_for_hanging(connect: &Connect, on: bool) {
    let (interval, count) = if on { KEEP_ALIVE } else { (0, 0) };
    if let Err(error) = connect.set_keep_alive(interval, count) {
        tracing::warn!(error = error.message(), "libvirt's daemon can't be watched for hanging");
    }
}

fn open(uri: &str) -> Result<Connect, HypervisorError> {
    Connect::open(Some(uri)).map_err(|error| HypervisorError::Unavailable {
        message: format!("{uri}: {}", error.message()),
        hint: "`preflight doctor` tells what is missing".into(),
    })
}

/// Who a libvirt that is not ours runs QEMU as; refused when that is root.
fn system_account(uri: &str) -> Result<Option<QemuAccount>, HypervisorError> {
    super::events::start_loop().map_err(HypervisorError::Libvirt)?;
    let capabilities = open(uri)?
        .capabilities()
        .map_err(|error| HypervisorError::Libvirt(error.message().to_owned()))?;
    let Some(uid) = capabilities::qemu_uid(&capabilities) else {
        return Ok(None);
    };
    if uid == 0 {
        return Err(HypervisorError::Unavailable {
            message: format!("{uri} runs QEMU as root, and a guest is hostile"),
            hint: "set `user` in /etc/libvirt/qemu.conf to an unprivileged account".into(),
        });
    }
    let user = User::from_uid(uid.into()).ok().flatten();
    Ok(user.map(|user| QemuAccount::find(Some(&user.name))).transpose()?)
}

/// Whether the system's libvirt answers; with systemd, the attempt starts it.
fn system_answers() -> bool {
    ["libvirt-sock", "virtqemud-sock"]
        .iter()
        .any(|socket| UnixStream::connect(std::path::Path::new("/run/libvirt").join(socket)).is_ok())
}

fn unavailable(error: &KeeperError) -> HypervisorError {
    HypervisorError::Unavailable {
        message: error.to_string(),
        hint: "`preflight doctor` tells what is missing; keeper.log in the keeper's folder says more".into(),
    }
}
