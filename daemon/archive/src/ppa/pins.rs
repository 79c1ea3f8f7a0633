//! What apt is told to prefer (apt_preferences(5)): a PPA's packages, and pockets as autopkgtest's `--apt-pocket` has
//! them. Pure text. The priorities of pockets are autopkgtest's (`adt_testbed.py`, 5.28), since that is how a migration
//! is decided.

use std::fmt::{self, Write as _};
use std::num::NonZeroI16;
use std::str::FromStr;

use preflight_debian::{PackageName, SourceName};

use crate::ppa::definition::PpaUri;
use crate::ppa::labels::{SuiteLabels, pattern};

/// Of packages that are named: above the release's, below what would downgrade.
const NAMED: i16 = 995;
/// Of the release and its updates, where a pocket gives only named packages.
const RELEASE: i16 = 990;
/// Of a pocket as a whole: apt's own default, to undo `NotAutomatic: yes`.
const POCKET: i16 = 500;

/// Why a pin is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// Not a package's name.
    #[error("{0:?} is no package: NAME, or src:NAME for all packages of a source, is wanted")]
    Package(String),
    /// Not a priority.
    #[error("{0:?} is no priority: a number from -32768 to 32767 other than 0 is wanted, see apt_preferences(5)")]
    Priority(String),
}

/// apt's priority of a version: negative ones are never installed, those above 1000 even downgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinPriority(NonZeroI16);

impl PinPriority {
    /// What a release and its updates have where a pocket gives only named packages; see [`pocket_preferences`].
    pub const OF_RELEASE: Self = Self(match NonZeroI16::new(RELEASE) {
        Some(number) => number,
        None => NonZeroI16::MIN,
    });

    /// The number.
    #[must_use]
    pub fn get(self) -> i16 {
        self.0.get()
    }
}

impl TryFrom<i16> for PinPriority {
    type Error = PinError;

    fn try_from(number: i16) -> Result<Self, Self::Error> {
        let number = NonZeroI16::new(number).ok_or_else(|| PinError::Priority(number.to_string()))?;
        Ok(Self(number))
    }
}

impl fmt::Display for PinPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PinPriority {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().parse();
        number
            .map(Self)
            .map_err(|_| PinError::Priority(text.chars().take(80).collect()))
    }
}

/// A package that a pin names: `NAME`, or `src:NAME` for all binary packages of a source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PinnedPackage {
    /// A binary package.
    Binary(PackageName),
    /// All binary packages of a source package.
    Source(SourceName),
}

impl fmt::Display for PinnedPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary(name) => f.write_str(name.as_str()),
            Self::Source(name) => write!(f, "src:{}", name.as_str()),
        }
    }
}

impl FromStr for PinnedPackage {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |_| PinError::Package(text.chars().take(200).collect());
        match text.strip_prefix("src:") {
            Some(name) => name.parse().map(Self::Source).map_err(refuse),
            None => text.parse().map(Self::Binary).map_err(refuse),
        }
    }
}

/// A pocket and what comes from it.
#[derive(Debug, Clone, Copy)]
pub struct PocketPins<'a> {
    /// What its suite calls itself.
    pub suite: &'a SuiteLabels,
    /// The packages that come from it; where it is empty, all that it has may.
    pub packages: &'a [PinnedPackage],
}

/// Text for `preferences.d` that gives a PPA's packages a priority and prefers the named ones to newer versions
/// elsewhere; empty where there is nothing to say. A PPA is known by what its release file says, and by its host where
/// that says nothing; another repository that says the same shares the pins.
#[must_use]
pub fn ppa_preferences(
    uri: &PpaUri,
    suite: &SuiteLabels,
    priority: Option<PinPriority>,
    packages: &[PinnedPackage],
) -> String {
    let pin = suite.pin().unwrap_or_else(|| {
        let authority = uri.guest_url().authority();
        // apt compares the host alone.
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        format!("origin \"{host}\"")
    });
    let mut text = String::new();
    if !packages.is_empty() {
        stanza(
            &mut text,
            &names(packages),
            &pin,
            NAMED.max(priority.map_or(NAMED, PinPriority::get)),
        );
    }
    if let Some(priority) = priority {
        stanza(&mut text, "*", &pin, priority.get());
    }
    text
}

