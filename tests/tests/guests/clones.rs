//! Clones of one frozen guest: each is a machine of its own, in the time that it is now, and all have the same packages.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use preflight_tests::home::Home;
use preflight_tests::shared;
use preflight_tests::wait::wait_until;

/// As long as anything may take that has to boot a machine first.
const PATIENCE: Duration = Duration::from_secs(600);
/// The clock of a clone may be so far from the host's when its answer arrives, in seconds: the answer takes its time.
const LONGEST_DRIFT: u64 = 30;

/// What a guest says of itself, one word a line.
const QUESTIONS: &str = "cat /etc/machine-id; head -c 32 /dev/urandom | sha256sum; date +%s; dpkg-query -W | sha256sum";

/// A clone's machine-id, random bytes and packages.
struct Told {
    own: [String; 2],
    packages: String,
}

fn ask(home: &Home) -> Told {
    let finished = home
        .run(&["shell", "debian-bookworm", "--", "sh", "-c", QUESTIONS])
        .with_code(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let lines: Vec<String> = finished.stdout.lines().map(str::to_owned).collect();
    let [machine_id, random, clock, packages] = &lines[..] else {
        panic!("not four answers: {finished}")
    };
    let clock: u64 = clock.parse().unwrap();
    assert!(
        clock.abs_diff(now) <= LONGEST_DRIFT,
        "it is {now} here, and {clock} there"
    );
    Told {
        own: [machine_id.clone(), random.clone()],
        packages: packages.clone(),
    }
}

#[test]
fn clones_differ_in_all_that_is_theirs_and_in_nothing_else() {
    let home = shared::turn("clones");
    let mut all: Vec<Told> = (0..6).map(|_| ask(&home)).collect();
    // Four at a time: none waits for another's end.
    let (home, asked) = (&home, std::sync::Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2 {
                    let told = ask(home);
                    asked.lock().unwrap().push(told);
                }
            });
        }
    });
    all.extend(asked.into_inner().unwrap());
    let own: HashSet<&String> = all.iter().flat_map(|told| &told.own).collect();
    assert_eq!(own.len(), 2 * all.len());
    let packages: HashSet<&String> = all.iter().map(|told| &told.packages).collect();
    assert_eq!(packages.len(), 1);
    wait_until("nothing is left", PATIENCE, || home.leftovers().is_empty());
}

#[test]
fn streams_and_exit_codes_pass_through() {
    let home = shared::turn("shell");
    let told = home.run(&[
        "shell",
        "debian-bookworm",
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    let told = told.with_code(7);
    assert_eq!(told.stdout, "out\n");
    assert!(told.stderr.contains("err"), "{told}");

    // A tree there and back, by others' tools.
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(
        scratch.path().join("bytes"),
        (0..=255).cycle().take(1 << 20).collect::<Vec<u8>>(),
    )
    .unwrap();
    let script = "tar -C \"$1\" -c bytes | \"$2\" shell debian-bookworm -- sh -c 'cd /tmp && tar x && tar c bytes' | tar -C \"$3\" -x";
    let back = scratch.path().join("back");
    std::fs::create_dir(&back).unwrap();
    let program = home.command(&[]);
    let mut pipe = Command::new("bash");
    pipe.args(["-euo", "pipefail", "-c", script, "bash"]).args([
        scratch.path().as_os_str(),
        program.get_program(),
        back.as_os_str(),
    ]);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => pipe.env(name, value),
            None => pipe.env_remove(name),
        };
    }
    assert!(pipe.status().unwrap().success());
    assert!(std::fs::read(back.join("bytes")).unwrap() == std::fs::read(scratch.path().join("bytes")).unwrap());
}

#[test]
fn a_clone_is_held_for_the_next_shell_and_goes_with_the_daemon() {
    let home = shared::turn("held");
    home.stop_daemon();
    home.configure(&shared::configuration(2));
    let first = ask(&home);
    wait_until("a clone that is held", PATIENCE, || home.machines().len() == 1);
    let second = ask(&home);
    assert_ne!(first.own, second.own);
    wait_until("the next clone that is held", PATIENCE, || home.machines().len() == 1);
    home.stop_daemon();
    wait_until("nothing is left", PATIENCE, || home.leftovers().is_empty());
    home.configure(&shared::configuration(0));
}
