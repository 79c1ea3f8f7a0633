//! What a test job is to run: the plan of the source's tests from the control files that the build has kept, or, for a
//! rerun, one test of them, from the owner's edited files where there are some.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use preflight_dep8::control::TestControl;
use preflight_dep8::log;
use preflight_dep8::plan::{Plan, PlanEntry, PlannedTest, Setting, plan};
use preflight_dep8::source::SourceControl;

use super::{generated_tests, test_rules, tree};
use crate::executor::{JobContext, StepFailure};

/// So much of a generated control file is shown.
const MOST_LINES: usize = 200;

/// The owner's edited files, laid out as in a source tree, for a rerun that has some.
pub(super) fn edited(context: &JobContext) -> Option<PathBuf> {
    let staged = context.order.rerun.as_ref()?.staged.as_ref()?;
    Some(context.order.folder.root().join(staged))
}

/// The plan. The inner error is the package's fault, in words for its owner.
pub(super) fn make(context: &JobContext, architecture: &str) -> Result<Result<Plan, String>, StepFailure> {
    let (staged, edited) = (context.staged()?, edited(context));
    let setting = test_rules::setting(&context.workshop, &context.order.ticket, architecture)?;
    let made = match &context.order.rerun {
        Some(rerun) => of_one(&staged, edited.as_deref(), &setting, &rerun.test),
        None => of_files(&staged, edited.as_deref(), &setting),
    };
    if let Ok(Planned { generated, .. }) = &made {
        for line in generated {
            context.log.say(&format!("preflight: {line}"));
        }
    }
    Ok(made.map(|planned| planned.plan))
}

/// Whether a test of the source wants its built tree. What is wrong with its control files is said when they are tested.
pub(super) fn wants_build(context: &JobContext, architecture: &str) -> Result<bool, StepFailure> {
    let setting = test_rules::setting(&context.workshop, &context.order.ticket, architecture)?;
    let planned = of_files(&context.staged()?, None, &setting);
    Ok(planned.is_ok_and(|planned| planned.plan.runs().any(PlannedTest::needs_build)))
}

/// A plan, and where its tests come from where that is not the source alone: lines for the log.
struct Planned {
    plan: Plan,
    generated: Vec<String>,
}

/// What the plan has for one test. One that autodep8 has written is in no file that anybody could have edited.
fn of_one(staged: &Path, edited: Option<&Path>, setting: &Setting, test: &str) -> Result<Planned, String> {
    let narrowed = |planned: Planned| {
        let plan = only(planned.plan, test)?;
        Ok(Planned { plan, ..planned })
    };
    let found = of_files(staged, edited, setting).and_then(narrowed);
    match (found, edited) {
        (Err(why), Some(_)) => of_files(staged, None, setting).and_then(narrowed).map_err(|_| why),
        (found, _) => found,
    }
}

fn of_files(staged: &Path, edited: Option<&Path>, setting: &Setting) -> Result<Planned, String> {
    let control = read("debian/control", edited, &staged.join(tree::CONTROL))?.unwrap_or_default();
    let source = SourceControl::parse(&control).map_err(|error| format!("debian/control: {error}"))?;
    let text = read("debian/tests/control", edited, &staged.join(tree::TESTS_CONTROL))?;
    let tests = match &text {
        Some(bytes) => Some(TestControl::parse(bytes).map_err(|error| error.to_string())?),
        None => None,
    };
    let mut plan = plan(tests.as_ref(), &source, setting).map_err(|error| error.to_string())?;
    let mut generated = Vec::new();
    match text
        .as_deref()
        .and_then(|text| Some((text, generated_tests::note(text)?)))
    {
        Some((text, note)) if note.is_written => {
            let text = String::from_utf8_lossy(text);
            generated.extend(text.lines().take(MOST_LINES).map(log::harmless));
        }
        Some((_, note)) => plan.note = Some(note.says),
        None => {}
    }
    Ok(Planned { plan, generated })
}

