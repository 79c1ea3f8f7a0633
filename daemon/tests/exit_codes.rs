//! The pure core may not know dep8; what both say of exit codes must be the same.

use preflight_core::ExitCode;
use preflight_dep8::outcome;

#[test]
fn core_and_dep8_agree() {
    let known = |code: &u8| {
        let (core, dep8) = (ExitCode::try_from(*code), outcome::ExitCode::try_from(*code));
        assert_eq!(core.is_ok(), dep8.is_ok(), "{code}");
        core.is_ok()
    };
    let codes: Vec<u8> = (0..=u8::MAX).filter(known).collect();
    let core = |code: u8| ExitCode::try_from(code).unwrap();
    let dep8 = |code: u8| outcome::ExitCode::try_from(code).unwrap();
    for &a in &codes {
        let same = outcome::Outcome::from(dep8(a)).to_string();
        assert_eq!(core(a).outcome().to_string(), same, "{a}");
        for &b in &codes {
            for &c in &codes {
                let ours = ExitCode::combine([a, b, c].map(core)).code();
                let theirs = outcome::ExitCode::combine([a, b, c].map(dep8)).code();
                assert_eq!(ours, theirs, "{a} {b} {c}");
            }
        }
    }
}
