//! What the runners run on: a home of Preflight with its daemon and base image, and a chroot of the same packages. Each is
//! made when it is first needed.

use std::cell::OnceCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use preflight_protocol::image::{ImageInfo, ImageKind};
use preflight_tests::home::Home;
use preflight_tests::{programs, progress};

use crate::command;
use crate::error::DifferentialError;
use crate::source::script;

/// For making base images or a chroot.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// For a question to the daemon.
const SHORT: Duration = Duration::from_secs(300);
/// The release whose packages are compared.
pub(crate) const RELEASE: &str = "bookworm";
/// The same, as Preflight calls it.
pub(crate) const SERIES: &str = "debian-bookworm";

/// What the runners run on.
#[derive(Debug)]
pub(crate) struct Bed {
    /// The home of Preflight.
    pub(crate) home: PathBuf,
    /// Where everything is kept.
    pub(crate) folder: PathBuf,
    image: OnceCell<PathBuf>,
    chroot: OnceCell<PathBuf>,
    /// Held for as long as the folder is in use; an own home's sentry holds it until the home is at rest.
    _hold: Hold,
}

/// What goes when the run ends.
#[derive(Debug)]
enum Hold {
    /// A home of its own, whose daemon ends with it.
    Own(#[expect(dead_code, reason = "it is there to be dropped")] Home),
    /// The lock alone: the home is somebody else's.
    Lock(#[expect(dead_code, reason = "it is there to be dropped")] File),
}

impl Bed {
    /// The bed in a folder, which no other run uses meanwhile; with a home of its own there, unless one is named.
    pub(crate) fn make(folder: &Path, home: Option<&Path>) -> Result<Self, DifferentialError> {
        let io = |path: &Path| DifferentialError::io(path.display().to_string());
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        let lock = folder.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(io(&lock))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|_| DifferentialError::malformed(folder.display().to_string(), "another run uses it"))?;
        let shared = lock.try_clone().map_err(io(folder))?;
        // It would unlock by hand; the copy is closed when nobody needs it any more.
        std::mem::forget(lock);
        let own = folder.join("home");
        let hold = match home {
            Some(_) => Hold::Lock(shared),
            None => {
                let home = Home::lasting(&own, shared);
                home.configure(&format!("[ticket]\nseries = \"{SERIES}\"\n"));
                Hold::Own(home)
            }
        };
        Ok(Self {
            home: home.map_or(own, Path::to_owned),
            folder: folder.to_owned(),
            image: OnceCell::new(),
            chroot: OnceCell::new(),
            _hold: hold,
        })
    }

    /// `preflight` with these arguments, in this home.
    pub(crate) fn preflight(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs::program("preflight"));
        command
            .args(arguments)
            .env("PREFLIGHT_HOME", &self.home)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("PREFLIGHT_DAEMON");
        command
    }

    /// A folder for what a runner says of a package.
    pub(crate) fn logs(&self, package: &str) -> Result<PathBuf, DifferentialError> {
        let folder = self.folder.join("logs").join(package);
        std::fs::create_dir_all(&folder).map_err(DifferentialError::io(folder.display().to_string()))?;
        Ok(folder)
    }

    /// The folder of the base image from which tests start: the newest that is there, so that a run that goes on has the same.
    pub(crate) fn image(&self) -> Result<&Path, DifferentialError> {
        if let Some(image) = self.image.get() {
            return Ok(image);
        }
        let log = self.folder.join("image.log");
        let mut found = self.base_image(&log)?;
        if found.is_none() {
            progress::say("the base image is made");
            command::output(self.preflight(&["image", "build", SERIES]), &log, PATIENCE)?;
            found = self.base_image(&log)?;
        }
        let missing = || DifferentialError::malformed("`preflight image list`", format!("no base image of {SERIES}"));
        let found = found.ok_or_else(missing)?;
        Ok(self.image.get_or_init(|| found))
    }

    fn base_image(&self, log: &Path) -> Result<Option<PathBuf>, DifferentialError> {
        let text = command::output(self.preflight(&["image", "list", "--json"]), log, SHORT)?;
        let images: Vec<ImageInfo> = serde_json::from_str(&text)
            .map_err(|error| DifferentialError::malformed("`preflight image list`", error))?;
        let of_series = |image: &&ImageInfo| image.kind == ImageKind::Base && image.series.to_string() == SERIES;
        let newest = images.iter().filter(of_series).max_by_key(|image| image.created_at);
        Ok(newest.and_then(|image| image.path.parent()).map(Path::to_owned))
    }

    /// The chroot's tarball: of the base image's packages, from its archives.
    pub(crate) fn chroot(&self) -> Result<&Path, DifferentialError> {
        if let Some(chroot) = self.chroot.get() {
            return Ok(chroot);
        }
        let image = self.image()?.to_owned();
        progress::say("the chroot is made where it is not there yet");
        let mut command = Command::new(script("make-chroot"));
        command.arg(&self.folder).arg(RELEASE);
        command.args(["packages", "sources.list"].map(|name| image.join(name)));
        let path = command::output(command, &self.folder.join("chroot.log"), PATIENCE)?;
        Ok(self.chroot.get_or_init(|| PathBuf::from(path.trim())))
    }
}

/// A file's or folder's name, for what an answer was given with.
pub(crate) fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
