//! Loops over a run-time axis, on every vector level, against the interpreter and formulas in plain Rust.

use tancho::{Graph, Model, Tensor};
use tancho_support::{Rng, compile, run_on, targets, views};

/// The graph of a text, which is printed as it is written.
pub fn graph(text: &str) -> Graph {
    let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(g.to_string().trim(), text.trim(), "the text form is read and printed");
    g
}

/// The results, which are the interpreter's on every level and in checked mode, on any number of threads.
#[track_caller]
pub fn check(g: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let model = Model::from_graph(g.clone(), 3).expect("a graph");
    let checked = compile(g).unwrap_or_else(|e| panic!("{e}"));
    let levels = targets().into_iter().map(|t| model.compile(t).unwrap_or_else(|e| panic!("{t:?}: {e}")));
    let mut all = Vec::new();
    for c in levels.chain([checked]) {
        let report = c.check_inputs(&views(inputs)).unwrap_or_else(|e| panic!("{e}\n{}", c.fused_ir()));
        assert!(report.is_ok(), "{report}\n{}", c.fused_ir());
        all = run_on(&c, 1, inputs).expect("runs");
        for threads in 2..=3 {
            assert_eq!(all, run_on(&c, threads, inputs).expect("runs"), "on {threads} threads");
        }
    }
    all
}

/// `h = a * h + x`, with every `h` and the last one.
const LINEAR: &str = "network Linear<B, S>
input x: f32[S, B, 3]
input h: f32[B, 3]
input a: f32[3]
body 0 {
input x: f32[B, 3]
input h: f32[B, 3]
input a: f32[3]
%0: f32[B, 3] = input(index = 0)
%1: f32[B, 3] = input(index = 1)
%2: f32[3] = input(index = 2)
%3: f32[B, 3] = mul(%1, %2)
%4: f32[B, 3] = add(%3, %0)
return %4, %4
}
%0: f32[S, B, 3] = input(index = 0)
%1: f32[B, 3] = input(index = 1)
%2: f32[3] = input(index = 2)
%3: f32[B, 3] = scan(%0, %1, %2, body = 0, result = 0, sequences = 1, carried = 1)
%4: f32[S, B, 3] = scan(%0, %1, %2, body = 0, result = 1, sequences = 1, carried = 1)
return %3, %4";

#[test]
fn a_linear_recurrence_both_ways() {
    let mut rng = Rng::new(1);
    for backwards in [false, true] {
        let g = graph(&if backwards {
            LINEAR.replace("carried = 1", "carried = 1, backwards = true")
        } else {
            LINEAR.into()
        });
        for (s, b) in [(0, 2), (1, 1), (2, 3), (7, 0), (40, 5), (0, 0)] {
            let (x, h, a) = (rng.floats(&[s, b, 3]), rng.floats(&[b, 3]), rng.floats(&[3]));
            let results = check(&g, &[x.clone(), h.clone(), a.clone()]);
            let (x, a) = (x.as_f32().expect("f32"), a.as_f32().expect("f32"));
            let mut now = h.as_f32().expect("f32").to_vec();
            let mut all = vec![0.0f32; s * b * 3];
            for i in 0..s {
                let at = if backwards { s - 1 - i } else { i };
                for (k, h) in now.iter_mut().enumerate() {
                    *h = *h * a[k % 3] + x[at * b * 3 + k];
                    all[at * b * 3 + k] = *h;
                }
            }
            let near = |t: &Tensor, want: &[f32]| {
                let got = t.as_f32().expect("f32");
                assert_eq!(got.len(), want.len());
                assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() <= 1e-5 * w.abs().max(1.0)));
            };
            near(&results[0], &now);
            near(&results[1], &all);
        }
    }
}

