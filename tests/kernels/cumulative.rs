//! Cumulative sums, flipped axes and elements by ids, on every vector level, against the interpreter.

use tancho::{Error, Graph, Tensor};
use tancho_ir::op::Op;
use tancho_support::{Rng, compile_for, targets, views};

const INF: f32 = f32::INFINITY;
const NAN: f32 = f32::NAN;

/// A network of one op on inputs of these types.
fn graph(dims: &str, op: &str, inputs: &[&str], result: &str) -> Graph {
    let mut text = format!("network A<{dims}>\n");
    for (i, ty) in inputs.iter().enumerate() {
        text += &format!("input x{i}: {ty}\n");
    }
    for (i, ty) in inputs.iter().enumerate() {
        text += &format!("%{i}: {ty} = input(index = {i})\n");
    }
    let n = inputs.len();
    text += &format!("%{n}: {result} = {op}\nreturn %{n}");
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The result of a run, which is the interpreter's, on every level.
#[track_caller]
fn check(g: &Graph, x: &[Tensor]) -> Tensor {
    let mut result = None;
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?}\n{report}\n{g}");
        let mut s = c.session();
        s.run_inputs(&views(x)).expect("runs");
        result = Some(s.tensor(0).expect("a result"));
    }
    result.expect("a target")
}

#[test]
fn sums_along_every_axis() {
    let mut rng = Rng::new(1);
    for axis in 0..3 {
        let ty = "f32[B, S, D]";
        let g = graph("B, S, D", &format!("cumsum(%0, over = ({axis},))"), &[ty], ty);
        for shape in [[2, 3, 5], [1, 1, 1], [3, 40, 17], [2, 0, 3], [0, 4, 4], [5, 2, 64], [1, 1000, 1]] {
            check(&g, &[rng.floats(&shape)]);
        }
    }
    let g = graph("N", "cumsum(%0, over = (0,))", &["i32[N]"], "i32[N]");
    let y = check(&g, &[Tensor::new(vec![i32::MAX, 1, -1, 4], [4]).expect("fits")]);
    assert_eq!(y.as_i32(), Some(&[i32::MAX, i32::MIN, i32::MAX, i32::MIN + 3][..]));
}

#[test]
fn sums_of_numbers_that_are_not_finite() {
    let g = graph("N", "cumsum(%0, over = (0,))", &["f32[N, 4]"], "f32[N, 4]");
    let x = [1.0, INF, NAN, -0.0, 1e-45, 1.0, 1.0, 1e-40, 2.0, -INF, 0.0, 1e-45];
    let y = check(&g, &[Tensor::new(x.to_vec(), [3, 4]).expect("fits")]);
    let y = y.as_f32().expect("f32");
    assert_eq!((y[4], y[5], y[8], y[11]), (1.0, INF, 3.0, 1e-40 + 1e-45));
    assert!(y[2].is_nan() && y[6].is_nan() && y[10].is_nan() && y[9].is_nan());
}

/// One is added a million times to 2^24, which a single addition of it would not change.
#[test]
fn long_sums_lose_nothing() {
    let g = graph("N", "cumsum(%0, over = (0,))", &["f32[N]"], "f32[N]");
    let mut x = vec![1.0f32; 1_000_001];
    x[0] = 16_777_216.0;
    let y = check(&g, &[Tensor::new(x, [1_000_001]).expect("fits")]);
    assert_eq!(y.as_f32().expect("f32").last(), Some(&17_777_216.0));
}

/// What is summed is read through views and made by other kernels.
#[test]
fn sums_of_views_and_of_results() {
    let text = "network A<B, S>\ninput x: f32[B, S, 6]\n%0: f32[B, S, 6] = input(index = 0)
%1: f32[B, 6, S] = transpose(%0, axes = (0, 2, 1))\n%2: f32[B, 6, S] = cumsum(%1, over = (1,))
%3: f32[B, S, 6] = exp(%0)\n%4: f32[B, S, 2] = slice(%3, axis = (2,), start = 1, end = 5, step = 2)
%5: f32[B, S, 2] = cumsum(%4, over = (1,))\n%6: f32[B, S, 2] = neg(%5)\nreturn %2, %6";
    let g = Graph::parse(text).expect("a graph");
    let mut rng = Rng::new(2);
    for (b, s) in [(1, 1), (2, 7), (3, 33), (2, 0)] {
        check(&g, &[rng.floats(&[b, s, 6])]);
    }
}

#[test]
fn axes_from_last_to_first() {
    let mut rng = Rng::new(3);
    for axis in 0..3 {
        let ty = "f32[B, S, 5]";
        let g = graph("B, S", &format!("flip(%0, axis = ({axis},))"), &[ty], ty);
        for (b, s) in [(1, 1), (2, 7), (3, 40), (2, 0), (0, 3)] {
            check(&g, &[rng.floats(&[b, s, 5])]);
        }
    }
    let g = graph("N", "flip(%0, axis = (0,))", &["bool[N]"], "bool[N]");
    let y = check(&g, &[Tensor::new(vec![true, true, false], [3]).expect("fits")]);
    assert_eq!(y.as_bool(), Some(&[false, true, true][..]));
}

#[test]
fn elements_by_ids() {
    let mut rng = Rng::new(4);
    for (axis, ids) in [(0, "i32[K, S, 6]"), (1, "i32[B, K, 6]"), (2, "i32[B, S, K]")] {
        let result = ids.replace("i32", "f32");
        let op = format!("take_along(%0, %1, axis = ({axis},))");
        let g = graph("B, S, K", &op, &["f32[B, S, 6]", ids], &result);
        for (b, s, k) in [(1, 1, 1), (2, 7, 3), (3, 20, 11), (2, 3, 0)] {
            let mut shape = [b, s, 6];
            let len = shape[axis];
            let x = rng.floats(&shape);
            shape[axis] = k;
            let n = shape.iter().product();
            let ids = (0..n).map(|_| rng.below(len) as i32).collect::<Vec<_>>();
            check(&g, &[x, Tensor::new(ids, shape).expect("fits")]);
        }
    }
}

#[test]
fn an_id_out_of_range_is_an_error_and_the_session_goes_on() {
    let g = graph("N", "take_along(%0, %1, axis = (1,))", &["f32[N, 3]", "i32[N, 2]"], "f32[N, 2]");
    assert!(matches!(g.nodes[2].op, Op::TakeAlong { axis: 1 }));
    let x = Tensor::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).expect("fits");
    for target in targets() {
        let c = compile_for(&g, target).expect("compiles");
        let mut s = c.session();
        // The first would be an element of the row before, the second one of the row after.
        for wrong in [[0, 1, -1, 2], [0, 3, 1, 1]] {
            let ids = Tensor::new(wrong.to_vec(), [2, 2]).expect("fits");
            let error = s.run_inputs(&views(&[x.clone(), ids])).expect_err("out of range");
            assert!(matches!(error, Error::IdOutOfRange { rows: 3, .. }), "{error}");
        }
        let ids = Tensor::new(vec![2, 2, 0, 1], [2, 2]).expect("fits");
        s.run_inputs(&views(&[x.clone(), ids])).expect("runs");
        assert_eq!(s.tensor(0).expect("a result").as_f32(), Some(&[3.0, 3.0, 4.0, 5.0][..]));
    }
}
