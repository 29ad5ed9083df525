//! The benchmark's command line and cases: what is wrong is said with what there is, and costs are those of
//! the graphs.

#![allow(dead_code)] // the example uses the rest

#[path = "../../examples/bench/args.rs"]
mod args;
#[path = "../../examples/bench/cases.rs"]
mod cases;
#[path = "../../examples/gpt2.rs"]
mod gpt2;
#[path = "../../examples/resnet.rs"]
mod resnet;
#[path = "../../examples/sentences.rs"]
mod sentences;

use crate::chat_model::model as chat;
use args::parse;
use cases::named;
use tancho::{Graph, Isa, Target};

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
            names.push(c.name);
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "names are of one case each");
    assert!(count > named().len() + 10);
}
