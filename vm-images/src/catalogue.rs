//! All recipes that this installation knows: those that the release brings, and a user's own, which add to them or take
//! their place by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::recipe::{Recipe, RecipeError, RecipeName};

/// The recipes of this release. A user's file overrides one by giving the same distribution and series.
const BUILT_IN: [(&str, &str); 4] = [
    ("debian-bookworm.toml", include_str!("../recipes/debian-bookworm.toml")),
    ("debian-trixie.toml", include_str!("../recipes/debian-trixie.toml")),
    ("debian-sid.toml", include_str!("../recipes/debian-sid.toml")),
    ("ubuntu-noble.toml", include_str!("../recipes/ubuntu-noble.toml")),
];

/// Recipes by name.
#[derive(Debug, Clone)]
pub struct Catalogue {
    recipes: BTreeMap<RecipeName, (Recipe, Option<PathBuf>)>,
}

impl Catalogue {
    /// The release's recipes and those in `folder` (`*.toml`, in order of their names). A folder that does not exist
    /// adds none.
    ///
    /// # Errors
    /// The first recipe that cannot be read or parsed: a recipe that silently falls back would build another image than
    /// its author thinks.
    pub fn load(folder: Option<&Path>) -> Result<Self, RecipeError> {
        let mut recipes = BTreeMap::new();
        for (file, text) in BUILT_IN {
            let recipe = Recipe::parse(Path::new(file), text)?;
            recipes.insert(recipe.name(), (recipe, None));
        }
        for file in folder.map_or_else(|| Ok(Vec::new()), toml_files)? {
            let text = std::fs::read_to_string(&file).map_err(|source| RecipeError::Unreadable {
                file: file.clone(),
                source,
            })?;
            let recipe = Recipe::parse(&file, &text)?;
            recipes.insert(recipe.name(), (recipe, Some(file)));
        }
        Ok(Self { recipes })
    }

    /// All recipes in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Recipe> {
        self.recipes.values().map(|(recipe, _)| recipe)
    }

    /// The user's file from which a recipe came; none for the release's own.
    #[must_use]
    pub fn file_of(&self, name: &RecipeName) -> Option<&Path> {
        self.recipes.get(name)?.1.as_deref()
    }

    /// The recipe for a name (`debian-sid`), a series (`sid`) or an alias (`unstable`).
    ///
    /// # Errors
    /// [`RecipeError::Unknown`] lists what there is; [`RecipeError::Ambiguous`] when two distributions share the name.
    pub fn find(&self, name: &str) -> Result<&Recipe, RecipeError> {
        let matching: Vec<&Recipe> = self.iter().filter(|recipe| recipe.answers_to(name)).collect();
        // A full name or a series beats an alias: `stable` of one recipe must not hide a series of that name.
        let exact = matching
            .iter()
            .find(|recipe| recipe.name().as_str() == name)
            .or_else(|| {
                let mut series = matching.iter().filter(|recipe| recipe.series.as_str() == name);
                series.next().filter(|_| series.next().is_none())
            });
        match (exact, matching.as_slice()) {
            (Some(recipe), _) | (None, [recipe]) => Ok(recipe),
            (None, []) => Err(RecipeError::Unknown {
                name: name.to_owned(),
                known: join(self.iter()),
            }),
            (None, _) => Err(RecipeError::Ambiguous {
                name: name.to_owned(),
                candidates: join(matching.iter().copied()),
            }),
        }
    }
}

fn join<'a>(recipes: impl Iterator<Item = &'a Recipe>) -> String {
    recipes
        .map(|recipe| recipe.name().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, RecipeError> {
    let unreadable = |source| RecipeError::Unreadable {
        file: folder.to_owned(),
        source,
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn names_series_and_aliases_find_their_recipe() {
        let catalogue = Catalogue::load(None).unwrap();
        for (asked, expected) in [
            ("debian-bookworm", "debian-bookworm"),
            ("bookworm", "debian-bookworm"),
            ("unstable", "debian-sid"),
            ("noble", "ubuntu-noble"),
            ("stable", "debian-trixie"),
        ] {
            assert_eq!(catalogue.find(asked).unwrap().name().as_str(), expected);
        }
        let error = catalogue.find("potato").unwrap_err().to_string();
        assert!(
            error.contains("debian-bookworm, debian-sid, debian-trixie, ubuntu-noble"),
            "{error}"
        );
    }

    #[test]
    fn a_users_recipe_overrides_and_adds() {
        let folder = tempfile::tempdir().unwrap();
        let text = BUILT_IN[0].1;
        std::fs::write(
            folder.path().join("a.toml"),
            text.replace("memory_mib = 2048", "memory_mib = 4096"),
        )
        .unwrap();
        let mine = text.replace("distribution = \"debian\"", "distribution = \"mine\"");
        std::fs::write(folder.path().join("b.toml"), mine).unwrap();
        std::fs::write(folder.path().join("README"), "no recipe").unwrap();
        let catalogue = Catalogue::load(Some(folder.path())).unwrap();
        assert_eq!(catalogue.find("debian-bookworm").unwrap().memory_mib, 4096);
        assert_eq!(catalogue.iter().count(), 5);
        assert!(matches!(catalogue.find("bookworm"), Err(RecipeError::Ambiguous { .. })));
        let overridden = catalogue.find("debian-bookworm").unwrap().name();
        assert_eq!(
            catalogue.file_of(&overridden),
            Some(folder.path().join("a.toml").as_path())
        );
    }

    #[test]
    fn a_broken_recipe_is_an_error_and_a_missing_folder_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Catalogue::load(Some(&folder.path().join("none"))).is_ok());
        std::fs::write(folder.path().join("x.toml"), "format = 1\nseries = 3\n").unwrap();
        let error = Catalogue::load(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("x.toml") && error.contains("line 2"), "{error}");
    }
}
