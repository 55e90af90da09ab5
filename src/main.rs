//! The `ftpd` command. What it can do is in `cli`.

fn main() -> std::process::ExitCode {
    ftpd::cli::main()
}
