//! The pure core may not know dep8; what both say of exit codes must be the same.

use preflight_core::ExitCode;

#[test]
fn core_and_dep8_agree() {
    let codes = (0..=u8::MAX).filter(|&code| {
        let (core, dep8) = (ExitCode::try_from(code), preflight_dep8::ExitCode::try_from(code));
        assert_eq!(core.is_ok(), dep8.is_ok(), "{code}");
        core.is_ok()
    });
    let codes: Vec<u8> = codes.collect();
    for &one in &codes {
        let (core, dep8) = (
            ExitCode::try_from(one).unwrap(),
            preflight_dep8::ExitCode::try_from(one).unwrap(),
        );
        assert_eq!(
            core.outcome().to_string(),
            preflight_dep8::Outcome::from(dep8).to_string(),
            "{one}"
        );
        for &other in &codes {
            let core = core.combine(ExitCode::try_from(other).unwrap());
            let dep8 = dep8.combine(preflight_dep8::ExitCode::try_from(other).unwrap());
            assert_eq!(core.code(), dep8.code(), "{one} {other}");
        }
    }
}
