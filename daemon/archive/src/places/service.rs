//! Snapshot services: servers that keep what archives had at any time, told apart by a
//! template of their URLs. Pure.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

const TIMESTAMP: &str = "{timestamp}";
const PATH: &str = "{path}";

/// A service takes what is new some hours after the archive has published it, and archives keep what they no longer
/// list for longer than a day: what can't be found at the moment itself is looked for a day later.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);

/// A snapshot service, by a template: `https://snapshot.example/archive/debian/{timestamp}/{path}`, where `{timestamp}`
/// stands for a moment as `YYYYMMDDTHHMMSSZ` (UTC) and `{path}` for the path below the mirror's URL (`pool/…`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotService {
    template: String,
}

/// A text is no template of a snapshot service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{template:?} is no snapshot service: {reason}; an example is https://snapshot.example/archive/debian/{{timestamp}}/{{path}}"
)]
pub struct TemplateError {
    template: String,
    reason: &'static str,
}

impl SnapshotService {
    /// Where it may have the file of that path, `moment` being the newest date of the release files that list it.
    pub(crate) fn urls(&self, moment: Timestamp, path: &str) -> Vec<String> {
        [Some(moment), moment.checked_add(LATER).ok()]
            .into_iter()
            .flatten()
            .map(|at| {
                let at = at.strftime("%Y%m%dT%H%M%SZ").to_string();
                self.template.replace(TIMESTAMP, &at).replace(PATH, path)
            })
            .collect()
    }
}

impl FromStr for SnapshotService {
    type Err = TemplateError;

    fn from_str(template: &str) -> Result<Self, Self::Err> {
        let refused = |reason| TemplateError {
            template: template.chars().take(512).collect(),
            reason,
        };
        for part in [TIMESTAMP, PATH] {
            if template.matches(part).count() != 1 {
                return Err(refused("it must hold {timestamp} and {path}, each once"));
            }
        }
        let filled = template.replace(TIMESTAMP, "20260101T000000Z").replace(PATH, "pool/a");
        if filled.contains(['{', '}']) {
            return Err(refused("it holds something else in braces"));
        }
        match url::Url::parse(&filled) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(Self {
                template: template.to_owned(),
            }),
            Ok(_) => Err(refused("only http and https are known")),
            Err(_) => Err(refused("it is no URL")),
        }
    }
}

impl fmt::Display for SnapshotService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_template_is_filled_for_the_moment_and_a_day_later() {
        let text = "https://snapshot.example/archive/debian/{timestamp}/{path}";
        let service: SnapshotService = text.parse().unwrap();
        assert_eq!(service.to_string(), text);
        assert_eq!(
            service.urls("2026-11-20T14:00:00Z".parse().unwrap(), "pool/main/a/a_1+b1_all.deb"),
            [
                "https://snapshot.example/archive/debian/20261120T140000Z/pool/main/a/a_1+b1_all.deb",
                "https://snapshot.example/archive/debian/20261121T140000Z/pool/main/a/a_1+b1_all.deb"
            ]
        );
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for bad in [
            "",
            "https://snapshot.example/{timestamp}",
            "https://snapshot.example/{path}",
            "https://snapshot.example/{timestamp}/{timestamp}/{path}",
            "https://snapshot.example/{base}/{timestamp}/{path}",
            "ftp://snapshot.example/{timestamp}/{path}",
            "{timestamp}/{path}",
        ] {
            assert!(bad.parse::<SnapshotService>().is_err(), "{bad:?}");
        }
    }
}
