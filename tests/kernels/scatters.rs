//! Sums of rows by ids, on every vector level, against the interpreter.

use tancho::{Error, Graph, Tensor};
use tancho_support::{Rng, compile_for, run_on, same_bits, targets, views};

/// A network that adds rows of `x` by ids of this shape.
fn graph(dims: &str, ids: &str, width: &str, rows: &str) -> Graph {
    let x = if ids.is_empty() { width.to_string() } else { format!("{ids}, {width}") };
    let text = format!(
        "network A<{dims}>\ninput x: f32[{x}]\ninput ids: i32[{ids}]\n%0: f32[{x}] = input(index = 0)\n\
         %1: i32[{ids}] = input(index = 1)\n\
         %2: f32[{rows}, {width}] = scatter_add(%0, %1, rows = {rows})\nreturn %2"
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// The result of a run, which is the interpreter's on every level, and has the same bits on one thread and on
/// two.
#[track_caller]
fn check(g: &Graph, inputs: &[Tensor]) -> Tensor {
    let mut result: Option<Tensor> = None;
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(inputs)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?}\n{report}\n{g}");
        let [one, two] = [1, 2].map(|threads| run_on(&c, threads, inputs).expect("runs").remove(0));
        assert!(same_bits(&one, &two), "{target:?}: one thread and two");
        let before = result.get_or_insert_with(|| one.clone());
        assert!(same_bits(before, &one), "{target:?}: every level adds in the order of the ids");
    }
    result.expect("a target")
}

#[test]
fn rows_are_added_where_ids_say() {
    let g = graph("N", "N", "2", "4");
    let x = Tensor::new((0..10).map(|i| i as f32).collect::<Vec<_>>(), [5, 2]).expect("fits");
    let ids = Tensor::new(vec![3, 0, 3, 1, 3], [5]).expect("fits");
    let y = check(&g, &[x, ids]);
    assert_eq!(y.as_f32(), Some(&[2.0, 3.0, 6.0, 7.0, 0.0, 0.0, 12.0, 15.0][..]));
}

#[test]
fn ids_of_any_axes_and_rows_of_any_width() {
    let mut rng = Rng::new(1);
    for rows in ["1", "7", "33"] {
        let g = graph("B, S, D", "B, S", "D", rows);
        for shape in [[2, 3, 5], [1, 1, 1], [3, 40, 17], [2, 0, 3], [0, 4, 4], [5, 2, 64], [3, 2, 0]] {
            let ids = rng.ids(&shape[..2], rows.parse().expect("a number"));
            check(&g, &[rng.floats(&shape), ids]);
        }
    }
    check(&graph("D", "", "D", "3"), &[rng.floats(&[9]), rng.ids(&[], 3)]);
    check(&graph("N", "N", "1", "5"), &[rng.floats(&[50, 1]), rng.ids(&[50], 5)]);
    let y = check(&graph("N, D", "N", "D", "0"), &[rng.floats(&[0, 3]), rng.ids(&[0], 1)]);
    assert_eq!(y.shape(), [0, 3]);
}

#[test]
fn many_rows_that_threads_share() {
    let mut rng = Rng::new(2);
    let g = graph("N", "N", "40", "3000");
    let y = check(&g, &[rng.floats(&[700, 40]), rng.ids(&[700], 3000)]);
    assert!(y.as_f32().expect("f32").contains(&0.0), "no id names some rows");
    // All of them are added to few rows.
    check(&g, &[rng.floats(&[2000, 40]), rng.ids(&[2000], 3)]);
}

