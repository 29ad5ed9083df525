//! Several ops in one kernel, and what the arithmetic of f32 cannot hold.

use super::*;

/// A gelu or exponential in an epilogue, a norm behind it: fused kernels meet special values as single ops
/// do.
#[test]
fn fused_kernels() {
    let text = "network Fused<B>
input x: f32[B, 20]
weight \"w\": f32[20, 20] = xavier
%0: f32[B, 20] = input(index = 0)
%1: f32[20, 20] = weight(index = 0)
%2: f32[B, 20] = linear(%0, %1)
%3: f32[B, 20] = gelu(%2)
%4: f32[B, 20] = add(%0, %3)
%5: f32[B, 20] = softmax(%4, over = (1,))
return %5";
    let x = rows(20, &[NAN, INF, -INF, 1e30, 1e-40, -0.0]);
    let g = Graph::parse(text).expect("a graph");
    let c = compile(&g).expect("compiles");
    let mut s = c.session();
    s.run_inputs(&views(std::slice::from_ref(&x))).expect("runs");
    let weights = |i: usize| c.weights().at(i).expect("a weight").to_tensor();
    let want = Interpreter::for_inputs(&g, std::slice::from_ref(&x))
        .and_then(|t| t.run(std::slice::from_ref(&x), &weights))
        .expect("runs");
    let report = tancho::inspect::compare(
        "y",
        &s.tensor(0).expect("a result"),
        &want[0],
        None,
        tancho::inspect::BOUND,
    );
    assert!(report.is_ok(), "{report}");
    assert!(
        want[0].as_f32().expect("f32").chunks(20).any(|r| r.iter().all(|x| x.is_finite())),
        "some rows are numbers"
    );
}

/// Squares that leave the range of f32 make norms zeros, as `docs/language.md` says; `check` names the op.
/// Numbers just inside of the range are normalised.
#[test]
fn norms_beyond_the_range_of_squares_are_reported() {
    let cases = [
        ("layer_norm(%0, over = (1,))", 1e20f32, 1e18),
        ("rms_norm(%0, over = (1,))", 1e20, 1e18),
        ("l2_normalize(%0, over = (1,))", 1e20, 1e18),
        ("l2_normalize(%0, over = (1,), eps = 1e-30)", 1e-25, 1e-17),
    ];
    for (op, outside, inside) in cases {
        let text = format!(
            "network Norm<B>\ninput x: f32[B, 3]\n%0: f32[B, 3] = input(index = 0)\n%1: f32[B, 3] = {op}\nreturn %1"
        );
        let g = Graph::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        for isa in levels() {
            let c = compile_for(&g, Target::host().with_isa(isa).expect("a level")).expect("compiles");
            let report = |size: f32| {
                let x = Tensor::new(vec![size, 2.0 * size, 3.0 * size], [1, 3]).expect("fits");
                c.check_inputs(&views(&[x])).expect("runs")
            };
            let (bad, good) = (report(outside), report(inside));
            assert!(!bad.is_ok() && bad.diverges_at.is_some(), "{op} of {outside} on {isa}\n{bad}");
            assert!(good.is_ok(), "{op} of {inside} on {isa}\n{good}");
        }
    }
}
