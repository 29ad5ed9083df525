//! Every example at a closed pipe, at a full disk, and with arguments that are no text: an end in order, and
//! never a panic.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::OnceLock;
use tancho_support::example::example;
use tancho_support::models::{Fetched, model_dir};
use tempfile::TempDir;

const ALL: [&str; 13] = [
    "bench",
    "chat",
    "depth",
    "finetune",
    "gpt2",
    "imagenet",
    "inspect",
    "quickstart",
    "resnet",
    "sentences",
    "train_gpt",
    "train_vision",
    "write",
];

/// GPT-2 with weights of zeros, which say the same token again and again, in a file that takes no room.
fn gpt2() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (d, mut offset) = (768usize, 0usize);
    let mut entries = Vec::new();
    let mut tensor = |name: String, shape: &[usize]| {
        let end = offset + 4 * shape.iter().product::<usize>();
        entries.push(format!(
            "\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{offset},{end}]}}"
        ));
        offset = end;
    };
    tensor("wte.weight".into(), &[50257, d]);
    tensor("wpe.weight".into(), &[1024, d]);
    for i in 0..12 {
        for (name, rows, columns) in [
            ("attn.c_attn", d, 3 * d),
            ("attn.c_proj", d, d),
            ("mlp.c_fc", d, 4 * d),
            ("mlp.c_proj", 4 * d, d),
        ] {
            tensor(format!("h.{i}.{name}.weight"), &[rows, columns]);
            tensor(format!("h.{i}.{name}.bias"), &[columns]);
        }
        for norm in ["ln_1", "ln_2"] {
            tensor(format!("h.{i}.{norm}.weight"), &[d]);
            tensor(format!("h.{i}.{norm}.bias"), &[d]);
        }
    }
    tensor("ln_f.weight".into(), &[d]);
    tensor("ln_f.bias".into(), &[d]);
    let header = format!("{{{}}}", entries.join(","));
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, &bytes).expect("written");
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|f| f.set_len((bytes.len() + offset) as u64))
        .expect("as long");
    let tokenizer =
        r#"{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"x":0},"unk_token":"x"}}"#;
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer).expect("written");
    folder
}

/// Arguments with which each example prints what it is for, and the models that it needs for them.
fn all_printing() -> Vec<(&'static str, Vec<OsString>, &'static [Fetched])> {
    static ZEROS: OnceLock<TempDir> = OnceLock::new();
    let zeros = ZEROS.get_or_init(gpt2).path().as_os_str();
    static MADE: OnceLock<TempDir> = OnceLock::new();
    let made = MADE.get_or_init(|| tempfile::tempdir().expect("a folder")).path();
    let os = |args: &[&str]| args.iter().map(|a| OsString::from(*a)).collect::<Vec<_>>();
    let with = |args: &[&str], file: &str| {
        let mut all = os(args);
        all.extend(["--out".into(), made.join(file).into_os_string()]);
        all
    };
    let gpt = ["--text", "docs/language.md", "--steps", "2", "--batch", "2", "--context", "8"];
    vec![
        ("bench", os(&["--help"]), &[]),
        ("bench", os(&["--case", "W1_lin_ln_n1"]), &[]),
        ("bench", os(&["--case", "W1_lin_ln_n1", "--json"]), &[]),
        ("chat", os(&["--help"]), &[]),
        ("chat", os(&["--prompt", "Hi", "--max", "3", "--weights", "q4"]), &[Fetched::SmolLm2]),
        // Without a question it prints its prompt, `> `.
        ("chat", os(&["--weights", "q4"]), &[Fetched::SmolLm2]),
        ("depth", with(&["--layers", "2", "--steps", "2"], "depth.svg"), &[]),
        ("gpt2", vec![zeros.into(), "x".into()], &[]),
        ("imagenet", os(&[]), &[Fetched::EfficientNet, Fetched::Photographs]),
        ("inspect", os(&["tests/filetests/fusion/residual-norm.tancho", "--stage", "spec"]), &[]),
        ("quickstart", os(&[]), &[]),
        ("resnet", os(&[]), &[]),
        ("sentences", os(&["a", "b", "c"]), &[Fetched::MiniLm]),
        ("train_gpt", with(&gpt, "gpt"), &[]),
        ("train_vision", os(&["--help"]), &[]),
        ("finetune", os(&["--help"]), &[]),
        ("write", os(&["--help"]), &[]),
    ]
}

