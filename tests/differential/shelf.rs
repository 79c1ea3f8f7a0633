//! Where answers are kept from run to run: a file for each package and runner, written whole or not at all.

use std::path::{Path, PathBuf};

use crate::answer::{Answer, Runner};
use crate::error::DifferentialError;

/// The folder of the answers.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// The shelf below a folder.
    pub(crate) fn below(folder: &Path) -> Self {
        Self {
            folder: folder.join("answers"),
        }
    }

    /// What a runner has said of a package; none where it was not asked, or what it said cannot be read any more.
    pub(crate) fn get(&self, package: &str, runner: Runner) -> Option<Answer> {
        let text = std::fs::read_to_string(self.file(package, runner)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps an answer in the place of an earlier one.
    pub(crate) fn put(&self, package: &str, runner: Runner, answer: &Answer) -> Result<(), DifferentialError> {
        let file = self.file(package, runner);
        let name = file.display().to_string();
        let text = serde_json::to_string_pretty(answer).map_err(|error| DifferentialError::malformed(&name, error))?;
        let aside = file.with_extension("new");
        let folder = file.parent().unwrap_or(&self.folder);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&aside, text))
            .and_then(|()| std::fs::rename(&aside, &file))
            .map_err(DifferentialError::io(name))
    }

    fn file(&self, package: &str, runner: Runner) -> PathBuf {
        self.folder.join(package).join(format!("{runner}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_got() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::below(folder.path());
        assert_eq!(shelf.get("hello", Runner::Ours), None);
        let mut answer = Answer {
            version: "2.10-3".to_owned(),
            at: "2026-11-20 19:00".to_owned(),
            seconds: 61,
            with: "autopkgtest 5.28".to_owned(),
            exit_code: 0,
            lines: Vec::new(),
        };
        shelf.put("hello", Runner::Ours, &answer).unwrap();
        answer.exit_code = 4;
        shelf.put("hello", Runner::Ours, &answer).unwrap();
        assert_eq!(shelf.get("hello", Runner::Ours), Some(answer));
        assert_eq!(shelf.get("hello", Runner::Server), None);
        // A format that an earlier program has written counts as nothing.
        std::fs::write(folder.path().join("answers/hello/ours.json"), "{}").unwrap();
        assert_eq!(shelf.get("hello", Runner::Ours), None);
    }
}
