//! One step of what is asked for, judged: which words may be said to apt, and that they do not say two things of one package.

use std::collections::BTreeMap;

use preflight_debian::{Architecture, PackageName, Version};

use crate::executor::Step;

/// Packages that one request may name.
const MOST: usize = 500;

/// Why a step is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// Nothing is asked for.
    #[error("nothing is asked for: the image would be its base")]
    Nothing,
    /// Too much is.
    #[error("more than {MOST} packages are named")]
    TooMany,
    /// A word is none.
    #[error("{0:?} names no package: {1}")]
    Word(String, String),
    /// Two words are of one package.
    #[error("{0} and {1} are of one package")]
    Twice(String, String),
}

/// The package that a word is of: its name, and the architecture where one is said.
pub(super) fn package(word: &str) -> &str {
    word.split('=').next().unwrap_or(word)
}

/// A step, of the words that people use.
///
/// # Errors
/// A word names no package, or two are of one.
pub(crate) fn asked(sources: Vec<String>, add: &[String], remove: &[String]) -> Result<Step, Refused> {
    if add.len() + remove.len() > MOST {
        return Err(Refused::TooMany);
    }
    let mut seen: BTreeMap<&str, String> = BTreeMap::new();
    for (word, sign) in add
        .iter()
        .map(|word| (word, ""))
        .chain(remove.iter().map(|word| (word, "-")))
    {
        judge(word, sign.is_empty())?;
        let said = format!("{sign}{word}");
        let earlier = seen.insert(package(word), said.clone());
        if let Some(earlier) = earlier.filter(|earlier| *earlier != said) {
            return Err(Refused::Twice(earlier, said));
        }
    }
    Ok(Step {
        sources,
        add: add.iter().cloned().collect(),
        remove: remove.iter().cloned().collect(),
    })
}

/// `NAME`, `NAME:ARCHITECTURE`, and either with `=VERSION` where that may be said.
fn judge(word: &str, may_have_version: bool) -> Result<(), Refused> {
    let refused = |why: &dyn std::fmt::Display| {
        let short: String = word.chars().take(80).collect();
        Err(Refused::Word(short, why.to_string()))
    };
    let (package, version) = match word.split_once('=') {
        Some((package, version)) => (package, Some(version)),
        None => (word, None),
    };
    if version.is_some() && !may_have_version {
        return refused(&"what is to go has no version");
    }
    if let Some(Err(error)) = version.map(str::parse::<Version>) {
        return refused(&error);
    }
    let (name, architecture) = match package.split_once(':') {
        Some((name, architecture)) => (name, Some(architecture)),
        None => (package, None),
    };
    if let Some(Err(error)) = architecture.map(str::parse::<Architecture>) {
        return refused(&error);
    }
    if let Err(error) = name.parse::<PackageName>() {
        return refused(&error);
    }
    if name.ends_with('-') {
        // apt would take it for a wish to remove.
        return refused(&"it ends with a dash");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_apt_would_take_for_something_else_is_refused() {
        for good in ["jq", "g++", "libc6:amd64", "hello=2.10-3", "libc6:i386=2.36-9+deb12u9"] {
            assert!(asked(vec![], &words(good), &[]).is_ok(), "{good}");
        }
        for bad in [
            "-o", "--purge", "jq-", "./jq.deb", "jq/sid", "jq=", "Jq", "jq:", "a=b=c", "*", "^jq$",
        ] {
            let refused = asked(vec![], &words(bad), &[]);
            assert!(matches!(refused, Err(Refused::Word(..))), "{bad}: {refused:?}");
        }
        let refused = asked(vec![], &[], &words("nano=7.2-1"));
        assert!(matches!(refused, Err(Refused::Word(..))), "{refused:?}");
        assert!(asked(vec![], &[], &words("nano vim:amd64")).is_ok());
    }

    #[test]
    fn one_package_is_said_one_thing_of() {
        for (add, remove) in [("jq jq=1.6-2", ""), ("jq", "jq"), ("jq=1 jq=2", "")] {
            let refused = asked(vec![], &words(add), &words(remove));
            assert!(
                matches!(refused, Err(Refused::Twice(..))),
                "{add} -{remove}: {refused:?}"
            );
        }
        let step = asked(vec![], &words("bb aa bb"), &words("cc cc")).unwrap();
        assert_eq!(step.add.into_iter().collect::<Vec<_>>(), ["aa", "bb"]);
        let many: Vec<String> = (0..=MOST).map(|number| format!("a{number}")).collect();
        assert_eq!(asked(vec![], &many, &[]), Err(Refused::TooMany));
    }
}
