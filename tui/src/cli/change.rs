//! What a ticket is made of: the options that `check` and `ticket create` share, and the request that they become.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use preflight_protocol::method::{SignaturePolicy, TicketCreate};
use preflight_protocol::ticket::{KeepFailed, Priority};

use super::error::CliError;
use super::package_sources::PackageSources;
use super::test_options::TestArgs;

/// Options of a change.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Change {
    /// The ticket's title; the sources' names and versions where it is missing
    #[arg(short = 't', long)]
    pub title: Option<String>,
    /// What the change is about
    #[arg(short = 'd', long)]
    pub description: Option<String>,
    /// The bug that it fixes
    #[arg(short = 'b', long)]
    pub bug: Option<String>,
    /// Who makes it; your user name where it is missing
    #[arg(short = 'o', long)]
    pub owner: Option<String>,
    /// The series to check on, such as debian-bookworm; from the changelog where it is missing
    #[arg(long)]
    pub series: Option<String>,
    /// A package that the image gets besides the ticket's own; may be repeated
    #[arg(short = 'a', long = "add-package", value_name = "PACKAGE")]
    pub add_packages: Vec<String>,
    /// A package that is removed from the image; may be repeated
    #[arg(short = 'r', long = "remove-package", value_name = "PACKAGE")]
    pub remove_packages: Vec<String>,
    /// Where packages come from
    #[command(flatten)]
    pub package_sources: PackageSources,
    /// How signatures of the sources are treated; the configuration says where it is missing
    #[arg(long, value_name = "POLICY")]
    pub signatures: Option<Signatures>,
    /// Fetch nothing from the network: what is not in the store is missing
    #[arg(long)]
    pub offline: bool,
    /// How tests are run
    #[command(flatten)]
    pub tests: TestArgs,
    /// Seconds after which a build is ended [default: 100000]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub build_timeout: Option<u32>,
    /// Run the other tests to their end though a source's health test has failed
    #[arg(long)]
    pub keep_going: bool,
    /// Which testbeds of failed jobs are kept for `preflight shell`, within the disk budget
    #[arg(long, value_name = "WHICH", default_value = "newest")]
    pub keep_failed: Kept,
    /// Whose jobs go first
    #[arg(long, value_name = "PRIORITY", default_value = "normal")]
    pub priority: Urgency,
    /// Publish what is built in a repository of the PPA pool, too; where none is free, wait for one
    #[arg(long)]
    pub pool: bool,
}

/// Which testbeds of failed jobs are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Kept {
    /// None
    Never,
    /// That of the ticket's newest failure
    #[default]
    Newest,
    /// All
    Always,
}

/// Whose jobs go first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Urgency {
    /// Before all others: you wait for it
    Interactive,
    /// In turn with others
    #[default]
    Normal,
    /// When nothing else is to be done
    Background,
}

/// How signatures are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Signatures {
    /// They are not looked at
    Ignore,
    /// A missing, unknown or broken one is a warning
    Warn,
    /// Only what a known key has signed is taken
    Require,
}

/// Arguments of `ticket create`.
#[derive(Debug, Clone, clap::Args)]
pub struct CreateArgs {
    /// A folder, .dsc or _source.changes; may be repeated
    #[arg(short = 's', long = "source", value_name = "PATH", required = true)]
    pub sources: Vec<PathBuf>,
    /// Make the ticket, but do not queue it until `ticket update N --queue`
    #[arg(short = 'w', long)]
    pub wait: bool,
    /// What the ticket is made of
    #[command(flatten)]
    pub change: Change,
    /// Print the new ticket's number and warnings as JSON
    #[arg(long)]
    pub json: bool,
}

impl Change {
    /// The request for a ticket.
    ///
    /// # Errors
    /// Where a path is not there: the daemon would say the same, but of another folder's path.
    pub fn request(self, sources: &[PathBuf], wait: bool) -> Result<TicketCreate, CliError> {
        Ok(TicketCreate {
            sources: sources
                .iter()
                .map(|path| resolve(path))
                .collect::<Result<_, CliError>>()?,
            title: self.title,
            description: self.description,
            bug: self.bug,
            owner: self.owner,
            series: self.series,
            add_packages: self.add_packages,
            remove_packages: self.remove_packages,
            package_sources: self.package_sources.asked(),
            signatures: self.signatures.map(|policy| match policy {
                Signatures::Ignore => SignaturePolicy::Ignore,
                Signatures::Warn => SignaturePolicy::Warn,
                Signatures::Require => SignaturePolicy::Require,
            }),
            wait,
            offline: self.offline,
            test_timeout_s: self.tests.timeout_s(),
            build_timeout_s: self.build_timeout,
            keep_going: self.keep_going,
            keep_failed: match self.keep_failed {
                Kept::Never => KeepFailed::Never,
                Kept::Newest => KeepFailed::Newest,
                Kept::Always => KeepFailed::Always,
            },
            priority: match self.priority {
                Urgency::Interactive => Priority::Interactive,
                Urgency::Normal => Priority::Normal,
                Urgency::Background => Priority::Background,
            },
            pool: self.pool,
            tests: self.tests.asked(),
        })
    }
}

pub(super) fn resolve(path: &Path) -> Result<PathBuf, CliError> {
    let resolved = std::fs::canonicalize(path).map_err(CliError::file(path.display().to_string()))?;
    if resolved.is_dir() && !resolved.join("debian").is_dir() {
        return Err(CliError::usage(
            format!("{} is a folder without debian/", path.display()),
            "give a package's folder, a .dsc or a _source.changes",
        ));
    }
    Ok(resolved)
}
