//! What clones, templates and layers cost: memory by the kernel's proportional count, disk by blocks.

use std::path::Path;

use preflight_tests::progress;
use preflight_tests::wait::wait_until;
use serde_json::Value;

use crate::bed::{Bed, Pool, SHORT};
use crate::error::BenchError;
use crate::finding::{Findings, Key};
use crate::live::{Live, Stream};
use crate::measure::many_tests;
use crate::{disk, process};

/// Measures with so many clones at once.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.accelerator()?;
    // A package's check leaves layers.
    bed.restart(Pool::None)?;
    many_tests::check(bed)?;
    bed.claim()?;
    wait_until("the end of the last machine", SHORT, || bed.home.machines().is_empty());
    let mut clones: Vec<Live> = Vec::new();
    let mut sums = vec![0.0];
    for number in 1..=count {
        let mut clone = bed.shell(&["sh", "-c", "dpkg-query -W >/dev/null; echo ready; cat"], true)?;
        clone.await_line("a clone", SHORT, |line| {
            line.stream == Stream::Out && line.text == "ready"
        })?;
        clones.push(clone);
        let mut sum = 0;
        for pid in bed.home.machines() {
            sum += process::proportional_memory(pid)?;
        }
        progress::say(&format!("{number} clones take {} MiB", sum >> 20));
        sums.push(sum as f64);
    }
    let costs: Vec<f64> = sums.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if let Some((first, further)) = costs.split_first() {
        let note = "what machines share counts in parts (Pss); after a first command";
        findings.found(Key::CloneMemoryFirst, vec![*first], Some(note.to_owned()));
        findings.found(Key::CloneMemory, further.to_vec(), Some(note.to_owned()));
    }
    findings.found(Key::CloneDisk, sizes(&bed.home.folders.cache.join("overlays"))?, None);
    for clone in clones {
        clone.finish(SHORT, |_| {})?;
    }
    templates(bed, findings)
}

/// Templates of base images and layers of dependencies lie side by side; what a layer stands on is in its description.
fn templates(bed: &Bed, findings: &mut Findings) -> Result<(), BenchError> {
    let folder = bed.home.folders.cache.join("templates");
    let (mut bases, mut layers) = (Vec::new(), Vec::new());
    for entry in folder
        .read_dir()
        .map_err(BenchError::io(folder.display().to_string()))?
        .flatten()
    {
        let Ok(text) = std::fs::read_to_string(entry.path().join("template.json")) else {
            continue;
        };
        let record: Value = serde_json::from_str(&text)
            .map_err(|error| BenchError::Unexpected(format!("{}: {error}", entry.path().display())))?;
        let used = disk::usage(&entry.path()) as f64;
        let kind = if record["identity"]["below"].is_null() {
            &mut bases
        } else {
            &mut layers
        };
        kind.push(used);
    }
    findings.found(Key::TemplateDisk, bases, None);
    findings.found(Key::LayerDisk, layers, None);
    Ok(())
}

/// What each entry of a folder takes.
fn sizes(folder: &Path) -> Result<Vec<f64>, BenchError> {
    let entries = folder
        .read_dir()
        .map_err(BenchError::io(folder.display().to_string()))?;
    Ok(entries
        .flatten()
        .map(|entry| disk::usage(&entry.path()) as f64)
        .collect())
}
