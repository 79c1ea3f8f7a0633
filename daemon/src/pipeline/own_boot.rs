//! Which testbeds boot what is installed on their own disk: those in which something was installed that changes what boots.
//! The others run the image's kernel, which is no package of theirs and which nothing of theirs has changed.

use std::collections::BTreeMap;

use preflight_guest::Exec;

use super::apt;
use crate::executor::{BootImage, JobContext, Reboot, StepFailure, Testbed};

/// Packages that have a part in a boot, by dpkg-query's patterns, and which. Kernels and modules are found by their files.
/// What merely has a hook in an initrd is none of them: it changes no boot that it is not the matter of.
const PARTS: [(&str, &str); 13] = [
    ("dkms", "builds modules for the kernel that runs"),
    ("initramfs-tools", "makes the initrd"),
    ("initramfs-tools-core", "makes the initrd"),
    ("initramfs-tools-bin", "is part of the initrd"),
    ("dracut", "makes the initrd"),
    ("dracut-core", "makes the initrd"),
    ("tiny-initramfs", "makes the initrd"),
    ("grub*", "is a boot loader"),
    ("systemd-boot*", "is a boot loader"),
    ("systemd", "is the first process"),
    ("systemd-sysv", "is the first process"),
    ("udev", "finds the disk that is booted"),
    ("sysvinit-core", "is the first process"),
];
const KERNEL: &str = "has a kernel or modules of one";

/// Says, a line each: packages that own kernels or modules (`K`), installed packages of the table with their versions (`P`),
/// and whether a kernel is installed that `/init` would start (`B`): one with an initrd, or one that a package owns.
const QUESTION: &str = r#"
cd /var/lib/dpkg/info
for list in $(grep -lE '^(/usr)?/lib/modules/[^/]+/.|^/boot/vmlinuz-' -- *.list); do
    name=${list%.list}
    set -- "$@" "${name%%:*}"
    echo "K ${name%%:*}"
done
dpkg-query -W -f 'P ${db:Status-Status} ${Package} ${Version}\n' -- "$@" 2>/dev/null
for kernel in /boot/vmlinuz-*; do
    if [ -e "/boot/initrd.img-${kernel#/boot/vmlinuz-}" ] || grep -qxF -- "$kernel" *.list; then
        echo B
        break
    fi
done
exit 0
"#;

/// A guest can say at will; more is not looked at.
const MOST_LINES: usize = 10_000;

/// What a testbed says of its boot.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Installed packages with a part in the boot, with their versions and their parts.
    packages: BTreeMap<String, (String, &'static str)>,
    has_kernel: bool,
}

/// Has a testbed boot its own disk where that is another boot than its image's, and says whether. Whatever that takes is
/// fetched like any other of its packages.
pub(super) async fn settle(
    context: &JobContext,
    image: &BootImage,
    testbed: &mut Testbed,
) -> Result<bool, StepFailure> {
    let patterns = PARTS.iter().map(|(pattern, _)| (*pattern).to_owned());
    let words = ["sh", "-c", QUESTION, "sh"].map(str::to_owned);
    let asked = testbed.must("looking for what boots", Exec::new(words.into_iter().chain(patterns)));
    let found = read(&String::from_utf8_lossy(&asked.await?));
    let known = image.base.packages();
    let known = known.map_err(|error| StepFailure::Testbed(error.to_string()))?;
    let known: BTreeMap<String, String> = known.into_iter().map(|one| (one.name, one.version)).collect();
    let reasons = reasons(&found, &known);
    if reasons.is_empty() {
        return Ok(false);
    }
    context.log.say(&format!(
        "preflight: the testbed boots its own disk, since {}",
        reasons.join(", ")
    ));
    if !found.has_kernel {
        install_kernel(context, image, testbed, &found).await?;
    }
    context.phase("booting the testbed's own disk", None);
    context.reboot(testbed, Reboot::Asked).await?;
    if testbed.guest.hello().own_kernel {
        return Ok(true);
    }
    Err(StepFailure::Testbed(format!(
        "the testbed has booted its image's kernel, where {}",
        reasons.join(", ")
    )))
}