/// A cell with weights, of which one is stored transposed, and a table that its ids are taken from.
const CELL: &str = "network Cell<B, S>
input ids: i32[S, B]
weight \"table\": f32[11, 8] = uniform(-1.0, 1.0)
weight \"u\": f32[8, 8] = xavier
weight \"bias\": f32[8] = uniform(-1.0, 1.0)
body 0 {
input id: i32[B]
input h: f32[B, 8]
input table: f32[11, 8]
input u: f32[8, 8]
input bias: f32[8]
%0: i32[B] = input(index = 0)
%1: f32[B, 8] = input(index = 1)
%2: f32[11, 8] = input(index = 2)
%3: f32[8, 8] = input(index = 3)
%4: f32[8] = input(index = 4)
%5: f32[B, 8] = gather(%2, %0)
%6: f32[B, 8] = linear(%1, %3, b = %4)
%7: f32[B, 8] = add(%5, %6)
%8: f32[B, 8] = tanh(%7)
%9: f32[B] = sum(%8, over = (1,), keep = false)
return %8, %9, %1
}
%0: i32[S, B] = input(index = 0)
%1: f32[11, 8] = weight(index = 0)
%2: f32[8, 8] = weight(index = 1)
%3: f32[8] = weight(index = 2)
%4: f32[] = const(f32 = 0.5)
%5: f32[B, 8] = expand(%4, shape = [B, 8])
%6: f32[S, B] = scan(%0, %5, %1, %2, %3, body = 0, result = 1, sequences = 1, carried = 1)
%7: f32[S, B, 8] = scan(%0, %5, %1, %2, %3, body = 0, result = 2, sequences = 1, carried = 1)
return %6, %7";

#[test]
fn a_cell_with_weights() {
    let g = graph(CELL);
    for (s, b) in [(1, 1), (5, 3), (33, 1), (0, 2), (3, 0)] {
        let ids: Vec<i32> = (0..s * b).map(|i| (i * 7 % 11) as i32).collect();
        check(&g, &[Tensor::new(ids, [s, b]).expect("fits")]);
    }
    let model = Model::from_graph(g, 3).expect("a graph");
    let c = model.compile(tancho::Target::host()).expect("compiles");
    let mut session = c.session();
    let bad = Tensor::new(vec![1, 2, 11, 3], [4, 1]).expect("fits");
    let error = session.run_inputs(&views(&[bad])).expect_err("an id is out of range").to_string();
    assert!(error.contains("11"), "{error}");
    let good = Tensor::new(vec![1, 2, 10, 3], [4, 1]).expect("fits");
    session.run_inputs(&views(&[good])).expect("the session goes on");
}

/// A loop inside of a loop: for each row, the sums of its elements so far; then what all rows have.
const NESTED: &str = "network Nested<S, T>
input x: f32[S, T, 2]
body 0 {
input row: f32[T, 2]
input all: f32[2]
body 0 {
input x: f32[2]
input sum: f32[2]
%0: f32[2] = input(index = 0)
%1: f32[2] = input(index = 1)
%2: f32[2] = add(%0, %1)
return %2, %2
}
%0: f32[T, 2] = input(index = 0)
%1: f32[2] = input(index = 1)
%2: f32[2] = scan(%0, %1, body = 0, result = 0, sequences = 1, carried = 1)
%3: f32[T, 2] = scan(%0, %1, body = 0, result = 1, sequences = 1, carried = 1)
return %2, %3
}
%0: f32[S, T, 2] = input(index = 0)
%1: f32[] = const(f32 = 0.0)
%2: f32[2] = expand(%1, shape = [2])
%3: f32[S, T, 2] = scan(%0, %2, body = 0, result = 1, sequences = 1, carried = 1)
return %3";

#[test]
fn loops_inside_of_loops() {
    let g = graph(NESTED);
    for (s, t) in [(1, 1), (3, 4), (0, 3), (3, 0), (5, 7)] {
        let x = Tensor::new(vec![0.5f32; s * t * 2], [s, t, 2]).expect("fits");
        let y = &check(&g, &[x])[0];
        let sums: Vec<f32> = (0..s * t).flat_map(|i| [(i + 1) as f32 * 0.5; 2]).collect();
        assert_eq!(y.as_f32(), Some(&sums[..]), "{s} rows of {t}");
    }
}
