//! `rope` with frequencies, positions and scalings, on every vector level, against the interpreter.

use tancho::{Graph, Tensor};
use tancho_support::{Rng, compile_for, targets, views};

/// Runs a network of one `rope` on every level; the results are the interpreter's.
#[track_caller]
fn check(dims: &str, inputs: &[(&str, Tensor)], rope: &str) {
    let mut text = format!("network A<{dims}>\n");
    for (i, (ty, _)) in inputs.iter().enumerate() {
        text += &format!("input x{i}: {ty}\n");
    }
    for (i, (ty, _)) in inputs.iter().enumerate() {
        text += &format!("%{i}: {ty} = input(index = {i})\n");
    }
    let n = inputs.len();
    text += &format!("%{n}: {} = rope({rope})\nreturn %{n}", inputs[0].0);
    let g = Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let x: Vec<Tensor> = inputs.iter().map(|(_, t)| t.clone()).collect();
    for target in targets() {
        let c = compile_for(&g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(&x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?}\n{report}\n{}", c.fused_ir());
    }
}

/// Positions of sequences that begin and end anywhere.
fn ragged(rng: &mut Rng, shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let at = |_| if rng.chance(30) { rng.below(150_000) as i32 } else { rng.below(40) as i32 - 3 };
    Tensor::new((0..n).map(at).collect::<Vec<_>>(), shape).expect("fits")
}

#[test]
fn positions_of_each_sequence() {
    let mut rng = Rng::new(1);
    for pairs in ["halves", "adjacent"] {
        for [b, h, s] in [[1, 1, 1], [3, 2, 5], [2, 4, 33], [5, 3, 1], [2, 2, 0], [0, 2, 3]] {
            for (width, ty) in [(6, "f32[B, H, S, 6]"), (64, "f32[B, H, S, 64]"), (34, "f32[B, H, S, 34]")] {
                let x = rng.floats(&[b, h, s, width]);
                let each = ragged(&mut rng, &[b, s]);
                check(
                    "B, H, S",
                    &[(ty, x.clone()), ("i32[B, S]", each)],
                    &format!("%0, positions = %1, pairs = {pairs}"),
                );
                let all = ragged(&mut rng, &[s]);
                check(
                    "B, H, S",
                    &[(ty, x), ("i32[S]", all)],
                    &format!("%0, positions = %1, pairs = {pairs}"),
                );
            }
        }
    }
}

#[test]
fn frequencies_of_a_tensor() {
    let mut rng = Rng::new(2);
    for pairs in ["halves", "adjacent"] {
        for n in [0, 1, 3, 15, 16] {
            let (x, f) = (rng.floats(&[2, 3, 7, 32]), rng.floats(&[n]));
            let f_ty = format!("f32[{n}]");
            let inputs = [("f32[B, H, S, 32]", x), (&f_ty, f), ("i32[B, S]", ragged(&mut rng, &[2, 7]))];
            check("B, H, S", &inputs[..2], &format!("%0, freqs = %1, from = 900, pairs = {pairs}"));
            check("B, H, S", &inputs, &format!("%0, freqs = %1, positions = %2, pairs = {pairs}"));
        }
    }
}

/// Positions so far away that the last bit of a frequency would be an angle of its own.
#[test]
fn scaled_frequencies() {
    let mut rng = Rng::new(3);
    for scaling in [
        "linear, factor = 3.0",
        "llama3, factor = 8.0, low_freq_factor = 1.0, high_freq_factor = 4.0, original_max_position = 8192.0",
        "llama3, factor = 32.0, low_freq_factor = 2.0, high_freq_factor = 2.5, original_max_position = 100.0",
        "yarn, factor = 40.0, original_max_position = 4096.0",
        "yarn, factor = 3.0, original_max_position = 64.0, beta_fast = 8.0, beta_slow = 2.0, attention_factor = 1.25",
    ] {
        for (width, ty) in [(128, "f32[B, H, S, 128]"), (6, "f32[B, H, S, 6]")] {
            let x = rng.floats(&[2, 2, 9, width]);
            for base in ["base = 500000.0, ", ""] {
                let rope = format!("%0, {base}from = 130000, scaling = {scaling}");
                check("B, H, S", &[(ty, x.clone())], &rope);
            }
            let at = ragged(&mut rng, &[2, 9]);
            check(
                "B, H, S",
                &[(ty, x), ("i32[B, S]", at)],
                &format!("%0, positions = %1, scaling = {scaling}"),
            );
        }
    }
}
