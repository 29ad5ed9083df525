//! The built examples.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A built example, without cargo between it and the test.
///
/// `cargo test` builds the examples before it runs a test, but not if it was asked for one test program
/// alone. Then an example that is missing, or older than its source, makes this build them.
pub fn example(name: &str) -> Command {
    static BUILT: OnceLock<()> = OnceLock::new();
    // This program is target/PROFILE/deps/TEST.
    let me = std::env::current_exe().expect("this program has a path");
    let profile = me.ancestors().nth(2).expect("the folder of a profile");
    let program = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if !is_current(&program) {
        BUILT.get_or_init(|| build(profile));
    }
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    command
}

/// Whether a program is as new as every file that cargo lists as its source.
fn is_current(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let (Some(built), Ok(sources)) = (changed(program), std::fs::read_to_string(program.with_extension("d")))
    else {
        return false;
    };
    // `PROGRAM: SOURCE SOURCE ..`, with a backslash before each space of a path.
    let sources = sources.replace("\\ ", "\0");
    let mut sources = sources.split_whitespace().skip(1).map(|s| PathBuf::from(s.replace('\0', " ")));
    sources.all(|source| changed(&source).is_some_and(|at| at <= built))
}

fn build(profile: &Path) {
    let name = match profile.file_name().and_then(|n| n.to_str()) {
        None | Some("debug") => "dev",
        Some(other) => other,
    };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--examples", "--profile", name])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.expect("cargo runs").success(), "the examples do not build");
}
