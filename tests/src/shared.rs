//! The one home with real guests, which all tests of a run use one after the other, and which the next run finds again:
//! base images cost a minute each. What a ticket has left is removed at the start of a run; images and archive are kept
//! while they are proven and young.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

use crate::home::Home;
use crate::{machines, progress};

/// Where the home is; the user's number is appended.
const PLACE: &str = "/var/tmp/preflight-tests";
/// Archives change under an image that is older, and its security updates go.
const YOUNG: Duration = Duration::from_secs(3 * 24 * 3600);
/// Machines end so soon after their daemon's death in a test, in seconds.
pub const GRACE: u64 = 4;

/// A test's turn at the shared home. Nobody else uses it meanwhile.
#[derive(Debug)]
pub struct Turn {
    name: &'static str,
    home: MutexGuard<'static, Home>,
}

impl std::ops::Deref for Turn {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

/// Waits for a turn.
///
/// # Panics
/// The home cannot be set up.
#[must_use]
pub fn turn(name: &'static str) -> Turn {
    static HOME: OnceLock<Mutex<Home>> = OnceLock::new();
    let home = HOME.get_or_init(|| Mutex::new(open()));
    let home = home.lock().unwrap_or_else(|failed| {
        // A test that failed has left nothing that the next could stumble over but its configuration: all else is in the
        // daemon's hands.
        let home = failed.into_inner();
        home.stop_daemon();
        home.configure(&configuration(0));
        home
    });
    progress::say(&format!("{name}: begins"));
    Turn { name, home }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            progress::say(&format!("{}: FAILS", self.name));
            eprintln!("{}", self.home.story());
            return;
        }
        progress::say(&format!("{}: ends well", self.name));
        let proof = proof(self.home.root());
        if !proof.exists() && !machines::names_in(&self.home.folders.cache.join("images")).is_empty() {
            // Only a convenience for the next run.
            let _ = std::fs::write(proof, recipes());
        }
    }
}

fn open() -> Home {
    let place = PathBuf::from(format!("{PLACE}-{}", nix::unistd::geteuid()));
    std::fs::create_dir_all(&place).unwrap();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(place.join("lock"))
        .unwrap();
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .or_else(|(file, _)| {
            progress::say("another run uses the shared home: waiting for its end");
            Flock::lock(file, FlockArg::LockExclusive)
        })
        .map_err(|(_, errno)| errno)
        .unwrap();
    let root = place.join("home");
    let has_images = clean(&root);
    // The sentry holds the lock from here on: the copy shares it, and nobody unlocks it by hand.
    let copy = lock.try_clone().unwrap();
    std::mem::forget(lock);
    let home = Home::lasting(&root, copy);
    home.configure(&configuration(0));
    if !has_images {
        // Whichever test is the first: not every one would make them.
        let _ = home.run(&["image", "build", "debian-bookworm"]).with_code(0);
    }
    home
}

/// The shared home's configuration, with so many clones that may be made ahead: none, unless a test is about them, since a
/// held machine looks like one that was left behind. What is fetched does not depend on what this host's apt has.
#[must_use]
pub fn configuration(pool: u16) -> String {
    format!(
        "[ticket]\nseries = \"debian-bookworm\"\n\n[testbed]\nkeeper_grace_s = {GRACE}\npool = {pool}\n\n\
         [archive]\napt_archives = false\nproxy = false\n"
    )
}

/// Removes what earlier runs have left, whatever became of them, except images and archive that may be used again; says
/// whether they may.
fn clean(root: &Path) -> bool {
    let cache = root.join("cache");
    let usable = std::fs::read_to_string(proof(root)).is_ok_and(|kept| kept == recipes())
        && std::fs::metadata(proof(root))
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|made| made.elapsed().is_ok_and(|age| age < YOUNG));
    let mut doomed: Vec<PathBuf> = ["state", "config", "run"].iter().map(|name| root.join(name)).collect();
    if usable {
        doomed.extend(["overlays", "ticket-images", "templates", "removing"].map(|name| cache.join(name)));
    } else {
        doomed.push(cache);
    }
    for folder in doomed {
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
            _ => {}
        }
    }
    progress::say(if usable {
        "base images of an earlier run are used"
    } else {
        "base images are built first"
    });
    usable
}

/// Says which recipes the images have been made of, once a test has passed with them.
fn proof(root: &Path) -> PathBuf {
    root.join("cache/proven")
}

/// All that decides what is in an image: the recipes and the programs that build by them.
fn recipes() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vm-images");
    let mut files = Vec::new();
    for sub in ["recipes", "src"] {
        let entries = std::fs::read_dir(folder.join(sub)).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()));
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        digest.update(std::fs::read(file).unwrap());
    }
    hex::encode(digest.finalize())
}
