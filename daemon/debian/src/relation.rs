//! Relation fields (deb-control(5)): reduced to what ordering builds and writing indices need, the names with their
//! alternatives and architecture limits. The syntax is `debian-control`'s business.

use debian_control::lossy::Relations;

use crate::name::PackageName;

/// One way to satisfy a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative {
    /// The package, real or virtual.
    pub name: PackageName,
    /// The relation as text, with version, architectures and profiles.
    pub text: String,
    /// The architectures of `[…]`, negations as written; empty where there is no limit.
    pub architectures: Vec<String>,
    /// Whether `<…>` limits it to some build profiles.
    pub has_profiles: bool,
}

/// Alternatives, one of which must be satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// In order of preference.
    pub alternatives: Vec<Alternative>,
}

/// Parses a relation field's value without substitution variables.
pub fn dependencies(value: &str) -> Result<Vec<Dependency>, String> {
    // debhelper's and others' control files end lists with a comma, which dpkg accepts.
    let value = value
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let parsed: Relations = value.parse()?;
    let one = |relation: &debian_control::lossy::Relation| {
        let name = relation
            .name
            .parse()
            .map_err(|error: crate::NameError| error.to_string())?;
        Ok(Alternative {
            name,
            text: relation.to_string(),
            architectures: relation.architectures.clone().unwrap_or_default(),
            has_profiles: !relation.profiles.is_empty(),
        })
    };
    parsed
        .iter()
        .map(|group| {
            Ok(Dependency {
                alternatives: group.into_iter().map(one).collect::<Result<_, String>>()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_alternatives_and_limits() {
        let parsed = dependencies(
            "debhelper-compat (= 13), gcc-12 [amd64 i386] | clang,\n python3:any <!nocheck>, libfoo-dev (>= 1.0~) [!hurd-any] <cross>,",
        )
        .unwrap();
        let names: Vec<Vec<&str>> = parsed
            .iter()
            .map(|d| d.alternatives.iter().map(|a| a.name.as_str()).collect())
            .collect();
        assert_eq!(
            names,
            [
                vec!["debhelper-compat"],
                vec!["gcc-12", "clang"],
                vec!["python3"],
                vec!["libfoo-dev"]
            ]
        );
        assert_eq!(parsed[1].alternatives[0].architectures, ["amd64", "i386"]);
        assert!(parsed[2].alternatives[0].has_profiles);
        assert_eq!(dependencies("").unwrap(), []);
    }

    #[test]
    fn nonsense_is_an_error() {
        for bad in ["a b", "foo (>=", "foo (>= 1", "FOO", "foo | ", "../x"] {
            assert!(dependencies(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9 ,|()<>=!\\[\\]:.~-]{0,60}") {
            let _ = dependencies(&text);
        }
    }
}
