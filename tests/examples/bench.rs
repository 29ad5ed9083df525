//! The benchmark's command line and cases: what is wrong is said with what there is, and costs are those of
//! the graphs.

#![allow(dead_code)] // the example uses the rest

#[path = "../../examples/bench/args.rs"]
mod args;
#[path = "../../examples/bench/cases.rs"]
mod cases;
#[path = "../../examples/gpt2.rs"]
mod gpt2;
#[path = "../../examples/bench/numbers.rs"]
mod numbers;
#[path = "../../examples/resnet.rs"]
mod resnet;
#[path = "../../examples/sentences.rs"]
mod sentences;
#[path = "../../examples/bench/training.rs"]
mod training;

use crate::chat_model::model as chat;
use args::parse;
use cases::named;
use safetensors::SafeTensors;
use std::ffi::OsStr;
use std::io::Write;
use std::process::Stdio;
use tancho::{AsView, Dim, Graph, Isa, Target};
use tancho_support::example::example;
use training::{Gpt, GptDims, Trained, Training};

fn args(line: &str) -> Result<args::Args, String> {
    parse(line.split_whitespace().map(Into::into))
}

#[test]
fn what_is_asked_for() {
    let all = args("").unwrap();
    assert_eq!(
        (all.threads, all.isa, all.cases.len(), all.sweep, all.json),
        (1, Isa::host(), named().len(), false, false)
    );
    let some = args("--threads 3 --isa clif128 --case W1_lin_ln_n1 --case W3 --sweep --json").unwrap();
    let names: Vec<&str> = some.cases.iter().map(|c| c.name.as_str()).collect();
    // A whole name is that case alone, though others begin with it.
    assert_eq!(names, ["W1_lin_ln_n1", "W3_mlp_n1", "W3_mlp_n128"]);
    assert_eq!((some.threads, some.isa, some.sweep, some.json), (3, Isa::Clif128, true, true));
    assert_eq!(args("--case W3 --case W3_mlp_n1").unwrap().cases.len(), 2, "none twice");
    let exchanged = args("--case W2_ln_4096 --export here --growth there --serve").unwrap();
    assert_eq!(
        (exchanged.export, exchanged.growth, exchanged.serve),
        (Some("here".into()), Some("there".into()), true)
    );
    assert!(args("-h").unwrap().help && args::help().contains("W4_minilm_b32s128"));
}

#[test]
fn what_is_wrong_is_one_line_with_what_there_is() {
    for (line, parts) in [
        ("--case W9", &["W9", "W1_lin_ln_n128", "W4_minilm_b32s128"][..]),
        ("--isa sse9", &["sse9", "clif128"]),
        ("--precision exact", &["exact", "direct", "standard", "fast"]),
        ("--threads 0", &["0", "1 to 256"]),
        ("--threads many", &["many", "1 to 256"]),
        ("--serve", &["--serve", "one case", "24"]),
        ("--export", &["--export"]),
        ("--threads 257", &["257", "1 to 256"]),
        ("--threads", &["--threads"]),
        ("--speed", &["--speed", "--help"]),
        ("W1", &["W1", "--help"]),
    ] {
        let e = args(line).unwrap_err();
        assert!(parts.iter().all(|p| e.contains(p)) && e.lines().count() == 1, "{line}: {e}");
    }
    if let Some(missing) = Isa::ALL.into_iter().find(|i| *i > Isa::host()) {
        assert!(args(&format!("--isa {missing}")).unwrap_err().contains(&Isa::host().to_string()));
    }
}

