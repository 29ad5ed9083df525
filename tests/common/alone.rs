//! Tests that need a process of their own, because it cannot be allowed again what it forbids itself.

use std::process::Command;

/// Names the test that this process runs alone.
const ALONE: &str = "TANCHO_TEST_ALONE";

/// Runs a test of this program in a process of its own.
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var(ALONE).is_ok_and(|t| t == test) {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"));
    let out = child
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, test)
        .output()
        .expect("this program can be started");
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}
