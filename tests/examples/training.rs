//! The programs that train: what they leave in their folder, and that they go on where they were stopped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tancho_support::example::example;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The arguments of a small training on a text of this project.
fn gpt(out: &Path, steps: u64) -> Vec<String> {
    let out = out.to_str().expect("text");
    let steps = steps.to_string();
    let args =
        ["--text", "docs/language.md", "--batch", "2", "--context", "16", "--every", "3", "--threads", "1"];
    args.into_iter().chain(["--out", out, "--steps", &steps]).map(String::from).collect()
}

fn run(name: &str, args: &[String]) -> Output {
    example(name).args(args).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The entries of the log.
fn log(folder: &Path) -> Vec<serde_json::Value> {
    let log = std::fs::read_to_string(folder.join("log.jsonl")).unwrap_or_default();
    log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The losses of the log, by the numbers of steps.
fn losses(folder: &Path) -> Vec<(u64, f64)> {
    log(folder).iter().filter_map(|e| Some((e["step"].as_u64()?, e["loss"].as_f64()?))).collect()
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder.join("checkpoints")).into_iter().flatten();
    let mut all: Vec<PathBuf> = all.map(|e| e.expect("an entry").path()).collect();
    all.sort();
    all
}

#[test]
fn a_training_leaves_a_log_a_figure_and_weights_to_write_with() {
    let folder = folder();
    let out = run("train_gpt", &[gpt(folder.path(), 7), vec!["--check".into()]].concat());
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said} {}", text(&out.stderr));
    assert!(said.contains("gradient of blocks.3.down.weight") && said.contains("7 steps"), "{said}");
    let steps: Vec<u64> = losses(folder.path()).iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7]);
    let validated: Vec<u64> = log(folder.path())
        .iter()
        .filter(|e| e["validation"].is_f64())
        .filter_map(|e| e["step"].as_u64())
        .collect();
    assert_eq!(validated, [3, 6, 7]);
    let figure = std::fs::read_to_string(folder.path().join("loss.svg")).expect("a figure");
    assert!(figure.starts_with("<svg") && figure.contains("validation"), "{figure}");

    let weights = folder.path().join("writer.safetensors");
    let size = weights.metadata().expect("weights").len();
    assert!(size < 2 << 20, "{size} bytes of bf16");
    let args = ["--weights", weights.to_str().expect("text"), "--length", "50", "A prompt"].map(String::from);
    let out = run("write", &args);
    let said = text(&out.stdout);
    assert!(out.status.success() && said.starts_with("A prompt"), "{said} {}", text(&out.stderr));
    assert!(said.contains("characters a second") && said.contains("matmul"), "{said}");
    assert!(said.matches("  ok").count() > 1, "{said}");

    // The same command finds that all is done.
    let out = run("train_gpt", &gpt(folder.path(), 7));
    assert!(out.status.success() && text(&out.stdout).contains("goes on from"), "{out:?}");
    assert_eq!(losses(folder.path()).len(), 7);
}

/// Waits until the log has some losses.
fn wait_for_steps(run: &mut Child, folder: &Path, steps: usize) {
    let end = Instant::now() + Duration::from_secs(120);
    while losses(folder).len() < steps {
        assert!(Instant::now() < end && run.try_wait().expect("a state").is_none(), "it makes steps");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn begin(folder: &Path, steps: u64) -> Child {
    let mut command = example("train_gpt");
    command.args(gpt(folder, steps)).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it runs")
}

/// As Ctrl-C does.
fn interrupt(run: &Child) {
    // `kill` is a word of the shell everywhere, and a program of its own not always.
    let done = Command::new("sh").args(["-c", &format!("kill -INT {}", run.id())]).status().expect("a shell");
    assert!(done.success());
}

#[test]
fn ctrl_c_saves_and_a_killed_training_goes_on_as_if_it_had_not_stopped() {
    let steps = 40;
    let whole = folder();
    assert!(run("train_gpt", &gpt(whole.path(), steps)).status.success());
    let stopped = folder();
    let mut first = begin(stopped.path(), steps);
    wait_for_steps(&mut first, stopped.path(), 5);
    interrupt(&first);
    let out = first.wait_with_output().expect("it ends");
    assert!(out.status.success(), "{out:?}");
    let made = losses(stopped.path()).len() as u64;
    assert!(made < steps && text(&out.stdout).contains(&format!("{made} steps")), "{made}: {out:?}");
    let saved = checkpoints(stopped.path()).pop().expect("a checkpoint");
    assert!(saved.ends_with(format!("step-{made:09}.safetensors")), "{}", saved.display());

    let mut second = begin(stopped.path(), steps);
    wait_for_steps(&mut second, stopped.path(), (made as usize + 4).min(steps as usize - 3));
    second.kill().expect("it is killed");
    second.wait().expect("it ends");
    assert!(!checkpoints(stopped.path()).is_empty());
    assert!(run("train_gpt", &gpt(stopped.path(), steps)).status.success());
    assert_eq!(losses(stopped.path()), losses(whole.path()));
}

#[test]
fn what_cannot_be_trained_on_is_told() {
    let folder = folder();
    let short = folder.path().join("short.txt");
    std::fs::write(&short, "Too short to learn from.").expect("written");
    let args = ["--text", short.to_str().expect("text"), "--out", folder.path().to_str().expect("text")];
    let out = example("train_gpt").args(args).output().expect("it runs");
    let said = text(&out.stderr);
    assert!(out.status.code() == Some(1) && said.contains("has 24 characters"), "{said}");
    let mut args = gpt(folder.path(), 2);
    assert!(run("train_gpt", &args).status.success());
    args.extend(["--batch".into(), "0".into()]);
    let out = run("train_gpt", &args);
    assert!(
        out.status.code() == Some(2) && text(&out.stderr).contains("--batch must be at least 1"),
        "{out:?}"
    );
    // A file stands where the folder would.
    let out = run("train_gpt", &gpt(&short, 2));
    assert!(out.status.code() == Some(1) && text(&out.stderr).contains("short.txt"), "{out:?}");
}

#[test]
fn only_residuals_and_norm_together_train_deep_networks() {
    let folder = folder();
    let figure = folder.path().join("depth.svg");
    let args = ["--layers", "32", "--steps", "60", "--out", figure.to_str().expect("text")].map(String::from);
    let out = run("depth", &args);
    let said = text(&out.stdout);
    assert!(out.status.success(), "{said} {}", text(&out.stderr));
    let row = |kind: &str| {
        let line =
            said.lines().find(|l| l.trim_start().trim_start_matches("32").trim_start().starts_with(kind));
        let words: Vec<String> = line.expect("a row").split_whitespace().map(String::from).collect();
        let number = |i: usize| words[words.len() - i].parse::<f64>().unwrap_or(f64::NAN);
        (number(3), number(2))
    };
    let (plain, both) = (row("plain"), row("residual and layer norm"));
    assert!(plain.0 > 0.6 && plain.1 < 1e-9, "the gradient vanishes: {said}");
    assert!(both.0 < 0.1 && both.1 > 1e-2 && both.1 < 1e3, "{said}");
    assert!(std::fs::read_to_string(figure).expect("a figure").contains("32 layers"));
}
