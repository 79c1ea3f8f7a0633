//! Tests that nobody has written: where `debian/control` asks for them (`Testsuite: autopkgtest-pkg-…`), the series' own
//! autodep8 writes their control file, in the testbed in which the source was unpacked. What their plan means is the dep8
//! room's matter.
//!
//! autodep8 is never installed: its package, and the one that it depends on, are unpacked into a folder that is gone before
//! anything else happens, so that a build finds what it would find without. It costs two small files and about two seconds of an
//! emulated machine, and it is done for each build anew, so that each build's lock names what it takes. A testbed of its own
//! would have to boot, or to be cloned, for the same.

use std::path::Path;

use preflight_dep8::log;
use preflight_dep8::source::SourceControl;
use preflight_guest::{Exec, GuestError};

use super::apt;
use super::tree::{CONTROL, LARGEST_CONTROL, TESTS_CONTROL, TREE};
use crate::executor::{JobContext, Ran, StepFailure, Testbed};

/// Where autodep8 is unpacked.
const FOLDER: &str = "/var/tmp/preflight-autodep8";
/// What it consists of.
pub(super) const PACKAGES: [&str; 2] = ["autodep8", "dctrl-tools"];

/// How a kept control file begins that autodep8 has written, or should have. To a test control file it is a comment.
const MARK: &str = "# preflight: ";
/// What follows where there are generated tests.
const WRITER: &str = "autodep8 ";

/// Where a staged source asks for generated tests, has their control file take the place of the one that was kept: it begins
/// with what people wrote. Where there is no autodep8 to be had for the series, there are no generated tests, as with autopkgtest.
pub(super) async fn write(context: &JobContext, testbed: &Testbed, staged: &Path) -> Result<(), StepFailure> {
    let Some(suite) = asked_for(staged)? else {
        return Ok(());
    };
    context.phase("generating tests", None);
    let written = in_testbed(context, testbed).await;
    let remove = Exec::new(["rm", "-rf", FOLDER]);
    testbed.must("removing autodep8", remove).await?;
    let (says, text) = match written? {
        Written::Text { version, text } => (format!("{WRITER}{version} wrote this ({suite})"), Some(text)),
        Written::Nothing(why) => (format!("{suite} is asked for, but {why}"), None),
    };
    context.log.say(&format!("preflight: {says}"));
    let file = staged.join(TESTS_CONTROL);
    let cannot = |error: std::io::Error| StepFailure::Testbed(format!("{}: {error}", file.display()));
    let text = match text {
        Some(text) => text,
        None if !file.exists() => Vec::new(),
        None => std::fs::read(&file).map_err(cannot)?,
    };
    let content = [format!("{MARK}{}\n", log::harmless(&says)).as_bytes(), &text].concat();
    // The kept file is shared with whoever has the same source: it is replaced, never written to.
    let draft = tempfile::NamedTempFile::new_in(staged).map_err(cannot)?;
    std::fs::write(draft.path(), content).map_err(cannot)?;
    draft.persist(&file).map_err(|error| cannot(error.error))?;
    Ok(())
}

/// What is known of a kept control file that is not only people's work.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Who wrote it, or why nobody did.
    pub(super) says: String,
    /// Whether there are generated tests.
    pub(super) is_written: bool,
}

/// What is known of a kept control file; nothing of one that people wrote.
pub(super) fn note(control: &[u8]) -> Option<Note> {
    let line = control.split(|&byte| byte == b'\n').next()?;
    let said = line.strip_prefix(MARK.as_bytes())?;
    let says = log::harmless(&String::from_utf8_lossy(said));
    Some(Note {
        is_written: says.starts_with(WRITER),
        says,
    })
}

/// Whether a staged source asks for generated tests that it has not been given.
pub(super) fn are_wanting(staged: &Path) -> Result<bool, StepFailure> {
    let file = staged.join(TESTS_CONTROL);
    let control = match std::fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        read => read.map_err(|error| StepFailure::Testbed(format!("{}: {error}", file.display())))?,
    };
    Ok(note(&control).is_none() && asked_for(staged)?.is_some())
}

/// Whether a staged source asks for generated tests, and by which word.
fn asked_for(staged: &Path) -> Result<Option<String>, StepFailure> {
    let file = staged.join(CONTROL);
    let control = std::fs::read(&file).map_err(|error| StepFailure::Testbed(format!("{}: {error}", file.display())))?;
    // What is wrong with it is said when tests are planned from it.
    let source = SourceControl::parse(&control).unwrap_or_default();
    Ok(source.generated_testsuite().map(log::harmless))
}

