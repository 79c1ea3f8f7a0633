//! What generated tests will want, as far as it is known before autodep8 has written them: what it writes for each kind of
//! package hardly changes from one package to the next.

/// What the tests of a kind of package are known to want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wants {
    /// Packages by name.
    pub(super) packages: &'static [&'static str],
    /// Whether the source's build dependencies, too.
    pub(super) build_dependencies: bool,
}

/// By the word of `Testsuite`; nothing of a kind that is not known here.
pub(super) fn wants(suite: &str) -> Option<Wants> {
    let (packages, build_dependencies): (&'static [&'static str], bool) =
        match suite.strip_prefix("autopkgtest-pkg-")? {
            "dkms" => (&["dkms", "linux-doc"], false),
            "elpa" => (&[], true),
            "go" => (&["dh-golang"], true),
            "nodejs" => (&["nodejs", "pkg-js-autopkgtest"], true),
            "octave" => (&["dh-octave-autopkgtest", "xauth", "xvfb"], true),
            "perl" => (&["pkg-perl-autopkgtest"], true),
            "pybuild" => (&["pybuild-plugin-autopkgtest"], true),
            "python" => (&["python3-all"], false),
            "r" => (&["pkg-r-autopkgtest"], false),
            "ruby" => (&["gem2deb-test-runner"], true),
            _ => return None,
        };
    Some(Wants {
        packages,
        build_dependencies,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_the_word_of_testsuite() {
        assert!(wants("autopkgtest-pkg-perl").unwrap().build_dependencies);
        assert_eq!(wants("autopkgtest-pkg-python").unwrap().packages, ["python3-all"]);
        assert_eq!(wants("autopkgtest-pkg-cobol"), None);
        assert_eq!(wants("autopkgtest"), None);
    }
}
