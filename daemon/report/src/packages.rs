//! Lists of packages as autopkgtest keeps them: `NAME TAB VERSION` a line, sorted by name, as `dpkg-query --show` prints them.
//! They come from a guest's own database, which is read without a word of it being believed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// More bytes than any system's `/var/lib/dpkg/status` has.
pub const STATUS_LIMIT: u64 = 64 << 20;
/// More than any package's name or version has.
const LONGEST: usize = 256;

/// The list of what dpkg's database (`/var/lib/dpkg/status`, deb822) has: all but what is not installed at all. Stanzas that
/// are none are left out.
#[must_use]
pub fn of_status(status: &[u8]) -> String {
    let mut packages = Vec::new();
    let mut stanza = Stanza::default();
    for line in status.split(|byte| *byte == b'\n').chain([&b""[..]]) {
        if line.is_empty() {
            packages.extend(std::mem::take(&mut stanza).package());
        } else {
            stanza.take(line);
        }
    }
    // Of two architectures of one package the order is dpkg's own, which is that of the file.
    packages.sort_by_key(|(name, _)| *name);
    list(packages)
}

/// A list of packages with their versions.
#[must_use]
pub fn list<'a>(packages: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, version) in packages {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}\t{version}");
    }
    text
}

/// What a test has beside its testbed: the lines of `all` whose package has no line in `testbed`, whatever its version
/// (autopkgtest's `NAME-packages`).
#[must_use]
pub fn beside(testbed: &str, all: &str) -> String {
    let name = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    let known: BTreeSet<String> = testbed.lines().map(name).collect();
    all.lines()
        .filter(|line| !known.contains(&name(line)))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[derive(Default)]
struct Stanza<'a> {
    name: Option<&'a str>,
    version: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> Stanza<'a> {
    fn take(&mut self, line: &'a [u8]) {
        for (field, value) in [
            (&b"Package:"[..], &mut self.name),
            (b"Version:", &mut self.version),
            (b"Status:", &mut self.status),
        ] {
            if let Some(rest) = line.strip_prefix(field) {
                *value = str::from_utf8(rest).ok().map(str::trim);
            }
        }
    }

    fn package(self) -> Option<(&'a str, &'a str)> {
        let is_plain = |text: &&str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.~:_".contains(&byte);
            !text.is_empty() && text.len() <= LONGEST && text.bytes().all(fits)
        };
        let is_there = self.status?.split_whitespace().nth(2)? != "not-installed";
        let (name, version) = (self.name.filter(is_plain)?, self.version.filter(is_plain)?);
        is_there.then_some((name, version))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATUS: &str = "Package: zsh\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.9-4+b2\nDescription: a\n shell\n .\n\n\
                          Package: apt\nStatus: install ok installed\nVersion: 2.6.1\n\n\
                          Package: gone\nStatus: purge ok not-installed\nVersion: 1\n\n\
                          Package: conf\nStatus: deinstall ok config-files\nVersion: 1:2\n\n\
                          Package: ev\til\nStatus: install ok installed\nVersion: 1\n\n\
                          Package: none\nStatus: install ok installed\n";

    #[test]
    fn a_status_file_is_a_list() {
        assert_eq!(of_status(STATUS.as_bytes()), "apt\t2.6.1\nconf\t1:2\nzsh\t5.9-4+b2\n");
        assert_eq!(of_status(b""), "");
    }

    #[test]
    fn another_version_is_no_other_package() {
        let testbed = "apt\t2.6.1\nzsh\t5\n";
        assert_eq!(
            beside(testbed, "apt\t2.6.2\nhello\t1\nzsh\t5\nzsh-common\t5\n"),
            "hello\t1\nzsh-common\t5\n"
        );
        assert_eq!(beside(testbed, testbed), "");
    }

    #[test]
    fn dpkg_says_the_same_of_this_host() {
        let Ok(status) = std::fs::read("/var/lib/dpkg/status") else {
            // No Debian: there is nobody to ask.
            return;
        };
        let asked = std::process::Command::new("dpkg-query")
            .args(["--show", "-f", "${Package}\\t${Version}\\n"])
            .output()
            .unwrap();
        assert_eq!(of_status(&status), String::from_utf8(asked.stdout).unwrap());
    }

    proptest! {
        #[test]
        fn fuzz_dpkg_status(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let list = of_status(&bytes);
            prop_assert!(list.len() <= bytes.len());
        }

        #[test]
        fn fuzz_dpkg_status_lines(lines in prop::collection::vec("(Package|Version|Status|Other)?: ?[a-z0-9\t.:~ -]{0,12}|", 0..40)) {
            for line in of_status(lines.join("\n").as_bytes()).lines() {
                prop_assert_eq!(line.split('\t').count(), 2);
            }
        }
    }
}
