//! Single kernels on every level of this machine: `cargo bench --bench kernels`, or with a part of a name
//! behind `--`.
//!
//! Throughput is that of multiply-adds, each counted once, for products and attention, of bytes in and out
//! otherwise.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tancho::Model;
use tancho::{AnyView, Error, Graph, Target, Tensor, network};
use tancho_support::{levels, sample};

network! {
    /// A product.
    pub Product<M, N = 768, K = 768>(x: [M, K]) -> [M, N] {
        param w: [N, K] = xavier;
        x @ w.t
    }

    /// A product with gelu on its accumulators.
    pub GeluProduct<M, N = 3072, K = 768>(x: [M, K]) -> [M, N] {
        net up: Linear<K, N>;
        gelu(up(x))
    }

    /// Layer norm of each row.
    pub Norm<B, D = 768>(x: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        norm(x)
    }

    /// The same of a sum.
    pub AddNorm<B, D = 768>(x: [B, D], r: [B, D]) -> [B, D] {
        net norm: LayerNorm<D>;
        norm(x + r)
    }

    /// Softmax of each row.
    pub Softmax<B, D>(x: [B, D]) -> [B, D] { softmax(x, over = D) }

    /// A convolution of 3x3 pixels.
    pub Conv<N, H, W, C = 64, STRIDE = 1>(x: [N, C, H, W]) -> [N, C, ceil(H / STRIDE), ceil(W / STRIDE)] {
        net conv: Conv2d<C, C, K = 3, STRIDE = STRIDE, PAD = 1>(bias = false);
        conv(x)
    }

    /// One filter for each channel, and relu6.
    pub Depthwise<N, H, W, C = 144>(x: [N, C, H, W]) -> [N, C, H, W] {
        param w: [C, 1, 3, 3];
        relu6(conv2d(x, w, pad = 1, groups = C))
    }

    /// Attention of 12 heads of 64.
    pub Attention<B, S, D = 768, HEADS = 12>(q: [B, S, D], k: [B, S, D], v: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0
    {
        attention(q, k, v, heads = HEADS)
    }
}

/// What is run: a name, its graph, the shape of each input, and how much it does.
type Kernel = (&'static str, Result<Graph, Error>, Vec<Vec<usize>>, Throughput);

fn kernels() -> Vec<Kernel> {
    let product = |n, k| Product::with(ProductDims { N: n, K: k }).graph();
    let conv = |c, stride| Conv::with(ConvDims { C: c, STRIDE: stride }).graph();
    let fmas = |m: u64, n: u64, k: u64| Throughput::Elements(m * n * k);
    let rows = |streams: u64| Throughput::Bytes(4 * streams * 4096 * 768);
    let row = vec![4096, 768];
    vec![
        ("product 128x768x768", product(768, 768), vec![vec![128, 768]], fmas(128, 768, 768)),
        ("product 128x3072x768", product(3072, 768), vec![vec![128, 768]], fmas(128, 3072, 768)),
        ("product 512x768x768", product(768, 768), vec![vec![512, 768]], fmas(512, 768, 768)),
        ("product 1x768x768", product(768, 768), vec![vec![1, 768]], fmas(1, 768, 768)),
        (
            "gelu product 128x3072x768",
            GeluProduct::with(Default::default()).graph(),
            vec![vec![128, 768]],
            fmas(128, 3072, 768),
        ),
        ("layer norm 4096x768", Norm::with(Default::default()).graph(), vec![row.clone()], rows(2)),
        (
            "add, layer norm 4096x768",
            AddNorm::with(Default::default()).graph(),
            vec![row.clone(), row.clone()],
            rows(3),
        ),
        ("softmax 4096x768", Softmax::with(SoftmaxDims {}).graph(), vec![row], rows(2)),
        ("conv 3x3, 64 of 56x56", conv(64, 1), vec![vec![1, 64, 56, 56]], fmas(56 * 56, 64, 9 * 64)),
        ("conv 3x3 / 2, 128 of 56x56", conv(128, 2), vec![vec![1, 128, 56, 56]], fmas(28 * 28, 128, 9 * 128)),
        (
            "depthwise 3x3, 144 of 56x56",
            Depthwise::with(Default::default()).graph(),
            vec![vec![1, 144, 56, 56]],
            fmas(56 * 56, 144, 9),
        ),
        (
            "attention 128x12x64",
            Attention::with(Default::default()).graph(),
            vec![vec![1, 128, 768]; 3],
            fmas(2 * 128, 128, 768),
        ),
    ]
}

fn bench(c: &mut Criterion) {
    for (name, graph, shapes, throughput) in kernels() {
        let mut group = c.benchmark_group(name);
        group.throughput(throughput);
        let model = graph.and_then(|g| Model::from_graph(g, 1)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let inputs: Vec<Tensor> = shapes
            .into_iter()
            .map(|shape| {
                let data = sample(shape.iter().product());
                Tensor::new(data, shape).unwrap_or_else(|e| panic!("{name}: {e}"))
            })
            .collect();
        let views: Vec<AnyView<'_>> = inputs.iter().map(AnyView::from).collect();
        for isa in levels() {
            let compiled = Target::host().with_isa(isa).map_err(Error::from).and_then(|t| model.compile(t));
            let mut session = compiled.unwrap_or_else(|e| panic!("{name}: {e}")).session();
            group.bench_function(isa.to_string(), |b| {
                b.iter(|| {
                    session.run_inputs(black_box(&views)).unwrap_or_else(|e| panic!("{name}: {e}"));
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(30)
        .without_plots();
    targets = bench
}
criterion_main!(benches);
