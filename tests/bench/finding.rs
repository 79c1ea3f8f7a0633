//! What measures find: a number for each key, kept as it is found, so that a measure that fails later loses nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::statistics::Sample;

/// What a number is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Key {
    /// The first claim of all: its template is made.
    ClaimFirst,
    /// A claim that the pool serves.
    ClaimPool,
    /// A claim without a pool.
    ClaimFresh,
    /// The peer's `open`, and a command's first output.
    PeerClaim,
    /// The peer's `revert`, and a command's first output.
    PeerRevert,
    /// A clone that ran the check and is gone, one after another.
    CloneOne,
    /// The same, four at a time.
    CloneFour,
    /// Clones that hung, failed, or were not as they have to be.
    ClonesWrong,
    /// What is left of them.
    ClonesLeft,
    /// Making the base images.
    HelloBaseImages,
    /// hello, with nothing but base images there.
    HelloCold,
    /// Of that, all but the package's own commands.
    HelloColdOverhead,
    /// hello, with its packages in the store.
    HelloCached,
    /// Of that, all but the package's own commands.
    HelloCachedOverhead,
    /// A changed hello, with layers there.
    HelloWarm,
    /// Of that, all but the package's own commands.
    HelloWarmOverhead,
    /// The same hello again.
    HelloIdentical,
    /// Of that, all but the package's own commands.
    HelloIdenticalOverhead,
    /// The peer's hello.
    PeerHello,
    /// Of that, all but the package's own commands.
    PeerHelloOverhead,
    /// A trivial test's share of its job, with the layer of its dependencies still to make.
    TestFirst,
    /// A trivial test's share of its job.
    TestWarm,
    /// The peer, from one test's end to the next one's start.
    PeerBetweenTests,
    /// A rerun's first line.
    Rerun,
    /// The memory of the first clone.
    CloneMemoryFirst,
    /// The memory of each further clone.
    CloneMemory,
    /// The memory of the peer's testbed.
    PeerMemory,
    /// The disk of a template of the base image.
    TemplateDisk,
    /// The disk of a layer.
    LayerDisk,
    /// The disk of a clone.
    CloneDisk,
    /// The idle daemon's wake-ups a minute.
    IdleWakeUps,
    /// The idle daemon's memory.
    IdleMemory,
    /// The wake-ups a minute of what stays beside it: keeper and a private libvirt.
    IdleWakeUpsBeside,
    /// The memory of what stays beside it.
    IdleMemoryBeside,
    /// A large file into a guest, through the tunnel.
    Tunnel,
    /// The same through QEMU's user network.
    PeerNetwork,
    /// An index update with nothing there.
    UpdateCold,
    /// An index update with everything there.
    UpdateCached,
    /// apt's own, with nothing there.
    AptUpdateCold,
    /// apt's own, with everything there.
    AptUpdateCached,
    /// An image that gains one package.
    ImageRebuild,
    /// The same request again.
    ImageRebuildAgain,
    /// An image made with that package.
    ImageFromNothing,
}

/// How a number was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Measured {
    /// These are the numbers.
    Sample(Sample),
    /// It broke off: it would have been more.
    AtLeast(f64),
}

impl Measured {
    /// The number that stands for it.
    pub(crate) fn number(&self) -> f64 {
        match self {
            Self::Sample(sample) => sample.median(),
            Self::AtLeast(number) => *number,
        }
    }
}

/// A number and what is to be said of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// The number.
    pub(crate) measured: Measured,
    /// What the reader has to know.
    pub(crate) note: Option<String>,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings(BTreeMap<Key, Finding>);

impl Findings {
    /// Keeps numbers; none is no finding.
    pub(crate) fn found(&mut self, key: Key, numbers: Vec<f64>, note: Option<String>) {
        if let Some(sample) = Sample::of(numbers) {
            let measured = Measured::Sample(sample);
            self.0.insert(key, Finding { measured, note });
        }
    }

    /// Keeps what broke off at a number, and why.
    pub(crate) fn broke(&mut self, key: Key, number: f64, why: String) {
        let measured = Measured::AtLeast(number);
        self.0.insert(
            key,
            Finding {
                measured,
                note: Some(why),
            },
        );
    }

    /// What was found.
    pub(crate) fn get(&self, key: Key) -> Option<&Finding> {
        self.0.get(&key)
    }

    /// All, in the keys' order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &Finding)> {
        self.0.iter().map(|(key, finding)| (*key, finding))
    }
}
