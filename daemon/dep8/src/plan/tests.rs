//! Control files, and what is planned for them.

use pretty_assertions::assert_eq;

use super::*;

const SOURCE: &[u8] =
    b"Source: s\nBuild-Depends: debhelper-compat (= 13), check <!nocheck>, strace [linux-any], odd [hurd-any]\n\n\
    Package: s\nArchitecture: any\nRecommends: bash-completion\n\nPackage: s-data\nArchitecture: all\n\n\
    Package: s-arm\nArchitecture: arm64\n\nPackage: s-udeb\nPackage-Type: udeb\nArchitecture: any\n";

fn planned(text: &str) -> Result<Plan, InvalidControl> {
    let control = TestControl::parse(text.as_bytes()).unwrap();
    plan(
        Some(&control),
        &SourceControl::parse(SOURCE).unwrap(),
        &Setting::of_a_guest("amd64"),
    )
}

fn depends(field: &str) -> String {
    planned(&format!("Tests: a\nDepends: {field}\n"))
        .unwrap()
        .runs()
        .next()
        .unwrap()
        .dependencies
        .to_string()
}

#[test]
fn dependencies_are_expanded_and_reduced() {
    assert_eq!(depends("@"), "s, s-data");
    assert_eq!(
        depends("@, curl [linux-any] | wget, nothing [arm64],"),
        "s, s-data, curl | wget"
    );
    assert_eq!(
        depends("@builddeps@"),
        "debhelper-compat (= 13), check, strace, build-essential"
    );
    assert_eq!(
        depends("s (>= 1) | s-data, @recommends@"),
        "s (>= 1) | s-data, bash-completion"
    );
    assert_eq!(depends(""), "");
    assert_eq!(depends("python3:any, gcc:native"), "python3:any, gcc");
    let plan = planned("Tests: a\n\nTests: b\nDepends: s | s-data, s | curl\n").unwrap();
    let own: Vec<_> = plan.runs().map(|test| test.own_packages.clone()).collect();
    assert_eq!(
        own,
        [
            vec![vec!["s".to_owned()], vec!["s-data".into()]],
            vec![vec!["s".into(), "s-data".into()]]
        ]
    );
}

#[test]
fn wrong_dependencies_are_an_erroneous_package() {
    for (field, shown) in [
        ("foo bar", "foo bar"),
        ("@ | foo", "@"),
        ("foo <!nocheck>", "foo <!nocheck>"),
    ] {
        let expected = InvalidControl::new(
            "a",
            format!("Test Depends field contains an invalid dependency `{shown}'"),
        );
        assert_eq!(planned(&format!("Tests: a b\nDepends: {field}\n")), Err(expected));
    }
    assert!(planned("Tests: a\nDepends: foo (>= 1_0)\n").is_err());
}

#[test]
fn skips_have_autopkgtests_words() {
    for (fields, words) in [
        ("X-Foo: 1", "unknown field X-foo"),
        ("Restrictions: superficial frobnicate", "unknown restriction frobnicate"),
        (
            "Restrictions: hint-testsuite-triggers",
            "unknown restriction hint-testsuite-triggers",
        ),
        (
            "Restrictions: needs-internet",
            "Test restriction \"needs-internet\" requires testbed capability \"has_internet\"",
        ),
        (
            "Architecture: arm64 hurd-any",
            "Test lists explicitly supported architectures, but the current architecture amd64 isn't listed.",
        ),
        (
            "Architecture: !any-amd64",
            "Test declares architecture as not supported: amd64",
        ),
        ("Architecture: all", "Arch 'all' not allowed in Architecture field"),
    ] {
        let plan = planned(&format!("Tests: a\nDepends:\n{fields}\n")).unwrap();
        assert_eq!(
            plan.entries,
            [PlanEntry::Skip(TestResult::skipped(
                "a",
                Reason::Unsupported(words.into())
            ))]
        );
    }
    let source = SourceControl::default();
    let control = TestControl::parse(b"Tests: a\nDepends:\nRestrictions: isolation-container\n").unwrap();
    let setting = Setting {
        capabilities: [].into_iter().collect(),
        ..Setting::of_a_guest("amd64")
    };
    let plan = plan(Some(&control), &source, &setting).unwrap();
    assert_eq!(
        plan.skips().next().unwrap().to_string(),
        "a                    SKIP Test restriction \"isolation-container\" requires testbed capability \
         \"isolation-container\" and/or \"isolation-machine\""
    );
}

#[test]
fn order_and_names() {
    let plan = planned(
        "Tests: one sub/two\nDepends:\n\nTest-Command: a\nDepends:\n\nTest-Command: b\nDepends:\nFeatures: test-name=named\n\n\
         Test-Command: c\nDepends:\nX: y\n\nTest-Command: d\nDepends:\nArchitecture: any\n",
    )
    .unwrap();
    let names: Vec<_> = plan
        .entries
        .iter()
        .map(|entry| match entry {
            PlanEntry::Skip(result) => format!("-{}", result.name),
            PlanEntry::Run(test) => test.name.to_string(),
        })
        .collect();
    assert_eq!(names, ["-sub/two", "-command2", "one", "command1", "named", "command3"]);
}

#[test]
fn a_package_without_tests_says_so() {
    let source = SourceControl::parse(b"Source: s\nTestsuite: autopkgtest-pkg-perl\n").unwrap();
    let plan = plan(None, &source, &Setting::of_a_guest("amd64")).unwrap();
    assert_eq!(plan.entries, [PlanEntry::Skip(TestResult::no_tests())]);
}

/// What each version of autopkgtest would run, and what it would install for it.
#[test]
fn versions_differ_in_what_they_know() {
    let control = "Tests: sudo\nDepends: passwd\nRestrictions: needs-sudo\n\n\
        Tests: net\nDepends:\nRestrictions: needs-internet\n\n\
        Tests: foreign\nDepends:\nRestrictions: skip-foreign-architecture\n\n\
        Tests: here\nDepends:\nArchitecture: any\n";
    let control = TestControl::parse(control.as_bytes()).unwrap();
    for (version, skipped, sudo) in [
        ("5.12", &["sudo", "net", "foreign", "here"][..], None),
        ("5.25", &["sudo", "foreign"], None),
        ("5.28", &["foreign"], Some("passwd, sudo")),
        ("5.49", &[], Some("passwd, sudo")),
        ("6.0", &[], Some("passwd, sudo")),
    ] {
        let setting = Setting {
            capabilities: Capabilities::of_a_guest().with(Capabilities::INTERNET),
            dialect: version.parse().unwrap(),
            ..Setting::of_a_guest("amd64")
        };
        let plan = plan(Some(&control), &SourceControl::default(), &setting).unwrap();
        let names: Vec<_> = plan.skips().map(|result| result.name.as_str()).collect();
        assert_eq!(names, skipped, "{version}");
        let first = plan.runs().find(|test| test.name.as_str() == "sudo");
        assert_eq!(
            first.map(|test| test.dependencies.to_string()).as_deref(),
            sudo,
            "{version}"
        );
    }
}

#[test]
fn sudo_is_installed_once() {
    assert_eq!(
        planned("Tests: a\nDepends: sudo, curl\nRestrictions: needs-sudo\n")
            .unwrap()
            .runs()
            .next()
            .unwrap()
            .dependencies
            .to_string(),
        "sudo, curl, passwd"
    );
}
