//! The daemon's configuration: one TOML file, every value typed, with its unit in its name or type. Unknown keys are
//! refused with their place. Nothing is read from anywhere else.

mod archive;
mod error;
mod launchpad;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use preflight_protocol::method::SignaturePolicy;
use serde::{Deserialize, Serialize};

pub use archive::{ArchiveConfig, ArchiveUrl, Folder, NetworkPolicy, OfApt, ProxyUrl, ServiceTemplate};
pub use error::{ConfigError, Place};
pub use launchpad::LaunchpadConfig;

/// All that can be configured. What is missing in the file has the value that [`Config::default`] has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What tickets get that do not say otherwise.
    pub ticket: TicketConfig,
    /// What may run at once.
    pub scheduler: SchedulerConfig,
    /// Where machines run.
    pub hypervisor: HypervisorConfig,
    /// What a machine gets.
    pub testbed: TestbedConfig,
    /// After how long something is ended.
    pub timeout: TimeoutConfig,
    /// Where packages come from.
    pub archive: ArchiveConfig,
    /// Where Launchpad is, which knows PPAs by name.
    pub launchpad: LaunchpadConfig,
    /// How source packages are judged.
    pub intake: IntakeConfig,
    /// How much is kept.
    pub storage: StorageConfig,
    /// What the daemon writes of itself.
    pub log: LogConfig,
}

/// What tickets get that do not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TicketConfig {
    /// The series of sources whose changelogs name none, such as `debian-bookworm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
}

/// What all machines together may take of the host. Each takes what `testbed` says; one that needs more than there is
/// runs alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchedulerConfig {
    /// Processors; the host's where it is missing. More than it has makes machines share them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores: Option<u16>,
    /// Memory in MiB; half of the host's where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
}

/// Where machines run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HypervisorConfig {
    /// libvirt's URI. Without it an ordinary user has `qemu:///session`, and root a libvirt of Preflight's own where
    /// none runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The user that QEMU runs as, where Preflight has a libvirt of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qemu_user: Option<String>,
    /// `auto` uses KVM once a probe guest has answered under it.
    pub accelerator: Accelerator,
}

/// How guests' instructions are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accelerator {
    /// KVM where a probe guest has answered under it, otherwise emulation.
    #[default]
    Auto,
    /// KVM, whatever the probe says.
    Kvm,
    /// Emulation.
    Tcg,
}

/// What a machine gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TestbedConfig {
    /// Virtual processors.
    pub cpus: u16,
    /// Memory in MiB; the recipe's where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Seconds for which machines live on without a daemon, before they are reaped.
    pub keeper_grace_s: u32,
    /// How many clones may be made ahead and held, where the host's memory allows; none on battery.
    pub pool: u16,
}

impl Default for TestbedConfig {
    fn default() -> Self {
        Self {
            cpus: 2,
            memory_mib: None,
            keeper_grace_s: 10,
            pool: 4,
        }
    }
}

/// After how long something is ended, in seconds; the defaults are autopkgtest's. They are multiplied by the measured
/// slowness of this host; what `--build-timeout` and `--test-timeout` say is taken as it is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeoutConfig {
    /// Booting a machine until its agent answers.
    pub boot_s: u32,
    /// A short command in a guest.
    pub short_s: u32,
    /// Copying files to or from a guest.
    pub copy_s: u32,
    /// Installing packages in a guest.
    pub install_s: u32,
    /// One test.
    pub test_s: u32,
    /// A build.
    pub build_s: u32,
    /// Tests of a source (`SOURCE`), or one of them (`SOURCE/TEST`), in the place of `test_s`.
    pub tests_s: BTreeMap<String, u32>,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            boot_s: 60,
            short_s: 100,
            copy_s: 300,
            install_s: 3000,
            test_s: 10_000,
            build_s: 100_000,
            tests_s: BTreeMap::new(),
        }
    }
}

/// How source packages are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// What becomes of missing, unknown and broken signatures: `ignore`, `warn` or `require`.
    pub signatures: SignaturePolicy,
    /// OpenPGP keyrings with the keys that are known: files, absolute.
    pub keyrings: Vec<PathBuf>,
}

impl Default for IntakeConfig {
    fn default() -> Self {
        Self {
            signatures: SignaturePolicy::Warn,
            keyrings: vec![],
        }
    }
}

/// How much is kept on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Gigabytes (10⁹ bytes) for all that the daemon keeps: images, templates, packages, tickets. What can be made again
    /// goes first when they are used up, and what is in use never.
    pub budget_gb: u32,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { budget_gb: 20 }
    }
}

