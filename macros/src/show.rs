//! `TANCHO_EXPAND=Name cargo check`: what a network expands to, formatted, on the error stream.

use proc_macro2::TokenStream;
use std::io::Write;
use std::process::{Command, Stdio};

/// The variable that names networks, separated by commas; `*` is all of them.
const VARIABLE: &str = "TANCHO_EXPAND";

/// Prints the expansion of a network if it is asked for.
pub fn if_asked(name: &str, expansion: &TokenStream) {
    let asked = std::env::var(VARIABLE).unwrap_or_default();
    if asked.split(',').map(str::trim).any(|n| n == name || n == "*") {
        let text = expansion.to_string();
        let text = formatted(&text).unwrap_or(text);
        // Where the error stream is closed, there is no reader.
        drop(writeln!(std::io::stderr().lock(), "// `{name}` expands to\n{}", text.trim_end()));
    }
}

/// The text as rustfmt writes it; nothing where there is no rustfmt.
fn formatted(text: &str) -> Option<String> {
    let program = std::env::var_os("RUSTFMT").unwrap_or_else(|| "rustfmt".into());
    let args = ["--edition", "2024", "--config", "max_width=120", "--emit", "stdout"];
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take()?;
    let text = text.to_string();
    // On a thread of its own: rustfmt may write before it has read everything.
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().ok()?;
    let written = writer.join().is_ok_and(|w| w.is_ok());
    (written && output.status.success()).then(|| String::from_utf8(output.stdout).ok())?
}

#[cfg(test)]
mod tests {
    use super::formatted;

    #[test]
    fn rustfmt_lays_it_out() {
        // rustfmt is a part of the toolchain that the gate demands.
        assert_eq!(formatted("struct   A ;fn f( ){ }").as_deref(), Some("struct A;\nfn f() {}\n"));
        assert_eq!(formatted("struct"), None);
    }
}
