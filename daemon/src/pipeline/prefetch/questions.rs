//! What apt is asked so that it names all that checks of packages and sources will fetch. Pure: what a source needs is read
//! from its control files, before anything of it is built.

use std::collections::BTreeSet;

use preflight_debian::PackageName;
use preflight_dep8::arch;
use preflight_dep8::control::TestControl;
use preflight_dep8::dependency::{Alternative, Dependencies};
use preflight_dep8::plan::{Plan, PlannedTest, Setting, plan};
use preflight_dep8::source::{BinaryPackage, SourceControl};

use super::super::generated_tests;
use super::generated;

/// Where a source's control files are put for apt to read, below a folder of the question's own.
const FOLDER: &str = "/run/preflight-prefetch";

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// What for, in words.
    pub(super) about: String,
    /// `apt-get`'s arguments.
    pub(super) words: Vec<String>,
    /// Files that they name.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// What is asked in its place where apt cannot do that. Where there is nothing, what it is about is missing.
    pub(super) otherwise: Vec<Question>,
}

impl Question {
    fn new(about: impl Into<String>, words: &[&str]) -> Self {
        Self {
            about: about.into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            files: Vec::new(),
            otherwise: Vec::new(),
        }
    }

    fn satisfy(about: impl Into<String>, entries: &[String]) -> Self {
        Self::new(about, &["satisfy", &entries.join(", ")])
    }
}

/// What installing packages fetches: of all together, as one would install them, else of each.
pub(super) fn packages(names: &[String]) -> Vec<Question> {
    let install = |names: &[&str]| Question::new(names.join(", "), &[&["install"], names].concat());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names[..] {
        [] => Vec::new(),
        [one] => vec![install(&[one])],
        _ => vec![Question {
            otherwise: names.iter().map(|name| install(&[name])).collect(),
            ..install(&names)
        }],
    }
}

/// A source, as far as its control files tell.
#[derive(Debug)]
pub(super) struct Known {
    name: String,
    version: String,
    file: Vec<u8>,
    control: SourceControl,
    tests: Option<Plan>,
}

