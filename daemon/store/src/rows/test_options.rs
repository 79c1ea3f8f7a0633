//! How a ticket's tests are run as one JSON text: nobody asks the database for a part of it. The format is the store's own,
//! and grows: what a text does not say is as it was before one could say it.

use preflight_core::{BadTestOption, BaselinePolicy, InternetPolicy, TestOptions};
use serde::{Deserialize, Serialize};

use crate::words::{Word, duration, microseconds};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    internet: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    timeouts: Vec<Timeout>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(default)]
    rerun_failed: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<String>,
    #[serde(default)]
    no_build: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timeout {
    of: String,
    after_us: i64,
}

/// None where nothing was said.
#[must_use]
pub(crate) fn write(options: &TestOptions) -> Option<String> {
    if *options == TestOptions::default() {
        return None;
    }
    let timeout = |(of, after): &(_, _)| Timeout {
        of: ToString::to_string(of),
        after_us: microseconds(*after),
    };
    let text = Text {
        internet: (options.internet != InternetPolicy::default()).then(|| options.internet.word().to_owned()),
        timeouts: options.timeouts.iter().map(timeout).collect(),
        triggers: options.triggers.iter().map(ToString::to_string).collect(),
        env: options.env.iter().map(ToString::to_string).collect(),
        rerun_failed: options.rerun_failed,
        baseline: (options.baseline != BaselinePolicy::default()).then(|| options.baseline.word().to_owned()),
        no_build: options.no_build,
    };
    // Strings and numbers: there is nothing in it that can't be written.
    serde_json::to_string(&text).ok()
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// In words: it is none of that.
pub(crate) fn read(text: Option<&str>) -> Result<TestOptions, String> {
    let Some(text) = text else {
        return Ok(TestOptions::default());
    };
    let text: Text = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let bad = |error: BadTestOption| error.to_string();
    let timeout = |timeout: &Timeout| Ok((timeout.of.parse().map_err(bad)?, duration(timeout.after_us)));
    Ok(TestOptions {
        internet: match &text.internet {
            Some(word) => InternetPolicy::read(word).map_err(|error| error.to_string())?,
            None => InternetPolicy::default(),
        },
        timeouts: text.timeouts.iter().map(timeout).collect::<Result<_, String>>()?,
        triggers: read_all(&text.triggers)?,
        env: read_all(&text.env)?,
        rerun_failed: text.rerun_failed,
        baseline: match &text.baseline {
            Some(word) => BaselinePolicy::read(word).map_err(|error| error.to_string())?,
            None => BaselinePolicy::default(),
        },
        no_build: text.no_build,
    })
}

fn read_all<T: std::str::FromStr<Err = BadTestOption>>(texts: &[String]) -> Result<Vec<T>, String> {
    let read = |text: &String| text.parse().map_err(|error: BadTestOption| error.to_string());
    texts.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn options_are_read_as_they_were_written() {
        let options = TestOptions {
            internet: InternetPolicy::Try,
            timeouts: vec![("hello/smoke".parse().unwrap(), Duration::from_millis(1500))],
            triggers: vec!["hello/2.10-3".parse().unwrap()],
            env: vec!["A=b=c".parse().unwrap()],
            rerun_failed: 2,
            baseline: BaselinePolicy::All,
            no_build: true,
        };
        assert_eq!(read(write(&options).as_deref()), Ok(options));
        assert_eq!(write(&TestOptions::default()), None);
        assert_eq!(read(None), Ok(TestOptions::default()));
        assert_eq!(read(Some("{}")), Ok(TestOptions::default()));
        for text in ["", "1", r#"{"other":1}"#, r#"{"internet":"?"}"#, r#"{"env":["a"]}"#] {
            assert!(read(Some(text)).is_err(), "{text}");
        }
    }
}
