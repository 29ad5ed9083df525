//! The chat: how tokens are chosen, and what it says to input it cannot do anything with.

#[path = "../../examples/chat/sample.rs"]
#[allow(dead_code, missing_docs)]
mod sample;

use sample::{Sampler, Sampling};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use tancho_support::example::example;
use tancho_support::models::Fetched;

/// How often each of four tokens is chosen.
fn counts(how: Sampling, before: &[i32]) -> [u32; 4] {
    let mut sampler = Sampler::new(how);
    let mut counts = [0; 4];
    // Probabilities 0.4, 0.3, 0.2 and 0.1.
    let logits = [4f32, 1.0, 3.0, 2.0].map(f32::ln);
    for _ in 0..10_000 {
        counts[sampler.next(&logits, before).expect("a token") as usize] += 1;
    }
    counts
}

#[test]
fn tokens_are_chosen_by_their_probabilities() {
    let warm = Sampling { temperature: 1.0, ..Sampling::default() };
    assert_eq!(counts(Sampling::default(), &[]), [10_000, 0, 0, 0]);
    let near = |got: [u32; 4], want: [f64; 4]| {
        let all = got.iter().zip(want).all(|(n, p)| (f64::from(*n) / 1e4 - p).abs() < 0.02);
        assert!(all, "{got:?}, not {want:?}");
    };
    near(counts(warm.clone(), &[]), [0.4, 0.1, 0.3, 0.2]);
    near(counts(Sampling { top_k: 2, ..warm.clone() }, &[]), [4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]);
    near(counts(Sampling { top_p: 0.6, ..warm.clone() }, &[]), [4.0 / 7.0, 0.0, 3.0 / 7.0, 0.0]);
    near(counts(Sampling { top_p: 0.01, ..warm.clone() }, &[]), [1.0, 0.0, 0.0, 0.0]);
    // At half the temperature probabilities are squared.
    near(
        counts(Sampling { temperature: 0.5, ..warm.clone() }, &[]),
        [16.0 / 30.0, 1.0 / 30.0, 9.0 / 30.0, 4.0 / 30.0],
    );
    // ln 4 / 2 = ln 2: the first is as likely as the last.
    near(counts(Sampling { repetition: 2.0, ..warm.clone() }, &[0, 99]), [0.25, 0.125, 0.375, 0.25]);
    assert_eq!(counts(warm.clone(), &[]), counts(warm.clone(), &[]));
    assert_ne!(counts(warm.clone(), &[]), counts(Sampling { seed: 1, ..warm }, &[]));
}

#[test]
fn what_is_no_number_is_never_chosen() {
    for temperature in [0.0, 1.0] {
        let mut sampler = Sampler::new(Sampling { temperature, ..Sampling::default() });
        assert_eq!(sampler.next(&[f32::NAN, -1.0, f32::NAN], &[]), Some(1));
        assert_eq!(sampler.next(&[], &[]), None);
        assert_eq!(sampler.next(&[f32::NAN; 4], &[]), None);
    }
}

/// Runs the chat on this input.
fn chat(args: &[&str], input: &[u8]) -> Output {
    let mut run = example("chat")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    run.stdin.take().expect("a pipe").write_all(input).expect("it reads");
    run.wait_with_output().expect("it ends")
}

/// What it says to arguments that it refuses.
fn refused(args: &[&str]) -> String {
    let out = chat(args, b"");
    assert!(!out.status.success(), "{args:?}");
    assert!(out.stdout.is_empty(), "{args:?}");
    String::from_utf8(out.stderr).expect("UTF-8")
}

