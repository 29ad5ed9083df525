//! Images with other numbers of rows and columns, on every vector level, against the interpreter.

use tancho::{Error, Graph, Tensor};
use tancho_support::{Rng, compile_for, targets, views};

/// A network that gives images whose size is known when it runs the size of another input.
fn graph(mode: &str) -> Graph {
    let text = format!(
        "network Op<N, H, W, P, Q>\ninput x: f32[N, 3, H, W]\ninput like: f32[P, Q]
%0: f32[N, 3, H, W] = input(index = 0)\n%1: f32[P, Q] = input(index = 1)
%2: f32[N, 3, P, Q] = resize(%0, size = [P, Q], mode = {mode})\nreturn %2, %1"
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[test]
fn every_size() {
    let mut rng = Rng::new(1);
    for mode in ["nearest", "bilinear"] {
        let g = graph(mode);
        for target in targets() {
            let c = compile_for(&g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
            for (from, to) in [
                ([1, 1], [5, 3]),
                ([4, 6], [8, 18]),
                ([7, 10], [3, 4]),
                ([13, 9], [17, 9]),
                ([5, 5], [0, 4]),
                ([2, 30], [1, 61]),
            ] {
                let x = [rng.floats(&[2, 3, from[0], from[1]]), rng.floats(&to)];
                let report = c.check_inputs(&views(&x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
                assert!(report.is_ok(), "{target:?} {from:?} {to:?}\n{report}\n{g}");
            }
        }
    }
}

#[test]
fn special_pixels_and_no_pixels() {
    let mut rng = Rng::new(2);
    for mode in ["nearest", "bilinear"] {
        let g = graph(mode);
        for target in targets() {
            let c = compile_for(&g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
            for special in [f32::NAN, f32::INFINITY, 1e-45, -0.0] {
                let mut x = vec![0.25f32; 3 * 4 * 4];
                x[5] = special;
                let x = [Tensor::new(x, [1, 3, 4, 4]).expect("fits"), rng.floats(&[7, 8])];
                let report = c.check_inputs(&views(&x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
                assert!(report.is_ok(), "{target:?} {special}\n{report}");
            }
            let error = c.session().run_inputs(&views(&[rng.floats(&[1, 3, 0, 4]), rng.floats(&[2, 2])]));
            assert!(matches!(error, Err(Error::IdOutOfRange { rows: 0, .. })), "{error:?}");
        }
    }
}
