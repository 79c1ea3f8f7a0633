//! `preflight doctor` on whatever host this is: what it says of KVM is what machines then get.

use preflight_protocol::health::{Check, CheckState};
use preflight_tests::shared;

#[test]
fn the_doctor_says_of_kvm_what_machines_get() {
    let home = shared::turn("doctor");
    let finished = home.run(&["doctor", "--json"]);
    preflight_tests::schema::assert_fits("daemon-doctor.answer", &finished.json());
    let checks: Vec<Check> = finished.parse();
    let missing: Vec<&Check> = checks
        .iter()
        .filter(|check| check.state == CheckState::Missing)
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
    let kvm = checks.iter().find(|check| check.name == "kvm").unwrap();
    let status = home.status().unwrap();
    let wanted = if kvm.state == CheckState::Ok { "kvm" } else { "tcg" };
    assert_eq!(status.accelerator, wanted, "{kvm:#?}");
    assert_eq!(status.accelerator == "tcg", kvm.hint.is_some(), "{kvm:#?}");
    assert!(!status.hypervisor.is_empty());
    // A guest was asked, and what it said is kept: the second answer is the first one's.
    let again: Vec<Check> = home.run(&["doctor", "--json"]).parse();
    let again = again.iter().find(|check| check.name == "kvm").unwrap();
    assert_eq!((again.state, &again.detail), (kvm.state, &kvm.detail));
}