/// Installs the series' kernel, and what makes an initrd for it.
async fn install_kernel(
    context: &JobContext,
    image: &BootImage,
    testbed: &Testbed,
    found: &Found,
) -> Result<(), StepFailure> {
    let recipe = context.workshop.recipe(&context.order.ticket.series)?;
    let architecture = image.architecture();
    let kernels = recipe.kernel.iter();
    let kernel = kernels
        .filter(|(of, _)| of.as_str() == architecture)
        .map(|(_, package)| package.as_str())
        .next();
    let kernel = kernel.ok_or_else(|| {
        StepFailure::Testbed(format!(
            "the testbed is to boot its own disk, and the recipe names no kernel for {architecture}"
        ))
    })?;
    let makes_initrd = |name: &str| found.packages.contains_key(name);
    let mut wanted = vec!["install", kernel];
    if !["initramfs-tools", "dracut", "tiny-initramfs"]
        .into_iter()
        .any(makes_initrd)
    {
        wanted.push("initramfs-tools");
    }
    let what = format!("installing {kernel}, so that the testbed can boot its own disk,");
    context.phase("installing a kernel", None);
    let limit = context.workshop.limit(|limits| limits.install);
    let ran = testbed.run(apt::apt_get(wanted), limit).await?;
    if ran.is_success() {
        return Ok(());
    }
    // Nothing of that says anything of the package: a testbed that does not boot what it should is none.
    let failure = match apt::blame(testbed, &what, ran) {
        StepFailure::Package { reason, .. } => StepFailure::Testbed(reason),
        failure => failure,
    };
    Err(failure)
}

fn read(said: &str) -> Found {
    let mut found = Found::default();
    let mut owners = Vec::new();
    for line in said.lines().take(MOST_LINES) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["B"] => found.has_kernel = true,
            ["K", name] => owners.push(name),
            ["P", "installed", name, version] => {
                let part = match owners.contains(&name) {
                    true => Some(KERNEL),
                    false => PARTS
                        .iter()
                        .find(|(pattern, _)| matches(pattern, name))
                        .map(|(_, part)| *part),
                };
                if let Some(part) = part {
                    found.packages.insert(name.to_owned(), (version.to_owned(), part));
                }
            }
            _ => {}
        }
    }
    found
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// What is installed that boots otherwise than the image, which has these packages.
fn reasons(found: &Found, known: &BTreeMap<String, String>) -> Vec<String> {
    let changed = found
        .packages
        .iter()
        .filter(|(name, (version, _))| known.get(*name) != Some(version));
    changed
        .map(|(name, (version, part))| format!("{name} {version} {part}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "K linux-image-6.1.0-9-amd64\nK gone\nP installed linux-image-6.1.0-9-amd64 6.1.27-1\n\
        P config-files gone 1\nP installed grub2-common 2.06-13\nP installed systemd 252.39-1\nP installed udev 252.38-1\n\
        P installed nano 7\nP installed\nnonsense\nB\n";

    #[test]
    fn what_is_not_as_in_the_image_is_a_reason() {
        let found = read(SAID);
        assert!(found.has_kernel);
        let known = |packages: &[(&str, &str)]| {
            packages
                .iter()
                .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
                .collect()
        };
        let image = known(&[("systemd", "252.38-1"), ("udev", "252.38-1")]);
        assert_eq!(
            reasons(&found, &image),
            [
                "grub2-common 2.06-13 is a boot loader",
                "linux-image-6.1.0-9-amd64 6.1.27-1 has a kernel or modules of one",
                "systemd 252.39-1 is the first process",
            ]
        );
        let same = known(&[
            ("systemd", "252.39-1"),
            ("udev", "252.38-1"),
            ("grub2-common", "2.06-13"),
            ("linux-image-6.1.0-9-amd64", "6.1.27-1"),
        ]);
        assert_eq!(reasons(&found, &same), [""; 0]);
        assert_eq!(reasons(&read(""), &image), [""; 0]);
    }

    /// Oracle: the shell, on this machine's own dpkg.
    #[test]
    fn the_question_can_be_asked() {
        let asked = std::process::Command::new("sh")
            .args(["-c", QUESTION, "sh", "base-files", "no-such-package-*"])
            .output()
            .unwrap();
        assert!(asked.status.success());
        let said = String::from_utf8(asked.stdout).unwrap();
        assert!(
            said.lines().any(|line| line.starts_with("P installed base-files ")),
            "{said}"
        );
        assert_eq!(String::from_utf8(asked.stderr).unwrap(), "");
    }

    #[test]
    fn guests_say_what_they_like() {
        let many = "P installed grub-x 1\n".repeat(3) + &"\n".repeat(MOST_LINES) + "B\n";
        let found = read(&many);
        assert_eq!((found.packages.len(), found.has_kernel), (1, false));
    }

    proptest::proptest! {
        #[test]
        fn fuzz_what_a_testbed_says(said in "([KPB] ?(installed )?[a-z*]{0,8} ?[0-9~]{0,3}\n?|.{0,20}\n)*") {
            let found = read(&said);
            proptest::prop_assert!(found.packages.len() <= said.lines().count());
        }
    }
}
