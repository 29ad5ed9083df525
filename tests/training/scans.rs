//! Gradients of loops: back-propagation through time.

use crate::steps::step_of;
use crate::{Case, inputs, sizes};
use std::collections::HashMap;
use tancho::{Graph, Tensor, network};
use tancho_ir::Value;
use tancho_ir::differentiate::differentiate;
use tancho_ir::op::Op;
use tancho_ir::training::Optimizer;
use tancho_support::{Rng, compile_for, targets, views};

network! {
    /// One direction of `torch.nn.LSTM`.
    pub Lstm<B, S, D = 5, H = 4>(x: [B, S, D], h: [B, H], c: [B, H]) -> ([B, S, H], [B, H], [B, H]) {
        param w_x: [4 * H, D];
        param b_x: [4 * H];
        param w_h: [4 * H, H];
        param b_h: [4 * H];
        let mut h = h;
        let mut c = c;
        let y = scan x_t in x over S {
            let (i, f, g, o) = split(linear(x_t, w_x, b_x) + linear(h, w_h, b_h), axis = -1, parts = 4);
            c = sigmoid(f) * c + sigmoid(i) * tanh(g);
            h = sigmoid(o) * tanh(c);
            h
        };
        (y, h, c)
    }

    /// Its last carried value alone.
    pub LastCell<B, S>(x: [B, S, 5], h: [B, 4], c: [B, 4]) -> [B, 4] {
        net lstm: Lstm;
        let (_y, _h, c) = lstm(x, h, c);
        c
    }

    /// One direction of `torch.nn.GRU`, from the last element to the first.
    pub Gru<B, S, D = 5, H = 4>(x: [B, S, D], h: [B, H]) -> [B, S, H] {
        param w_x: [3 * H, D];
        param b_x: [3 * H];
        param w_h: [3 * H, H];
        param b_h: [3 * H];
        let mut h = h;
        scan x_t in x over S backwards {
            let (r, z, n) = split(linear(x_t, w_x, b_x), axis = -1, parts = 3);
            let (own_r, own_z, own_n) = split(linear(h, w_h, b_h), axis = -1, parts = 3);
            let z = sigmoid(z + own_z);
            h = (1 - z) * tanh(n + sigmoid(r + own_r) * own_n) + z * h;
            h
        }
    }

    /// A language model of one layer, and the mean of its loss.
    pub Words<B, S, V = 7, D = 4>(ids: i32[B, S], next: i32[B, S], h: [B, D], c: [B, D]) -> [] {
        net embed: Embedding<V, D>;
        net lstm: Lstm<D = D, H = D>;
        net head: Linear<D, V>;
        let (y, _h, _c) = lstm(embed(ids), h, c);
        mean(cross_entropy(head(y), next), over = (B, S))
    }

    /// Two layers, the second one backwards, with a norm between and a sum over both directions.
    pub Layers<S, B, D = 4>(x: [S, B, D]) -> [S, B, D] {
        param up: [D, D];
        param gain: [D] = ones;
        param down: [D, D];
        let mut h = expand(0, [B, D]);
        let y = scan x_t in x over S { h = tanh(linear(h, up) + x_t); h * gain };
        let z = layer_norm(y, over = D, eps = 0.1);
        let mut k = h;
        let reversed = scan z_t in z over S backwards { k = tanh(linear(k + z_t, down)); k + z_t };
        y + reversed
    }

    /// What all iterations read, in each way that it can be read: a factor of its own shape, a row, a left
    /// operand, a batch of matrices, and one that is read through a view.
    pub Read<B, S>(x: [B, S, 4], all: [B, 4], each: [B, 4, 4], left: [B, B]) -> [B, 4] {
        param gain: [4] = ones;
        param mix: [8, 4];
        let mut h = 0 * all;
        let _sums = scan x_t in x over S {
            let one = reshape(reshape(h, [B, 1, 4]) @ each, [B, 4]);
            h = tanh(all * x_t + one * gain - left @ (h @ mix[0..4]) + (h @ mix[4..8]));
            h
        };
        h
    }

    /// Several sequences, some of which have no gradients, and carried values that count or stay.
    pub Masked<S, D = 3>(x: [S, D], keep: bool[S, D], scale: [S], start: [D]) -> [S, D] {
        let mut h = start;
        let mut older = start;
        let mut n = 0 * argmax(start, over = 0);
        scan (x_t, keep_t, scale_t) in (x, keep, scale) over S {
            let now = select(keep_t, h * scale_t + x_t, older);
            older = h;
            h = now / cast(n + 1, f32);
            n = n + 1;
            h * x_t
        }
    }

    /// The selective state space of Mamba.
    pub Selective<B, S, D = 4, N = 3>(x: [B, S, D], dt: [B, S, D], b: [B, S, N], c: [B, S, N]) -> [B, S, D] {
        param a_log: [D, N] = uniform(0.0, 1.0);
        param d: [D] = ones;
        let a = -exp(a_log);
        let mut h = expand(0, [B, D, N]);
        scan (x_t, dt_t, b_t, c_t) in (x, softplus(dt), b, c) over S {
            let step = expand(reshape(dt_t, [B, D, 1]), [B, D, N]);
            let b_t = expand(reshape(b_t, [B, 1, N]), [B, D, N]);
            let c_t = expand(reshape(c_t, [B, 1, N]), [B, D, N]);
            h = exp(step * a) * h + step * b_t * expand(reshape(x_t, [B, D, 1]), [B, D, N]);
            sum(c_t * h, over = N) + d * x_t
        }
    }

    /// A loop in a loop, with weights that both read.
    pub Nested<B, S>(x: [B, S, 3]) -> [B, S, 3] {
        param inner: [3, 3];
        param outer: [3, 3];
        param gain: [3] = ones;
        let mut all = expand(0, [3]);
        scan row in x over B {
            let mut h = linear(all, outer);
            let sums = scan x_t in row over S {
                h = tanh(linear(h, inner) + gain * x_t);
                all = all * 0.5 + h;
                all * gain
            };
            sums
        }
    }

    /// A body with work of many sorts: attention, a softmax, a norm with weights.
    pub Work<B, S>(x: [B, S, 6, 4]) -> [B, 6, 4] {
        param q: [4, 4];
        param gain: [4] = ones;
        let mut h = expand(0, [B, 6, 4]);
        let _all = scan x_t in x over S {
            let seen = attention(linear(h + x_t, q), x_t, h, heads = 2, causal = true);
            h = rms_norm(softmax(seen, over = 1) + x_t, gain, over = -1, eps = 0.1);
            sum(h, over = -1)
        };
        h
    }
}