/// As many rows as a table has, which is known when it runs.
#[test]
fn the_number_of_rows_may_be_a_run_time_dim() {
    let text = "network A<N, B>\ninput table: f32[N, 3]\ninput x: f32[B, 3]\ninput ids: i32[B]\n\
        %0: f32[N, 3] = input(index = 0)\n%1: f32[B, 3] = input(index = 1)\n%2: i32[B] = input(index = 2)\n\
        %3: f32[N, 3] = scatter_add(%1, %2, rows = N)\n%4: f32[N, 3] = add(%0, %3)\nreturn %4";
    let g = Graph::parse(text).expect("a graph");
    let mut rng = Rng::new(5);
    for (n, b) in [(1, 1), (9, 4), (300, 77), (5, 0), (0, 0)] {
        check(&g, &[rng.floats(&[n, 3]), rng.floats(&[b, 3]), rng.ids(&[b], n)]);
    }
}

/// Rows and ids are read through views, and made by other kernels.
#[test]
fn views_and_results_are_added() {
    let text = "network A<B, S>\ninput x: f32[B, 6, S]\ninput ids: i32[S, B]\n\
        %0: f32[B, 6, S] = input(index = 0)\n%1: i32[S, B] = input(index = 1)\n\
        %2: f32[B, S, 6] = transpose(%0, axes = (0, 2, 1))\n%3: i32[B, S] = transpose(%1, axes = (1, 0))\n\
        %4: f32[9, 6] = scatter_add(%2, %3, rows = 9)\n%5: f32[B, S, 6] = exp(%2)\n\
        %6: f32[B, S, 2] = slice(%5, axis = (2,), start = 1, end = 5, step = 2)\n\
        %7: f32[9, 2] = scatter_add(%6, %3, rows = 9)\n%8: f32[9, 2] = neg(%7)\nreturn %4, %8";
    let g = Graph::parse(text).expect("a graph");
    let mut rng = Rng::new(3);
    for (b, s) in [(1, 1), (2, 7), (3, 33), (2, 0)] {
        check(&g, &[rng.floats(&[b, 6, s]), rng.ids(&[s, b], 9)]);
    }
}

/// The same id, at the same place, as where rows are taken by it.
#[test]
fn an_id_out_of_range_is_the_error_of_a_gather() {
    let taken = "network A<N>\ninput table: f32[3, 2]\ninput ids: i32[N, 2]\n%0: f32[3, 2] = input(index = 0)\n\
        %1: i32[N, 2] = input(index = 1)\n%2: f32[N, 2, 2] = gather(%0, %1)\nreturn %2";
    let (taken, added) = (Graph::parse(taken).expect("a graph"), graph("N", "N, 2", "2", "3"));
    let mut rng = Rng::new(4);
    let (table, x) = (rng.floats(&[3, 2]), rng.floats(&[2, 2, 2]));
    for target in targets() {
        let mut sessions = [&taken, &added].map(|g| compile_for(g, target).expect("compiles").session());
        for wrong in [[0, 1, -1, 2], [0, 3, 1, 1], [2, 2, 2, i32::MIN], [i32::MAX, -5, 0, 0]] {
            let ids = Tensor::new(wrong.to_vec(), [2, 2]).expect("fits");
            let found = sessions.each_mut().map(|session| {
                let first = if session.compiled().graph() == &taken { &table } else { &x };
                let error = session.run_inputs(&views(&[first.clone(), ids.clone()])).expect_err("an id");
                let Error::IdOutOfRange { id, rows, position, .. } = error else { panic!("{error}") };
                (id, rows, position)
            });
            assert_eq!(found[0], found[1], "{wrong:?} on {target:?}");
        }
        let ids = Tensor::new(vec![2, 2, 0, 1], [2, 2]).expect("fits");
        sessions[1].run_inputs(&views(&[x.clone(), ids])).expect("runs");
        // No id is right where there are no rows, and rows without elements have ids all the same.
        for (width, rows, x) in [("2", "0", rng.floats(&[1, 2])), ("0", "3", rng.floats(&[1, 0]))] {
            let mut session = compile_for(&graph("N", "N", width, rows), target).expect("compiles").session();
            let ids = Tensor::new(vec![3], [1]).expect("fits");
            let error = session.run_inputs(&views(&[x, ids])).expect_err("out of range");
            assert!(matches!(error, Error::IdOutOfRange { id: 3, .. }), "{error}");
        }
    }
}
