//! Running a target: seed by seed, in a process of its own whose memory is limited.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use tancho_support::alone::{child, is_child};

/// Address space of a target, in KiB: a network's code reserves 64 MiB, threads their stacks.
const MEMORY: usize = 4 << 20;

/// Names the file that the child writes each seed to.
const LAST_SEED: &str = "TANCHO_FUZZ_LAST_SEED";

/// What is damaged and tried.
pub trait Target {
    /// One case: whether what was damaged was still taken.
    ///
    /// # Errors
    /// What must not be, and the data.
    fn case(&self, seed: u64) -> Result<bool, String>;
}

/// Runs a test in a process of its own, with little memory. Where there is no `ulimit` it runs here.
pub fn limited(body: impl FnOnce()) {
    if !cfg!(target_os = "linux") || is_child(&body) {
        return body();
    }
    let last = tempfile::NamedTempFile::new().expect("a file");
    let mut child = child(&format!("ulimit -v {MEMORY}"), &body);
    let out = child.env(LAST_SEED, last.path()).output().expect("a shell");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // A process that was aborted prints no seed.
    let seed = std::fs::read_to_string(last.path()).unwrap_or_default();
    let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
    assert!(
        out.status.success() && stdout.contains("1 passed"),
        "{}, the last seed was {seed}\n{stdout}{stderr}",
        out.status
    );
    eprint!("{stderr}");
}

/// Cases of a target: `count` seeds from `first` on, or those that the environment says.
pub fn fuzz(name: &str, first: u64, count: u64, target: impl Target) {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let (seed, seconds) = (number("TANCHO_SEED"), number("TANCHO_FUZZ_SECONDS"));
    let last = std::env::var_os(LAST_SEED);
    let (begin, start) = (seed.unwrap_or(first), Instant::now());
    let count = if seed.is_some() { 1 } else { count };
    let goes_on =
        |seed: u64| seconds.map_or(seed < begin + count, |s| start.elapsed() < Duration::from_secs(s));
    let (mut taken, mut failures, mut seed) = (0u64, Vec::new(), begin);
    while goes_on(seed) {
        if let Some(last) = &last {
            let _ = std::fs::write(last, seed.to_string());
        }
        match catch_unwind(AssertUnwindSafe(|| target.case(seed))) {
            Ok(Ok(whole)) => taken += u64::from(whole),
            Ok(Err(e)) => failures.push(format!("seed {seed}: {e}")),
            Err(_) => failures.push(format!("seed {seed}: a panic")),
        }
        seed += 1;
    }
    eprintln!(
        "{name}: {} cases in {:.1?}, {taken} taken, {} failures",
        seed - begin,
        start.elapsed(),
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(20)].join("\n"));
}
