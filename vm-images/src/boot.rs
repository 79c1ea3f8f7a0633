//! The kernel's command line for an image: what `/init` must know, and what makes the start quick without changing what
//! a test sees.

use crate::image::BaseImage;

/// How the machine will run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootOptions {
    /// QEMU's own emulation instead of KVM.
    pub emulated: bool,
    /// Let kernel and init talk on the serial console, and a login wait there: for people who look for a fault.
    pub verbose: bool,
}

/// The command line that goes with [`crate::initrd::compose_initrd`].
#[must_use]
pub fn kernel_command_line(image: &BaseImage, options: BootOptions) -> String {
    let console = if image.metadata.architecture.as_str() == "arm64" {
        "ttyAMA0"
    } else {
        "ttyS0"
    };
    let mut words = vec![
        "preflight.root=/dev/vda".to_owned(),
        "preflight.rootfstype=ext4".to_owned(),
        format!("console={console}"),
        // A guest that panics ends, and QEMU tells of it at once.
        "panic=-1".to_owned(),
        "net.ifnames=0".to_owned(),
        // Newer systemd asks the console what it can do, and a serial port that nobody reads never answers.
        "TERM=dumb".to_owned(),
    ];
    if !options.verbose {
        words.extend(["quiet", "systemd.show_status=no", "systemd.getty_auto=no"].map(str::to_owned));
    }
    if options.emulated {
        // An emulated timer that misses a tick while the host is busy is no broken timer.
        words.push("no_timer_check".to_owned());
    }
    words.join(" ")
}

/// The same command line for a machine that boots again: its disk's own kernel runs, where one is installed on it.
#[must_use]
pub fn preferring_own_kernel(line: &str) -> String {
    format!("{line} preflight.kernel=disk")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::tests::metadata;
    use crate::recipe::Variant;

    #[test]
    fn the_root_is_always_named() {
        let metadata = metadata(Variant::Test, "a", jiff::Timestamp::UNIX_EPOCH);
        let image = BaseImage {
            folder: "x".into(),
            metadata,
            size_on_disk: 0,
        };
        let line = kernel_command_line(
            &image,
            BootOptions {
                emulated: true,
                verbose: false,
            },
        );
        for word in [
            "preflight.root=/dev/vda",
            "preflight.rootfstype=ext4",
            "panic=-1",
            "quiet",
            "no_timer_check",
        ] {
            assert!(line.split(' ').any(|had| had == word), "{line}");
        }
        let line = kernel_command_line(
            &image,
            BootOptions {
                emulated: false,
                verbose: true,
            },
        );
        assert!(!line.contains("quiet") && !line.contains("no_timer_check"), "{line}");
    }
}