/// Those whose models are here.
fn printing() -> impl Iterator<Item = (&'static str, Vec<OsString>)> {
    all_printing()
        .into_iter()
        .filter(|(_, _, models)| models.iter().all(|m| m.is_here()))
        .map(|(name, args, _)| (name, args))
}

fn run(name: &str, args: &[OsString], stdout: Stdio) -> Output {
    let run = example(name).args(args).stdout(stdout).stderr(Stdio::piped()).spawn().expect("it runs");
    run.wait_with_output().expect("it ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn who_stops_reading_is_no_failure() {
    for (name, args) in printing() {
        // Nobody reads from the beginning: the first write fails, however little there is to be said.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let out = run(name, &args, writer.into());
        assert!(out.status.success(), "{name} {args:?}: {out:?}");
        let quiet = out.stderr.is_empty() || (name == "bench" && args.len() == 3);
        assert!(quiet, "{name} {args:?}: {}", text(&out.stderr));
    }
}

/// As `| head -1` does.
#[test]
fn the_first_line_alone_is_read() {
    for (name, args) in printing() {
        let mut run =
            example(name).args(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut line = Vec::new();
        BufReader::new(run.stdout.take().expect("a pipe")).read_until(b'\n', &mut line).expect("a line");
        let mut said = String::new();
        run.stderr.take().expect("a pipe").read_to_string(&mut said).expect("text");
        let status = run.wait().expect("it ends");
        assert!(
            !line.is_empty() && status.success() && !said.contains("panicked"),
            "{name} {args:?}: {status} {said}"
        );
    }
}

#[test]
fn a_full_disk_is_one_line_and_status_1() {
    for (name, args) in printing() {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a full device");
        let out = run(name, &args, full.into());
        assert_eq!(out.status.code(), Some(1), "{name} {args:?}: {out:?}");
        let said = text(&out.stderr);
        let last = said.lines().last().unwrap_or_default();
        assert!(
            last.contains("No space left on device") && !said.contains("panicked"),
            "{name} {args:?}: {said}"
        );
        assert!(said.lines().count() == 1 || (name == "bench" && args.len() == 3), "{name} {args:?}: {said}");
    }
}

/// What cannot be told on stderr changes no status.
#[test]
fn a_full_disk_behind_stderr_is_no_failure() {
    let full = || File::options().write(true).open("/dev/full").expect("a full device");
    let os = |args: &[&'static str]| args.iter().map(|a| OsStr::new(*a)).collect::<Vec<&OsStr>>();
    for (name, args, status) in [
        ("chat", os(&["--prompt", "Hi", "--max", "3", "--weights", "q4"]), 0),
        ("bench", os(&["--case", "W1_lin_ln_n1", "--json"]), 0),
        ("chat", os(&["--no-such-option"]), 2),
        ("bench", os(&["--no-such-option"]), 2),
        ("sentences", os(&[]), 2),
        ("gpt2", os(&[]), 2),
        ("chat", os(&["--model", "nowhere.gguf"]), 1),
        ("imagenet", os(&["nowhere.jpg"]), 1),
        ("resnet", os(&["nowhere.safetensors"]), 1),
        ("gpt2", os(&["nowhere", "x"]), 1),
        ("train_gpt", os(&["--text", "nowhere.txt"]), 1),
        ("train_vision", os(&["--data", "nowhere"]), 1),
        ("finetune", os(&["--model", "nowhere.gguf", "x"]), 1),
        ("write", os(&["--weights", "nowhere.safetensors"]), 1),
    ] {
        if status == 0 && name == "chat" && !Fetched::SmolLm2.is_here() {
            continue;
        }
        let done = example(name).args(&args).stdout(Stdio::null()).stderr(full()).status().expect("it runs");
        assert_eq!(done.code(), Some(status), "{name} {args:?}");
    }
}

#[test]
fn arguments_that_are_no_text_are_told() {
    let odd = OsStr::from_bytes(b"caf\xe9");
    let os = OsStr::new;
    for (name, args, status, words) in [
        ("bench", vec![odd], 2, "--help says what there is"),
        ("bench", vec![os("--case"), odd], 2, "caf"),
        ("chat", vec![odd], 2, "see --help"),
        ("chat", vec![os("--prompt"), odd], 2, "--prompt: the text is not UTF-8"),
        ("chat", vec![os("--model"), odd], 1, "caf\u{fffd} is not there"),
        ("gpt2", vec![odd], 2, "the prompt is not UTF-8"),
        ("gpt2", vec![odd, os("x")], 1, "caf\u{fffd}/tokenizer.json: "),
        ("imagenet", vec![odd], 1, "caf\u{fffd}: No such file"),
        ("resnet", vec![odd], 1, "caf\u{fffd}"),
        ("sentences", vec![os("abc"), odd], 2, "`caf\u{fffd}` is not UTF-8"),
        ("depth", vec![os("--layers"), odd], 2, "see --help"),
        ("train_gpt", vec![os("--text"), odd], 1, "caf\u{fffd}: No such file"),
        ("train_vision", vec![os("--data"), odd], 1, "caf\u{fffd}/train-images"),
        ("finetune", vec![os("--model"), odd, os("x")], 1, "caf\u{fffd} is not there"),
        ("write", vec![odd], 2, "see --help"),
    ] {
        let out = example(name).args(&args).output().expect("it runs");
        let said = text(&out.stderr);
        assert_eq!(out.status.code(), Some(status), "{name} {args:?}: {said}");
        assert!(said.contains(words) && said.lines().count() == 1, "{name} {args:?}: {said}");
    }
    // It takes none.
    assert!(example("quickstart").arg(odd).output().expect("it runs").status.success());
}

/// A folder of files with odd bytes in its name works as any other.
#[test]
fn a_path_that_is_no_text_is_a_path() {
    let zeros = gpt2();
    let folder = zeros.path().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).expect("a folder");
    for name in ["model.safetensors", "tokenizer.json"] {
        std::os::unix::fs::symlink(zeros.path().join(name), folder.join(name)).expect("a link");
    }
    let out = example("gpt2").arg(&folder).arg("x").output().expect("it runs");
    assert!(out.status.success() && out.stdout.starts_with(b"x"), "{out:?}");
}

#[test]
fn models_that_are_not_there_are_told_with_where_to_get_them() {
    let empty = tempfile::tempdir().expect("a folder");
    let hint = "run `python3 scripts/fetch_models.py`";
    let said = |name: &str, args: &[&str]| {
        let out = example(name).args(args).env("TANCHO_MODELS", empty.path()).output().expect("it runs");
        assert_eq!(out.status.code(), Some(1), "{name}: {out:?}");
        text(&out.stderr)
    };
    for (name, args) in [("chat", &[][..]), ("imagenet", &[]), ("sentences", &["a"])] {
        assert!(said(name, args).contains(hint), "{name}");
    }
    // A tokenizer without weights, as an interrupted copy leaves it.
    let minilm = empty.path().join("minilm");
    if !Fetched::MiniLm.is_here() {
        return;
    }
    std::fs::create_dir(&minilm).expect("a folder");
    std::fs::copy(model_dir("minilm").join("tokenizer.json"), minilm.join("tokenizer.json")).expect(hint);
    let told = said("sentences", &["a"]);
    assert!(told.contains("model.safetensors") && told.contains(hint) && told.lines().count() == 1, "{told}");
}

/// The list above is the folder's.
#[test]
fn no_example_is_left_out() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    // Cargo's own rule: a file of Rust, or a folder that has a `main.rs`.
    let programs =
        entries.filter(|p| p.extension().is_some_and(|e| e == "rs") || p.join("main.rs").is_file());
    let mut found: Vec<String> =
        programs.map(|p| p.file_stem().expect("a name").to_string_lossy().into_owned()).collect();
    found.sort();
    assert_eq!(found, ALL);
    assert!(ALL.iter().all(|n| all_printing().iter().any(|(name, ..)| name == n)));
}
