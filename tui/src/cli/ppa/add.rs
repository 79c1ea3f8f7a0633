//! `preflight ppa add`: paths are made absolute here, and a token is read where nobody else sees it; all else is the daemon's.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use preflight_protocol::method::PpaAdd;
use preflight_protocol::ppa::{Ppa, Token};

use super::show::state_in_words;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::safe;
use crate::theme::Role;

/// Examples, and what a token is.
pub const AFTER: &str = "\
Examples:
  preflight ppa add ppa:jane/tools --series ubuntu-noble
  preflight ppa add vendor.sources --name vendor --priority 700
  preflight ppa add https://ppa.example/it '{series}' main --key it.asc --package src:hello

In a suite, {series} stands for the series' code name. A suite that ends in a slash is a flat repository's.
The file of --token-file has one line, USER:TOKEN, or is one of apt's (auth.conf(5)). Launchpad shows user
and token beside your archive subscriptions.";

/// The longest token file, in bytes.
const LONGEST_TOKEN: u64 = 64 * 1024;

/// Arguments of `ppa add`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ppa:OWNER/NAME, or the path of a .sources file, or URL SUITE COMPONENT…
    #[arg(required = true, value_name = "SOURCE")]
    pub source: Vec<String>,
    /// What to call it; otherwise Launchpad's name, the file's or the URL's
    #[arg(long)]
    pub name: Option<String>,
    /// The file with the OpenPGP keys that may sign it, in place of what the source itself says
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The series that it is verified for; the configured one, or this host's own, where it is missing
    #[arg(long)]
    pub series: Option<String>,
    /// apt's priority of all its packages (apt_preferences(5))
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub priority: Option<i16>,
    /// A package that comes from it whatever its version: NAME, or src:NAME for all packages of a source; repeatable
    #[arg(long = "package", value_name = "NAME")]
    pub packages: Vec<String>,
    /// The file with the subscription of a private one; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where a file cannot be read, or the daemon refuses.
pub(super) async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let request = PpaAdd {
        source: source(args.source)?,
        name: args.name,
        key: args.key.as_deref().map(absolute).transpose()?,
        series: args.series,
        priority: args.priority,
        packages: args.packages,
        token: args.token_file.as_deref().map(token).transpose()?,
    };
    let added = context.ask_patiently(&request, "fetching and verifying it").await?;
    if args.json {
        output::json(&added)?;
    } else {
        for ppa in &added {
            output::print(&words(context, ppa))?;
        }
    }
    Ok(0)
}

/// The words as the daemon can read them: it has another working directory.
fn source(mut words: Vec<String>) -> Result<Vec<String>, CliError> {
    let Some(first) = words.first_mut() else {
        return Ok(words);
    };
    if has_password(first) {
        return Err(CliError::usage(
            "the URL holds a user and a password, which everybody on this host can read while the command runs",
            "write the URL without them, and USER:TOKEN into a file: --token-file FILE",
        ));
    }
    let path = Path::new(first.as_str());
    let is_file = path.extension().is_some_and(|extension| extension == "sources") || path.is_file();
    if is_file && !first.contains("://") {
        let absolute = absolute(path)?;
        let text = absolute.into_os_string().into_string();
        *first = text.map_err(|_| CliError::usage("the file's path is not UTF-8", "rename it"))?;
    }
    Ok(words)
}

fn has_password(url: &str) -> bool {
    url.split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|authority| authority.contains('@')))
}

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(CliError::file(path.display().to_string()))
}

fn token(path: &Path) -> Result<Token, CliError> {
    let mut text = String::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().take(LONGEST_TOKEN).read_to_string(&mut text),
        _ => File::open(path).and_then(|file| file.take(LONGEST_TOKEN).read_to_string(&mut text)),
    };
    read.map_err(CliError::file(format!("the token file {}", path.display())))?;
    Ok(Token(text.trim().to_owned()))
}

fn words(context: &Context, ppa: &Ppa) -> String {
    let now = Timestamp::now();
    let states = ppa.states.iter().map(|state| state_in_words(state, now));
    let name = context.output.out.role(Role::Heading, &safe::text(&ppa.name));
    let mut lines = vec![format!("added {name}: {}", states.collect::<Vec<_>>().join("; "))];
    lines.extend(
        ppa.fingerprints
            .iter()
            .map(|key| format!("signed by {}", safe::text(key))),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_noticed_and_not_repeated() {
        for bad in ["https://jane:hush@ppa.example/a", "https://jane@ppa.example"] {
            let told = source(vec![bad.to_owned(), "noble".to_owned()])
                .unwrap_err()
                .to_string();
            assert!(!told.contains("hush") && told.contains("password"), "{told}");
        }
        for good in ["https://ppa.example/a@b", "ppa:jane/tools", "nonsense"] {
            assert_eq!(source(vec![good.to_owned()]).unwrap(), [good]);
        }
    }

    #[test]
    fn files_are_named_so_that_the_daemon_finds_them() {
        let here = std::env::current_dir().unwrap();
        let found = source(vec!["x.sources".to_owned()]).unwrap();
        assert_eq!(found, [here.join("x.sources").to_str().unwrap()]);
    }

    #[test]
    fn a_token_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "jane:hush\n").unwrap();
        let read = token(&path).unwrap();
        assert_eq!(read.0, "jane:hush");
        assert!(!format!("{read:?}").contains("hush"));
        assert!(token(folder.path()).is_err());
    }
}
