//! What a test job is to run: the plan of the source's tests from the control files that the build has kept, or, for a
//! rerun, one test of them, from the owner's edited files where there are some.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use preflight_dep8::control::TestControl;
use preflight_dep8::plan::{Plan, PlanEntry, Setting, plan};
use preflight_dep8::source::SourceControl;

use super::{test_rules, tree};
use crate::executor::{JobContext, StepFailure};

/// The owner's edited files, laid out as in a source tree, for a rerun that has some.
pub(super) fn edited(context: &JobContext) -> Option<PathBuf> {
    let staged = context.order.rerun.as_ref()?.staged.as_ref()?;
    Some(context.order.folder.root().join(staged))
}

/// The plan. The inner error is the package's fault, in words for its owner.
pub(super) fn make(context: &JobContext, architecture: &str) -> Result<Result<Plan, String>, StepFailure> {
    let (staged, edited) = (context.staged()?, edited(context));
    let setting = test_rules::setting(&context.workshop, &context.order.ticket, architecture)?;
    let made = of_files(&staged, edited.as_deref(), &setting);
    Ok(made.and_then(|plan| match &context.order.rerun {
        Some(rerun) => only(plan, &rerun.test),
        None => Ok(plan),
    }))
}

fn of_files(staged: &Path, edited: Option<&Path>, setting: &Setting) -> Result<Plan, String> {
    let control = read("debian/control", edited, &staged.join(tree::CONTROL))?.unwrap_or_default();
    let source = SourceControl::parse(&control).map_err(|error| format!("debian/control: {error}"))?;
    let tests = match read("debian/tests/control", edited, &staged.join(tree::TESTS_CONTROL))? {
        Some(bytes) => Some(TestControl::parse(&bytes).map_err(|error| error.to_string())?),
        None => None,
    };
    plan(tests.as_ref(), &source, setting).map_err(|error| error.to_string())
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
        let plan = of_files(kept.path(), Some(edited.path()), &Setting::of_a_guest("amd64")).unwrap();
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
        let plan = of_files(kept.path(), Some(edited.path()), &Setting::of_a_guest("amd64")).unwrap();
        assert_eq!(names(&plan), ["three"]);
        assert_eq!(plan.runs().next().unwrap().dependencies.to_string(), "s, curl");
    }
}
