//! What a command that the daemon runs in a guest is for: the pipeline's steps as a guest sees them.

use preflight_guest::fake::FakeCommand;

/// A step of the pipeline, by the command that it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The system is waited for.
    Settle,
    /// What is written is put on the disk, before the machine is frozen.
    Sync,
    MakeFolder,
    /// A folder becomes a source package …
    Pack,
    /// … which is put where it is fetched from.
    Gather,
    Extract,
    PackTree,
    Remove,
    TestsControl,
    /// apt reads what was added to its sources …
    Update,
    /// … and what is installed becomes what that has.
    Upgrade,
    BuildDepends,
    Build,
    List,
    /// The ticket's packages become part of the image.
    Install,
    Clean,
    /// What the image holds is asked for.
    Packages,
    PowerOff,
    UnpackTree,
    /// What apt would fetch, …
    Ask,
    /// … and what it knows of.
    Policy,
    /// autodep8 is fetched, …
    Download,
    /// … unpacked, …
    UnpackAutodep8,
    /// … and run.
    Autodep8,
    /// A test's dependencies.
    Satisfy,
    /// The user may become root.
    EnableSudo,
    Query,
    Prepare,
    /// The commands by which a test has the machine start again, …
    Commands,
    /// … whether it has called one, …
    Wish,
    /// … and what it has in /tmp.
    Keep,
    Restore,
    Reboot,
    /// apt is told of source packages, for who borrows the testbed.
    SourcePackages,
    /// What changes a boot is asked for.
    Boots,
    /// A test, by its name.
    Test(String),
}

impl Stage {
    /// What a command is for. One that no step is known to run fails the test.
    pub(crate) fn of(command: &FakeCommand) -> Self {
        let line = command.line();
        let words: Vec<&str> = command.argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["systemctl", "is-system-running", ..] | ["true"] => Self::Settle,
            ["sync"] => Self::Sync,
            ["systemctl", "poweroff"] => Self::PowerOff,
            ["install", "-d", ..] => Self::MakeFolder,
            ["dpkg-source", "--build", ..] => Self::Pack,
            ["dpkg-source", "--no-check", "--extract", ..] => Self::Extract,
            ["tar", "--create", ..] => Self::PackTree,
            ["sh", "-ec", script] if script.starts_with("tar --extract") => Self::UnpackTree,
            ["rm", ..] => Self::Remove,
            ["test", "-e", ..] => Self::TestsControl,
            ["find", ..] => Self::List,
            ["dpkg-buildpackage", ..] => Self::Build,
            ["dpkg-query", ..] => Self::Query,
            ["sh", "-c", script] if script.contains("dpkg-query") => Self::Packages,
            ["sh", "-c", script] if script.contains("deb-src") => Self::SourcePackages,
            ["sh", "-c", script] if script.contains("systemctl reboot") => Self::Reboot,
            ["sh", "-c", script] if script.contains("autopkgtest-reboot-mark") => Self::Wish,
            ["sh", "-c", _, "sh", "dkms", ..] => Self::Boots,
            ["sh", "-c", _, "apt-get", ..] if words.contains(&"--print-uris") => Self::Ask,
            ["apt-cache", "policy", ..] => Self::Policy,
            ["sh", "-c", _, "apt-get", ..] if words.contains(&"download") => Self::Download,
            ["sh", "-ec", script] if script.starts_with("for package in *.deb") => Self::UnpackAutodep8,
            ["sh", "-c", script] if script.contains("exec autodep8") => Self::Autodep8,
            ["sh", "-c", _, "apt-get", ..] if words.contains(&"update") => Self::Update,
            ["sh", "-c", _, "apt-get", ..] if words.contains(&"dist-upgrade") => Self::Upgrade,
            ["sh", "-c", _, "apt-get", ..] if words.contains(&"build-dep") => Self::BuildDepends,
            ["sh", "-c", _, "apt-get", ..] if words.contains(&"install") => Self::Install,
            ["sh", "-c", _, "sh", "satisfy" | "install", ..] => Self::Satisfy,
            ["sh", "-ec", script] if script.starts_with("usermod") => Self::EnableSudo,
            ["sh", "-ec", script] if script.starts_with("mkdir package") => Self::Gather,
            ["sh", "-ec", script] if script.contains("/etc/machine-id") => Self::Clean,
            ["sh", "-ec", script] if script.starts_with("printf %s") => Self::Commands,
            ["sh", "-ec", script] if script.contains("; cp -a '/tmp/autopkgtest'") => Self::Keep,
            ["sh", "-ec", script] if script.contains("; mv '/var/cache/autopkgtest-kept'") => Self::Restore,
            ["sh", "-ec", script] if script.contains("/tmp/autopkgtest") => Self::Prepare,
            ["bash", "-c", script] => Self::Test(test_name(script).to_owned()),
            _ => panic!("the pipeline runs what no guest of this test knows: {line}"),
        }
    }
}

/// The name stands in the path of the test's artifacts.
fn test_name(script: &str) -> &str {
    let (before, _) = script.split_once("-artifacts").expect("a test has artifacts");
    before.rsplit('/').next().unwrap()
}
