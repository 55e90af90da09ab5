//! The `ftpctl` command. What it can do is in `ftpctl`.

fn main() -> std::process::ExitCode {
    ftpd::ftpctl::main()
}
