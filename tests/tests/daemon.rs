//! The daemon's beginning and end, its configuration, and the places that it refuses. No guest is needed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use preflight_tests::home::{Home, is_alive};
use preflight_tests::programs;
use preflight_tests::running::Running;

/// `preflightd` itself, in the foreground.
fn preflightd(home: &Path) -> Running {
    let mut command = Command::new(programs::program("preflightd"));
    command.arg("--foreground").env("PREFLIGHT_HOME", home);
    Running::start(command, None)
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn starting_and_stopping_twice_is_as_good_as_once() {
    let home = Home::temporary();
    assert!(home.status().is_none());
    let nothing = home.run(&["daemon", "stop"]).with_code(0);
    assert!(nothing.stdout.contains("no daemon runs"), "{nothing}");

    let _ = home.run(&["daemon", "start"]).with_code(0);
    let pid = home.daemon().unwrap();
    let again = home.run(&["daemon", "start"]).with_code(0);
    assert!(
        again.stdout.contains("runs already") && again.stdout.contains(&pid.to_string()),
        "{again}"
    );
    assert_eq!(home.daemon(), Some(pid));

    let socket = home.folders.socket().unwrap();
    assert_eq!((mode(&socket), mode(&home.folders.client())), (0o600, 0o700));

    home.stop_daemon();
    assert!(!is_alive(pid) && !socket.exists());
    assert!(home.status().is_none());
    home.stop_daemon();
}

#[test]
fn two_starts_at_once_make_one_daemon() {
    let home = Home::temporary();
    let starts: Vec<Running> = (0..4)
        .map(|_| Running::start(home.command(&["daemon", "start"]), None))
        .collect();
    for start in starts {
        let _ = start.wait().with_code(0);
    }
    let pid = home.daemon().unwrap();
    let other = preflightd(home.root()).wait().with_code(1);
    assert!(
        other.stderr.contains("another preflightd runs here") && other.stderr.contains(&pid.to_string()),
        "{other}"
    );
    assert_eq!(home.daemon(), Some(pid));
}

#[test]
fn a_killed_daemons_socket_is_not_in_the_way_of_the_next() {
    let home = Home::temporary();
    let _ = home.run(&["daemon", "start"]).with_code(0);
    let dead = home.kill_daemon();
    assert!(home.folders.socket().unwrap().exists());
    assert!(home.tickets().is_empty());
    assert_ne!(home.daemon(), Some(dead));
}

#[test]
fn what_is_wrong_in_the_configuration_is_named_with_its_line() {
    let home = Home::temporary();
    for (text, names) in [
        (
            "[testbed]\ncpus = 2\nmemroy_mib = 1024\n",
            &["config.toml:3:1", "memroy_mib", "memory_mib"][..],
        ),
        ("[testbeds]\n", &["config.toml:1:2", "testbeds"]),
        ("[scheduler]\ncores = \"two\"\n", &["config.toml:2:9", "u16"]),
        (
            "[intake]\nsignatures = \"maybe\"\n",
            &["config.toml:2:14", "maybe", "require"],
        ),
        (
            "[scheduler]\ncores = 0\n",
            &["config.toml", "scheduler.cores", "at least 1"],
        ),
    ] {
        home.configure(text);
        let daemon = preflightd(home.root()).wait().with_code(1);
        // Whoever asks for the daemon learns it too.
        let client = home.run(&["ticket", "list"]).with_code(20);
        for name in names {
            assert!(daemon.stderr.contains(name), "{name:?} is missing: {daemon}");
            assert!(client.stderr.contains(name), "{name:?} is missing: {client}");
        }
    }
    home.configure("");
    assert!(home.tickets().is_empty());
}

#[test]
fn a_socket_path_that_is_too_long_is_refused_by_name() {
    let home = Home::temporary();
    let long = home.root().join("x".repeat(100));
    let socket = long.join("run/client/preflightd.sock");
    let length = socket.as_os_str().len().to_string();
    let daemon = preflightd(&long).wait().with_code(1);
    let client = Running::start(
        {
            let mut command = home.command(&["ticket", "list"]);
            command.env("PREFLIGHT_HOME", &long);
            command
        },
        None,
    );
    let client = client.wait().with_code(20);
    for finished in [daemon, client] {
        for name in [socket.to_str().unwrap(), &length, "107", "PREFLIGHT_HOME"] {
            assert!(finished.stderr.contains(name), "{name:?} is missing: {finished}");
        }
    }
    assert!(!long.exists(), "a folder was made for a socket that cannot be");
}

#[test]
fn a_folder_that_lets_others_in_is_refused() {
    let home = Home::temporary();
    let client = home.folders.client();
    std::fs::create_dir_all(&client).unwrap();
    for open in [0o777, 0o750, 0o701] {
        std::fs::set_permissions(&client, PermissionsExt::from_mode(open)).unwrap();
        let daemon = preflightd(home.root()).wait().with_code(1);
        for name in [client.to_str().unwrap(), &format!("{open:04o}"), "chmod 0700"] {
            assert!(daemon.stderr.contains(name), "{name:?} is missing: {daemon}");
        }
        let asked = home.run(&["ticket", "list"]).with_code(20);
        assert!(asked.stderr.contains("chmod 0700"), "{asked}");
    }
    std::fs::set_permissions(&client, PermissionsExt::from_mode(0o700)).unwrap();
    assert!(home.tickets().is_empty());
}
