//! Which tests of a package run on a testbed of given capabilities, which are skipped and why, and what has to be
//! installed for each. Pure: no file, no machine. The order is autopkgtest's: skips first, then tests as written.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use crate::{
    arch,
    control::{InvalidControl, Runs, Stanza, TestControl},
    dependency::Dependencies,
    dialect::Dialect,
    name::TestName,
    outcome::{Reason, TestResult},
    restriction::{Restriction, Restrictions},
    source::SourceControl,
};

/// What a testbed can do, in the words of the virtualisation-server protocol, and `has_internet`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<String>);

impl Capabilities {
    /// The word for a network that leads out of the testbed. No virtualisation server says it: autopkgtest adds it where its
    /// user wants tests to run that need the internet.
    pub const INTERNET: &str = "has_internet";

    /// What our guests can do: a machine of its own for each test, thrown away afterwards, with root, no network and
    /// (so far) no restart.
    #[must_use]
    pub fn of_a_guest() -> Self {
        [
            "isolation-machine",
            "reboot",
            "revert",
            "revert-full-system",
            "root-on-testbed",
        ]
        .into_iter()
        .collect()
    }

    /// The same, and this one.
    #[must_use]
    pub fn with(mut self, capability: &str) -> Self {
        self.0.insert(capability.to_owned());
        self
    }

    /// Whether it has this one.
    #[must_use]
    pub fn has(&self, capability: &str) -> bool {
        self.0.contains(capability)
    }
}

impl<'a> FromIterator<&'a str> for Capabilities {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        Self(words.into_iter().map(str::to_owned).collect())
    }
}

/// Where tests are to run, and by whose rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What the testbed can do.
    pub capabilities: Capabilities,
    /// The testbed's architecture (`dpkg --print-architecture`).
    pub architecture: String,
    /// The autopkgtest whose rules they are.
    pub dialect: Dialect,
}

impl Setting {
    /// A guest of an architecture, by the newest rules.
    #[must_use]
    pub fn of_a_guest(architecture: &str) -> Self {
        Self {
            capabilities: Capabilities::of_a_guest(),
            architecture: architecture.to_owned(),
            dialect: Dialect::NEWEST,
        }
    }
}

/// What a test executes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Executes {
    /// A file, relative to the source tree.
    File(String),
    /// A command for `bash -ec`.
    Command(String),
}

/// A test that is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTest {
    /// Its name; two tests of a package may share one.
    pub name: TestName,
    /// What it executes.
    pub executes: Executes,
    /// Its restrictions, all known and all met.
    pub restrictions: Restrictions,
    /// What has to be installed, for `apt-get satisfy`.
    pub dependencies: Dependencies,
    /// Binary packages of the source itself among them: of each group one has to be installed by itself, not by
    /// another package that provides it.
    pub own_packages: Vec<Vec<String>>,
}

impl PlannedTest {
    /// Whether it has a restriction.
    #[must_use]
    pub fn is(&self, restriction: Restriction) -> bool {
        self.restrictions.contains(&restriction)
    }

    /// Whether the built source tree is needed.
    #[must_use]
    pub fn needs_build(&self) -> bool {
        self.is(Restriction::BuildNeeded)
    }
}

/// One test of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanEntry {
    /// Run it.
    Run(Box<PlannedTest>),
    /// Do not, but report this.
    Skip(TestResult),
}

/// What to do with a package's tests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Skips first, then the tests in order. Never empty: a package without tests has the skip `*`.
    pub entries: Vec<PlanEntry>,
    /// Something for the reader of the log, such as where the tests come from.
    pub note: Option<String>,
}

impl Plan {
    /// The tests that run.
    pub fn runs(&self) -> impl Iterator<Item = &PlannedTest> {
        self.entries.iter().filter_map(|entry| match entry {
            PlanEntry::Run(test) => Some(&**test),
            PlanEntry::Skip(_) => None,
        })
    }

