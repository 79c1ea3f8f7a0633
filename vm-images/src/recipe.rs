//! What a base image is made of, as data: the words of a recipe file and what each may hold. Knows neither mirrors nor
//! tools; a recipe names kinds of mirrors, never hosts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::word::{PackageName, ProgramVersion, SuiteName, UnitName, UserName, Word};

/// The version of the recipe file's format that this release reads.
pub const RECIPE_FORMAT: u32 = 1;

/// A recipe file, parsed and checked. Unknown keys are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The file's format version; see [`RECIPE_FORMAT`].
    pub format: u32,
    /// `debian`, `ubuntu`, or a user's own.
    pub distribution: Word,
    /// The codename, as in the archive's `dists/`.
    pub series: SuiteName,
    /// Other names by which changelogs call this series (`unstable`).
    #[serde(default)]
    pub aliases: Vec<Word>,
    /// Files on the host that hold the archive's keys; the first that exists is used.
    pub keyrings: Vec<PathBuf>,
    /// The package that brings them, for the hint when none exists.
    pub keyring_package: PackageName,
    /// Memory that a testbed of this series gets when nobody says otherwise, in MiB.
    pub memory_mib: u32,
    /// Size of the root file system in GiB; the file is sparse.
    pub disk_gib: u32,
    /// Which suites come from which kind of mirror.
    #[serde(rename = "archive")]
    pub archives: Vec<RecipeArchive>,
    /// The suites beside the release, by the names that people give them. An image is the same whatever stands here, and so
    /// is its name.
    #[serde(default, skip_serializing)]
    pub pockets: RecipePockets,
    /// The kernel's package by Debian architecture.
    pub kernel: BTreeMap<Word, PackageName>,
    /// Packages beside the required ones.
    pub packages: RecipePackages,
    /// The unprivileged user of builds and tests.
    pub user: RecipeUser,
    /// What the init must not start.
    #[serde(default)]
    pub units: RecipeUnits,
    /// The version of autopkgtest by whose rules the series' packages are tested; the newest that is known where it is
    /// missing. An image is the same whatever stands here, and so is its name.
    #[serde(default, skip_serializing)]
    pub autopkgtest: Option<ProgramVersion>,
}

/// Suites that are read from one kind of mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeArchive {
    /// Which mirror serves them.
    pub mirror: MirrorKind,
    /// Which other mirror serves them too, when no host is known for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub else_mirror: Option<MirrorKind>,
    /// Suites and pockets, the release first.
    pub suites: Vec<SuiteName>,
    /// `main`, `universe` and so on.
    pub components: Vec<Word>,
}

/// The suites beside the release: those of `archive`, which every image has, and those that one asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipePockets {
    /// Updates of the release.
    pub updates: Option<RecipePocket>,
    /// Security updates.
    pub security: Option<RecipePocket>,
    /// What is to become an update.
    pub proposed: Option<RecipePocket>,
    /// Newer versions, built for the release.
    pub backports: Option<RecipePocket>,
    /// What is not meant for a release yet.
    pub experimental: Option<RecipePocket>,
}

/// A suite beside the release. Where `archive` has it, too, that says where it is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipePocket {
    /// Its name in the archive's `dists/`.
    pub suite: SuiteName,
    /// Which mirror serves it.
    #[serde(default)]
    pub mirror: MirrorKind,
    /// Its components; where there are none, those that are read from that mirror anyway.
    #[serde(default)]
    pub components: Vec<Word>,
}

impl RecipePockets {
    /// Those that there are, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &RecipePocket)> {
        let all = [
            ("updates", &self.updates),
            ("security", &self.security),
            ("proposed", &self.proposed),
            ("backports", &self.backports),
            ("experimental", &self.experimental),
        ];
        all.into_iter()
            .filter_map(|(name, pocket)| Some((name, pocket.as_ref()?)))
    }

    /// A pocket.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RecipePocket> {
        self.iter().find(|(known, _)| *known == name).map(|(_, pocket)| pocket)
    }
}

/// The kinds of mirrors; hosts are bound to them at run time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MirrorKind {
    /// The distribution's main archive.
    #[default]
    Archive,
    /// Its security archive.
    Security,
}

impl fmt::Display for MirrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Archive => "archive",
            Self::Security => "security",
        })
    }
}

/// Packages by variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipePackages {
    /// In every image, beside the required packages.
    pub test: Vec<PackageName>,
    /// In the build variant only.
    pub build: Vec<PackageName>,
}

