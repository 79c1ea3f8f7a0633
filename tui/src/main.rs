//! The program `preflight`: hands its arguments to the command line and its exit code to the system.

fn main() -> std::process::ExitCode {
    preflight_tui::cli::run::main()
}
