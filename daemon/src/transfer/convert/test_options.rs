//! How a ticket's tests were run, to and from the bundle.

use std::time::Duration;

use preflight_bundle as bundle;
use preflight_core as core;

use super::words;

pub(super) fn to(options: &core::TestOptions) -> bundle::TestOptions {
    bundle::TestOptions {
        internet: words::to_internet(options.internet),
        timeouts: options
            .timeouts
            .iter()
            .map(|(of, after)| bundle::TestTimeout {
                of: of.to_string(),
                after_us: super::to::microseconds(*after),
            })
            .collect(),
        triggers: options.triggers.iter().map(ToString::to_string).collect(),
        env: options.env.iter().map(ToString::to_string).collect(),
        rerun_failed: options.rerun_failed,
        baseline: words::to_baseline(options.baseline),
        no_build: options.no_build,
    }
}

/// # Errors
/// In words: a stranger wrote what is none of that.
pub(super) fn from(options: &bundle::TestOptions) -> Result<core::TestOptions, String> {
    let bad = |error: core::BadTestOption| error.to_string();
    let timeout = |timeout: &bundle::TestTimeout| {
        let of: core::TestPattern = timeout.of.parse().map_err(bad)?;
        Ok::<_, String>((of, Duration::from_micros(timeout.after_us)))
    };
    Ok(core::TestOptions {
        internet: words::from_internet(options.internet),
        timeouts: options.timeouts.iter().map(timeout).collect::<Result<_, _>>()?,
        triggers: options
            .triggers
            .iter()
            .map(|text| text.parse().map_err(bad))
            .collect::<Result<_, _>>()?,
        env: options
            .env
            .iter()
            .map(|text| text.parse().map_err(bad))
            .collect::<Result<_, _>>()?,
        rerun_failed: options.rerun_failed,
        baseline: words::from_baseline(options.baseline),
        no_build: options.no_build,
    })
}