#[test]
fn bad_arguments_and_files_are_named() {
    assert_eq!(refused(&["--prompt", "  "]), "--prompt is empty\n");
    assert_eq!(refused(&["--weights", "int9"]), "--weights int9: there is f32, bf16, int8, q4\n");
    assert_eq!(refused(&["--top-p", "0"]), "--top-p takes a number above 0 and up to 1\n");
    assert!(
        refused(&["--model", "nowhere.gguf"])
            .starts_with("nowhere.gguf is not there; run `python3 scripts/fetch_models.py` first")
    );
    if Fetched::SmolLm2.is_here() {
        assert!(
            refused(&["--prompt", "Hi", "--context", "9000"])
                .contains("a context of 9000 tokens; the model was trained for 1 to")
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.gguf");
    let name = path.to_str().expect("UTF-8");
    // A header, and `general.architecture` "gpt2".
    let text = |s: &str| [&(s.len() as u64).to_le_bytes()[..], s.as_bytes()].concat();
    let key = [text("general.architecture"), 8u32.to_le_bytes().to_vec(), text("gpt2")].concat();
    let whole = [&b"GGUF"[..], &3u32.to_le_bytes(), &0u64.to_le_bytes(), &1u64.to_le_bytes(), &key].concat();
    std::fs::write(&path, &whole).expect("written");
    let said = refused(&["--model", name]);
    assert!(said.contains("has a model of the architecture `gpt2`; this program runs `llama`"), "{said}");
    std::fs::write(&path, &whole[..whole.len() - 3]).expect("written");
    let said = refused(&["--model", name]);
    assert!(said.contains("other.gguf") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_prompt_beyond_the_context_is_an_error_and_the_chat_goes_on() {
    if !Fetched::SmolLm2.is_here() {
        return;
    }
    let long = "word ".repeat(100);
    let said = refused(&["--context", "64", "--prompt", &long]);
    assert!(said.contains("64") && said.lines().count() == 1, "{said}");
    // Bytes that are no text, an empty line, a question that does not fit, and one that does.
    let input = [b"\xff\xfe\n\n", long.as_bytes(), b"\nHi\n"].concat();
    let out = chat(&["--context", "64", "--max", "3", "--weights", "q4"], &input);
    assert!(out.status.success(), "{out:?}");
    let said = String::from_utf8(out.stderr).expect("UTF-8");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert_eq!(lines[0], "the line is not UTF-8 from byte 0 on; it is passed over");
    assert!(
        lines[1].starts_with("the conversation has 1")
            && lines[1].contains("the context room for 64: say less"),
        "{said}"
    );
    assert!(lines[2].starts_with("[prompt: "), "{said}");
    // An answer until the context is full.
    let out = chat(&["--context", "48", "--prompt", "Tell me a long story about a crane."], b"");
    assert!(out.status.success(), "{out:?}");
    assert!(
        String::from_utf8_lossy(&out.stdout).ends_with("\n[the context of 48 tokens is full]\n"),
        "{out:?}"
    );
}

/// What it answered to lines of input, greedily in 4 bits.
fn answers(input: &str, more: &[&str]) -> Vec<String> {
    let out =
        chat(&[&["--max", "12", "--weights", "q4", "--context", "160"], more].concat(), input.as_bytes());
    assert!(out.status.success(), "{out:?}");
    let said = String::from_utf8(out.stdout).expect("UTF-8");
    said.split("> ").map(|a| a.trim().to_string()).filter(|a| !a.is_empty()).collect()
}

#[test]
fn a_conversation_goes_on_from_what_was_said() {
    if !Fetched::SmolLm2.is_here() {
        return;
    }
    let plain = answers("What is a crane?\nWhere does it live?\n", &[]);
    assert_eq!(plain.len(), 2, "{plain:?}");
    // A new conversation answers as the first did.
    let anew = answers("What is a crane?\n/reset\nWhat is a crane?\n", &[]);
    assert_eq!(anew, [plain[0].clone(), plain[0].clone()]);
    // A question that does not fit leaves the conversation as it was.
    let long = "word ".repeat(200);
    assert_eq!(answers(&format!("What is a crane?\n{long}\nWhere does it live?\n"), &[]), plain);
    // What is cached is what a single pass over the same text gives.
    assert_eq!(answers("What is a crane?\nWhere does it live?\n", &["--threads", "1"]), plain);
}

#[test]
fn equal_seeds_give_equal_answers() {
    if !Fetched::SmolLm2.is_here() {
        return;
    }
    let with = |seed| {
        answers(
            "Tell me a story.\n",
            &["--temperature", "1.2", "--top-k", "50", "--top-p", "0.95", "--seed", seed],
        )
    };
    assert_eq!(with("5"), with("5"));
    assert_ne!(with("5"), with("6"));
}

/// Ctrl-C ends the answer and not the program.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_an_answer() {
    if !Fetched::SmolLm2.is_here() {
        return;
    }
    use std::io::{BufRead, BufReader, Read};
    let mut run = example("chat")
        .args(["--weights", "q4", "--max", "600"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let interrupt = |id: u32| {
        assert!(Command::new("kill").args(["-INT", &id.to_string()]).status().expect("kill runs").success())
    };
    let (mut input, mut output) = (run.stdin.take().expect("a pipe"), run.stdout.take().expect("a pipe"));
    let mut told = BufReader::new(run.stderr.take().expect("a pipe"));
    input.write_all(b"Tell me a very long story.\n").expect("it reads");
    // It is answering.
    let mut some = [0; 24];
    output.read_exact(&mut some).expect("an answer");
    interrupt(run.id());
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    assert!(line.starts_with("[prompt: "), "{line}");
    // The next question is answered.
    input.write_all(b"/reset\nSay hi.\n").expect("it reads");
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    line.clear();
    told.read_line(&mut line).expect("a line");
    assert!(line.starts_with("[prompt: ") && rest.contains("> > "), "{line}{rest}");
    assert!(run.wait().expect("it ends").success());
}
