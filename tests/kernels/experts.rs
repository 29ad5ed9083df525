//! Mixtures of experts, on every vector level, against the interpreter and plain Rust.

use super::scans::{check, graph};
use tancho::{Model, Target, Tensor};
use tancho_support::{Rng, views};

/// `gain[e] * x + shift[e]` for the experts that each row chose.
const SCALED: &str = "network Scaled<B, K>
input ids: i32[B, K]
input x: f32[B, 3]
constant \"gain.0\": f32[3] = [0.5, -1.5, 2]
constant \"gain.1\": f32[3] = [1, 3, -0.25]
constant \"gain.2\": f32[3] = [-2, 0.75, 1.25]
body 0<rows> {
input x: f32[rows, 3]
input gain: f32[3]
%0: f32[rows, 3] = input(index = 0)
%1: f32[3] = input(index = 1)
%2: f32[rows, 3] = mul(%0, %1)
return %2
}
%0: i32[B, K] = input(index = 0)
%1: f32[B, 3] = input(index = 1)
%2: f32[3] = weight(index = 0)
%3: f32[3] = weight(index = 1)
%4: f32[3] = weight(index = 2)
%5: f32[B, K, 3] = experts(%0, %1, %2, %3, %4, body = 0, experts = 3, routed = 1)
return %5";

fn ids(rng: &mut Rng, b: usize, k: usize, experts: usize) -> Tensor {
    let ids: Vec<i32> = (0..b * k).map(|_| rng.below(experts) as i32).collect();
    Tensor::new(ids, [b, k]).expect("fits")
}

#[test]
fn each_row_goes_through_its_experts() {
    let g = graph(SCALED);
    let mut rng = Rng::new(1);
    let gains = [[0.5, -1.5, 2.0], [1.0, 3.0, -0.25], [-2.0, 0.75, 1.25]];
    for (b, k) in [(1, 1), (2, 3), (0, 2), (5, 0), (40, 2), (7, 1)] {
        let (ids, x) = (ids(&mut rng, b, k, 3), rng.floats(&[b, 3]));
        let y = &check(&g, &[ids.clone(), x.clone()])[0];
        let (ids, x) = (ids.as_i32().expect("i32"), x.as_f32().expect("f32"));
        let want: Vec<f32> = (0..b * k)
            .flat_map(|at| (0..3).map(move |d| (at, d)))
            .map(|(at, d)| x[at / k.max(1) * 3 + d] * gains[ids[at] as usize][d])
            .collect();
        assert_eq!(y.as_f32(), Some(&want[..]), "{b} rows, {k} experts each");
    }
}

/// A feed-forward network for each expert, whose ids have one axis and whose rows are gated.
const FORWARD: &str = "network Forward<B, S>
input ids: i32[B, S]
input x: f32[B, S, 20]
input gate: f32[B, S]
weight \"up.0\": f32[33, 20] = xavier
weight \"down.0\": f32[20, 33] = xavier
weight \"up.1\": f32[33, 20] = xavier
weight \"down.1\": f32[20, 33] = xavier
body 0<rows> {
input x: f32[rows, 20]
input gate: f32[rows]
input up: f32[33, 20]
input down: f32[20, 33]
%0: f32[rows, 20] = input(index = 0)
%1: f32[rows] = input(index = 1)
%2: f32[33, 20] = input(index = 2)
%3: f32[20, 33] = input(index = 3)
%4: f32[rows, 33] = linear(%0, %2)
%5: f32[rows, 33] = gelu(%4)
%6: f32[rows, 20] = linear(%5, %3)
%7: f32[rows, 1] = reshape(%1, shape = [rows, 1])
%8: f32[rows, 20] = expand(%7, shape = [rows, 20])
%9: f32[rows, 20] = mul(%6, %8)
%10: f32[rows, 20] = add(%9, %0)
%11: f32[rows, 20] = layer_norm(%10, over = (1,), eps = 1e-5, eps_on = var)
return %11
}
%0: i32[B, S] = input(index = 0)
%1: f32[B, S, 20] = input(index = 1)
%2: f32[B, S] = input(index = 2)
%3: f32[33, 20] = weight(index = 0)
%4: f32[20, 33] = weight(index = 1)
%5: f32[33, 20] = weight(index = 2)
%6: f32[20, 33] = weight(index = 3)
%7: i32[B*S, 1] = reshape(%0, shape = [B*S, 1])
%8: f32[B*S, 20] = reshape(%1, shape = [B*S, 20])
%9: f32[B*S] = reshape(%2, shape = [B*S])
%10: f32[B*S, 1, 20] = experts(%7, %8, %9, %3, %4, %5, %6, body = 0, experts = 2, routed = 2)
%11: f32[B, S, 20] = reshape(%10, shape = [B, S, 20])
return %11";

