//! How a ticket's tests are run: from the wire's words, which are judged here, and back.

use std::time::Duration;

use preflight_core as core;
use preflight_debian::{SourceName, Version};
use preflight_protocol as wire;
use preflight_protocol::error::{ErrorCode, RpcError};

/// How tests are to be run.
///
/// # Errors
/// Where a word is none of those that are known.
pub(crate) fn asked(asked: &wire::test_options::TestOptions) -> Result<core::TestOptions, RpcError> {
    let refused = |message: String| RpcError::new(ErrorCode::InvalidParams, message);
    let bad = |error: core::BadTestOption| refused(error.to_string());
    let timeout = |timeout: &wire::test_options::TestTimeout| {
        if timeout.after_s == 0 {
            return Err(refused(format!("tests of {} would be ended after 0 s", timeout.of)));
        }
        let after = Duration::from_secs(timeout.after_s.into());
        Ok((timeout.of.parse::<core::TestPattern>().map_err(bad)?, after))
    };
    let trigger = |text: &String| {
        let trigger: core::Trigger = text.parse().map_err(bad)?;
        let wrong = |error: String| refused(format!("the trigger {text:?} is no SOURCE/VERSION: {error}"));
        let _: SourceName = trigger.source().parse().map_err(|error| wrong(format!("{error}")))?;
        let _: Version = trigger.version().parse().map_err(|error| wrong(format!("{error}")))?;
        Ok::<_, RpcError>(trigger)
    };
    Ok(core::TestOptions {
        internet: match asked.internet {
            wire::test_options::InternetPolicy::Skip => core::InternetPolicy::Skip,
            wire::test_options::InternetPolicy::Try => core::InternetPolicy::Try,
            wire::test_options::InternetPolicy::Run => core::InternetPolicy::Run,
        },
        timeouts: asked.timeouts.iter().map(timeout).collect::<Result<_, _>>()?,
        triggers: asked.triggers.iter().map(trigger).collect::<Result<_, _>>()?,
        env: asked
            .env
            .iter()
            .map(|text| text.parse().map_err(bad))
            .collect::<Result<_, _>>()?,
        rerun_failed: asked.rerun_failed,
        baseline: match asked.baseline {
            wire::test_options::BaselinePolicy::Never => core::BaselinePolicy::Never,
            wire::test_options::BaselinePolicy::Failed => core::BaselinePolicy::Failed,
            wire::test_options::BaselinePolicy::All => core::BaselinePolicy::All,
        },
        no_build: asked.no_build,
    })
}

/// How a ticket's tests are run, as clients are told of it.
pub(crate) fn test_options(options: &core::TestOptions) -> wire::test_options::TestOptions {
    let seconds = |after: Duration| u32::try_from(after.as_secs()).unwrap_or(u32::MAX);
    wire::test_options::TestOptions {
        internet: match options.internet {
            core::InternetPolicy::Skip => wire::test_options::InternetPolicy::Skip,
            core::InternetPolicy::Try => wire::test_options::InternetPolicy::Try,
            core::InternetPolicy::Run => wire::test_options::InternetPolicy::Run,
        },
        timeouts: options
            .timeouts
            .iter()
            .map(|(of, after)| wire::test_options::TestTimeout {
                of: of.to_string(),
                after_s: seconds(*after),
            })
            .collect(),
        triggers: options.triggers.iter().map(ToString::to_string).collect(),
        env: options.env.iter().map(ToString::to_string).collect(),
        rerun_failed: options.rerun_failed,
        baseline: match options.baseline {
            core::BaselinePolicy::Never => wire::test_options::BaselinePolicy::Never,
            core::BaselinePolicy::Failed => wire::test_options::BaselinePolicy::Failed,
            core::BaselinePolicy::All => wire::test_options::BaselinePolicy::All,
        },
        no_build: options.no_build,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_was_asked() {
        let options = wire::test_options::TestOptions {
            internet: wire::test_options::InternetPolicy::Try,
            timeouts: vec![wire::test_options::TestTimeout {
                of: "hello/smoke".into(),
                after_s: 7,
            }],
            triggers: vec!["hello/2.10-3".into()],
            env: vec!["A=b c".into()],
            rerun_failed: 3,
            baseline: wire::test_options::BaselinePolicy::Failed,
            no_build: false,
        };
        assert_eq!(test_options(&asked(&options).unwrap()), options);
    }

    #[test]
    fn nonsense_is_refused() {
        let with = |change: fn(&mut wire::test_options::TestOptions)| {
            let mut options = wire::test_options::TestOptions::default();
            change(&mut options);
            asked(&options).unwrap_err().message
        };
        let nothing = with(|options| options.timeouts.push(wire::test_options::TestTimeout::default()));
        assert!(nothing.contains("0 s"), "{nothing}");
        let trigger = with(|options| options.triggers.push("hello/not a version".into()));
        assert!(trigger.contains("SOURCE/VERSION"), "{trigger}");
        let trigger = with(|options| options.triggers.push("Hello/1".into()));
        assert!(trigger.contains("Hello/1"), "{trigger}");
        let variable = with(|options| options.env.push("1=2".into()));
        assert!(variable.contains("NAME=VALUE"), "{variable}");
    }
}
