//! Sums of many alike numbers: an error of f32 does not grow with their number. Expected values are computed
//! in f64.

use std::slice::from_ref;
use tancho::Model;
use tancho::{Format, Graph, Precision, Target, Tensor, network};
use tancho_support::{targets, views};

network! { Sum<N>(x: [N]) -> [] { sum(x) } }
network! { Column<N>(x: [N, 3]) -> [3] { sum(x, over = 0) } }
network! { Mean<N>(x: [N]) -> [] { mean(x) } }
network! { Pool<N, H = 512>(x: [N, 2, H, H]) -> [N, 2] { mean(x, over = (2, 3)) } }
network! { Softmax<B, N>(x: [B, N]) -> [B, N] { softmax(x, over = N) } }
network! { Norm<B, N>(x: [B, N]) -> [B, N] { layer_norm(x, over = N) } }
network! { Rms<B, N>(x: [B, N]) -> [B, N] { rms_norm(x, over = N) } }
network! { Product<B, K = 2048, N = 5>(x: [B, K]) -> [B, N] { param w: [K, N] = ones; x @ w } }
network! { Dynamic<B, K, N>(x: [B, K], y: [K, N]) -> [B, N] { x @ y } }
network! {
    Attend<B, S, T, D = 8>(q: [B, S, D], k: [B, T, D], v: [B, T, D]) -> [B, S, D] {
        attention(q, k, v, heads = 1)
    }
}

fn near(got: &Tensor, want: impl Fn(usize) -> f64, bound: f64, what: &str) {
    for (i, got) in got.as_f32().expect("floats").iter().enumerate() {
        let error = (f64::from(*got) / want(i) - 1.0).abs();
        assert!(error <= bound, "{what}: element {i} is {got:e}, not {:e}: an error of {error:.1e}", want(i));
    }
}

fn same(x: f32, shape: &[usize]) -> Tensor {
    Tensor::new(vec![x; shape.iter().product()], shape).expect("fits")
}

fn run(g: &Graph, target: Target, inputs: &[Tensor]) -> Tensor {
    let compiled = Model::from_graph(g.clone(), 0).expect("weights").compile(target).expect("compiles");
    let mut session = compiled.session();
    session.run_inputs(&views(inputs)).expect("runs");
    session.tensor(0).expect("a result")
}

/// Runs on every level and compares each element.
fn check(g: &Graph, inputs: &[Tensor], want: impl Fn(usize) -> f64, bound: f64) {
    for target in targets() {
        near(
            &run(g, target, inputs),
            &want,
            bound,
            &format!("{} of {:?} on {}", g.name, inputs[0].shape(), target.isa()),
        );
    }
}

/// The graph of a network.
macro_rules! graph {
    ($net:expr) => {
        $net.expect("weights").ir().clone()
    };
}

#[test]
fn sums_and_means() {
    let tenth = f64::from(0.1f32);
    for n in [65_536, 1_000_000, 4_000_000] {
        let x = same(0.1, &[n]);
        check(&graph!(Sum::init(0)), from_ref(&x), |_| tenth * n as f64, 2e-6);
        check(&graph!(Mean::init(0)), from_ref(&x), |_| tenth, 2e-6);
    }
    check(&graph!(Column::init(0)), &[same(0.1, &[1_000_000, 3])], |_| tenth * 1e6, 2e-6);
    check(&graph!(Pool::init(0)), &[same(0.1, &[1, 2, 512, 512])], |_| tenth, 2e-6);
}

#[test]
fn softmax_and_norms() {
    for n in [50_257, 1_000_000] {
        let mut row = vec![-1.7f32; n];
        row[n / 3] = 0.0;
        let other = f64::from(-1.7f32).exp();
        let sum = 1.0 + other * (n - 1) as f64;
        let x = Tensor::new(row, [1, n]).expect("fits");
        check(
            &graph!(Softmax::init(0)),
            from_ref(&x),
            |i| if i == n / 3 { 1.0 / sum } else { other / sum },
            2e-6,
        );
    }
    let n = 262_144;
    let row: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { 1.1 } else { 0.9 }).collect();
    let (high, low) = (f64::from(1.1f32), f64::from(0.9f32));
    let (mean, deviation) = ((high + low) / 2.0, (high - low) / 2.0);
    let x = Tensor::new(row, [1, n]).expect("fits");
    let scale = 1.0 / (deviation * deviation + 1e-5).sqrt();
    check(
        &graph!(Norm::init(0)),
        from_ref(&x),
        |i| (f64::from(if i % 2 == 0 { 1.1f32 } else { 0.9 }) - mean) * scale,
        2e-6,
    );
    let root = ((high * high + low * low) / 2.0 + 1e-6).sqrt();
    check(
        &graph!(Rms::init(0)),
        from_ref(&x),
        |i| f64::from(if i % 2 == 0 { 1.1f32 } else { 0.9 }) / root,
        2e-6,
    );
}

/// The error of a partial sum of 512 alike products, of which every total is made.
const PRODUCT: f64 = 8e-6;

#[test]
fn products() {
    let tenth = f64::from(0.1f32);
    for (rows, k) in [(1, 65_536), (3, 2048), (3, 8192), (20, 8192)] {
        let x = same(0.1, &[rows, k]);
        check(
            &graph!(Product::with(ProductDims { K: k, N: 5 }).init(0)),
            from_ref(&x),
            |_| tenth * k as f64,
            PRODUCT,
        );
        check(&graph!(Dynamic::init(0)), &[x.clone(), same(1.0, &[k, 19])], |_| tenth * k as f64, PRODUCT);
    }
    // Weights in fewer bits are exact here; the rows of integer products are too.
    for format in [Format::Bf16, Format::Int8, Format::Q4] {
        for target in targets() {
            let g = graph!(Product::with(ProductDims { K: 65_536, N: 64 }).init(0));
            for rows in [1, 7] {
                let got = run(&g, target.with_weight_format(format), &[same(0.5, &[rows, 65_536])]);
                near(&got, |_| 32_768.0, PRODUCT, &format!("{format:?} on {}", target.isa()));
            }
        }
    }
}

#[test]
fn attention_over_many_keys() {
    let keys = 65_536;
    for queries in [1, 3, 40] {
        let (q, k, v) = (same(0.3, &[1, queries, 8]), same(0.2, &[1, keys, 8]), same(0.1, &[1, keys, 8]));
        check(&graph!(Attend::init(0)), &[q, k, v], |_| f64::from(0.1f32), PRODUCT);
    }
}

#[test]
fn convolutions_of_many_channels() {
    network! {
        Conv<N, C = 512>(x: [N, C, 9, 9]) -> [N, 4, 7, 7] {
            param w: [4, C, 3, 3] = ones;
            conv2d(x, w)
        }
    }
    let (g, x) = (graph!(Conv::init(0)), same(0.1, &[1, 512, 9, 9]));
    for precision in [Precision::Direct, Precision::Standard] {
        for target in targets() {
            let got = run(&g, target.with_precision(precision), from_ref(&x));
            near(
                &got,
                |_| f64::from(0.1f32) * 4608.0,
                PRODUCT,
                &format!("{precision:?} on {}", target.isa()),
            );
        }
    }
}