#[test]
fn experts_with_products_for_any_number_of_rows() {
    let g = graph(FORWARD);
    let mut rng = Rng::new(5);
    for (b, s) in [(1, 1), (3, 7), (1, 130), (0, 4), (2, 1)] {
        let (x, gate) = (rng.floats(&[b, s, 20]), rng.floats(&[b, s]));
        check(&g, &[ids(&mut rng, b, s, 2), x.clone(), gate.clone()]);
        // All rows for one expert, and none for the other.
        check(&g, &[ids(&mut rng, b, s, 1), x, gate]);
    }
}

#[test]
fn an_id_of_no_expert_is_an_error() {
    let c = Model::from_graph(graph(SCALED), 3).and_then(|m| m.compile(Target::host())).expect("compiles");
    let mut session = c.session();
    let x = Tensor::new(vec![1.0f32; 6], [2, 3]).expect("fits");
    let run = |session: &mut tancho::Session, ids: Vec<i32>| {
        let ids = Tensor::new(ids, [2, 2]).expect("fits");
        session.run_inputs(&views(&[ids, x.clone()])).map_err(|e| e.to_string())
    };
    for bad in [3, -1, i32::MAX, i32::MIN] {
        let e = run(&mut session, vec![0, 1, bad, 2]).expect_err("there are 3 experts");
        assert!(e.contains(&bad.to_string()) && e.contains("[1, 0]"), "{e}");
    }
    run(&mut session, vec![0, 1, 2, 2]).expect("the session goes on");
}

/// Experts inside of a loop, and a loop inside of each expert: for each element, sums of what the expert that
/// was chosen makes of it.
const NESTED: &str = "network Nested<S, B>
input ids: i32[S, B, 1]
input x: f32[S, B, 3, 2]
weight \"w.0\": f32[2] = uniform(-1.0, 1.0)
weight \"w.1\": f32[2] = uniform(-1.0, 1.0)
body 0 {
input ids: i32[B, 1]
input x: f32[B, 3, 2]
input sum: f32[B, 1, 2]
input w_0: f32[2]
input w_1: f32[2]
body 0<rows> {
input x: f32[rows, 3, 2]
input w: f32[2]
body 0 {
input x: f32[rows, 2]
input sum: f32[rows, 2]
%0: f32[rows, 2] = input(index = 0)
%1: f32[rows, 2] = input(index = 1)
%2: f32[rows, 2] = add(%0, %1)
return %2
}
%0: f32[rows, 3, 2] = input(index = 0)
%1: f32[2] = input(index = 1)
%2: f32[3, rows, 2] = transpose(%0, axes = (1, 0, 2))
%3: f32[] = const(f32 = 0.0)
%4: f32[rows, 2] = expand(%3, shape = [rows, 2])
%5: f32[rows, 2] = scan(%2, %4, body = 0, result = 0, sequences = 1, carried = 1)
%6: f32[rows, 2] = mul(%5, %1)
return %6
}
%0: i32[B, 1] = input(index = 0)
%1: f32[B, 3, 2] = input(index = 1)
%2: f32[B, 1, 2] = input(index = 2)
%3: f32[2] = input(index = 3)
%4: f32[2] = input(index = 4)
%5: f32[B, 1, 2] = experts(%0, %1, %3, %4, body = 0, experts = 2, routed = 1)
%6: f32[B, 1, 2] = add(%5, %2)
return %6
}
%0: i32[S, B, 1] = input(index = 0)
%1: f32[S, B, 3, 2] = input(index = 1)
%2: f32[2] = weight(index = 0)
%3: f32[2] = weight(index = 1)
%4: f32[] = const(f32 = 0.0)
%5: f32[B, 1, 2] = expand(%4, shape = [B, 1, 2])
%6: f32[B, 1, 2] = scan(%0, %1, %5, %2, %3, body = 0, result = 0, sequences = 2, carried = 1)
return %6";

#[test]
fn experts_inside_of_loops_and_loops_inside_of_experts() {
    let g = graph(NESTED);
    let mut rng = Rng::new(9);
    for (s, b) in [(1, 1), (4, 3), (0, 2), (3, 0), (6, 9)] {
        let chosen = Tensor::new((0..s * b).map(|_| rng.below(2) as i32).collect::<Vec<_>>(), [s, b, 1]);
        check(&g, &[chosen.expect("fits"), rng.floats(&[s, b, 3, 2])]);
    }
}
