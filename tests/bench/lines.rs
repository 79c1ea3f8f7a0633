//! The lines of the table: which number stands where, what it is held against, and to which point of what must be shown it
//! belongs: the first seven are of testbeds, the eighth is of the archive.

use crate::finding::Key;
use crate::options::Measure;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes, shown as MiB.
    Bytes,
    /// Things.
    Count,
    /// Things a minute.
    PerMinute,
    /// Millions of bytes a second: here more is better.
    MegabytesPerSecond,
}

/// What a number has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// This or less, in the line's unit.
    AtMost(f64),
    /// The peer's number has to be this many times as much, or more.
    TimesLessThanPeer(f64),
}

/// A line.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its point.
    pub(crate) point: u8,
    /// What was measured.
    pub(crate) what: &'static str,
    /// What the numbers count.
    pub(crate) unit: Unit,
    /// Preflight's number.
    pub(crate) ours: Key,
    /// Who measures it.
    pub(crate) by: Measure,
    /// The peer's number, where there is one, and who measures it.
    pub(crate) peer: Option<(Key, Measure)>,
    /// What the number has to be.
    pub(crate) goals: &'static [Goal],
}

const MIB: f64 = 1_048_576.0;

const fn line(point: u8, what: &'static str, unit: Unit, ours: Key, by: Measure) -> Line {
    Line {
        point,
        what,
        unit,
        ours,
        by,
        peer: None,
        goals: &[],
    }
}

impl Line {
    const fn beside(mut self, peer: Key, by: Measure) -> Self {
        self.peer = Some((peer, by));
        self
    }

    const fn goals(mut self, goals: &'static [Goal]) -> Self {
        self.goals = goals;
        self
    }
}

use Goal::{AtMost, TimesLessThanPeer};
use Measure::{
    Archive, Claim, Clones, Cost, Hello, Idle, PeerHello, PeerNetwork, PeerOpen, PeerTests, Rebuild, Rerun, Tests,
    Tunnel,
};
use Unit::{Bytes, Count, MegabytesPerSecond, PerMinute, Seconds};

/// All lines.
pub(crate) const LINES: &[Line] = &[
    line(
        1,
        "claim to first output, from the pool",
        Seconds,
        Key::ClaimPool,
        Claim,
    )
    .beside(Key::PeerClaim, PeerOpen)
    .goals(&[AtMost(0.15), TimesLessThanPeer(30.0)]),
    line(
        1,
        "claim to first output, without a pool",
        Seconds,
        Key::ClaimFresh,
        Claim,
    )
    .beside(Key::PeerClaim, PeerOpen)
    .goals(&[AtMost(1.0), TimesLessThanPeer(30.0)]),
    line(
        1,
        "a new testbed after a test, to first output",
        Seconds,
        Key::ClaimFresh,
        Claim,
    )
    .beside(Key::PeerRevert, PeerOpen),
    line(
        1,
        "the first claim of all (makes the template)",
        Seconds,
        Key::ClaimFirst,
        Claim,
    )
    .beside(Key::PeerClaim, PeerOpen),
    line(
        2,
        "clones one after another: each, with its check",
        Seconds,
        Key::CloneOne,
        Clones,
    ),
    line(
        2,
        "clones four at a time: each, with its check",
        Seconds,
        Key::CloneFour,
        Clones,
    ),
    line(
        2,
        "clones that hung or differ or are not themselves",
        Count,
        Key::ClonesWrong,
        Clones,
    )
    .goals(&[AtMost(0.0)]),
    line(2, "things left behind", Count, Key::ClonesLeft, Clones).goals(&[AtMost(0.0)]),
    line(3, "base images", Seconds, Key::HelloBaseImages, Hello),
    line(3, "hello, cold", Seconds, Key::HelloCold, Hello).beside(Key::PeerHello, PeerHello),
    line(3, "– but for its own commands", Seconds, Key::HelloColdOverhead, Hello)
        .beside(Key::PeerHelloOverhead, PeerHello)
        .goals(&[AtMost(120.0)]),
    line(3, "hello, packages cached", Seconds, Key::HelloCached, Hello).beside(Key::PeerHello, PeerHello),
    line(
        3,
        "– but for its own commands",
        Seconds,
        Key::HelloCachedOverhead,
        Hello,
    )
    .beside(Key::PeerHelloOverhead, PeerHello),
    line(
        3,
        "hello, layers warm and the .deb changed",
        Seconds,
        Key::HelloWarm,
        Hello,
    )
    .beside(Key::PeerHello, PeerHello),
    line(3, "– but for its own commands", Seconds, Key::HelloWarmOverhead, Hello)
        .beside(Key::PeerHelloOverhead, PeerHello)
        .goals(&[AtMost(15.0)]),
    line(3, "hello, identical inputs", Seconds, Key::HelloIdentical, Hello).beside(Key::PeerHello, PeerHello),
    line(
        3,
        "– but for its own commands",
        Seconds,
        Key::HelloIdenticalOverhead,
        Hello,
    )
    .beside(Key::PeerHelloOverhead, PeerHello)
    .goals(&[AtMost(3.0)]),
    line(
        4,
        "a trivial test of twenty, its layer still to make",
        Seconds,
        Key::TestFirst,
        Tests,
    )
    .beside(Key::PeerBetweenTests, PeerTests),
    line(4, "a trivial test of twenty", Seconds, Key::TestWarm, Tests)
        .beside(Key::PeerBetweenTests, PeerTests)
        .goals(&[AtMost(0.8)]),
    line(
        5,
        "rerun of an edited test to its first line",
        Seconds,
        Key::Rerun,
        Rerun,
    )
    .goals(&[AtMost(2.0)]),
    line(6, "memory of the first clone", Bytes, Key::CloneMemoryFirst, Cost).beside(Key::PeerMemory, PeerOpen),
    line(6, "memory of each further clone", Bytes, Key::CloneMemory, Cost).beside(Key::PeerMemory, PeerOpen),
    line(6, "disk of a template", Bytes, Key::TemplateDisk, Cost),
    line(6, "disk of a layer", Bytes, Key::LayerDisk, Cost),
    line(6, "disk of a clone", Bytes, Key::CloneDisk, Cost),
    line(7, "idle daemon: wake-ups", PerMinute, Key::IdleWakeUps, Idle).goals(&[AtMost(60.0)]),
    line(7, "idle daemon: memory", Bytes, Key::IdleMemory, Idle).goals(&[AtMost(40.0 * MIB)]),
    line(
        7,
        "keeper and private libvirt: wake-ups",
        PerMinute,
        Key::IdleWakeUpsBeside,
        Idle,
    ),
    line(
        7,
        "keeper and private libvirt: memory",
        Bytes,
        Key::IdleMemoryBeside,
        Idle,
    ),
    line(8, "index update, nothing there", Seconds, Key::UpdateCold, Archive).beside(Key::AptUpdateCold, Archive),
    line(8, "index update, everything there", Seconds, Key::UpdateCached, Archive)
        .beside(Key::AptUpdateCached, Archive),
    line(
        8,
        "a large file into a guest, by the package tunnel",
        MegabytesPerSecond,
        Key::Tunnel,
        Tunnel,
    )
    .beside(Key::PeerNetwork, PeerNetwork),
    line(8, "an image gains one package", Seconds, Key::ImageRebuild, Rebuild).beside(Key::ImageFromNothing, Rebuild),
    line(8, "the same request again", Seconds, Key::ImageRebuildAgain, Rebuild),
];