/// Checks a network's first result at a few sizes, `S` = 0 among them.
#[track_caller]
fn check(graph: &Graph) {
    let (case, mut rng) = (Case::new(graph), Rng::new(11));
    let again = Graph::parse(&case.with.to_string()).unwrap_or_else(|e| panic!("{e}\n{}", case.with));
    assert!(again == case.with, "its text is read as another graph\n{}", case.with);
    for (b, s) in [(1, 1), (3, 4), (2, 7), (2, 0)] {
        let dims = HashMap::from([("B", b), ("S", s)]);
        case.check(&inputs(graph, &dims, &mut rng), &mut rng);
    }
}

#[test]
fn an_lstm() {
    check(Lstm::init(1).unwrap().ir());
    check(LastCell::init(1).unwrap().ir());
}

#[test]
fn a_gru_backwards() {
    check(Gru::init(1).unwrap().ir());
}

#[test]
fn layers_in_both_directions() {
    check(Layers::init(1).unwrap().ir());
}

#[test]
fn what_all_iterations_read() {
    check(Read::init(1).unwrap().ir());
}

#[test]
fn sequences_and_carried_values_without_gradients() {
    check(Masked::init(1).unwrap().ir());
}

#[test]
fn a_selective_state_space() {
    check(Selective::init(1).unwrap().ir());
}

