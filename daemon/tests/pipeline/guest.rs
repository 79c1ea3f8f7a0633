//! A guest that does what a healthy one would, in memory, unless the test says otherwise for a stage.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use preflight_guest::ExitStatus;
use preflight_guest::fake::{FakeCommand, FakeFile, FakeGuest, FakeShell};
use preflight_guest_protocol::message::{AttemptProtocol, NetworkAttempt};
use preflight_testbed::{EndReason, MachineId};

use crate::machines::Machines;
use crate::source::Source;
use crate::stage::Stage;

/// What a guest does at a stage.
#[derive(Debug, Clone)]
pub(crate) enum Play {
    /// What a healthy guest does.
    Usual,
    /// Writes this and ends with this code, and does nothing else.
    Says(&'static str, i32),
    /// The same, to standard error.
    SaysError(&'static str, i32),
    /// Writes this and never ends.
    Hangs(&'static str),
    /// Waits until a guest was given a command of this stage, then writes this and ends with this code.
    After(Stage, &'static str, i32),
    /// The machine ends.
    Dies(EndReason),
    /// Asks the network for a host, and ends with this code after writing this.
    Tries(&'static str, &'static str, i32),
    /// Asks the network for a host, and goes on with this.
    Trying(&'static str, Box<Play>),
    /// Asks the archive for a file, and fails as apt does without it.
    Fetches(&'static str),
    /// Leaves these files in the build folder instead of what the source builds.
    Leaves(Vec<(String, Vec<u8>)>),
}

/// A command as a test's script sees it.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// How many machines were started before this one.
    pub(crate) nth: usize,
    /// What the command is for.
    pub(crate) stage: Stage,
    /// The command.
    pub(crate) line: String,
    /// Who runs it.
    pub(crate) user: Option<String>,
    /// Whom the machine works for.
    pub(crate) label: String,
}

/// What guests do; those without a word do what is usual.
pub(crate) type Script = Arc<dyn Fn(&Scene) -> Play + Send + Sync>;

pub(crate) struct ScriptedGuest {
    pub(crate) machine: MachineId,
    pub(crate) nth: usize,
    pub(crate) label: String,
    pub(crate) sources: Arc<Vec<Source>>,
    pub(crate) script: Script,
    pub(crate) machines: Machines,
    state: GuestState,
    /// Whether its kernel is its disk's where one is installed there.
    prefers_own_kernel: bool,
}

/// What a guest remembers; clones share it.
#[derive(Clone, Default)]
pub(crate) struct GuestState(Arc<Mutex<State>>);

impl GuestState {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The same for another guest.
    pub(crate) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }
}

#[derive(Clone, Default)]
struct State {
    source: Option<Source>,
    /// What was installed by name, and what was removed.
    changed: BTreeMap<String, bool>,
}

/// What a guest says of itself.
const SYSTEM: [(&str, &str); 4] = [
    (
        "/var/lib/dpkg/status",
        "Package: nano\nStatus: install ok installed\nVersion: 7.2-1\n\n\
         Package: base-files\nStatus: install ok installed\nVersion: 12.4\n\n\
         Package: hello\nStatus: install ok installed\nVersion: 1.0\n",
    ),
    ("/proc/sys/kernel/osrelease", "6.1.0-28-amd64\n"),
    ("/proc/sys/kernel/version", "#1 SMP Debian 6.1.119-1\n"),
    (
        "/proc/cpuinfo",
        "processor\t: 0\nmodel name\t: A processor\nflags\t\t: fpu\n",
    ),
];

/// The kernel of the series.
const KERNEL: &str = "linux-image-cloud-amd64";

/// What autodep8 writes of a source.
const GENERATED: &[u8] = b"\n\nTest-Command: check\nFeatures: test-name=generated\nDepends: @\n";

const BUILD: &str = "/build";
const TREE: &str = "/build/tree";

impl ScriptedGuest {
    pub(crate) fn new(
        (machine, nth, label, prefers_own_kernel): (MachineId, usize, String, bool),
        sources: Arc<Vec<Source>>,
        script: Script,
        machines: Machines,
        state: GuestState,
    ) -> Self {
        Self {
            machine,
            nth,
            label,
            sources,
            script,
            machines,
            state,
            prefers_own_kernel,
        }
    }

    fn source(&self) -> Option<Source> {
        self.state.lock().source.clone()
    }

    fn learn(&self, name: &str) -> Option<Source> {
        let source = self.sources.iter().find(|source| source.name == name)?.clone();
        self.state.lock().source = Some(source.clone());
        Some(source)
    }

    async fn usual(&self, stage: &Stage, command: &FakeCommand, shell: &FakeShell) -> i32 {
        let write = |path: String, bytes: &[u8]| shell.files().write(path, FakeFile::plain(bytes));
        match stage {
            Stage::Settle
            | Stage::Sync
            | Stage::MakeFolder
            | Stage::Remove
            | Stage::Clean
            | Stage::Upgrade
            | Stage::Ask
            | Stage::Policy
            | Stage::Download
            | Stage::EnableSudo
            | Stage::Satisfy
            | Stage::Commands
            | Stage::Wish
            | Stage::Keep
            | Stage::Restore
            | Stage::SourcePackages
            | Stage::Boots => 0,
            Stage::UnpackAutodep8 => {
                shell.stdout(b"0.28\n").await;
                0
            }
            Stage::Autodep8 => {
                let written = shell.files().read(format!("{TREE}/debian/tests/control"));
                let mut text = written.map_or_else(Vec::new, |file| file.bytes);
                text.extend_from_slice(GENERATED);
                write("/var/tmp/preflight-autodep8/out/control".to_owned(), &text);
                0
            }
            Stage::Prepare => {
                for (path, text) in SYSTEM {
                    write(path.to_owned(), text.as_bytes());
                }
                0
            }
            Stage::Pack => {
                let name = command.cwd.as_deref().and_then(Path::file_name).unwrap();
                let source = self.learn(name.to_str().unwrap()).unwrap();
                for (name, bytes) in source.package() {
                    write(format!("{BUILD}/{name}"), &bytes);
                }
                shell.stdout(b"dpkg-source: info: building\n").await;
                0
            }
            Stage::Gather => {
                for (name, bytes) in self.source().unwrap().package() {
                    write(format!("{BUILD}/package/{name}"), &bytes);
                }
                0
            }
            Stage::Extract => {
                let name = command.argv[3].split('_').next().unwrap();
                self.unpack(name, shell)
            }
            Stage::PackTree => {
                let name = self.source().map_or("", |source| source.name);
                write(format!("{BUILD}/unpacked.tar"), &packed_tree(name));
                0
            }
            Stage::UnpackTree => match shell.files().read(format!("{BUILD}/unpacked.tar")) {
                Some(tree) => self.unpack(&packed_source(&tree.bytes), shell),
                None => 2,
            },
            Stage::Update => Self::update(shell).await,
            Stage::TestsControl => i32::from(shell.files().read(&command.argv[2]).is_none()),
            Stage::BuildDepends => {
                // A `.dsc`, before the source is there, or the source's tree.
                let asked = Path::new(command.argv.last().unwrap()).file_name().unwrap();
                if let Some(name) = asked.to_str().unwrap().strip_suffix(".dsc") {
                    self.learn(name.split('_').next().unwrap());
                }
                self.install_build_depends(shell).await
            }
            Stage::Build => {
                shell.stdout(b"dpkg-buildpackage: info: building\n").await;
                for (name, bytes) in self.source().unwrap().built() {
                    write(format!("{BUILD}/{name}"), &bytes);
                }
                0
            }
            Stage::List => {
                for path in shell.files().paths() {
                    if path.parent() == Some(Path::new(BUILD)) {
                        let name = path.file_name().unwrap().to_str().unwrap();
                        shell.stdout(format!("{name}\0").as_bytes()).await;
                    }
                }
                0
            }
            Stage::Install => self.install(command, shell).await,
            Stage::Packages => {
                let mut there = BTreeMap::from([("base-files".to_owned(), "12.4"), ("nano".to_owned(), "7.2-1")]);
                for (name, is_there) in self.state.lock().changed.clone() {
                    if is_there {
                        there.insert(name, "1");
                    } else {
                        there.remove(&name);
                    }
                }
                for (name, version) in there {
                    let record = format!("P\tinstalled\t{name}\t{version}\tamd64\0");
                    shell.stdout(record.as_bytes()).await;
                }
                shell.stdout(b"E\0").await;
                0
            }
            Stage::PowerOff | Stage::Reboot => {
                self.machines.end(&self.machine, EndReason::Shutdown);
                std::future::pending().await
            }
            Stage::Query => {
                for name in &command.argv[4..] {
                    shell.stdout(format!("{name}\tinstall ok installed\n").as_bytes()).await;
                }
                0
            }
            Stage::Test(name) => {
                write(format!("/tmp/autopkgtest/{name}-artifacts/kept"), b"artifact");
                shell.stdout(format!("{name} runs\n").as_bytes()).await;
                if let Some(edited) = shell.files().read(format!("{TREE}/debian/tests/{name}")) {
                    shell.stdout(&edited.bytes).await;
                }
                0
            }
        }
    }

    fn unpack(&self, name: &str, shell: &FakeShell) -> i32 {
        let Some(source) = self.learn(name) else { return 2 };
        let write = |path: &str, text: &str| {
            shell
                .files()
                .write(format!("{BUILD}/tree/{path}"), FakeFile::plain(text.as_bytes()));
        };
        write("debian/control", &source.control());
        if let Some(tests) = source.tests {
            write("debian/tests/control", tests);
        }
        0
    }

    /// apt fetches the indices of what was added to its sources.
    async fn update(shell: &FakeShell) -> i32 {
        for url in urls(shell, ADDED) {
            for name in ["InRelease", "Packages"] {
                let answer = shell.fetch(&format!("{url}/./{name}")).await;
                let Some(body) = body(&answer) else { return 100 };
                shell.files().write(list(&url, name), FakeFile::plain(body));
            }
        }
        0
    }

    /// Whether apt can install a package from the ticket's repository, or another one's: its lists name it, and its file is
    /// served.
    async fn repository_has(name: &str, shell: &FakeShell) -> bool {
        for url in [OWN, ADDED].into_iter().flat_map(|sources| urls(shell, sources)) {
            let packages = text(shell, &list(&url, "Packages"));
            let is_signed = text(shell, &list(&url, "InRelease")).contains("-----BEGIN PGP SIGNED MESSAGE-----");
            let wanted = format!("Package: {name}");
            let stanza = packages
                .split("\n\n")
                .find(|stanza| stanza.lines().any(|line| line == wanted));
            let file = stanza.and_then(|stanza| stanza.lines().find_map(|line| line.strip_prefix("Filename: ")));
            let Some(file) = file.filter(|_| is_signed) else {
                continue;
            };
            if body(&shell.fetch(&format!("{url}/./{file}")).await).is_some() {
                return true;
            }
        }
        false
    }

    async fn install_build_depends(&self, shell: &FakeShell) -> i32 {
        let wanted = self.source().unwrap().build_depends;
        for other in self.sources.iter().filter(|other| wanted.contains(other.name)) {
            if !Self::repository_has(other.name, shell).await {
                shell.stderr(b"E: Unable to correct problems\n").await;
                return 100;
            }
        }
        0
    }

    async fn install(&self, command: &FakeCommand, shell: &FakeShell) -> i32 {
        if command.argv.iter().any(|word| word == KERNEL) {
            self.state.lock().changed.insert(KERNEL.to_owned(), true);
            return 0;
        }
        for (name, _) in command.argv.iter().filter_map(|word| word.split_once('=')) {
            let is_package = !name.contains("::");
            if is_package && !Self::repository_has(name, shell).await {
                let message = format!("E: Unable to locate package {name}\n");
                shell.stderr(message.as_bytes()).await;
                return 100;
            }
        }
        let after = command.argv.iter().skip_while(|word| *word != "--allow-downgrades");
        for word in after.skip(1) {
            let (name, is_there) = match word.strip_suffix('-') {
                Some(name) => (name, false),
                None => (word.as_str(), true),
            };
            self.state.lock().changed.insert(name.to_owned(), is_there);
        }
        0
    }
}

/// A tree that says which source it is of.
fn packed_tree(source: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in [("tree/source", source), ("tree/debian/changelog", "a version")] {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Which source a tree is of.
fn packed_source(tree: &[u8]) -> String {
    let mut archive = tar::Archive::new(tree);
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let mut source = String::new();
    entry.read_to_string(&mut source).unwrap();
    source
}

/// The sources of the ticket's own repository, and those that its options add.
const OWN: &str = "/etc/apt/sources.list.d/preflight-ticket.list";
const ADDED: &str = "/etc/apt/sources.list.d/preflight-added.list";

fn text(shell: &FakeShell, path: &str) -> String {
    let file = shell.files().read(path);
    file.map_or_else(String::new, |file| String::from_utf8(file.bytes).unwrap())
}

/// The URLs of a file of sources.
fn urls(shell: &FakeShell, sources: &str) -> Vec<String> {
    let sources = text(shell, sources);
    let words = sources.split_whitespace().filter(|word| word.contains("://"));
    words.map(str::to_owned).collect()
}

/// Where apt puts a file of a flat repository.
fn list(url: &str, name: &str) -> String {
    let place = url.strip_prefix("http://").unwrap().replace('/', "_");
    format!("/var/lib/apt/lists/{place}_._{name}")
}

/// What was answered, where it is a file.
fn body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    answer.starts_with(b"HTTP/1.1 200").then(|| &answer[end + 4..])
}

/// An attempt to look up a host.
fn lookup(host: &str) -> NetworkAttempt {
    NetworkAttempt {
        protocol: AttemptProtocol::Dns,
        destination: std::net::Ipv4Addr::new(192, 0, 2, 53).into(),
        port: Some(53),
        query: Some(host.to_owned()),
        owner: None,
        left_out: 0,
    }
}

impl FakeGuest for ScriptedGuest {
    fn own_kernel(&self) -> bool {
        self.prefers_own_kernel && self.state.lock().changed.contains_key(KERNEL)
    }

    async fn exec(&self, command: FakeCommand, shell: FakeShell) -> ExitStatus {
        let stage = Stage::of(&command);
        let scene = Scene {
            nth: self.nth,
            stage: stage.clone(),
            line: command.line(),
            user: command.user.clone(),
            label: self.label.clone(),
        };
        let play = match (self.script)(&scene) {
            Play::Trying(host, then) => {
                shell.attempt(lookup(host)).await;
                *then
            }
            play => play,
        };
        if let Stage::Test(_) = stage {
            shell.stdout(b"preflight: the test begins\n").await;
        }
        let told = |scene| self.machines.note(scene);
        let code = match play {
            Play::Usual => {
                told(scene);
                self.usual(&stage, &command, &shell).await
            }
            Play::Says(text, code) => {
                told(scene);
                shell.stdout(text.as_bytes()).await;
                code
            }
            Play::SaysError(text, code) => {
                told(scene);
                shell.stderr(text.as_bytes()).await;
                code
            }
            Play::Hangs(text) => {
                shell.stdout(text.as_bytes()).await;
                told(scene);
                std::future::pending().await
            }
            Play::After(stage, text, code) => {
                told(scene);
                self.machines.reached(|scene| scene.stage == stage).await;
                shell.stdout(text.as_bytes()).await;
                code
            }
            Play::Dies(reason) => {
                told(scene);
                self.machines.end(&self.machine, reason);
                std::future::pending().await
            }
            Play::Tries(host, text, code) => {
                told(scene);
                shell.attempt(lookup(host)).await;
                shell.stdout(text.as_bytes()).await;
                code
            }
            Play::Trying(..) => panic!("one host at a time"),
            Play::Fetches(url) => {
                told(scene);
                let answer = shell.fetch(url).await;
                let status = String::from_utf8_lossy(&answer);
                let message = format!(
                    "E: Failed to fetch {url}  {}\n",
                    status.lines().next().unwrap_or_default()
                );
                // Where it is read: apt's standard error for the image, its standard output for a test.
                shell.stdout(message.as_bytes()).await;
                100
            }
            Play::Leaves(files) => {
                told(scene);
                for (name, bytes) in files {
                    shell.files().write(format!("{BUILD}/{name}"), FakeFile::plain(bytes));
                }
                0
            }
        };
        ExitStatus::Code(code)
    }
}
