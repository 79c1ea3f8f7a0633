//! The folder of criteria: one file a link, `LINK.toml`. It finds and reads them; what they say is another file's matter.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use preflight_core::promotion::{Criteria, LinkName};

use super::criteria_file;
use super::error::CriteriaError;

/// The folder of criteria, below the configuration's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CriteriaFolder(PathBuf);

impl CriteriaFolder {
    /// `config` is the configuration's folder. It need not be there.
    #[must_use]
    pub fn below(config: &Path) -> Self {
        Self(config.join("promotions"))
    }

    /// A link's file, which need not be there.
    #[must_use]
    pub fn file(&self, link: &LinkName) -> PathBuf {
        self.0.join(format!("{link}.toml"))
    }

    /// What a link wants: what its file says, otherwise what is built in. None for a link that has neither.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn criteria(&self, link: &LinkName) -> Result<Option<Criteria>, CriteriaError> {
        let path = self.file(link);
        match std::fs::read_to_string(&path) {
            Ok(text) => criteria_file::parse(&path, &text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Criteria::built_in(link)),
            Err(source) => Err(CriteriaError::Unreadable { path, source }),
        }
    }

    /// The links that have criteria: those that are built in, and those that have a file. Other files are nobody's.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn links(&self) -> Result<BTreeSet<LinkName>, CriteriaError> {
        let mut links: BTreeSet<LinkName> = Criteria::BUILT_IN.iter().flat_map(|name| LinkName::new(name)).collect();
        let unreadable = |source| CriteriaError::Unreadable {
            path: self.0.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(links),
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            let link = name.to_str().and_then(|name| name.strip_suffix(".toml"));
            links.extend(link.and_then(|link| LinkName::new(link).ok()));
        }
        Ok(links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str) -> LinkName {
        LinkName::new(name).unwrap()
    }

    #[test]
    fn a_file_takes_the_place_of_what_is_built_in() {
        let config = tempfile::tempdir().unwrap();
        let folder = CriteriaFolder::below(config.path());
        let names = |folder: &CriteriaFolder| {
            let links = folder.links().unwrap();
            links.into_iter().map(|link| link.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&folder), ["consistent", "current", "tested"]);
        assert_eq!(
            folder.criteria(&link("tested")).unwrap(),
            Criteria::built_in(&link("tested"))
        );
        assert_eq!(folder.criteria(&link("own")).unwrap(), None);

        std::fs::create_dir(config.path().join("promotions")).unwrap();
        for (file, text) in [
            ("tested.toml", "requires = []"),
            ("own.toml", "requires = [{ link = \"tested\" }]"),
            ("own.toml~", "left by an editor"),
            ("No Link.toml", ""),
        ] {
            std::fs::write(config.path().join("promotions").join(file), text).unwrap();
        }
        assert_eq!(names(&folder), ["consistent", "current", "own", "tested"]);
        assert_eq!(folder.criteria(&link("tested")).unwrap(), Some(Criteria::default()));
        assert_eq!(folder.criteria(&link("own")).unwrap().unwrap().requires.len(), 1);

        std::fs::create_dir(folder.file(&link("folder"))).unwrap();
        let error = folder.criteria(&link("folder")).unwrap_err();
        assert!(matches!(error, CriteriaError::Unreadable { .. }), "{error}");
    }
}