#[test]
fn a_loop_in_a_loop() {
    check(Nested::init(1).unwrap().ir());
}

#[test]
fn attention_softmax_and_norms_in_a_body() {
    check(Work::init(1).unwrap().ir());
}

#[test]
fn a_language_model_s_loss() {
    let (words, mut rng) = (Words::init(1).unwrap(), Rng::new(5));
    let case = Case::new(words.ir());
    for (b, s) in [(1, 1), (3, 5)] {
        let dims = HashMap::from([("B", b), ("S", s)]);
        case.check(&inputs(words.ir(), &dims, &mut rng), &mut rng);
    }
}

#[test]
fn a_language_model_learns() {
    let (words, mut rng) = (Words::init(1).unwrap(), Rng::new(5));
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    let step = step_of(words.ir(), adam, Some(1.0)).unwrap();
    for target in targets() {
        let mut session = compile_for(&step.graph, target).unwrap().session();
        for learned in &step.learned {
            let decl = &step.graph.states[learned.state];
            session.set_state(&decl.name, &rng.floats(&sizes(&decl.ty.shape))).unwrap();
        }
        let ids: Vec<i32> = (0..12).map(|i| (i * 5) % 7).collect();
        let next: Vec<i32> = (0..12).map(|i| ((i + 1) * 5) % 7).collect();
        let zeros = Tensor::new(vec![0.0f32; 8], [2, 4]).unwrap();
        let of_ids = |ids: Vec<i32>| Tensor::new(ids, [2, 6]).unwrap();
        let rate = Tensor::new(vec![0.05f32], []).unwrap();
        let all = [of_ids(ids), of_ids(next), zeros.clone(), zeros, rate];
        let report = session.check_inputs(&views(&all)).unwrap();
        assert!(report.is_ok(), "{target:?}\n{report}");
        let mut losses = Vec::new();
        for _ in 0..60 {
            session.run_inputs(&views(&all)).unwrap();
            losses.push(session.tensor(step.graph.outputs.len() - 2).unwrap().as_f32().unwrap()[0]);
        }
        assert!(losses[59] < 0.3 * losses[0], "{target:?}: {losses:?}");
    }
}

#[test]
fn the_gradient_of_a_weight_is_one_product_behind_the_loop() {
    let lstm = Lstm::init(1).unwrap();
    let case = Case::new(lstm.ir());
    let back = &case.with.bodies[1];
    let products = back.nodes.iter().filter(|n| matches!(n.op, Op::Matmul | Op::Linear { .. })).count();
    assert_eq!(products, 1, "only the gradient of what is carried needs one in each iteration\n{back}");
    let carried = case.with.nodes.iter().find_map(|n| match n.op {
        Op::Scan { body: 1, carried, .. } => Some(carried),
        _ => None,
    });
    assert_eq!(carried, Some(2), "no sum over the iterations is carried\n{}", case.with);
}

#[test]
fn a_body_without_a_gradient_says_where() {
    let text = "network N<S>
input x: f32[S, 2]
body 0 {
input x: f32[2]
input h: f32[2]
%0: f32[2] = input(index = 0)
%1: f32[2] = input(index = 1)
%2: f32[2] = dropout(%0, p = 0.5) as \"dropped\"
%3: f32[2] = add(%1, %2)
return %3
}
%0: f32[S, 2] = input(index = 0)
%1: f32[] = const(f32 = 0.0)
%2: f32[2] = expand(%1, shape = [2])
%3: f32[2] = scan(%0, %2, body = 0, result = 0, sequences = 1, carried = 1)
%4: f32[] = sum(%3, over = (0,))
return %4";
    let graph = Graph::parse(text).unwrap();
    let error = differentiate(&graph, Value(4), &[Value(0)]).unwrap_err().to_string();
    assert!(error.starts_with("`dropout` has no gradient: `dropped`"), "{error}");
}
