//! The largest elements, on every vector level, against the interpreter.

use tancho::{Error, Graph, Tensor};
use tancho_support::{Rng, compile_for, targets, views};

/// Values and places of the largest elements along an axis.
fn graph(ty: &str, k: usize, axis: usize, result: &str) -> Graph {
    let dims: Vec<&str> = ["B", "S"].into_iter().filter(|d| ty.contains(d)).collect();
    let places = format!("i32{}", &result[3..]);
    let text = format!(
        "network A<{}>\ninput x: {ty}\n%0: {ty} = input(index = 0)
%1: {result} = topk(%0, k = {k}, over = ({axis},))\n%2: {places} = topk_indices(%0, k = {k}, over = ({axis},))
return %1, %2",
        dims.join(", ")
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[track_caller]
fn check(g: &Graph, x: Tensor) -> [Tensor; 2] {
    let (x, mut found) = ([x], None);
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(&x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?}\n{report}\n{g}");
        let mut s = c.session();
        s.run_inputs(&views(&x)).expect("runs");
        found = Some([0, 1].map(|i| s.tensor(i).expect("a result")));
    }
    found.expect("a target")
}

#[test]
fn largest_along_every_axis() {
    let mut rng = Rng::new(1);
    for (axis, result) in [(0, "f32[2, S, 9]"), (1, "f32[B, 2, 9]"), (2, "f32[B, S, 2]")] {
        let g = graph("f32[B, S, 9]", 2, axis, result);
        for (b, s) in [(2, 2), (3, 7), (2, 20)] {
            check(&g, rng.floats(&[b, s, 9]));
        }
    }
    check(&graph("f32[B, 40]", 8, 1, "f32[B, 8]"), rng.floats(&[5, 40]));
    check(&graph("f32[B, 5]", 5, 1, "f32[B, 5]"), rng.floats(&[0, 5]));
    let ints = Tensor::new(vec![3, -1, 3, i32::MAX, i32::MIN, 3], [2, 3]).expect("fits");
    let [values, places] = check(&graph("i32[B, 3]", 3, 1, "i32[B, 3]"), ints);
    assert_eq!(values.as_i32(), Some(&[3, 3, -1, i32::MAX, 3, i32::MIN][..]));
    assert_eq!(places.as_i32(), Some(&[0, 2, 1, 0, 2, 1][..]));
}

/// Equal numbers in the order of their places, NaN before all.
#[test]
fn equal_and_special_numbers() {
    const INF: f32 = f32::INFINITY;
    let x = [1.0, f32::NAN, 1.0, INF, -INF, -INF, -INF, -INF, -0.0, 0.0, 1e-45, -1e-45];
    let [values, places] =
        check(&graph("f32[3, 4]", 4, 1, "f32[3, 4]"), Tensor::new(x.to_vec(), [3, 4]).expect("fits"));
    assert_eq!(places.as_i32(), Some(&[1, 3, 0, 2, 0, 1, 2, 3, 2, 0, 1, 3][..]));
    let values = values.as_f32().expect("f32");
    assert!(values[0].is_nan() && values[1..4] == [INF, 1.0, 1.0] && values[4..8] == [-INF; 4]);
}

#[test]
fn more_than_there_are_is_an_error_and_the_session_goes_on() {
    let g = graph("f32[B, S]", 3, 1, "f32[B, 3]");
    for target in targets() {
        let c = compile_for(&g, target).expect("compiles");
        let mut s = c.session();
        let x = |n: usize| [Tensor::new(vec![0.5f32; 2 * n], [2, n]).expect("fits")];
        let error = s.run_inputs(&views(&x(2))).expect_err("two of three");
        assert!(matches!(error, Error::TooFewElements { asked: 3, found: 2, .. }), "{error}");
        let same = c.interpret_inputs(&views(&x(2))).expect_err("two of three");
        assert!(matches!(same, Error::TooFewElements { asked: 3, found: 2, .. }), "{same}");
        assert!(
            error.to_string().ends_with("3 elements are to be found, but the axis has only 2 in this call")
        );
        s.run_inputs(&views(&x(3))).expect("runs");
        assert_eq!(s.tensor(1).expect("a result").as_i32(), Some(&[0, 1, 2, 0, 1, 2][..]));
    }
}