/// Text for `preferences.d` that makes apt use pockets as autopkgtest's `--apt-pocket=POCKET[=PACKAGE,…]` does: a pocket
/// as a whole counts as any archive; where packages are named, those come from it and all others, as far as can be, from
/// the release and its `updates`. Suites are told apart by their `Suite` field, as Ubuntu's pockets share a code name;
/// pockets without one are left out.
///
/// autopkgtest looks up the packages of `src:NAME` itself; here apt does, from what the pocket has. Of two general pins
/// that match, apt takes the first: PPAs' preferences belong before these.
#[must_use]
pub fn pocket_preferences(release: &SuiteLabels, updates: &[SuiteLabels], pockets: &[PocketPins<'_>]) -> String {
    let mut text = String::new();
    let pin = |suite: &SuiteLabels| format!("release a={}", pattern(&suite.suite));
    let known = pockets.iter().filter(|pocket| !pocket.suite.suite.is_empty());
    let mut strict = false;
    for pocket in known {
        let pin = pin(pocket.suite);
        if !pocket.packages.is_empty() {
            strict = true;
            stanza(&mut text, &names(pocket.packages), &pin, NAMED);
        }
        stanza(&mut text, "*", &pin, POCKET);
    }
    if strict {
        let kept = updates.iter().chain([release]).filter(|suite| !suite.suite.is_empty());
        for suite in kept {
            stanza(&mut text, "*", &pin(suite), RELEASE);
        }
    }
    text
}

fn names(packages: &[PinnedPackage]) -> String {
    let names: Vec<String> = packages.iter().map(PinnedPackage::to_string).collect();
    names.join(" ")
}

fn stanza(text: &mut String, packages: &str, pin: &str, priority: i16) {
    let blank = if text.is_empty() { "" } else { "\n" };
    // Writing to a String can't fail.
    let _ = write!(
        text,
        "{blank}Package: {packages}\nPin: {pin}\nPin-Priority: {priority}\n"
    );
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn suite(name: &str) -> SuiteLabels {
        SuiteLabels {
            suite: name.to_owned(),
            ..SuiteLabels::default()
        }
    }

    fn packages(names: &[&str]) -> Vec<PinnedPackage> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn pockets_are_pinned_as_autopkgtest_does() {
        let (release, updates, proposed) = (suite("noble"), suite("noble-updates"), suite("noble-proposed"));
        let updates = [updates];
        let whole = PocketPins {
            suite: &proposed,
            packages: &[],
        };
        assert_eq!(
            pocket_preferences(&release, &updates, &[whole]),
            "Package: *\nPin: release a=noble-proposed\nPin-Priority: 500\n"
        );
        let named = packages(&["src:glibc", "gcc"]);
        let some = PocketPins {
            suite: &proposed,
            packages: &named,
        };
        assert_eq!(
            pocket_preferences(&release, &updates, &[some]),
            "Package: src:glibc gcc\nPin: release a=noble-proposed\nPin-Priority: 995\n\n\
             Package: *\nPin: release a=noble-proposed\nPin-Priority: 500\n\n\
             Package: *\nPin: release a=noble-updates\nPin-Priority: 990\n\n\
             Package: *\nPin: release a=noble\nPin-Priority: 990\n"
        );
        assert_eq!(pocket_preferences(&release, &updates, &[]), "");
    }

    #[test]
    fn a_ppas_pins() {
        let uri: PpaUri = "https://mirror.example:8443/a".parse().unwrap();
        let none = SuiteLabels::default();
        assert_eq!(ppa_preferences(&uri, &none, None, &[]), "");
        let text = ppa_preferences(&uri, &none, "700".parse().ok(), &packages(&["demo"]));
        assert_eq!(
            text,
            "Package: demo\nPin: origin \"mirror.example\"\nPin-Priority: 995\n\nPackage: *\nPin: origin \"mirror.example\"\nPin-Priority: 700\n"
        );
        let labels = SuiteLabels {
            origin: "LP-PPA-jane-tools".to_owned(),
            ..suite("noble")
        };
        let text = ppa_preferences(&uri, &labels, "1001".parse().ok(), &packages(&["src:demo"]));
        assert!(text.starts_with("Package: src:demo\nPin: release o=LP-PPA-jane-tools,a=noble\nPin-Priority: 1001\n"));
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        for bad in ["", "src:", "a b", "a\nPin: x", "*", "src:src:a", "A"] {
            assert!(bad.parse::<PinnedPackage>().is_err(), "{bad:?}");
        }
        assert_eq!("src:g++".parse::<PinnedPackage>().unwrap().to_string(), "src:g++");
        for bad in ["", "0", "40000", "x", "1.5"] {
            assert!(bad.parse::<PinPriority>().is_err(), "{bad:?}");
        }
        assert_eq!("-10".parse::<PinPriority>().unwrap().get(), -10);
        assert!(PinPriority::try_from(0).is_err());
    }
}
