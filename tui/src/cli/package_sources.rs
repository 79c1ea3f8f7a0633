//! The options that say where packages come from, which all commands that put packages into testbeds share.

use preflight_protocol::package_sources::AskedSources;

/// Where packages come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PackageSources {
    /// The snapshot of the series' archive that packages come from; without one, the archive as the base image has it
    #[arg(long, value_name = "NAME")]
    pub snapshot: Option<String>,
}

impl PackageSources {
    /// As the daemon is asked for them.
    #[must_use]
    pub fn asked(self) -> AskedSources {
        AskedSources {
            snapshot: self.snapshot,
            ..AskedSources::default()
        }
    }
}
