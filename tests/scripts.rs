//! The scripts in `scripts/`.

use std::path::Path;
use std::process::Command;

/// What reads PyTorch's files does not run them, and refuses what is cut off or changed.
#[test]
fn state_dicts_are_read_and_not_run() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/test_read_pth.py");
    let done = Command::new("python3").arg("-Wignore").arg(script).output().unwrap_or_else(|e| panic!("python3: {e}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("Ran 6 tests"), "{said}");
}
