//! What a ticket's builds leave, in one folder: who made which file. Two sources that make a file of one name are refused
//! before anything is overwritten. It knows names and files, not guests.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use preflight_core::{JobId, Ticket};

/// Beside the files, for each file's name a link that "leads" to the number of the job that made it: made in one step, or
/// not at all.
const CLAIMS: &str = ".made-by";

/// Why a build may not leave its files.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimError {
    /// Another build of the ticket made a file of this name.
    #[error("{name} is made by both {first} and {second}: no archive takes two packages of one name and version")]
    Taken {
        /// The file.
        name: String,
        /// Whose file is there.
        first: String,
        /// Who wants to make it.
        second: String,
    },
    /// The system's.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Makes the names a job's, and removes what earlier attempts of it have left under others. `described` names what a job
/// builds.
pub(super) fn claim(
    folder: &Path,
    job: JobId,
    names: &[String],
    described: impl Fn(Option<JobId>) -> String,
) -> Result<(), ClaimError> {
    let at = |source| ClaimError::Io {
        path: folder.to_owned(),
        source,
    };
    let claims = folder.join(CLAIMS);
    std::fs::create_dir_all(&claims).map_err(at)?;
    remove_others(folder, &claims, job, names).map_err(at)?;
    let mut made = Vec::new();
    for name in names {
        let link = claims.join(name);
        match symlink(job.to_string(), &link) {
            Ok(()) => made.push(link),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let owner = owner(&link).map_err(at)?;
                if owner == Some(job) {
                    continue;
                }
                // What this build does not leave, others may.
                for link in made {
                    std::fs::remove_file(link).map_err(at)?;
                }
                return Err(ClaimError::Taken {
                    name: name.clone(),
                    first: described(owner),
                    second: described(Some(job)),
                });
            }
            Err(error) => return Err(at(error)),
        }
    }
    Ok(())
}

fn owner(link: &Path) -> io::Result<Option<JobId>> {
    let target = std::fs::read_link(link)?;
    Ok(target.to_str().and_then(|number| number.parse().ok()).map(JobId))
}

/// What earlier attempts of the job have made and this one has not.
fn remove_others(folder: &Path, claims: &Path, job: JobId, names: &[String]) -> io::Result<()> {
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    for entry in std::fs::read_dir(claims)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| wanted.contains(name)) || owner(&entry.path())? != Some(job) {
            continue;
        }
        match std::fs::remove_file(folder.join(&name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// The source that a job builds, in words.
pub(super) fn source_of(ticket: &Ticket, job: Option<JobId>) -> String {
    let subticket = job.and_then(|job| ticket.job(job)).and_then(|job| job.subticket);
    let source = subticket.and_then(|id| ticket.subtickets.iter().find(|subticket| subticket.id == id));
    match (source, job) {
        (Some(source), _) => format!("{} {}", source.source, source.version),
        (None, Some(job)) => format!("job {job}"),
        (None, None) => "another build".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(folder: &Path, job: u64, names: &[&str]) -> Result<(), String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let described = |job: Option<JobId>| format!("source {}", job.unwrap_or_default());
        claim(folder, JobId(job), &names, described).map_err(|error| error.to_string())?;
        for name in names {
            std::fs::write(folder.join(name), job.to_string()).unwrap();
        }
        Ok(())
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.is_file());
        let mut files: Vec<String> = files
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                format!("{name} {}", std::fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_name_is_one_sources() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        claimed(folder, 1, &["a_1_all.deb", "old_1_all.deb"]).unwrap();
        let refused = claimed(folder, 2, &["b_1_all.deb", "a_1_all.deb"]).unwrap_err();
        assert_eq!(
            refused,
            "a_1_all.deb is made by both source 1 and source 2: no archive takes two packages of one name and version"
        );
        assert_eq!(files(folder), ["a_1_all.deb 1", "old_1_all.deb 1"]);
        // What the refused one would have left is free.
        claimed(folder, 3, &["b_1_all.deb"]).unwrap();
        // A further attempt takes the place of the one before, whole.
        claimed(folder, 1, &["a_1_all.deb", "new_1_all.deb"]).unwrap();
        assert_eq!(files(folder), ["a_1_all.deb 1", "b_1_all.deb 3", "new_1_all.deb 1"]);
        claimed(folder, 2, &["old_1_all.deb"]).unwrap();
    }
}
