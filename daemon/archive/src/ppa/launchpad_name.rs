//! What Launchpad calls a PPA, as people write it after `ppa:`.

use std::fmt;
use std::str::FromStr;

use crate::ppa::definition::{PpaFieldError, PpaName};

/// `OWNER/NAME` or `OWNER/DISTRIBUTION/NAME`, as after `ppa:`; the distribution is Ubuntu where it is not said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaunchpadName {
    /// Whose.
    pub(crate) owner: String,
    /// For which distribution.
    pub(crate) distribution: String,
    /// Its name.
    pub(crate) name: String,
}

const UBUNTU: &str = "ubuntu";

impl LaunchpadName {
    /// What it is called here.
    pub(crate) fn ppa_name(&self) -> Result<PpaName, PpaFieldError> {
        match self.distribution.as_str() {
            UBUNTU => format!("{}/{}", self.owner, self.name).parse(),
            other => format!("{}/{other}/{}", self.owner, self.name).parse(),
        }
    }
}

impl fmt::Display for LaunchpadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.distribution.as_str() {
            UBUNTU => write!(f, "ppa:{}/{}", self.owner, self.name),
            other => write!(f, "ppa:{}/{other}/{}", self.owner, self.name),
        }
    }
}

/// The text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OWNER/NAME or OWNER/DISTRIBUTION/NAME is wanted, of a-z, 0-9, +, . and -")]
pub struct LaunchpadNameError;

impl FromStr for LaunchpadName {
    type Err = LaunchpadNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('~').unwrap_or(text);
        let (owner, distribution, name) = match *text.split('/').collect::<Vec<_>>() {
            [owner, name] => (owner, UBUNTU, name),
            [owner, distribution, name] => (owner, distribution, name),
            _ => return Err(LaunchpadNameError),
        };
        // Launchpad's own rule for names.
        let good = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "+.-".contains(c))
        };
        if [owner, distribution, name].into_iter().all(good) && text.len() <= 100 {
            Ok(Self {
                owner: owner.to_owned(),
                distribution: distribution.to_owned(),
                name: name.to_owned(),
            })
        } else {
            Err(LaunchpadNameError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let name = |text: &str| text.parse::<LaunchpadName>();
        assert_eq!(name("jane/tools").unwrap().to_string(), "ppa:jane/tools");
        assert_eq!(
            name("~jane/debian/tools").unwrap().ppa_name().unwrap().as_str(),
            "jane/debian/tools"
        );
        for bad in [
            "",
            "jane",
            "jane/",
            "/tools",
            "Jane/tools",
            "jane/to ols",
            "jane/../tools",
            "a/b/c/d",
            "jane/tools?x",
        ] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
