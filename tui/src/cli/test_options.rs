//! How a ticket's tests are run: the options of `check` and `ticket create` that are about them, and what becomes of them on
//! the wire. Names of sources and tests are judged by the daemon.

use std::str::FromStr;

use clap::ValueEnum;
use preflight_protocol::test_options::{BaselinePolicy, InternetPolicy, TestOptions, TestTimeout};

/// Options of tests.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TestArgs {
    /// Seconds after which a test is ended, of all tests, of a source's (SOURCE=SECONDS) or of one (SOURCE/TEST=SECONDS); may
    /// be repeated [default: 10000]
    #[arg(long = "test-timeout", value_name = "[SOURCE[/TEST]=]SECONDS")]
    timeouts: Vec<Timeout>,
    /// What becomes of tests that want the internet, which no testbed has
    #[arg(long, value_name = "POLICY", default_value = "skip")]
    needs_internet: NeedsInternet,
    /// What the run is about, told to tests as ADT_TEST_TRIGGERS; may be repeated
    #[arg(long = "trigger", value_name = "SOURCE/VERSION")]
    triggers: Vec<String>,
    /// A variable for the tests' environment; may be repeated
    #[arg(long = "env", value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Build nothing: run the tests against the packages that the archive has, as autopkgtest's -B does
    #[arg(short = 'B', long, conflicts_with_all = ["pool", "baseline"])]
    no_build: bool,
    /// How often each test that has failed is run again by itself, to tell a flaky one; the exit code stays
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    rerun_failed: u32,
    /// Run tests without the ticket's packages, too, to tell a regression; the exit code stays (see `preflight baseline`)
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_value = "never",
          default_missing_value = "failed")]
    baseline: Baselines,
}

/// Which tests are run without the ticket's packages, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Baselines {
    /// None
    #[default]
    Never,
    /// Those that fail
    Failed,
    /// All
    All,
}

/// What becomes of tests that want the internet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum NeedsInternet {
    /// They are run, and fail like any other
    Run,
    /// They are run; one that ends with another status than 0 counts as skipped
    Try,
    /// They are skipped
    #[default]
    Skip,
}

/// After how long which tests are ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Timeout {
    of: Option<String>,
    seconds: u32,
}

impl FromStr for Timeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (of, number) = match text.split_once('=') {
            Some((of, number)) => (Some(of), number),
            None => (None, text),
        };
        let seconds: u32 = number
            .parse()
            .map_err(|_| format!("{number:?} is not a number of seconds"))?;
        if seconds == 0 || of == Some("") {
            return Err("say SECONDS, SOURCE=SECONDS or SOURCE/TEST=SECONDS, from 1 second on".to_owned());
        }
        Ok(Self {
            of: of.map(str::to_owned),
            seconds,
        })
    }
}

impl TestArgs {
    /// Seconds after which any test is ended, where that was said.
    pub(super) fn timeout_s(&self) -> Option<u32> {
        let of_all = self.timeouts.iter().rfind(|timeout| timeout.of.is_none());
        of_all.map(|timeout| timeout.seconds)
    }

    /// What is said of tests.
    pub(super) fn asked(self) -> TestOptions {
        TestOptions {
            internet: match self.needs_internet {
                NeedsInternet::Run => InternetPolicy::Run,
                NeedsInternet::Try => InternetPolicy::Try,
                NeedsInternet::Skip => InternetPolicy::Skip,
            },
            timeouts: self
                .timeouts
                .into_iter()
                .filter_map(|timeout| {
                    Some(TestTimeout {
                        of: timeout.of?,
                        after_s: timeout.seconds,
                    })
                })
                .collect(),
            triggers: self.triggers,
            env: self.env,
            rerun_failed: self.rerun_failed,
            baseline: match self.baseline {
                Baselines::Never => BaselinePolicy::Never,
                Baselines::Failed => BaselinePolicy::Failed,
                Baselines::All => BaselinePolicy::All,
            },
            no_build: self.no_build,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_of_all_tests_of_a_source_or_of_one() {
        let args = TestArgs {
            timeouts: ["7", "hello=8", "hello/smoke=9", "10"]
                .map(|text| text.parse().unwrap())
                .into(),
            ..TestArgs::default()
        };
        assert_eq!(args.timeout_s(), Some(10));
        let said = args.asked().timeouts;
        let said: Vec<_> = said
            .iter()
            .map(|timeout| (timeout.of.as_str(), timeout.after_s))
            .collect();
        assert_eq!(said, [("hello", 8), ("hello/smoke", 9)]);
        for text in ["", "0", "-1", "=5", "a=", "a=0", "soon"] {
            assert!(text.parse::<Timeout>().is_err(), "{text}");
        }
    }
}
