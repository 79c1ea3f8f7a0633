//! Turns what mmdebstrap, apt and dpkg print into phases, a fraction and a line for people. A guess by nature: it never
//! decides whether a build has succeeded.

/// What an image build is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Indices and packages are fetched.
    Downloading,
    /// Packages are unpacked and set up.
    Installing,
    /// Kernel, user and settings.
    Customising,
    /// The test image's file system is written.
    WritingTestDisk,
    /// The build variant's packages are added.
    AddingBuildTools,
    /// The build image's file system is written.
    WritingBuildDisk,
    /// The images are put in their place.
    Publishing,
}

impl Phase {
    /// Where on the whole way the phase starts and ends, by the time that each took when it was measured.
    fn span(self, both: bool) -> (f64, f64) {
        let (from, to) = match self {
            Self::Downloading => (0.0, 0.20),
            Self::Installing => (0.20, 0.55),
            Self::Customising => (0.55, 0.62),
            Self::WritingTestDisk => (0.62, 0.67),
            Self::AddingBuildTools => (0.67, 0.90),
            Self::WritingBuildDisk => (0.90, 0.98),
            Self::Publishing => (0.98, 1.0),
        };
        match self {
            Self::Publishing | Self::AddingBuildTools | Self::WritingBuildDisk => (from, to),
            _ if both => (from, to),
            _ => (from * 0.98 / 0.67, to * 0.98 / 0.67),
        }
    }
}

/// One step of progress.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What the build is at.
    pub phase: Phase,
    /// Of the whole build, 0 to 1; never falls.
    pub fraction: f64,
    /// For people.
    pub message: String,
}

/// Reads the tools' output line by line.
#[derive(Debug)]
pub(crate) struct Reader {
    phase: Phase,
    both: bool,
    fraction: f64,
    /// The share of the phase that is done when the current run of apt begins, and what that run is worth.
    done: f64,
    worth: f64,
    /// Lines that this run of apt will print, and has printed.
    expected: u32,
    seen: u32,
    /// Packages of this run of apt.
    packages: u32,
}

impl Reader {
    /// `both` when the build variant is made too.
    pub(crate) fn new(both: bool) -> Self {
        Self {
            phase: Phase::Downloading,
            both,
            fraction: 0.0,
            done: 0.0,
            worth: 1.0,
            expected: 0,
            seen: 0,
            packages: 0,
        }
    }

    /// A step, if this line is one.
    pub(crate) fn line(&mut self, line: &str) -> Option<Progress> {
        if let Some(word) = line.strip_prefix("PF: ") {
            return match word {
                "bootstrap" => self.enter(Phase::Downloading, "reading the archive's indices"),
                "disk-test" => self.enter(Phase::WritingTestDisk, "writing the test image"),
                "build-tools" => self.enter(Phase::AddingBuildTools, "adding the build tools"),
                "disk-build" => self.enter(Phase::WritingBuildDisk, "writing the build image"),
                "handing-over" => self.publishing(),
                _ => None,
            };
        }
        if let Some(info) = line.strip_prefix("I: ") {
            return if info.starts_with("extracting archives") {
                let step = self.enter(Phase::Installing, "extracting the first packages");
                self.run(0.0, 0.4, self.packages.saturating_mul(2));
                step
            } else if info.starts_with("installing remaining packages") {
                let step = self.step(0.0, "installing the other packages".to_owned());
                self.run(0.4, 0.6, 0);
                step
            } else if info.starts_with("running --customize-hook") && self.phase < Phase::Customising {
                self.enter(Phase::Customising, "adding kernel, user and settings")
            } else {
                None
            };
        }
        if let Some(count) = line
            .split_once(" newly installed")
            .and_then(|(before, _)| before.rsplit(' ').next())
        {
            self.packages = count.parse().unwrap_or(0);
            // Only the first packages are fetched in a phase of their own; the others are fetched, unpacked and set up.
            let lines = if self.phase == Phase::Downloading { 1 } else { 3 };
            self.run(self.done, self.worth, self.packages.saturating_mul(lines));
            return None;
        }
        let (verb, rest) = if let Some(rest) = line.strip_prefix("Get:") {
            ("fetching", rest.split_once(' ')?.1)
        } else if let Some(rest) = line.strip_prefix("Unpacking ") {
            ("unpacking", rest)
        } else {
            ("setting up", line.strip_prefix("Setting up ")?)
        };
        self.seen += 1;
        let share = f64::from(self.seen.min(self.expected)) / f64::from(self.expected.max(1));
        let what: String = rest.chars().filter(|c| !c.is_control()).take(100).collect();
        self.step(self.worth.mul_add(share, self.done), format!("{verb} {what}"))
    }

    /// The last phase, which no tool tells of.
    pub(crate) fn publishing(&mut self) -> Option<Progress> {
        self.enter(Phase::Publishing, "checking and publishing")
    }

    fn enter(&mut self, phase: Phase, message: &str) -> Option<Progress> {
        self.phase = self.phase.max(phase);
        self.run(0.0, 1.0, 0);
        self.step(0.0, message.to_owned())
    }

    fn run(&mut self, done: f64, worth: f64, expected: u32) {
        (self.done, self.worth, self.expected, self.seen) = (done, worth, expected, 0);
    }

    fn step(&mut self, share: f64, message: String) -> Option<Progress> {
        let (from, to) = self.phase.span(self.both);
        self.fraction = self.fraction.max((to - from).mul_add(share, from));
        Some(Progress {
            phase: self.phase,
            fraction: self.fraction,
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_build_goes_through_its_phases() {
        let mut reader = Reader::new(true);
        let mut phases = Vec::new();
        for line in [
            "PF: bootstrap",
            "I: running apt-get update...",
            "Get:1 http://mirror.example/debian bookworm InRelease [151 kB]",
            "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
            "Get:1 http://mirror.example/debian bookworm/main amd64 libc6 amd64 2.36 [2759 kB]",
            "I: extracting archives...",
            "I: installing essential packages...",
            "Unpacking libc6:amd64 (2.36) ...",
            "Setting up libc6:amd64 (2.36) ...",
            "I: running --customize-hook in shell: sh -c 'x'",
            "PF: disk-test",
            "PF: build-tools",
            "I: running --customize-hook in shell: sh -c 'x'",
            "PF: disk-build",
        ] {
            phases.extend(reader.line(line).map(|progress| progress.phase));
        }
        phases.dedup();
        assert_eq!(
            phases,
            [
                Phase::Downloading,
                Phase::Installing,
                Phase::Customising,
                Phase::WritingTestDisk,
                Phase::AddingBuildTools,
                Phase::WritingBuildDisk
            ]
        );
        assert!(reader.publishing().unwrap().fraction > 0.97);
    }

    proptest! {
        #[test]
        fn the_fraction_never_falls_nor_leaves_its_range(lines in prop::collection::vec("(PF: |I: |Get:|Unpacking |Setting up )?.{0,40}", 0..40), both: bool) {
            let mut reader = Reader::new(both);
            let mut last = 0.0;
            for line in lines {
                if let Some(progress) = reader.line(&line) {
                    prop_assert!(progress.fraction >= last && progress.fraction <= 1.0);
                    last = progress.fraction;
                }
            }
        }
    }
}