/// The unprivileged user that every image has. It is in no special group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeUser {
    /// Login name.
    pub name: UserName,
    /// User and group id.
    pub uid: u32,
}

/// What the init must not start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeUnits {
    /// Masked by a link to /dev/null.
    #[serde(default)]
    pub masked: Vec<UnitName>,
}

/// The two images that one recipe gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Pristine and minimal: tests run here.
    Test,
    /// The same and the tools that every package build needs.
    Build,
}

impl Variant {
    /// Both, in the order in which they are built.
    pub const ALL: [Self; 2] = [Self::Test, Self::Build];
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test => "test",
            Self::Build => "build",
        })
    }
}

impl std::str::FromStr for Variant {
    type Err = RecipeError;

    fn from_str(text: &str) -> Result<Self, RecipeError> {
        Self::ALL
            .into_iter()
            .find(|variant| variant.to_string() == text)
            .ok_or_else(|| RecipeError::UnknownVariant { name: text.to_owned() })
    }
}

/// `<distribution>-<series>`: how people name a recipe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipeName(String);

impl RecipeName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecipeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a recipe cannot be used. The text names file, line and field.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("cannot read the recipe {file}: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no TOML, has an unknown key, or a value that its field cannot hold.
    #[error("{file}: {detail}")]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The parser's words, with line and field.
        detail: Box<toml::de::Error>,
    },
    /// A value is well formed and makes no sense.
    #[error("{file}: field `{field}`: {reason}")]
    Field {
        /// The file.
        file: PathBuf,
        /// The field, with dots for tables.
        field: &'static str,
        /// What is wrong, and what is expected.
        reason: String,
    },
    /// No recipe has that name, series or alias.
    #[error("there is no recipe for `{name}`; known are: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// All names, with commas.
        known: String,
    },
    /// Several distributions use that series or alias.
    #[error("`{name}` is ambiguous; say one of: {candidates}")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// The recipes that match.
        candidates: String,
    },
    /// Neither `test` nor `build`.
    #[error("there is no image variant `{name}`; there are `test` and `build`")]
    UnknownVariant {
        /// What was asked for.
        name: String,
    },
}

impl Recipe {
    /// Parses and checks a recipe. `file` is only for error messages.
    ///
    /// # Errors
    /// [`RecipeError::Syntax`] with line and field, or [`RecipeError::Field`].
    pub fn parse(file: &std::path::Path, text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|detail| RecipeError::Syntax {
            file: file.to_owned(),
            detail: Box::new(detail),
        })?;
        recipe.check().map_err(|(field, reason)| {
            let line = line_of(text, field).map_or_else(String::new, |line| format!("line {line}: "));
            RecipeError::Field {
                file: file.to_owned(),
                field,
                reason: format!("{line}{reason}"),
            }
        })?;
        Ok(recipe)
    }

    /// The name under which the recipe is listed.
    #[must_use]
    pub fn name(&self) -> RecipeName {
        RecipeName(format!("{}-{}", self.distribution, self.series))
    }

    /// Every name that means this recipe.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        self.name().as_str() == name
            || self.series.as_str() == name
            || self.aliases.iter().any(|alias| alias.as_str() == name)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.format != RECIPE_FORMAT {
            return Err((
                "format",
                format!("{} is not {RECIPE_FORMAT}, which this release reads", self.format),
            ));
        }
        if self.keyrings.is_empty() {
            return Err((
                "keyrings",
                "at least one file is needed, or packages could not be trusted".to_owned(),
            ));
        }
        if let Some(odd) = self.keyrings.iter().find(|path| !is_plain_path(path)) {
            let rule = "an absolute path of letters, digits and `/._+-` is expected, as apt's sources can hold it";
            return Err(("keyrings", format!("{}: {rule}", odd.display())));
        }
        if !(256..=1 << 20).contains(&self.memory_mib) {
            return Err((
                "memory_mib",
                format!("{} MiB; expected 256 to 1048576", self.memory_mib),
            ));
        }
        if !(2..=4096).contains(&self.disk_gib) {
            return Err(("disk_gib", format!("{} GiB; expected 2 to 4096", self.disk_gib)));
        }
        if !(1000..60000).contains(&self.user.uid) {
            return Err(("uid", format!("{}; expected 1000 to 59999", self.user.uid)));
        }
        if self.kernel.is_empty() {
            return Err((
                "kernel",
                "a kernel package is needed for at least one architecture".to_owned(),
            ));
        }
        if !self
            .archives
            .iter()
            .any(|archive| archive.mirror == MirrorKind::Archive)
        {
            return Err(("archive", "one with mirror = \"archive\" is needed".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for archive in &self.archives {
            if archive.suites.is_empty() {
                return Err(("suites", "may not be empty".to_owned()));
            }
            if archive.components.is_empty() {
                return Err(("components", "may not be empty".to_owned()));
            }
            if let Some(twice) = archive.suites.iter().find(|suite| !seen.insert(suite.as_str())) {
                return Err(("suites", format!("`{twice}` is named twice")));
            }
        }
        for (name, pocket) in self.pockets.iter() {
            if pocket.suite == self.series {
                return Err((name, format!("`{}` is the release, no pocket of it", pocket.suite)));
            }
            if !self.archives.iter().any(|archive| archive.mirror == pocket.mirror) {
                let reason = format!("no [[archive]] is read from the {} mirror", pocket.mirror);
                return Err((name, reason));
            }
        }
        if !seen.contains(self.series.as_str()) {
            return Err(("suites", format!("the series `{}` itself is in none", self.series)));
        }
        Ok(())
    }
}

fn is_plain_path(path: &std::path::Path) -> bool {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte))
    };
    path.is_absolute() && path.to_str().is_some_and(plain)
}

