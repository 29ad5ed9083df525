//! Tests that need a process of their own: what they forbid a process cannot be allowed again, or they are
//! given so little memory that an abort would show as a signal.
//!
//! The process is this test program once more, with that one test. Which test that is follows from the name
//! of the type of a closure inside of it: `TOPIC::MODULE::TEST::{{closure}}`.

use std::any::type_name_of_val;
use std::process::Command;

/// Names the test that this process runs alone.
const ALONE: &str = "TANCHO_TEST_ALONE";

/// The test that a closure is written in, by the name it has in the test program.
fn test_of<F>(closure: &F) -> &'static str {
    let path = type_name_of_val(closure).split("::{{closure}}").next().unwrap_or_default();
    path.split_once("::").expect("a test is inside of a crate").1
}

/// Whether this is the process of the test that the closure is written in.
pub fn is_child<F>(closure: &F) -> bool {
    std::env::var(ALONE).is_ok_and(|test| test == test_of(closure))
}

/// A process of its own for the test that the closure is written in. A shell sets it up, for example with
/// `ulimit -v 4194304`; `true` sets up nothing.
pub fn child<F>(setup: &str, closure: &F) -> Command {
    let mut child = Command::new("sh");
    child
        .args(["-c", &format!("{setup} && exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().expect("this program has a path"))
        .args([test_of(closure), "--exact", "--nocapture", "--test-threads", "1"])
        .env(ALONE, test_of(closure));
    child
}

/// Runs that process, in which the test must pass; gives what it printed.
#[track_caller]
pub fn must_pass(child: &mut Command) -> String {
    let out = child.output().expect("a shell can be started");
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("1 passed"), "{}\n{text}", out.status);
    text
}

/// Runs the body of a test in a process of its own.
#[track_caller]
pub fn alone(body: impl FnOnce()) {
    alone_with("true", body);
}

/// The same where a shell sets up the process.
#[track_caller]
pub fn alone_with(setup: &str, body: impl FnOnce()) {
    if is_child(&body) {
        return body();
    }
    must_pass(&mut child(setup, &body));
}
