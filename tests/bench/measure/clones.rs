//! Many clones of one template, one after another and four at a time. Each tells its packages, its clock, its machine-id
//! and its random bytes; they have to agree where clones must, and differ where no two machines may be alike.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use preflight_tests::progress;
use preflight_tests::wait::wait_until;

use crate::bed::{Bed, Pool, SHORT};
use crate::error::BenchError;
use crate::finding::{Findings, Key};

/// How many at a time.
const AT_A_TIME: usize = 4;
/// How far a clone's clock may be from the host's.
const CLOCK: Duration = Duration::from_secs(2);
/// Until what a clone has left is gone: destroying a machine is nobody's wait.
const GONE: Duration = Duration::from_secs(60);
/// What a clone tells, a word and its value a line. The clock is read first: the rest takes a while under emulation.
const QUESTION: &str = "echo clock $(date +%s.%N); echo machine $(cat /etc/machine-id); \
    echo random $(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \\n'); \
    echo packages $(dpkg-query -W | sha256sum)";

/// What a clone has told.
#[derive(Debug)]
struct Told {
    seconds: f64,
    words: BTreeMap<String, String>,
    /// How far its clock is outside of the time in which it can have been read.
    clock_error: f64,
}

/// Measures so many one after another, and as many four at a time.
pub(crate) fn measure(bed: &Bed, count: u32, findings: &mut Findings) -> Result<(), BenchError> {
    bed.accelerator()?;
    bed.restart(Pool::None)?;
    bed.claim()?;
    let one = run(bed, count, 1);
    let four = run(bed, count, AT_A_TIME);
    let mut wrong = Vec::new();
    let mut told = Vec::new();
    for (key, results) in [(Key::CloneOne, one), (Key::CloneFour, four)] {
        let mut seconds = Vec::new();
        for result in results {
            match result {
                Ok(clone) => {
                    seconds.push(clone.seconds);
                    told.push(clone);
                }
                Err(error) => wrong.push(error.to_string()),
            }
        }
        findings.found(key, seconds, None);
    }
    wrong.extend(judge(&told));
    let clones = format!("{} clones", 2 * count);
    findings.found(
        Key::ClonesWrong,
        vec![wrong.len() as f64],
        Some(summary(&clones, &wrong)),
    );
    let left = leftovers(bed)?;
    findings.found(Key::ClonesLeft, vec![left.len() as f64], Some(summary(&clones, &left)));
    Ok(())
}

/// Runs clones in so many threads.
fn run(bed: &Bed, count: u32, threads: usize) -> Vec<Result<Told, BenchError>> {
    let results = Mutex::new(Vec::new());
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed) + 1;
                    if number > count {
                        break;
                    }
                    let result = ask(bed);
                    if number.is_multiple_of(10) || result.is_err() {
                        progress::say(&format!("clone {number} of {count}, {threads} at a time: {result:.3?}"));
                    }
                    results
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push(result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn ask(bed: &Bed) -> Result<Told, BenchError> {
    let now = || Duration::try_from(Timestamp::now().as_duration()).map_or(0.0, |since| since.as_secs_f64());
    let before = now();
    let ended = bed
        .shell(&["sh", "-c", QUESTION], false)?
        .finish(SHORT, |_| {})?
        .with_code(&[0])?;
    let after = now();
    let words: BTreeMap<String, String> = ended
        .output()
        .filter_map(|line| line.text.split_once(' '))
        .map(|(word, value)| (word.to_owned(), value.to_owned()))
        .collect();
    let clock: f64 = words.get("clock").and_then(|clock| clock.parse().ok()).unwrap_or(0.0);
    Ok(Told {
        seconds: ended.took.as_secs_f64(),
        clock_error: (before - clock).max(clock - after),
        words,
    })
}

/// What is wrong with these clones.
fn judge(told: &[Told]) -> Vec<String> {
    let mut wrong = Vec::new();
    let values = |word: &str| {
        told.iter()
            .map(|clone| clone.words.get(word).cloned().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    let packages: BTreeSet<String> = values("packages").into_iter().collect();
    if packages.len() > 1 {
        wrong.push(format!("{} different lists of packages", packages.len()));
    }
    for (word, length) in [("machine", 32), ("random", 64)] {
        let all = values(word);
        let malformed = all.iter().filter(|value| value.len() != length).count();
        if malformed > 0 {
            wrong.push(format!("{malformed} clones without a proper {word}"));
        }
        let distinct: BTreeSet<&String> = all.iter().collect();
        if distinct.len() < all.len() {
            wrong.push(format!(
                "{} clones share their {word} with another",
                all.len() - distinct.len()
            ));
        }
    }
    let late = told.iter().filter(|clone| clone.clock_error > CLOCK.as_secs_f64());
    wrong.extend(late.map(|clone| format!("a clock is {:.1} s off", clone.clock_error)));
    wrong
}

/// What is left of machines, while the daemon runs and after it has ended.
fn leftovers(bed: &Bed) -> Result<Vec<String>, BenchError> {
    let mut left = Vec::new();
    let gone = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_until("the end of all clones", GONE, || bed.home.leftovers().is_empty())
    }));
    if gone.is_err() {
        left.extend(bed.home.leftovers());
    }
    bed.home.stop_daemon();
    left.extend(bed.home.leftovers());
    Ok(left)
}

fn summary(what: &str, wrong: &[String]) -> String {
    match wrong {
        [] => what.to_owned(),
        wrong => format!("{what}: {}", wrong.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(machine: &str, random: &str, packages: &str, clock_error: f64) -> Told {
        let words = [
            ("machine", machine.repeat(16)),
            ("random", random.repeat(32)),
            ("packages", packages.to_owned()),
        ];
        Told {
            seconds: 1.0,
            words: words.map(|(word, value)| (word.to_owned(), value)).into(),
            clock_error,
        }
    }

    #[test]
    fn clones_that_are_themselves_pass() {
        assert_eq!(
            judge(&[told("aa", "01", "p", -0.5), told("ab", "02", "p", 1.5)]),
            [""; 0]
        );
    }

    #[test]
    fn clones_that_are_alike_are_caught() {
        let table = [
            (told("aa", "02", "p", 0.0), "1 clones share their machine with another"),
            (told("ab", "01", "p", 0.0), "1 clones share their random with another"),
            (told("ab", "02", "q", 0.0), "2 different lists of packages"),
            (told("ab", "02", "p", 2.5), "a clock is 2.5 s off"),
            (told("a", "02", "p", 0.0), "1 clones without a proper machine"),
        ];
        for (second, expected) in table {
            assert_eq!(judge(&[told("aa", "01", "p", 0.0), second]), [expected]);
        }
    }
}
