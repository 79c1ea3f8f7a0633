//! The restrictions that dep8 knows, and which capability of the testbed each one asks for. Decides nothing itself.

use std::{collections::BTreeSet, fmt};

macro_rules! restrictions {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// A word of the field `Restrictions`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Restriction { $($(#[$doc])* $variant,)+ }

        impl Restriction {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in the control file.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

restrictions! {
    /// Output on stderr is no failure.
    AllowStderr = "allow-stderr",
    /// The testbed is unusable afterwards.
    BreaksTestbed = "breaks-testbed",
    /// The test runs in the built tree.
    BuildNeeded = "build-needed",
    /// A failure counts as a skip.
    Flaky = "flaky",
    /// PID 1 is an init and services can be started.
    IsolationContainer = "isolation-container",
    /// The test may do what it likes with the kernel.
    IsolationMachine = "isolation-machine",
    /// More of the network than apt.
    NeedsInternet = "needs-internet",
    /// The test restarts the testbed.
    NeedsReboot = "needs-reboot",
    /// Deprecated: `@recommends@` in `Depends` says the same.
    NeedsRecommends = "needs-recommends",
    /// The test runs as root.
    NeedsRoot = "needs-root",
    /// The test's user may use sudo without a password.
    NeedsSudo = "needs-sudo",
    /// The test may write to the source tree.
    RwBuildTree = "rw-build-tree",
    /// Without effect where test and testbed have one architecture, as here.
    SkipForeignArchitecture = "skip-foreign-architecture",
    /// Dependencies that cannot be installed are a skip, not a failure.
    SkipNotInstallable = "skip-not-installable",
    /// Exit status 77 is a skip.
    Skippable = "skippable",
    /// A pass says little.
    Superficial = "superficial",
}

impl Restriction {
    /// The restriction of this name; `None` for one that is unknown, such as `hint-testsuite-triggers`, which marks
    /// tests that are never run.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|restriction| restriction.word() == word)
    }

    /// Capabilities of which the testbed must have at least one; empty when none is needed.
    #[must_use]
    pub fn needs_one_of(self) -> &'static [&'static str] {
        match self {
            Self::BreaksTestbed => &["revert-full-system"],
            Self::NeedsInternet => &[crate::plan::Capabilities::INTERNET],
            Self::NeedsReboot => &["reboot"],
            Self::NeedsRoot => &["root-on-testbed"],
            Self::IsolationContainer => &["isolation-container", "isolation-machine"],
            Self::IsolationMachine => &["isolation-machine"],
            _ => &[],
        }
    }
}

impl fmt::Display for Restriction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.word())
    }
}

/// The restrictions of one test.
pub type Restrictions = BTreeSet<Restriction>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        for &restriction in Restriction::ALL {
            assert_eq!(Restriction::from_word(restriction.word()), Some(restriction));
        }
        assert_eq!(Restriction::from_word("hint-testsuite-triggers"), None);
    }
}