/// What the daemon writes of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// What is written to the daemon's log, as `tracing-subscriber`'s `EnvFilter` has it: `info`, or `preflightd=debug`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
        }
    }
}

impl Config {
    /// Reads the file; one that is not there is an empty one.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| ConfigError::Malformed {
            place: Place {
                file: path.to_owned(),
                line: error.span().map(|span| line_of(text, span.start)),
            },
            message: error.message().to_owned(),
        })?;
        config.check(path)?;
        Ok(config)
    }

    /// The configuration as its file would say it.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_default()
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let numbers = [
            ("scheduler.cores", self.scheduler.cores.map_or(1, u64::from), 1),
            (
                "scheduler.memory_mib",
                self.scheduler.memory_mib.map_or(256, u64::from),
                256,
            ),
            ("testbed.cpus", u64::from(self.testbed.cpus), 1),
            (
                "testbed.memory_mib",
                self.testbed.memory_mib.map_or(256, u64::from),
                256,
            ),
            ("storage.budget_gb", u64::from(self.storage.budget_gb), 1),
            ("timeout.boot_s", u64::from(self.timeout.boot_s), 1),
            ("timeout.short_s", u64::from(self.timeout.short_s), 1),
            ("timeout.copy_s", u64::from(self.timeout.copy_s), 1),
            ("timeout.install_s", u64::from(self.timeout.install_s), 1),
            ("timeout.test_s", u64::from(self.timeout.test_s), 1),
            ("timeout.build_s", u64::from(self.timeout.build_s), 1),
            (
                "timeout.tests_s",
                self.timeout.tests_s.values().copied().min().map_or(1, u64::from),
                1,
            ),
        ];
        let bad = |field, value: String, must| {
            Err(ConfigError::BadValue {
                path: path.to_owned(),
                field,
                value,
                must,
            })
        };
        if let Some((field, value, least)) = numbers.into_iter().find(|(_, value, least)| value < least) {
            let must = if least == 1 { "at least 1" } else { "at least 256" };
            return bad(field, value.to_string(), must);
        }
        if let Some((field, value, must)) = self.launchpad.wrong() {
            return bad(field, value, must);
        }
        if let Some(keyring) = self.intake.keyrings.iter().find(|keyring| !keyring.is_absolute()) {
            return bad("intake.keyrings", format!("{keyring:?}"), "absolute paths");
        }
        Ok(())
    }
}

pub(crate) fn line_of(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("/c.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_is_the_default_and_what_is_printed_is_read() {
        assert_eq!(parse("").unwrap(), Config::default());
        let mut config = Config::default();
        config.ticket.series = Some("debian-sid".into());
        config
            .archive
            .mirrors
            .insert("debian".into(), "http://mirror.example/debian".into());
        config.intake.keyrings.push("/usr/share/keyrings/k.gpg".into());
        assert_eq!(parse(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, parts) in [
            (
                "[testbed]\ncpus = 2\nmemroy_mib = 1\n",
                &["/c.toml:3:1", "memroy_mib", "memory_mib"][..],
            ),
            ("[nonsense]\n", &["/c.toml:1:2", "nonsense"]),
            ("[testbed]\ncpus = \"two\"\n", &["/c.toml:2:8", "u16"]),
            (
                "[intake]\nsignatures = \"maybe\"\n",
                &["/c.toml:2:14", "maybe", "require"],
            ),
            ("[scheduler]\ncores = 0\n", &["scheduler.cores", "at least 1"]),
            (
                "[scheduler]\nmemory_mib = 255\n",
                &["scheduler.memory_mib", "at least 256"],
            ),
            ("[intake]\nkeyrings = [\"k.gpg\"]\n", &["intake.keyrings", "absolute"]),
            (
                "[launchpad]\napi = \"api.example\"\n",
                &["launchpad.api", "api.example", "http"],
            ),
            (
                "[launchpad]\nkey_server = \"https://keys.example\"\n",
                &["launchpad.key_server", "{fingerprint}"],
            ),
            ("[testbed\n", &["/c.toml:1:"]),
        ] {
            let message = parse(text).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{message:?} lacks {part:?}");
            }
        }
    }

    #[test]
    fn a_missing_file_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            Config::read(&folder.path().join("none.toml")).unwrap(),
            Config::default()
        );
        assert!(matches!(
            Config::read(folder.path()),
            Err(ConfigError::Unreadable { .. })
        ));
    }
}
