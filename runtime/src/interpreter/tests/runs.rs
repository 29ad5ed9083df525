//! Whole graphs: results, and errors that say where they come from.

use super::*;

const LOOKUP: &str = r#"network Net<B, S <= 4>
where B % 2 == 0
input ids: i32[B, S]
input x: f32[B, 2*S]
weight "w": f32[3, 2] = zeros
%0: i32[B, S] = input(index = 0)
%1: f32[B, 2*S] = input(index = 1)
%2: f32[3, 2] = weight(index = 0)
%3: f32[B, S, 2] = gather(%2, %0) // "table[ids]" "src/a.rs":3:4
%4: f32[B, S - 2] = slice(%1, axis = (1,), start = S, end = 2*S - 2)
%5: f32[] = dim(of = B*S)
return %3, %4, %5
"#;

#[test]
fn a_graph_runs_and_its_errors_say_where() {
    let g = Graph::parse(LOOKUP).expect("a graph");
    let weights = |_| Ok(f(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[3, 2]));
    let run = |ids: Tensor, x: Tensor| {
        let inputs = [ids, x];
        Interpreter::for_inputs(&g, &inputs)?.run(&inputs, &weights)
    };
    let x = f(&[0.0; 12], &[2, 6]);
    let y = run(i(&[0, 1, 2, 2, 1, 0], &[2, 3]), x.clone()).expect("runs");
    assert_eq!(
        (y[0].shape(), y[1].shape(), y[2].as_f32()),
        (&[2, 3, 2][..], &[2, 1][..], Some(&[6.0f32][..]))
    );
    let fails = |ids: Tensor, x: Tensor| run(ids, x).expect_err("fails").to_string();
    for bad in [3, -1, i32::MIN] {
        assert_eq!(
            fails(i(&[0, 1, 2, 2, bad, 0], &[2, 3]), x.clone()),
            format!(
                "`table[ids]` at src/a.rs:3:4: id {bad} at position [1, 1] is out of range: the table has 3 rows, ids run from 0 to 2"
            )
        );
    }
    let zeros = |shape: [usize; 2]| Tensor::zeros(DType::I32, shape).expect("zeros");
    assert_eq!(
        fails(zeros([2, 3]), f(&[0.0; 10], &[2, 5])),
        "input `x` is declared f32[B, 2*S], but f32[2, 5] was given: axis 1 is 5, but `2*S` is 6 in this call"
    );
    assert_eq!(
        fails(zeros([2, 3]), zeros([2, 6])),
        "input `x` is declared f32[B, 2*S], but i32[2, 6] was given"
    );
    assert!(
        fails(zeros([2, 5]), f(&[0.0; 20], &[2, 10])).contains("dim `S` is 5, but it is declared `S <= 4`")
    );
    assert!(
        fails(zeros([1, 3]), f(&[0.0; 6], &[1, 6]))
            .contains("`where B % 2 == 0` does not hold: the left side is 1")
    );
    assert!(fails(zeros([2, 1]), f(&[0.0; 4], &[2, 2])).contains("an axis cannot have length -1"));
    assert!(matches!(Interpreter::for_inputs(&g, &[]), Err(Error::InputCount { expected: 2, found: 0 })));
    let e = Interpreter::new(&g, [("B", 2)].into_iter().collect()).expect_err("S is missing");
    assert_eq!(e.to_string(), "`S` in network `Net` cannot be computed: unknown dimension `S`");
    assert!(Interpreter::new(&g, [("B", 2), ("S", -1)].into_iter().collect()).is_err());
    assert!(matches!(
        Interpreter::new(&g, [("B", i64::MAX - 1), ("S", 4)].into_iter().collect()),
        Err(Error::Dim { .. } | Error::Memory { .. })
    ));
}

#[test]
fn a_single_op_is_checked_against_the_graph() {
    let g = Graph::parse(LOOKUP).expect("a graph");
    let t = Interpreter::new(&g, [("B", 2), ("S", 3)].into_iter().collect()).expect("binds");
    let (table, ids) = (f(&[0.0; 6], &[3, 2]), Tensor::zeros(DType::I32, [2, 3]).expect("zeros"));
    assert_eq!(t.eval_node(Value(3), &[&table, &ids]).expect("runs").shape(), [2, 3, 2]);
    let e = t.eval_node(Value(3), &[&ids, &table]).expect_err("swapped").to_string();
    assert_eq!(e, "`table[ids]` at src/a.rs:3:4: argument 0 must be f32[3, 2], but is i32[2, 3]");
    assert!(t.eval_node(Value(3), &[&table]).is_err() && t.eval_node(Value(0), &[]).is_err());
    let all = t
        .run_all(&[ids, f(&[0.0; 12], &[2, 6])], &|_| Ok(Tensor::scalar(0.0f32)))
        .expect_err("a wrong weight");
    assert_eq!(all.to_string(), "weight `w` is f32[3, 2], but f32[] was given");
}

#[test]
fn a_slice_beyond_its_axis_is_an_error() {
    let text = "network A<S, T>\ninput x: f32[S]\ninput y: f32[T]\n%0: f32[S] = input(index = 0)\n%1: f32[T] = slice(%0, axis = (0,), start = 0, end = T)\nreturn %1\n";
    let g = Graph::parse(text).expect("a graph");
    let args = [f(&[1.0, 2.0], &[2]), f(&[0.0; 3], &[3])];
    let e = Interpreter::for_inputs(&g, &args).and_then(|t| t.run(&args, &no_weights)).expect_err("too long");
    assert_eq!(e.to_string(), "slice %1: 0..3 is outside of axis 0, which has 2 elements in this call");
}
