//! What the kernel's command line says of the root disk and of whose kernel is to run, and what the disk's own kernel is
//! told. Knows no other parameter.

use std::fs;

use super::InitError;

/// The root disk and what to start from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub(super) root: String,
    pub(super) file_system: String,
    pub(super) mount_options: String,
    pub(super) init: String,
    /// Whether somebody will talk to the agent.
    pub(super) leaves_agent: bool,
    /// Whether the disk's own kernel goes before this one, where there is one.
    pub(super) prefers_own_kernel: bool,
}

/// Says that the disk's own kernel is to be started.
const PREFER: &str = "preflight.kernel=disk";
/// Says that it has been.
const STARTED: &str = "preflight.kernel=own";
const LINE: &str = "/proc/cmdline";

/// Whether the kernel that runs was started from the disk.
pub(crate) fn is_own_kernel() -> bool {
    fs::read_to_string(LINE).is_ok_and(|line| line.split_whitespace().any(|word| word == STARTED))
}

/// What the disk's own kernel is told: the same, with the words of an ordinary boot for its initrd, which knows none of ours.
pub(super) fn for_own_kernel(options: &Options, device: &str, init: &str) -> Result<String, InitError> {
    let line = fs::read_to_string(LINE).map_err(InitError::io(LINE))?;
    Ok(own_line(&line, options, device, init))
}

fn own_line(line: &str, options: &Options, device: &str, init: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().filter(|word| *word != PREFER).collect();
    let root = format!("root={device}");
    let file_system = format!("rootfstype={}", options.file_system);
    let flags = format!("rootflags={}", options.mount_options);
    let init = format!("init={init}");
    words.extend([STARTED, root.as_str(), file_system.as_str(), "rw", init.as_str()]);
    if !options.mount_options.is_empty() {
        words.push(&flags);
    }
    words.join(" ")
}

pub(super) fn read() -> Result<Options, InitError> {
    let line = fs::read_to_string(LINE).map_err(InitError::io(LINE))?;
    parse(&line)
}

fn parse(line: &str) -> Result<Options, InitError> {
    let value = |key: &str| {
        let last = line
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
            .rfind(|(found, _)| *found == key);
        last.map(|(_, value)| value.to_owned())
    };
    Ok(Options {
        root: value("preflight.root").ok_or(InitError::NoRoot)?,
        file_system: value("preflight.rootfstype").unwrap_or_else(|| "ext4".to_owned()),
        mount_options: value("preflight.rootflags").unwrap_or_default(),
        init: value("preflight.init").unwrap_or_else(|| "/sbin/init".to_owned()),
        leaves_agent: value("preflight.agent").as_deref() != Some("off"),
        prefers_own_kernel: line.split_whitespace().any(|word| word == PREFER),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let options = parse("quiet preflight.root=/dev/vda preflight.root=/dev/vdb preflight.rootflags=a=b\n").unwrap();
        assert_eq!(
            (options.root.as_str(), options.mount_options.as_str()),
            ("/dev/vdb", "a=b")
        );
        assert_eq!(
            (options.file_system.as_str(), options.init.as_str()),
            ("ext4", "/sbin/init")
        );
        assert!(options.leaves_agent);
        let options = parse("preflight.root=PARTLABEL=x preflight.agent=off").unwrap();
        assert_eq!((options.root.as_str(), options.leaves_agent), ("PARTLABEL=x", false));
        assert!(matches!(parse("root=/dev/vda"), Err(InitError::NoRoot)));
    }

    #[test]
    fn the_own_kernel_is_told_once_and_goes_on_knowing_the_root() {
        let line = "preflight.root=/dev/vda console=ttyS0 preflight.kernel=disk panic=-1\n";
        let options = parse(line).unwrap();
        assert!(options.prefers_own_kernel);
        let own = own_line(line, &options, "/dev/vda", "/agent");
        assert_eq!(
            own,
            "preflight.root=/dev/vda console=ttyS0 panic=-1 preflight.kernel=own root=/dev/vda rootfstype=ext4 rw init=/agent"
        );
        let options = parse(&own).unwrap();
        assert!(!options.prefers_own_kernel, "one kernel starts another once");
        assert_eq!(options.root, "/dev/vda");
        let options = parse("preflight.root=/dev/vda preflight.rootflags=noatime").unwrap();
        assert!(own_line("", &options, "/dev/vda", "/agent").ends_with(" rootflags=noatime"));
    }
}