    /// The results that are known without running anything.
    pub fn skips(&self) -> impl Iterator<Item = &TestResult> {
        self.entries.iter().filter_map(|entry| match entry {
            PlanEntry::Skip(result) => Some(result),
            PlanEntry::Run(_) => None,
        })
    }
}

/// Decides what to do with a package's tests. `control` is `None` when the package has no `debian/tests/control`, and none
/// was generated.
///
/// # Errors
/// When the package's dependencies or names are wrong, so that the whole package is erroneous.
pub fn plan(control: Option<&TestControl>, source: &SourceControl, setting: &Setting) -> Result<Plan, InvalidControl> {
    let mut skips = Vec::new();
    let mut tests = Vec::new();
    let mut commands = 0;
    for stanza in control.map(|control| control.stanzas.as_slice()).unwrap_or_default() {
        let (dependencies, own_packages) = expand(stanza, source, setting)?;
        let named: Vec<(String, Executes)> = match &stanza.runs {
            Runs::Tests { directory, names } => names
                .iter()
                .map(|name| (name.clone(), Executes::File(in_directory(directory, name))))
                .collect(),
            Runs::Command { command, name } => {
                let name = name.clone().unwrap_or_else(|| {
                    commands += 1;
                    format!("command{commands}")
                });
                vec![(name, Executes::Command(command.clone()))]
            }
        };
        for (name, executes) in named {
            match fits(&name, stanza, setting) {
                Ok((name, restrictions)) => tests.push(PlanEntry::Run(Box::new(PlannedTest {
                    name,
                    executes,
                    restrictions,
                    dependencies: dependencies.clone(),
                    own_packages: own_packages.clone(),
                }))),
                Err(why) => skips.push(PlanEntry::Skip(TestResult::skipped(name, Reason::Unsupported(why)))),
            }
        }
    }
    skips.extend(tests);
    if skips.is_empty() {
        skips.push(PlanEntry::Skip(TestResult::no_tests()));
    }
    Ok(Plan {
        entries: skips,
        note: None,
    })
}

/// As Python joins paths: what is said of a test that is missing shows this one.
fn in_directory(directory: &str, name: &str) -> String {
    match directory.is_empty() || directory.ends_with('/') {
        true => format!("{directory}{name}"),
        false => format!("{directory}/{name}"),
    }
}

/// The name and restrictions of a test that fits the testbed, or autopkgtest's words for why it does not.
fn fits(name: &str, stanza: &Stanza, setting: &Setting) -> Result<(TestName, Restrictions), String> {
    if let Some(field) = stanza.unknown_fields.first() {
        return Err(format!("unknown field {field}"));
    }
    if !stanza.architectures.is_empty() && !setting.dialect.has_architectures() {
        return Err("unknown field Architecture".to_owned());
    }
    architecture_fits(&stanza.architectures, &setting.architecture)?;
    let name = TestName::new(name).map_err(|error| error.to_string())?;
    let mut restrictions = Restrictions::new();
    for word in &stanza.restrictions {
        let known = Restriction::from_word(word).filter(|restriction| setting.dialect.knows(*restriction));
        restrictions.insert(known.ok_or_else(|| format!("unknown restriction {word}"))?);
    }
    for restriction in &restrictions {
        let needed = restriction.needs_one_of();
        if !needed.is_empty() && !needed.iter().any(|capability| setting.capabilities.has(capability)) {
            let quoted: Vec<String> = needed.iter().map(|capability| format!("\"{capability}\"")).collect();
            return Err(format!(
                "Test restriction \"{restriction}\" requires testbed capability {}",
                quoted.join(" and/or ")
            ));
        }
    }
    Ok((name, restrictions))
}