/// A control file: the edited one, or the one that was kept. None where there is neither.
fn read(name: &str, edited: Option<&Path>, kept: &Path) -> Result<Option<Vec<u8>>, String> {
    let edited = edited.map(|folder| folder.join(name));
    for file in edited.as_deref().into_iter().chain([kept]) {
        match std::fs::read(file) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    Ok(None)
}

/// What the plan has for one test.
fn only(plan: Plan, test: &str) -> Result<Plan, String> {
    let entries: Vec<PlanEntry> = plan
        .entries
        .into_iter()
        .filter(|entry| match entry {
            PlanEntry::Run(planned) => planned.name.as_str() == test,
            PlanEntry::Skip(result) => result.name == test,
        })
        .collect();
    if entries.is_empty() {
        return Err(format!("the source has no test {test}"));
    }
    Ok(Plan { entries, ..plan })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plan: &Plan) -> Vec<String> {
        let name = |entry: &PlanEntry| match entry {
            PlanEntry::Run(test) => test.name.to_string(),
            PlanEntry::Skip(result) => format!("-{}", result.name),
        };
        plan.entries.iter().map(name).collect()
    }

    #[test]
    fn edited_control_files_take_the_place_of_those_that_were_kept() {
        let (kept, edited) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(
            kept.path().join(tree::CONTROL),
            "Source: s\n\nPackage: s\nArchitecture: all\n",
        )
        .unwrap();
        std::fs::write(
            kept.path().join(tree::TESTS_CONTROL),
            "Tests: one two\n\nTests: net\nRestrictions: needs-internet\n",
        )
        .unwrap();
        let setting = Setting::of_a_guest("amd64");
        let of = |edited: Option<&Path>| of_files(kept.path(), edited, &setting).map(|planned| planned.plan);
        let plan = of(Some(edited.path())).unwrap();
        assert_eq!(names(&plan), ["-net", "one", "two"]);
        assert_eq!(names(&only(plan.clone(), "two").unwrap()), ["two"]);
        assert_eq!(names(&only(plan.clone(), "net").unwrap()), ["-net"]);
        assert_eq!(only(plan, "three").unwrap_err(), "the source has no test three");

        std::fs::create_dir_all(edited.path().join("debian/tests")).unwrap();
        std::fs::write(
            edited.path().join("debian/tests/control"),
            "Tests: three\nDepends: @, curl\n",
        )
        .unwrap();
        let plan = of(Some(edited.path())).unwrap();
        assert_eq!(names(&plan), ["three"]);
        assert_eq!(plan.runs().next().unwrap().dependencies.to_string(), "s, curl");
        let one = |test: &str| of_one(kept.path(), Some(edited.path()), &setting, test).map(|one| names(&one.plan));
        assert_eq!(one("three").unwrap(), ["three"]);
        assert_eq!(one("two").unwrap(), ["two"], "as it was kept");
        assert_eq!(one("four").unwrap_err(), "the source has no test four");
    }

    #[test]
    fn a_plan_says_where_its_tests_come_from() {
        let kept = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(kept.path().join(name), text).unwrap();
        write(tree::CONTROL, "Source: s\nTestsuite: autopkgtest-pkg-go\n");
        let planned = || of_files(kept.path(), None, &Setting::of_a_guest("amd64")).unwrap();
        write(
            tree::TESTS_CONTROL,
            "# preflight: autodep8 0.28 wrote this (autopkgtest-pkg-go)\nTest-Command: a\nFeatures: test-name=go\nDepends:\n",
        );
        let generated = planned();
        assert_eq!(names(&generated.plan), ["go"]);
        assert_eq!((generated.generated.len(), generated.plan.note), (4, None));
        write(
            tree::TESTS_CONTROL,
            "# preflight: autopkgtest-pkg-go is asked for, but why not\n",
        );
        let missing = planned();
        assert_eq!(names(&missing.plan), ["-*"]);
        assert_eq!(
            missing.plan.note.as_deref(),
            Some("autopkgtest-pkg-go is asked for, but why not")
        );
    }
}