#[test]
fn every_case_has_neighbours_of_other_sizes_and_costs_of_its_weights() {
    let weights = |g: &Graph| -> i64 {
        // Vectors and embeddings are not counted.
        let product =
            |name: &str| name.ends_with("weight") && !name.contains("embeddings") && name != "wpe.weight";
        let lens = g.weights.iter().filter(|w| product(&w.name) && w.ty.rank() != 1);
        lens.map(|w| w.ty.shape.iter().map(|d| d.as_const().unwrap_or(0)).product::<i64>()).sum()
    };
    let mut names = Vec::new();
    for case in named() {
        for c in std::iter::once(case.clone()).chain(case.neighbours()) {
            names.push(c.name.clone());
            if c.training().is_some() {
                continue;
            }
            let (cost, inputs) = (c.cost(Target::host()), c.inputs().unwrap());
            assert_eq!(inputs.len(), c.graph().unwrap().inputs.len(), "{}", c.name);
            let rows = cost.read - 4 * weights(&c.graph().unwrap()) as u64;
            let images = 4 * c.inputs().unwrap()[0].len() as u64;
            // A decoder's inputs are the embeddings of its ids, and the keys and values of the tokens before.
            let decoder = match c.name.contains("smollm2") {
                true => 4 * (576 * inputs[0].len() + 2 * 30 * 192 * c.cached) as u64,
                false => 4 * 768 * (inputs[0].len() + 2 * 12 * c.cached) as u64,
            };
            assert!(
                rows == decoder || rows == cost.written || rows == 2 * cost.written || rows == images,
                "{}: {cost:?}",
                c.name
            );
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "names are of one case each");
    assert!(count > named().len() + 10);
}

#[test]
fn a_step_costs_three_times_the_products_of_its_weights_and_all_that_the_optimiser_keeps() {
    let all: Vec<_> = named().into_iter().flat_map(|c| [vec![c.clone()], c.neighbours()].concat()).collect();
    let trainings: Vec<_> = all.iter().filter_map(|c| Some((c, c.training()?))).collect();
    assert!(trainings.len() > 3 + 5);
    for (case, training) in trainings {
        let (graph, cost) = (training.graph().unwrap(), case.cost(Target::host()));
        let size = |shape: &[Dim]| shape.iter().map(|d| d.as_const().unwrap() as u64).product::<u64>();
        // The embedding is a side of a product only where it is the output matrix too.
        let tied = !graph.weights.iter().any(|w| w.name == "head.weight");
        let all = graph.weights.iter();
        let products = all.filter(|w| w.ty.rank() == 2 && w.name != "wpe" && (w.name != "wte" || tied));
        let products: u64 = products.map(|w| size(&w.ty.shape)).sum();
        let (rows, width) = (training.rows as u64, training.width as u64);
        let tokens = training.batch as u64 * rows;
        let pairs = training.batch as u64 * rows * (rows + 1) / 2;
        let (layers, kept) = match training.what {
            Trained::Mlp => (0, 1),
            Trained::CharGpt => (4, 3),
            Trained::Gpt2 => (12, 3),
        };
        let tokens = if training.what == Trained::Mlp { rows } else { tokens };
        assert_eq!(cost.flops, 6 * (tokens * products + 2 * layers * pairs * width), "{}", case.name);
        let weights: u64 = graph.weights.iter().map(|w| size(&w.ty.shape)).sum();
        assert_eq!((cost.read, cost.written), (4 * kept * weights, 4 * kept * weights), "{}", case.name);
        assert!(training.what != Trained::Gpt2 || weights == 124_439_808, "GPT-2 small has {weights}");
    }
}

#[test]
fn steps_learn() {
    for (what, batch, rows, width) in [(Trained::Mlp, 1, 6, 16), (Trained::CharGpt, 2, 5, 16)] {
        let training = Training { what, batch, rows, width };
        let mut steps = training.compile(Target::host(), 1).unwrap();
        let losses: Vec<f32> = (0..20).map(|_| (steps.run)().unwrap()).collect();
        assert!(losses.is_sorted_by(|a, b| a > b), "{what:?}: {losses:?}");
        assert!(steps.compile.as_nanos() > 0, "{what:?}");
    }
}

#[test]
fn steps_of_the_gpt_with_either_output_matrix_are_what_the_interpreter_makes() {
    for tied in [true, false] {
        let dims = GptDims { D: 16, HEADS: 4, LAYERS: 2, V: 19, T: 7 };
        let training = Gpt::with(dims).option("tied", tied).init(1).unwrap();
        let training = training.compile_train(Target::host()).unwrap();
        let (given, next) = (numbers::ids(2 * 5, 19, 0), numbers::ids(2 * 5, 19, 77));
        let report = training.check_step(given.view([2, 5]), next.view([2, 5]), 1e-3).unwrap();
        let gradients = report.tensors.iter().filter(|t| t.name.starts_with("gradient of")).count();
        assert_eq!(gradients, 2 + 2 * 12 + 2 + usize::from(!tied), "{report}");
        report.into_result().unwrap();
    }
}

/// The files that other engines read have the weights, inputs and result of the case, and runs are made when
/// they are asked for.
#[test]
fn other_engines_get_the_same_numbers_and_runs_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().as_os_str();
    let exported = ["--case", "W1_lin_ln_n1", "--case", "W8_train_chargpt", "--export"].map(OsStr::new);
    let written = example("bench").args(exported).arg(place).output().unwrap();
    assert!(written.status.success(), "{written:?}");
    let bytes = std::fs::read(folder.path().join("W1_lin_ln_n1.tensors.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |name: &str| -> Vec<f32> {
        let data = file.tensor(name).unwrap().data().to_vec();
        data.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect()
    };
    let weights = folder.path().join("W1_lin_ln_n1.weights.safetensors");
    let net = cases::LinearNorm::load(weights).unwrap().compile(Target::host()).unwrap();
    let (given, wanted) = (floats("in.0"), floats("out.0"));
    assert_eq!(net.session().run(given.view([1, 768])).unwrap().to_vec(), wanted);
    let bytes = std::fs::read(folder.path().join("W8_train_chargpt.tensors.safetensors")).unwrap();
    let trained = SafeTensors::deserialize(&bytes).unwrap();
    let shapes = ["in.0", "in.1", "out.0"].map(|name| trained.tensor(name).unwrap().shape().to_vec());
    assert_eq!(shapes, [vec![32, 64], vec![32, 64], vec![1]]);

    let mut serving = example("bench")
        .args(["--serve", "--case", "W1_lin_ln_n1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serving.stdin.take().unwrap().write_all(b"run\nrun\n").unwrap();
    let output = serving.wait_with_output().unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3, "it is ready, and two answers");
    assert!(lines[0]["first_ms"].as_f64() >= lines[0]["compile_ms"].as_f64());
    assert!(
        lines[1..]
            .iter()
            .all(|l| l["min_ms"].as_f64() > Some(0.0) && l["median_ms"].as_f64() >= l["min_ms"].as_f64())
    );
}