impl Known {
    /// Reads a source's `debian/control` and `debian/tests/control`.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub(super) fn read(
        name: &str,
        version: &str,
        file: Vec<u8>,
        tests: Option<&[u8]>,
        setting: &Setting,
    ) -> Result<Self, String> {
        let control = SourceControl::parse(&file).map_err(|error| format!("debian/control: {error}"))?;
        let tests = tests.map(TestControl::parse).transpose();
        let tests = tests.map_err(|error| format!("debian/tests/control: {error}"))?;
        let tests = plan(tests.as_ref(), &control, setting);
        Ok(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            tests: Some(tests.map_err(|error| format!("debian/tests/control: {error}"))?),
            file,
            control,
        })
    }

    fn built(&self, architecture: &str) -> impl Iterator<Item = &BinaryPackage> {
        let concerns = move |binary: &&BinaryPackage| {
            let words = &binary.architectures;
            words.iter().any(|word| word == "all") || arch::list_concerns(words, architecture)
        };
        self.control.binaries.iter().filter(concerns)
    }

    fn tests(&self) -> impl Iterator<Item = &PlannedTest> {
        self.tests.iter().flat_map(Plan::runs)
    }

    fn words(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// The packages that sources build.
pub(super) fn own(sources: &[Known], architecture: &str) -> Vec<PackageName> {
    let names = sources.iter().flat_map(|source| source.built(architecture));
    names.filter_map(|binary| binary.name.parse().ok()).collect()
}

/// All names by which packages of the sources can be depended on.
fn own_names(sources: &[Known], architecture: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for binary in sources.iter().flat_map(|source| source.built(architecture)) {
        names.insert(binary.name.clone());
        let provided = reduced(&binary.provides, architecture);
        names.extend(provided.entries().flatten().map(|one| one.package.clone()));
    }
    names
}

/// What building the sources fetches.
pub(super) fn builds(sources: &[Known], architecture: &str) -> Vec<Question> {
    let own = own_names(sources, architecture);
    let question = |(place, source): (usize, &Known)| build_dependencies(source, place, &own, architecture);
    let mut questions: Vec<Question> = sources.iter().enumerate().map(question).collect();
    // It writes tests where the source is unpacked.
    let generated = sources
        .iter()
        .filter(|source| source.control.generated_testsuite().is_some());
    questions.extend(generated.map(|source| {
        let about = format!("autodep8, which writes tests of {}", source.words());
        Question::new(about, &[&["install"], &generated_tests::PACKAGES[..]].concat())
    }));
    questions
}

/// What generated tests of a source are known to want.
fn of_generated(source: &Known, known: &[String], own: &BTreeSet<String>, architecture: &str) -> Option<Question> {
    let wants = generated::wants(source.control.generated_testsuite()?)?;
    let mut needs: Vec<String> = wants.packages.iter().map(|name| (*name).to_owned()).collect();
    if wants.build_dependencies {
        needs.extend(foreign(&source.control.build_depends, own, architecture));
        needs.push("build-essential".to_owned());
    }
    let about = format!("what generated tests of {} depend on", source.words());
    let alone = Question::satisfy(about.clone(), &needs);
    Some(match known.is_empty() {
        true => alone,
        false => Question {
            otherwise: vec![alone],
            ..Question::satisfy(about, &[known, &needs].concat())
        },
    })
}

/// The source's own control file says it; where apt finds it lacking, it is asked without what the sources build themselves.
fn build_dependencies(source: &Known, place: usize, own: &BTreeSet<String>, architecture: &str) -> Question {
    let of_control = |folder: &str, about: String, control: Vec<u8>| {
        let folder = format!("{FOLDER}/{folder}-{place}");
        Question {
            files: vec![(format!("{folder}/debian/control"), control)],
            ..Question::new(about, &["build-dep", &folder])
        }
    };
    let about = format!("the build dependencies of {}", source.words());
    let (all, others) = (
        entries(&source.control.build_depends, architecture),
        foreign(&source.control.build_depends, own, architecture),
    );
    let otherwise = (others.len() < all.len()).then(|| {
        let control = format!("Source: {}\nBuild-Depends: {}\n", source.name, others.join(", "));
        let about = format!("{about} without what is built with it");
        of_control("others", about, control.into_bytes())
    });
    Question {
        otherwise: otherwise.into_iter().collect(),
        ..of_control("source", about, source.file.clone())
    }
}

/// What installing and testing the sources' packages fetches. `in_archive` are those of them of which the archive has a
/// version: its dependencies are the best guess of what the build will add to the package's.
pub(super) fn testing(sources: &[Known], in_archive: &[String], architecture: &str) -> Vec<Question> {
    let own = own_names(sources, architecture);
    let mut questions = Vec::new();
    for (place, source) in sources.iter().enumerate() {
        let built: Vec<&BinaryPackage> = source.built(architecture).collect();
        let known: Vec<String> = built
            .iter()
            .flat_map(|binary| foreign(&binary.depends, &own, architecture))
            .collect();
        let archived = built.iter().map(|binary| binary.name.clone());
        let archived: Vec<String> = archived.filter(|name| in_archive.contains(name)).collect();
        let about = format!("what the packages of {} depend on", source.words());
        let with_known = |more: &[String]| [known.as_slice(), more].concat();
        if !archived.is_empty() {
            let otherwise = (!known.is_empty()).then(|| Question::satisfy(about.clone(), &known));
            questions.push(Question {
                otherwise: otherwise.into_iter().collect(),
                ..Question::satisfy(format!("{about}, and did in the archive"), &with_known(&archived))
            });
        } else if !known.is_empty() {
            questions.push(Question::satisfy(about, &known));
        }
        let mut asked = BTreeSet::new();
        for test in source.tests() {
            let needs = not_of(&test.dependencies, &own);
            if needs.is_empty() || !asked.insert(needs.join(", ")) {
                continue;
            }
            let about = format!("what the test {} of {} depends on", test.name, source.words());
            let alone = Question::satisfy(about.clone(), &needs);
            questions.push(match known.is_empty() {
                true => alone,
                false => Question {
                    otherwise: vec![alone],
                    ..Question::satisfy(about, &with_known(&needs))
                },
            });
        }
        questions.extend(of_generated(source, &known, &own, architecture));
        if source.tests().any(PlannedTest::needs_build) {
            questions.push(build_dependencies(source, place, &own, architecture));
        }
    }
    questions
}

/// What nobody can know before the sources are built, for their owner.
pub(super) fn unknown(sources: &[Known], in_archive: &[String], architecture: &str) -> Vec<String> {
    let mut notes = Vec::new();
    for source in sources {
        let is_new = |binary: &&BinaryPackage| {
            !binary.architectures.iter().any(|word| word == "all") && !in_archive.contains(&binary.name)
        };
        let new: Vec<&str> = source
            .built(architecture)
            .filter(is_new)
            .map(|binary| binary.name.as_str())
            .filter(|name| name.parse::<PackageName>().is_ok())
            .collect();
        if !new.is_empty() {
            notes.push(format!(
                "{}: the archive has no {}: what the build adds to its dependencies is known only then",
                source.words(),
                new.join(", ")
            ));
        }
        if let Some(suite) = source.control.generated_testsuite() {
            notes.push(format!(
                "{}: autodep8 writes its tests ({suite}): all that they want is known only then",
                source.words()
            ));
        }
    }
    notes
}

/// The entries of a dependency field that concern the architecture. What cannot be read is left out: it would keep apt from
/// all else.
fn reduced(field: &str, architecture: &str) -> Dependencies {
    let mut all = Dependencies::default();
    for entry in field.split(',') {
        if let Ok(read) = Dependencies::parse(entry) {
            all.extend(read.reduced(architecture));
        }
    }
    all
}

fn entries(field: &str, architecture: &str) -> Vec<String> {
    not_of(&reduced(field, architecture), &BTreeSet::new())
}

/// The entries that no package of the sources' own can satisfy.
fn foreign(field: &str, own: &BTreeSet<String>, architecture: &str) -> Vec<String> {
    not_of(&reduced(field, architecture), own)
}

fn not_of(dependencies: &Dependencies, own: &BTreeSet<String>) -> Vec<String> {
    let is_foreign = |entry: &&[Alternative]| !entry.iter().any(|one| own.contains(&one.package));
    let words = |entry: &[Alternative]| {
        let alternatives: Vec<String> = entry.iter().map(ToString::to_string).collect();
        alternatives.join(" | ")
    };
    dependencies.entries().filter(is_foreign).map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROL: &[u8] = b"Source: greet\nBuild-Depends: debhelper-compat (= 13), libgreet-dev, hello [arm64], help2man <!nocheck>\n\n\
        Package: greet\nArchitecture: any\nDepends: ${shlibs:Depends}, greet-data (= ${source:Version}), cowsay | fortune\n\n\
        Package: greet-data\nArchitecture: all\nDepends: ${misc:Depends}\nProvides: greetings (= 2), ${x}\n\n\
        Package: greet-arm\nArchitecture: arm64\nDepends: nothing-for-amd64\n";
    const LIBRARY: &[u8] = b"Source: libgreet\nBuild-Depends: cmake\n\nPackage: libgreet-dev\nArchitecture: any\n";
    const TESTS: &[u8] = b"Tests: one\nDepends: @, curl, greetings\n\nTests: two\nDepends: curl, @\n\nTests: three\nDepends: wget\nRestrictions: build-needed\n";

    fn known(name: &str, control: &[u8], tests: Option<&[u8]>) -> Known {
        Known::read(name, "1", control.to_vec(), tests, &Setting::of_a_guest("amd64")).unwrap()
    }

    fn words(question: &Question) -> String {
        question.words.join(" ")
    }

    #[test]
    fn packages_are_asked_for_together_and_else_one_by_one() {
        assert!(packages(&[]).is_empty());
        let one = packages(&["a".to_owned()]);
        assert_eq!((words(&one[0]).as_str(), one[0].otherwise.len()), ("install a", 0));
        let two = packages(&["a".to_owned(), "b=1".to_owned()]);
        assert_eq!(words(&two[0]), "install a b=1");
        let each: Vec<String> = two[0].otherwise.iter().map(words).collect();
        assert_eq!(each, ["install a", "install b=1"]);
    }

    #[test]
    fn builds_are_asked_for_as_they_are_and_else_without_what_the_others_build() {
        let sources = [known("libgreet", LIBRARY, None), known("greet", CONTROL, None)];
        let questions = builds(&sources, "amd64");
        assert_eq!(questions.len(), 2);
        assert_eq!(words(&questions[0]), "build-dep /run/preflight-prefetch/source-0");
        assert!(questions[0].otherwise.is_empty());
        assert_eq!(questions[1].files[0].1, CONTROL);
        let without = &questions[1].otherwise[0];
        assert_eq!(words(without), "build-dep /run/preflight-prefetch/others-1");
        assert_eq!(without.files[0].0, "/run/preflight-prefetch/others-1/debian/control");
        assert_eq!(
            String::from_utf8_lossy(&without.files[0].1),
            "Source: greet\nBuild-Depends: debhelper-compat (= 13), help2man\n"
        );
    }

    #[test]
    fn tests_are_asked_for_without_what_is_still_to_be_built() {
        let sources = [known("greet", CONTROL, Some(TESTS))];
        let asked = testing(&sources, &["greet".to_owned()], "amd64");
        let asked: Vec<(String, Vec<String>)> = asked
            .iter()
            .map(|question| (words(question), question.otherwise.iter().map(words).collect()))
            .collect();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            asked,
            [
                (
                    text("satisfy cowsay | fortune, greet"),
                    vec![text("satisfy cowsay | fortune")]
                ),
                (text("satisfy cowsay | fortune, curl"), vec![text("satisfy curl")]),
                (text("satisfy cowsay | fortune, wget"), vec![text("satisfy wget")]),
                (text("build-dep /run/preflight-prefetch/source-0"), vec![]),
            ]
        );
    }

    #[test]
    fn generated_tests_are_asked_for_as_far_as_they_are_known() {
        let control = [b"Testsuite: autopkgtest-pkg-perl\n", CONTROL].concat();
        let sources = [known("greet", &control, None)];
        let builds: Vec<String> = builds(&sources, "amd64").iter().map(words).collect();
        assert_eq!(builds[1..], ["install autodep8 dctrl-tools"]);
        let asked: Vec<String> = testing(&sources, &[], "amd64").iter().map(words).collect();
        assert_eq!(
            asked[1..],
            [
                "satisfy cowsay | fortune, pkg-perl-autopkgtest, debhelper-compat (= 13), libgreet-dev, help2man, build-essential"
            ]
        );
        assert!(unknown(&sources, &["greet".to_owned()], "amd64")[0].contains("autopkgtest-pkg-perl"));
    }

    #[test]
    fn what_a_build_adds_is_unknown_where_the_archive_cannot_tell() {
        let sources = [known("greet", CONTROL, None)];
        assert_eq!(unknown(&sources, &["greet".to_owned()], "amd64"), Vec::<String>::new());
        let notes = unknown(&sources, &[], "amd64");
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("greet 1: the archive has no greet:"), "{notes:?}");
    }

    #[test]
    fn control_files_that_cannot_be_read_are_told_of() {
        let read = |control: &[u8], tests: Option<&[u8]>| {
            Known::read("s", "1", control.to_vec(), tests, &Setting::of_a_guest("amd64"))
        };
        assert!(read(b"Source: \xff", None).is_err());
        assert!(read(CONTROL, Some(b"Depends: one")).is_err());
    }
}
