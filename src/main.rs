//! The program: hand the command line to `cli` and end with the status it returns.

use std::process::ExitCode;

fn main() -> ExitCode {
    vedette::cli::main()
}