/// The line on which a key is first set, counted from 1.
fn line_of(text: &str, field: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            let line = line.trim_start().trim_start_matches('[');
            line.strip_prefix(field)
                .is_some_and(|rest| rest.trim_start().starts_with(['=', ']']))
        })
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const GOOD: &str = include_str!("../recipes/debian-bookworm.toml");

    fn error_of(text: &str) -> String {
        Recipe::parse(Path::new("mine.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_file_line_and_field() {
        for (from, to, expected) in [
            (
                "disk_gib = 20",
                "disk_gib = 20\ncolour = 3",
                &["mine.toml", "line 10", "colour"][..],
            ),
            (
                "disk_gib = 20",
                "disk_gib = 1",
                &["mine.toml", "line 9", "disk_gib", "expected 2"],
            ),
            (
                "disk_gib = 20",
                "disk_gib = \"big\"",
                &["mine.toml", "line 9", "disk_gib", "u32"],
            ),
            (
                "\"kmod\"",
                "\"kmod; rm -rf /\"",
                &["mine.toml", "line 38", "test = ", "kmod; rm", "package name"],
            ),
            ("uid = 1000", "uid = 0", &["mine.toml", "uid", "expected 1000"]),
            ("format = 1", "format = 2", &["mine.toml", "line 2", "format"]),
            ("mirror = \"security\"", "mirror = \"moon\"", &["mine.toml", "moon"]),
            ("\"bookworm-updates\"", "\"bookworm\"", &["mine.toml", "twice"]),
            (
                "proposed = { suite",
                "propsed = { suite",
                &["mine.toml", "line 28", "propsed", "backports"],
            ),
            (
                "suite = \"bookworm-backports\"",
                "suite = \"bookworm\"",
                &["mine.toml", "line 29", "backports", "is the release"],
            ),
            (
                "proposed-updates\" }",
                "proposed-updates\", mirror = \"moon\" }",
                &["mine.toml", "line 28", "moon"],
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = error_of(&GOOD.replacen(from, to, 1));
            for word in expected {
                assert!(error.contains(word), "{error:?} lacks {word:?}");
            }
        }
    }

    #[test]
    fn pockets_are_known_by_name_and_a_recipe_need_have_none() {
        let recipe = |text: &str| Recipe::parse(Path::new("mine.toml"), text).unwrap();
        let pockets = recipe(GOOD).pockets;
        assert_eq!(
            pockets.get("proposed").map(|pocket| pocket.suite.as_str()),
            Some("bookworm-proposed-updates")
        );
        assert_eq!(pockets.get("experimental"), None);
        assert_eq!(
            pockets.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["updates", "security", "proposed", "backports"]
        );
        let without: String = GOOD
            .split_inclusive('\n')
            .filter(|line| !line.contains("[pockets]") && !line.contains(" = { suite"))
            .collect();
        assert_eq!(recipe(&without).pockets, RecipePockets::default());
    }

    #[test]
    fn a_variant_reads_what_it_writes() {
        for variant in Variant::ALL {
            assert_eq!(variant.to_string().parse::<Variant>().unwrap(), variant);
        }
        assert!("pristine".parse::<Variant>().is_err());
    }
}
