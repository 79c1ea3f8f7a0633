//! The program's arguments: the root, and which commands there are. Each command's own are in its file.

use clap::{Parser, Subcommand, ValueEnum};

use super::{
    archive, baseline, change, check, daemon, doctor, du, export, findings, gc, generate, image, import,
    import_results, lock, logs, ppa, promote, promotions, replay, repo, rerun, results, shell, status, ticket,
};

/// Check Debian and Ubuntu packages before you submit them: build, rebuild the image, run the dep8 tests, offline.
#[derive(Debug, Parser)]
#[command(
    name = "preflight",
    version,
    about,
    long_about = "Preflight builds Debian source packages in throw-away virtual machines without a network, rebuilds the \
                  image with the result, and runs the dep8 tests on it.\n\nWithout a command it opens the terminal UI.",
    after_long_help = AFTER,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// When to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: ColorChoice,

    /// Panic after the first frame, to see that the terminal is given back
    #[arg(long, hide = true)]
    pub provoke_panic: bool,

    /// What to do; the terminal UI where it is missing
    #[command(subcommand)]
    pub command: Option<Command>,
}

const CHECK_AFTER: &str = "\
Examples:
  preflight check
  preflight check ../hello_2.10-3.dsc --series debian-bookworm
  preflight check --repository 12 .     with what ticket 12 has built
  preflight check --repository tested . with what the link `tested` points at
  preflight check --json libfoo_1-1_source.changes bar_2-1_source.changes
  preflight check --subunit . | subunit2pyunit
  preflight check --no-build hello.dsc  run its tests against the archive's packages
  preflight check --trigger glibc/2.41-1 --test-timeout libfoo/slow=3600 .
  preflight check --baseline .          say of each failure whether it is the change's

Ctrl-C cancels the ticket. A ticket that is left alone (--detach, a closed terminal) runs on.

Exit codes:
    0  all tests passed (autopkgtest's codes, from here to 16)
    2  at least one test was skipped, or a flaky one failed
    4  at least one test failed; 6 is 4 and 2
    8  no tests, or none but superficial ones passed
   12  the package does not build or install; 14 is 12 and 2
   16  the testbed failed, or this host lacks something (see `preflight doctor`)
   20  wrong usage, bad input (no ticket is made), no daemon, and all else
  130  cancelled, or ended by Ctrl-C";
const GC_AFTER: &str = "\
The daemon does this by itself whenever the budget (storage.budget_gb in config.toml) is used up. In this order go:
archive objects that no lock and no image names, initrds, layers and templates by least use, images of ended tickets,
their sources, their artifacts, base images that were superseded, kept testbeds of failures (the newest last), and at
last what belongs to kept tickets. Logs and results go with `preflight ticket remove` only.

Examples:
  preflight gc --dry-run
  preflight gc --to 5GB
  preflight gc --all --dry-run

Exit codes:
    0  as much was freed as was wanted
   20  something more should go and must stay, and all else";
const AFTER: &str = "\
Examples:
  preflight                          open the terminal UI
  preflight check                    check the package in this folder
  preflight logs 12 --first-error    show the failing line of ticket 12

Environment:
  PREFLIGHT_HOME      put configuration, state, cache and sockets below this folder
  PREFLIGHT_DAEMON    the daemon's program, where it is not beside this one or on PATH
  NO_COLOR            no colours, where --color does not say otherwise

The exit codes are autopkgtest's; `preflight check --help` lists them.";

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, where NO_COLOR is not set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check source packages: submit, follow, and exit with autopkgtest's code
    #[command(
        after_help = CHECK_AFTER
    )]
    Check(check::Args),
    /// Make, list, show, change and cancel tickets
    #[command(after_help = "Example:\n  preflight ticket list --open")]
    Ticket(ticket::Args),
    /// Show the daemon and the open tickets, or one ticket
    #[command(after_help = "Examples:\n  preflight status\n  preflight status 12 --json")]
    Status(status::Args),
    /// Print a ticket's logs
    #[command(after_help = "Examples:\n  preflight logs 12 --first-error\n  preflight logs 12 --job 31 --follow")]
    Logs(logs::Args),
    /// Print a ticket's test results, or write them as other programs have them
    #[command(after_help = results::AFTER)]
    Results(results::Args),
    /// Print what a ticket's logs say that matters: errors and warnings, with file and line
    #[command(after_help = findings::AFTER)]
    Findings(findings::Args),
    /// Run one test of a ticket once more, with what you have edited
    #[command(after_help = rerun::AFTER)]
    Rerun(rerun::Args),
    /// Run a ticket's tests without the change, and say what their results mean
    #[command(after_help = baseline::AFTER)]
    Baseline(baseline::Args),
    /// Open a shell in a testbed, or run a command there
    #[command(after_help = shell::AFTER)]
    Shell(shell::Args),
    /// List, build, fetch and remove images
    #[command(after_help = "Example:\n  preflight image get 12 -o hello.qcow2")]
    Image(image::Args),
    /// Take, list, compare and forget snapshots of series' archives
    #[command(after_help = archive::AFTER)]
    Archive(archive::Args),
    /// Show what takes the disk, and why something stays
    #[command(after_help = "Examples:\n  preflight du\n  preflight du --items 50 --json")]
    Du(du::Args),
    /// Free disk: what can be made again first, what is in use never
    #[command(after_help = GC_AFTER)]
    Gc(gc::Args),
    /// Run a ticket again from its locks alone, and say whether the results agree
    #[command(after_help = replay::AFTER)]
    Replay(replay::Args),
    /// List what a ticket's jobs have started from, and what they have fetched, by digest
    #[command(after_help = lock::AFTER)]
    Lock(lock::Args),
    /// List, show, compare, export and serve what tickets have built
    #[command(after_help = repo::AFTER)]
    Repo(repo::Args),
    /// Move a link to a ticket's repository, where the link's criteria are met
    #[command(after_help = promote::AFTER)]
    Promote(promote::Args),
    /// List links, where they have been, and what a ticket lacks for them
    #[command(
        after_help = "Examples:\n  preflight promotions\n  preflight promotions tested\n  preflight promotions --ticket 12"
    )]
    Promotions(promotions::Args),
    /// Repositories beside the archive
    #[command(after_help = ppa::AFTER)]
    Ppa(ppa::Args),
    /// Write a ticket with all its evidence to one file, for another machine
    #[command(after_help = export::AFTER)]
    Export(export::Args),
    /// Take over a ticket from another machine
    #[command(after_help = import::AFTER)]
    Import(import::Args),
    /// Make a ticket of results of tests that others have run
    #[command(after_help = import_results::AFTER, disable_version_flag = true)]
    ImportResults(import_results::Args),
    /// Start, stop and look at the daemon
    #[command(after_help = "Example:\n  preflight daemon status")]
    Daemon(daemon::Args),
    /// Tell what this host has and lacks
    #[command(after_help = "Example:\n  preflight doctor --fresh")]
    Doctor(doctor::Args),
    /// Write man pages or completions
    #[command(hide = true, after_help = "Example:\n  preflight generate man tui/man")]
    Generate(generate::Args),

    /// The Ubuntu CI Engine's word for `ticket create`
    #[command(name = "create_ticket", hide = true)]
    CreateTicket(change::CreateArgs),
    /// The Ubuntu CI Engine's word for `ticket update`
    #[command(name = "update_ticket", hide = true)]
    UpdateTicket(ticket::UpdateArgs),
    /// The Ubuntu CI Engine's word for `image get`
    #[command(name = "get_image", hide = true)]
    GetImage(image::GetArgs),
}
