//! Hands the arguments to `cli` and returns its exit code.

fn main() -> std::process::ExitCode {
    heirloom::cli::main(std::env::args_os())
}
