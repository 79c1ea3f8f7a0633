//! `preflight generate`: man pages and completions, made from the arguments. Those in the tree are compared by a test.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::arguments::Cli;
use super::error::CliError;
use crate::virt::Arguments;

/// Arguments of `preflight generate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to write
    pub what: What,
    /// The folder to write into
    pub folder: PathBuf,
}

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Man pages, one a command
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

/// Runs the command.
///
/// # Errors
/// Where the folder cannot be written to.
pub fn run(args: &Args) -> Result<u8, CliError> {
    write(args.what, &args.folder).map_err(CliError::file(args.folder.display().to_string()))?;
    Ok(0)
}

/// Writes the files.
///
/// # Errors
/// Where the folder cannot be written to.
pub fn write(what: What, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = Cli::command();
    match what {
        What::Man => {
            clap_mangen::generate_to(command, folder)?;
            clap_mangen::generate_to(Arguments::command(), folder)?;
        }
        What::Completions => {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut command, "preflight", folder)?;
            }
        }
    }
    Ok(())
}