fn architecture_fits(list: &[String], architecture: &str) -> Result<(), String> {
    if list.iter().any(|word| word == "all") {
        return Err("Arch 'all' not allowed in Architecture field".to_owned());
    }
    let (negated, listed): (Vec<&str>, Vec<&str>) =
        list.iter().map(String::as_str).partition(|word| word.starts_with('!'));
    if negated.iter().any(|word| arch::matches(architecture, &word[1..])) {
        return Err(format!("Test declares architecture as not supported: {architecture}"));
    }
    if !negated.is_empty() && !listed.is_empty() {
        return Err(
            "It is not permitted for some archs to be prepended by an exclamation mark while others aren't".to_owned(),
        );
    }
    if !listed.is_empty() && !listed.iter().any(|word| arch::matches(architecture, word)) {
        return Err(format!(
            "Test lists explicitly supported architectures, but the current architecture {architecture} isn't listed."
        ));
    }
    Ok(())
}

/// What autopkgtest takes for a dependency in a test's `Depends`: stricter than Policy, no build profiles.
static TEST_DEPENDENCY: LazyLock<Regex> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "a constant pattern that every test of this module compiles"
    )]
    Regex::new(r"^[a-z0-9+.-]+(:[a-z0-9_-]+)?\s*(\((<<|<=|>=|=|>>)\s*[^)]*\))?(\s*\[[a-z0-9+.! -]+\])?$")
        .expect("a valid pattern")
});

/// Expands `@`, `@builddeps@` and `@recommends@`, and reduces the whole to the architecture.
fn expand(
    stanza: &Stanza,
    source: &SourceControl,
    setting: &Setting,
) -> Result<(Dependencies, Vec<Vec<String>>), InvalidControl> {
    let architecture = setting.architecture.as_str();
    let mut all = Dependencies::default();
    let mut own_packages = Vec::new();
    let parse = |test: &str, text: &str, what: &str| {
        Dependencies::parse(text).map_err(|error| InvalidControl::new(test, format!("{what}: {error}")))
    };
    for entry in stanza
        .depends
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        match entry {
            "@" => {
                for binary in &source.binaries {
                    let here = binary
                        .architectures
                        .iter()
                        .any(|word| word == "all" || arch::matches(architecture, word));
                    if here {
                        all.extend(parse("source", &binary.name, "Invalid package name")?);
                        own_packages.push(vec![binary.name.clone()]);
                    }
                }
            }
            "@builddeps@" => {
                all.extend(parse("source", &source.build_depends, "Invalid build dependencies")?);
                all.extend(parse("source", "build-essential", "Invalid build dependencies")?);
            }
            "@recommends@" => all.extend(parse("source", &source.recommends, "Invalid Recommends")?),
            entry => {
                for alternative in entry.split('|').map(str::trim) {
                    if !TEST_DEPENDENCY.is_match(alternative) {
                        return Err(InvalidControl::new(
                            stanza.label(),
                            format!("Test Depends field contains an invalid dependency `{alternative}'"),
                        ));
                    }
                }
                let dependencies = Dependencies::parse(entry).map_err(|error| {
                    InvalidControl::new(
                        stanza.label(),
                        format!(
                            "Test Depends field contains dependency `{}' with an invalid version",
                            error.0
                        ),
                    )
                })?;
                let is_own = |package: &str| source.binaries.iter().any(|binary| binary.name == package);
                for group in dependencies.entries() {
                    let here = group.iter().filter(|one| one.concerns(architecture));
                    let here: Vec<String> = here.map(|one| one.package.clone()).collect();
                    if group.iter().all(|one| is_own(&one.package)) && !here.is_empty() {
                        own_packages.push(here);
                    }
                }
                all.extend(dependencies);
            }
        }
    }
    let restrictions = stanza
        .restrictions
        .iter()
        .filter_map(|word| Restriction::from_word(word));
    for package in restrictions.flat_map(|restriction| setting.dialect.needs(restriction)) {
        let implied = parse(stanza.label(), package, "Test Depends field contains an")?;
        let is_there = all.entries().any(|entry| implied.entries().any(|other| other == entry));
        if !is_there {
            all.extend(implied);
        }
    }
    Ok((all.reduced(architecture), own_packages))
}

#[cfg(test)]
mod tests;
