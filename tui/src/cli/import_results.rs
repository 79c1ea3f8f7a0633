//! `preflight import-results`: makes a ticket of results of tests that others have run.

use preflight_protocol::ids::Series;
use preflight_protocol::results::ResultsImport;

use super::context::Context;
use super::error::CliError;
use super::output;
use crate::safe;

/// What follows the help.
pub const AFTER: &str = "\
What can be read, and its name for --format where what is there does not tell:
  autopkgtest   the output directory of autopkgtest --output-dir
  debci         a run of debci: log.gz, exitcode, artifacts.tar.gz
  result-tar    a run of Ubuntu's: result.tar, with log.gz and artifacts.tar.gz beside it
  log           a log of autopkgtest's alone
  subunit       subunit version 2; subunit-v1 is version 1
  junit         JUnit's XML
A file may be compressed with gzip or xz. A URL that ends with a slash, or in result.tar or log.gz, is a run's folder:
what belongs to the run is fetched from there.

The ticket has ended. It is shown, searched and compared like any other; but there is nothing of it to be run again.
All of it is imported, or nothing.

Examples:
  preflight import-results https://ci.example/noble/amd64/h/hello/20260102_030405_abcde@/
  preflight import-results /tmp/autopkgtest-output
  preflight import-results pytest.xml --source hello --series debian-sid";

/// Arguments of `preflight import-results`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder, a file, or a URL
    #[arg(value_name = "DIR|FILE|URL")]
    pub place: String,
    /// The format; without it what is there tells
    #[arg(long, value_parser = ["autopkgtest", "debci", "result-tar", "log", "subunit", "subunit-v1", "junit"])]
    pub format: Option<String>,
    /// The source package, where the results do not tell
    #[arg(long)]
    pub source: Option<String>,
    /// Its version, where the results do not tell
    #[arg(long, value_name = "VERSION")]
    pub version: Option<String>,
    /// The series, where the results do not tell
    #[arg(long)]
    pub series: Option<String>,
    /// The ticket's title
    #[arg(long)]
    pub title: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Where there is nothing of that name, or it is refused.
pub async fn run(context: &Context, args: Args) -> Result<u8, CliError> {
    let is_url = args.place.starts_with("http://") || args.place.starts_with("https://");
    let place = if is_url {
        args.place
    } else {
        let path = std::path::absolute(&args.place).map_err(CliError::file(args.place.clone()))?;
        path.to_string_lossy().into_owned()
    };
    let request = ResultsImport {
        place,
        format: args.format,
        source: args.source,
        version: args.version,
        series: args.series.map(Series),
        title: args.title,
        owner: None,
    };
    let imported = context.ask_patiently(&request, "reading the results").await?;
    if args.json {
        output::json(&imported)?;
        return Ok(0);
    }
    for warning in &imported.warnings {
        eprintln!("{}", safe::text(warning));
    }
    let tests = if imported.tests == 1 { "test" } else { "tests" };
    output::print(&format!(
        "ticket #{id} has {count} {tests} of {source} {version} on {series} (exit code {code}); \
         `preflight ticket show {id}` shows it",
        id = imported.ticket,
        count = imported.tests,
        source = safe::text(&imported.source),
        version = safe::text(&imported.version),
        series = safe::text(&imported.series.0),
        code = imported.exit_code,
    ))?;
    Ok(0)
}
