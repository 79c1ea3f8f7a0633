//! The differences that are known, with their reasons: data, in `known.toml`. An entry fits by package, test, runner and
//! what both say; what it leaves out may be anything.

use regex::Regex;
use serde::Deserialize;

use crate::answer::Runner;
use crate::error::DifferentialError;

/// One difference that is known.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    package: Option<String>,
    test: Option<String>,
    against: Option<Runner>,
    ours: Option<Regex>,
    theirs: Option<Regex>,
    /// Why it is so.
    pub(crate) why: String,
}

/// An entry of the file. `ours` and `theirs` are regular expressions for the whole of what is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    package: Option<String>,
    test: Option<String>,
    against: Option<Runner>,
    ours: Option<String>,
    theirs: Option<String>,
    why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    known: Vec<Entry>,
}

impl Known {
    /// Whether it is about this difference.
    pub(crate) fn fits(&self, package: &str, test: &str, against: Runner, ours: &str, theirs: &str) -> bool {
        let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
        let says = |wanted: &Option<Regex>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted.is_match(text));
        is(&self.package, package)
            && is(&self.test, test)
            && self.against.is_none_or(|wanted| wanted == against)
            && says(&self.ours, ours)
            && says(&self.theirs, theirs)
    }
}

/// Those of the file beside this one.
pub(crate) fn all() -> Result<Vec<Known>, DifferentialError> {
    parse(include_str!("known.toml"))
}

/// Reads such a file.
pub(crate) fn parse(text: &str) -> Result<Vec<Known>, DifferentialError> {
    let document: Document = toml::from_str(text).map_err(|error| DifferentialError::malformed("known.toml", error))?;
    document.known.into_iter().map(known).collect()
}

fn known(entry: Entry) -> Result<Known, DifferentialError> {
    let pattern = |text: Option<String>| {
        text.map(|text| Regex::new(&format!("^(?:{text})$")))
            .transpose()
            .map_err(|error| DifferentialError::malformed("known.toml", error))
    };
    if entry.package.is_none() && entry.ours.is_none() && entry.theirs.is_none() {
        return Err(DifferentialError::malformed(
            "known.toml",
            format!("an entry that would explain anything: {}", entry.why),
        ));
    }
    Ok(Known {
        package: entry.package,
        test: entry.test,
        against: entry.against,
        ours: pattern(entry.ours)?,
        theirs: pattern(entry.theirs)?,
        why: entry.why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_well_formed_and_about_packages_of_the_list() {
        let packages = crate::list::all().unwrap();
        for known in all().unwrap() {
            assert!(!known.why.is_empty());
            if let Some(name) = &known.package {
                assert!(
                    packages.iter().any(|package| package.name == *name),
                    "{name} is not in the list"
                );
            }
        }
    }

    #[test]
    fn an_entry_fits_the_whole_of_what_is_said() {
        let text = "[[known]]\npackage = \"p\"\ntest = \"t\"\ntheirs = 'FAIL stderr: .*'\nwhy = \"because\"\n";
        let known = &parse(text).unwrap()[0];
        let table = [
            ("p", "t", "FAIL stderr: warning", true),
            ("p", "t", "FAIL stderr", false),
            ("q", "t", "FAIL stderr: warning", false),
            ("p", "u", "FAIL stderr: warning", false),
            ("p", "t", "", false),
        ];
        for (package, test, theirs, fits) in table {
            assert_eq!(
                known.fits(package, test, Runner::Server, "PASS", theirs),
                fits,
                "{package} {test} {theirs}"
            );
        }
    }

    #[test]
    fn an_entry_that_explains_everything_is_refused() {
        for text in [
            "[[known]]\nwhy = \"whatever\"\n",
            "[[known]]\ntest = \"a\"\nagainst = \"server\"\nwhy = \"whatever\"\n",
            "[[known]]\ntheirs = '('\nwhy = \"x\"\n",
            "[[known]]\npackage = \"p\"\n",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
