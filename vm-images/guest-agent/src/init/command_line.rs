//! What the kernel's command line says of the root disk. Knows no other parameter.

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
}

pub(super) fn read() -> Result<Options, InitError> {
    let line = fs::read_to_string("/proc/cmdline").map_err(InitError::io("/proc/cmdline"))?;
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
}
