//! `testinfo.json`, autopkgtest's word on the testbed in which tests ran: kernel, processors, what was set for the tests.
//! Fields and their order are those of its `create_testinfo`.

use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

/// More bytes than any system's `/proc/cpuinfo` has.
pub const CPUINFO_LIMIT: u64 = 4 << 20;
/// More than any line of it that is kept.
const LONGEST: usize = 16 << 10;

/// What the file says; what is not known is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Testinfo {
    /// The server of testbeds and its arguments.
    pub virt_server: String,
    /// What `uname -srv` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
    /// Kernels that came later: the test, its reboot mark, what `uname -srv` says then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test_kernel_versions: Vec<(String, String, String)>,
    /// What was set for the tests beside autopkgtest's own: `NAME=VALUE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub custom_environment: Vec<String>,
    /// How many processors there are; a text, as autopkgtest has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nproc: Option<String>,
    /// What the processor calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// What it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_flags: Option<String>,
}

static MODEL: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?mi)^(?:model.*name|cpu)\s*:[ \t]*(.*)$"));
static FLAGS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?mi)^(?:flags|features)\s*:[ \t]*(.*)$"));
static PROCESSOR: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^processor\s*:"));

fn pattern(text: &str) -> Regex {
    #[expect(
        clippy::expect_used,
        reason = "constant patterns that every test of this module compiles"
    )]
    Regex::new(text).expect("a valid pattern")
}

impl Testinfo {
    /// Takes over what `/proc/cpuinfo` says.
    pub fn read_cpuinfo(&mut self, cpuinfo: &[u8]) {
        let text = String::from_utf8_lossy(cpuinfo);
        let first = |pattern: &Regex| {
            let found = pattern.captures(&text)?.get(1)?.as_str();
            (found.len() <= LONGEST).then(|| plain(found))
        };
        self.cpu_model = first(&MODEL);
        self.cpu_flags = first(&FLAGS);
        let count = PROCESSOR.find_iter(&text).count();
        self.nproc = (count > 0).then(|| count.to_string());
    }

    /// The kernel, from what `/proc/sys/kernel/{osrelease,version}` say.
    #[must_use]
    pub fn kernel(release: &[u8], version: &[u8]) -> String {
        let text = |bytes: &[u8]| plain(&String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]));
        format!("Linux {} {}", text(release), text(version))
    }

    /// The file.
    ///
    /// # Errors
    /// None that are known: JSON can say all of it.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

/// A guest's words in one line.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|letter| !letter.is_control()).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_known_is_not_said() {
        let info = Testinfo {
            virt_server: "preflight debian-bookworm".to_owned(),
            ..Testinfo::default()
        };
        assert_eq!(
            info.json().unwrap(),
            "{\n  \"virt_server\": \"preflight debian-bookworm\"\n}"
        );
    }

    #[test]
    fn processors_and_kernel() {
        let mut info = Testinfo::default();
        info.read_cpuinfo(
            b"processor\t: 0\nmodel\t\t: 6\nmodel name\t: QEMU Virtual CPU version 2.5+\nflags\t\t: fpu de\nbugs\t\t:\n\n\
              processor\t: 1\nmodel name\t: other\nflags\t\t: none\n",
        );
        assert_eq!(info.nproc.as_deref(), Some("2"));
        assert_eq!(info.cpu_model.as_deref(), Some("QEMU Virtual CPU version 2.5+"));
        assert_eq!(info.cpu_flags.as_deref(), Some("fpu de"));
        assert_eq!(
            Testinfo::kernel(b"6.1.0-28-amd64\n", b"#1 SMP Debian 6.1.119-1 (2024-11-22)\n\x1b[2J"),
            "Linux 6.1.0-28-amd64 #1 SMP Debian 6.1.119-1 (2024-11-22)[2J"
        );
        info.read_cpuinfo(b"nothing");
        assert_eq!((info.nproc, info.cpu_model, info.cpu_flags), (None, None, None));
    }

    proptest! {
        #[test]
        fn fuzz_cpuinfo(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut info = Testinfo::default();
            info.read_cpuinfo(&bytes);
            prop_assert!(info.json().is_ok());
        }
    }
}
