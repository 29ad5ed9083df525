//! How the examples print and end. `println!` and `eprintln!` panic where a pipe is closed or a disk is full.

#![allow(dead_code)] // not every example needs all of it

use std::error::Error;
use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Any failure of a program, in words.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Runs a program that writes to stdout, and gives its exit status. A failure is one message on stderr and
/// status 1. Who reads the output may stop before its end, as `head` does: that is no failure.
pub fn run(program: impl FnOnce(&mut dyn Write) -> Result<(), Failure>) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let done = program(&mut out).and_then(|()| out.flush().map_err(Failure::from));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(e) => {
            tell(e);
            ExitCode::FAILURE
        }
    }
}

/// Says on stderr how the program is called; the exit status for that.
pub fn misused(usage: impl Display) -> ExitCode {
    tell(usage);
    ExitCode::from(2)
}

/// A line on stderr. Where that cannot be written the program goes on without it.
pub fn tell(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