/// What came of it.
enum Written {
    /// A control file.
    Text { version: String, text: Vec<u8> },
    /// None, for a reason that is nobody's failure.
    Nothing(String),
}

async fn in_testbed(context: &JobContext, testbed: &Testbed) -> Result<Written, StepFailure> {
    let workshop = &context.workshop;
    let user = testbed.image().user();
    let make = Exec::new(["install", "-d", FOLDER]);
    testbed.must("making a folder for autodep8", make).await?;
    let download = ["download", "-o", "APT::Sandbox::User=root"]
        .into_iter()
        .chain(PACKAGES);
    let fetch = apt::apt_get(download).cwd(FOLDER);
    let ran = testbed.run(fetch, workshop.limit(|limits| limits.install)).await?;
    if !ran.is_success() {
        return match apt::blame(testbed, "fetching autodep8", ran) {
            StepFailure::Package { .. } => Ok(Written::Nothing("the archive has no autodep8".to_owned())),
            failure => Err(failure),
        };
    }
    // The user's shell may write where it stands, and nowhere else.
    let unpack = format!(
        "for package in *.deb; do dpkg-deb --extract \"$package\" root; done; \
         dpkg-deb --field autodep8_*.deb Version; install -d -o {user} out"
    );
    let unpack = Exec::new(["sh", "-ec", &unpack]).cwd(FOLDER);
    let said = testbed.must("unpacking autodep8", unpack).await?;
    let version: String = String::from_utf8_lossy(&said).trim().chars().take(40).collect();
    let script = format!("PATH=\"{FOLDER}/root/usr/bin:$PATH\" exec autodep8 >{FOLDER}/out/control");
    let run = Exec::new(["sh", "-c", &script])
        .user(user)
        .cwd(TREE)
        .env("LC_ALL", "C.UTF-8")
        .kill_leftovers();
    match testbed.run(run, workshop.limit(|limits| limits.short)).await? {
        ran if ran.is_success() => {}
        Ran::TimedOut => return Ok(Written::Nothing("autodep8 took too long".to_owned())),
        Ran::Ended(_) => return Ok(Written::Nothing("autodep8 found nothing to test".to_owned())),
    }
    let reading = async {
        let file = format!("{FOLDER}/out/control");
        match testbed.guest.read_bytes(file, LARGEST_CONTROL).await {
            Err(GuestError::Refused(failure)) => Ok(Err(failure.detail)),
            other => other.map(Ok),
        }
    };
    match testbed.attend("reading generated tests", reading).await? {
        Ok(text) => Ok(Written::Text { version, text }),
        Err(why) => Ok(Written::Nothing(format!("what autodep8 wrote cannot be read: {why}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_the_first_line_of_what_was_generated() {
        let said = |text: &str| note(text.as_bytes()).map(|note| (note.says, note.is_written));
        assert_eq!(
            said("# preflight: autodep8 0.28 wrote this (autopkgtest-pkg-perl)\nTests: a\n"),
            Some(("autodep8 0.28 wrote this (autopkgtest-pkg-perl)".to_owned(), true))
        );
        assert_eq!(
            said("# preflight: autopkgtest-pkg-go is asked for, but \u{1b}[2J\n")
                .map(|(says, written)| (says.contains('\u{1b}'), written)),
            Some((false, false))
        );
        assert_eq!(said("Tests: a\n# preflight: no\n"), None);
        assert_eq!(said(""), None);
    }

    #[test]
    fn the_source_stanza_asks() {
        let asked = |control: &str| {
            let staged = tempfile::tempdir().unwrap();
            std::fs::write(staged.path().join(CONTROL), control).unwrap();
            asked_for(staged.path()).unwrap()
        };
        for (control, suite) in [
            (
                "Source: a\nTestsuite: autopkgtest-pkg-perl\n",
                Some("autopkgtest-pkg-perl"),
            ),
            (
                "Source: a\nTestsuite: autopkgtest, autopkgtest-pkg-r\n",
                Some("autopkgtest-pkg-r"),
            ),
            (
                "Source: a\nXS-Testsuite: autopkgtest-pkg-go\n",
                Some("autopkgtest-pkg-go"),
            ),
            ("Source: a\nTestsuite: autopkgtest\n", None),
            ("Source: a\n\nPackage: b\nTestsuite: autopkgtest-pkg-perl\n", None),
            ("", None),
        ] {
            assert_eq!(asked(control).as_deref(), suite, "{control}");
        }
    }
}
