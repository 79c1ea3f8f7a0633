//! The program `autopkgtest-virt-preflight`: Preflight's testbeds for autopkgtest, sbuild and others.

fn main() -> std::process::ExitCode {
    preflight_tui::virt::main()
}
