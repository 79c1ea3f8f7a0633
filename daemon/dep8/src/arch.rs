//! Debian architectures against wildcards such as `linux-any`, as dpkg's `debarch_is` decides. Pure names; asks
//! neither dpkg nor the machine.

/// What a Debian architecture consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tuple<'a> {
    abi: &'a str,
    libc: &'a str,
    os: &'a str,
    cpu: &'a str,
}

const ANY: &str = "any";

/// Whether `architecture` (such as `amd64`) is what `wildcard` (such as `amd64`, `any`, `linux-any`, `any-arm`) names.
/// `all` matches only itself.
#[must_use]
pub fn matches(architecture: &str, wildcard: &str) -> bool {
    if architecture == wildcard || wildcard == ANY {
        return true;
    }
    let (Some(real), Some(asked)) = (tuple(architecture), wildcard_tuple(wildcard)) else {
        return false;
    };
    let same = |asked: &str, real: &str| asked == ANY || asked == real;
    same(asked.abi, real.abi) && same(asked.libc, real.libc) && same(asked.os, real.os) && same(asked.cpu, real.cpu)
}

/// Whether an architecture list (`amd64 linux-any`, or `!i386 !hurd-any`) takes in `architecture`. An empty list does.
#[must_use]
pub fn list_concerns<S: AsRef<str>>(list: &[S], architecture: &str) -> bool {
    let mut only_negated = true;
    for entry in list {
        match entry.as_ref().strip_prefix('!') {
            Some(negated) if matches(architecture, negated) => return false,
            Some(_) => {}
            None if matches(architecture, entry.as_ref()) => return true,
            None => only_negated = false,
        }
    }
    only_negated
}

fn wildcard_tuple(wildcard: &str) -> Option<Tuple<'_>> {
    let parts: Vec<&str> = wildcard.splitn(4, '-').collect();
    if !parts.contains(&ANY) {
        return tuple(wildcard);
    }
    Some(match parts[..] {
        [abi, libc, os, cpu] => Tuple { abi, libc, os, cpu },
        [libc, os, cpu] => Tuple {
            abi: ANY,
            libc,
            os,
            cpu,
        },
        [os, cpu] => Tuple {
            abi: ANY,
            libc: ANY,
            os,
            cpu,
        },
        _ => Tuple {
            abi: ANY,
            libc: ANY,
            os: ANY,
            cpu: ANY,
        },
    })
}

fn tuple(architecture: &str) -> Option<Tuple<'_>> {
    if architecture == "all" || architecture.is_empty() {
        return None;
    }
    let parts: Vec<&str> = architecture.splitn(3, '-').collect();
    let (libc, os, name) = match parts[..] {
        [name] | ["linux", name] => ("gnu", "linux", name),
        [os @ ("kfreebsd" | "knetbsd" | "kopensolaris" | "hurd"), name] => ("gnu", os, name),
        [
            os @ ("dragonflybsd" | "freebsd" | "netbsd" | "openbsd" | "darwin"),
            name,
        ] => ("bsd", os, name),
        [os @ ("aix" | "solaris"), name] => ("sysv", os, name),
        [os @ "uclinux", name] => ("uclibc", os, name),
        [os @ "mint", name] => ("tos", os, name),
        [libc, os, name] => (libc, os, name),
        _ => return None,
    };
    let (abi, cpu) = match name {
        "armhf" => ("eabihf", "arm"),
        "armel" => ("eabi", "arm"),
        "x32" => ("x32", "amd64"),
        "arm64ilp32" => ("ilp32", "arm64"),
        "powerpcspe" => ("spe", "powerpc"),
        "mips64" | "mips64el" | "mips64r6" | "mips64r6el" if (libc, os) == ("gnu", "linux") => ("abi64", name),
        "mipsn32" => ("abin32", "mips64"),
        "mipsn32el" => ("abin32", "mips64el"),
        "mipsn32r6" => ("abin32", "mips64r6"),
        "mipsn32r6el" => ("abin32", "mips64r6el"),
        _ => ("base", name),
    };
    Some(Tuple { abi, libc, os, cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (architecture, wildcard, expected) in [
            ("amd64", "any", true),
            ("amd64", "linux-any", true),
            ("amd64", "any-amd64", true),
            ("x32", "any-amd64", true),
            ("armhf", "any-arm", true),
            ("hurd-i386", "linux-any", false),
            ("hurd-i386", "any-i386", true),
            ("amd64", "linux-amd64", true),
            ("amd64", "musl-any-any", false),
            ("amd64", "all", false),
            ("amd64", "arm64", false),
        ] {
            assert_eq!(matches(architecture, wildcard), expected, "{architecture} {wildcard}");
        }
    }

    #[test]
    fn lists() {
        for (list, expected) in [
            (&[][..], true),
            (&["amd64"][..], true),
            (&["arm64", "linux-any"], true),
            (&["arm64"], false),
            (&["!amd64"], false),
            (&["!arm64"], true),
            (&["!arm64", "!any-amd64"], false),
        ] {
            assert_eq!(list_concerns(list, "amd64"), expected, "{list:?}");
        }
    }

    /// Oracle: dpkg itself, over every architecture that it knows.
    #[test]
    fn agrees_with_dpkg() {
        let wildcards = [
            "any",
            "linux-any",
            "any-amd64",
            "any-arm",
            "any-i386",
            "gnu-any-any",
            "musl-any-any",
            "gnu-linux-any",
            "any-any-any",
            "hurd-any",
            "kfreebsd-any",
            "amd64",
            "linux-arm64",
            "any-mips64el",
            "any-powerpc",
            "base-any-any-any",
            "eabihf-gnu-linux-any",
            "all",
            "nonsense",
            "armhf",
            "musl-linux-armhf",
            "any-arm64",
        ];
        let script = r#"use Dpkg::Arch qw(debarch_is get_valid_arches);
            for my $a (get_valid_arches()) { for my $w (@ARGV) { print "$a $w ", (debarch_is($a, $w) ? 1 : 0), "\n"; } }"#;
        let answer = std::process::Command::new("perl")
            .args(["-e", script])
            .args(wildcards)
            .output()
            .expect("perl and libdpkg-perl are installed (package dpkg-dev)");
        assert!(
            answer.status.success(),
            "install dpkg-dev: {}",
            String::from_utf8_lossy(&answer.stderr)
        );
        let text = String::from_utf8(answer.stdout).unwrap();
        assert!(text.lines().count() > 1000);
        for line in text.lines() {
            let [architecture, wildcard, expected] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            assert_eq!(matches(architecture, wildcard), expected == "1", "{line}");
        }
    }
}
