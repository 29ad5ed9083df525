//! Sums of rows, alone and beside other work on the rows, on every vector level, against the interpreter.

use tancho::{Graph, Tensor};
use tancho_support::{Rng, compile_for, run_on, same_bits, targets, views};

fn parsed(text: &str) -> Graph {
    Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Compares every level with the interpreter, and one thread with two. Gives the results.
#[track_caller]
fn check(g: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut results = Vec::new();
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(inputs)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?}\n{report}\n{g}");
        let [one, two] = [1, 2].map(|threads| run_on(&c, threads, inputs).expect("runs"));
        let same = one.iter().zip(&two).all(|(a, b)| same_bits(a, b));
        assert!(same, "{target:?}: one thread and two");
        results = one;
    }
    results
}

#[test]
fn parts_of_the_rows_and_all_of_them() {
    let text = "network A<N>\ninput x: f32[N, 2]\n%0: f32[N, 2] = input(index = 0)\n\
        %1: f32[ceil(N / 2), 2] = sum_rows(%0, part = 2)\n%2: f32[2] = sum_rows(%0, part = 0)\nreturn %1, %2";
    let g = parsed(text);
    let x = Tensor::new((0..10).map(|i| i as f32).collect::<Vec<_>>(), [5, 2]).expect("fits");
    let y = check(&g, &[x]);
    assert_eq!(y[0].as_f32(), Some(&[2.0, 4.0, 10.0, 12.0, 8.0, 9.0][..]));
    assert_eq!(y[1].as_f32(), Some(&[20.0, 25.0][..]));
    let y = check(&g, &[Tensor::new(Vec::<f32>::new(), [0, 2]).expect("fits")]);
    assert_eq!((y[0].shape(), y[1].as_f32()), (&[0, 2][..], Some(&[0.0, 0.0][..])));
}

/// Widths around those of vectors, rows around parts.
#[test]
fn sums_over_leading_axes_of_any_size() {
    let mut rng = Rng::new(1);
    for kind in ["sum", "mean"] {
        for width in ["D", "8", "33", "128"] {
            let text = format!(
                "network A<B, S{}>\ninput x: f32[B, S, {width}]\n%0: f32[B, S, {width}] = input(index = 0)\n\
                 %1: f32[{width}] = {kind}(%0, over = (0, 1))\nreturn %1",
                if width == "D" { ", D" } else { "" }
            );
            let g = parsed(&text);
            for [b, s] in [[1, 1], [2, 16], [3, 11], [1, 64], [5, 13], [4, 150]] {
                for d in
                    if width == "D" { vec![0, 1, 7, 16, 65] } else { vec![width.parse().expect("a size")] }
                {
                    check(&g, &[rng.floats(&[b, s, d])]);
                }
            }
            // Of no rows a sum is 0, and a mean NaN.
            let d = width.parse().unwrap_or(3);
            let y = check(&g, &[rng.floats(&[0, 4, d])]);
            let is_right = |x: &f32| if kind == "sum" { *x == 0.0 } else { x.is_nan() };
            assert!(y[0].as_f32().expect("f32").iter().all(is_right));
        }
    }
}

/// As in the gradient of a layer norm: rows are worked on and summed in one kernel.
#[test]
fn sums_beside_other_work_on_the_rows() {
    let text = "network A<B, S>\ninput x: f32[B, S, 24]\ninput d: f32[B, S, 24]\n\
        %0: f32[B, S, 24] = input(index = 0)\n%1: f32[B, S, 24] = input(index = 1)\n\
        %2: f32[B, S, 24] = layer_norm(%0, over = (2,))\n%3: f32[B, S, 24] = mul(%2, %1)\n\
        %4: f32[24] = sum(%3, over = (0, 1))\n%5: f32[24] = sum(%1, over = (0, 1))\n\
        %6: f32[B, S] = sum(%3, over = (2,))\n%7: f32[24] = sum(%2, over = (0, 1))\nreturn %2, %4, %5, %6, %7";
    let g = parsed(text);
    let mut rng = Rng::new(2);
    for [b, s] in [[1, 1], [2, 31], [3, 33], [7, 40], [2, 0]] {
        check(&g, &[rng.floats(&[b, s, 24]), rng.floats(&[b, s, 24])]);
    }
}

/// Infinities and NaN stay in their columns; what is below the normal numbers is added.
#[test]
fn numbers_that_are_not_finite_stay_in_their_columns() {
    let text = "network A<N>\ninput x: f32[N, 9]\n%0: f32[N, 9] = input(index = 0)\n\
        %1: f32[9] = sum(%0, over = (0,))\nreturn %1";
    let g = parsed(text);
    let mut rng = Rng::new(3);
    for n in [3, 100] {
        let mut x = rng.floats(&[n, 9]).as_f32().expect("f32").to_vec();
        (x[1], x[2], x[9 + 3], x[9 + 2]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY);
        x.iter_mut().skip(5).step_by(9).for_each(|x| *x = f32::from_bits(3));
        let y = check(&g, &[Tensor::new(x, [n, 9]).expect("fits")]);
        let y = y[0].as_f32().expect("f32");
        assert!(y[1].is_nan() && y[2].is_nan() && y[3] == f32::NEG_INFINITY && y[0].is_finite());
        assert_eq!(y[5], f32::from_bits(3 * n as u32));
    }
}

/// Ids that are no rows of a table are found in the middle of a part.
#[test]
fn an_id_out_of_range_in_a_part() {
    let text = "network A<N>\ninput table: f32[3, 8]\ninput ids: i32[N]\n%0: f32[3, 8] = input(index = 0)\n\
        %1: i32[N] = input(index = 1)\n%2: f32[N, 8] = gather(%0, %1)\n%3: f32[N, 8] = exp(%2)\n\
        %4: f32[8] = sum(%3, over = (0,))\nreturn %4";
    let g = parsed(text);
    let mut rng = Rng::new(4);
    let (table, mut ids) = (rng.floats(&[3, 8]), vec![1; 100]);
    check(&g, &[table.clone(), Tensor::new(ids.clone(), [100]).expect("fits")]);
    ids[77] = 3;
    for target in targets() {
        let mut session = compile_for(&g, target).expect("compiles").session();
        let ids = Tensor::new(ids.clone(), [100]).expect("fits");
        match session.run_inputs(&views(&[table.clone(), ids])).expect_err("an id") {
            tancho::Error::IdOutOfRange { id: 3, rows: 3, position, .. } => assert_eq!(position, [77]),
            other => panic!("{other}"),
        }
    }
}
