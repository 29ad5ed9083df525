//! Compiling graphs of 1,000 and 10,000 ops of every shape: `cargo bench --bench compile`, or with a part of
//! a name behind `--`.
//!
//! Throughput is that of ops. Where it is about as large for 10,000 as for 1,000, no stage grows faster than
//! its graph. `graph` is the passes and fusion; `whole` is all from the graph to a session that is ready to
//! run, with the weights packed.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tancho::Model;
use tancho::Target;
use tancho_ir::fuse::{Constants, fuse};
use tancho_ir::passes::run_all;
use tancho_support::shapes;

fn bench(c: &mut Criterion) {
    for (name, make) in shapes::SHAPES {
        let mut group = c.benchmark_group(*name);
        for n in [1_000, 10_000] {
            let graph = make(n);
            group.throughput(Throughput::Elements(graph.nodes.len() as u64));
            group.bench_function(BenchmarkId::new("graph", n), |b| {
                b.iter(|| {
                    let graph =
                        run_all(black_box(&graph), &mut |_, _| ()).unwrap_or_else(|e| panic!("{name}: {e}"));
                    black_box(fuse(&graph, Constants::of(&graph)))
                });
            });
            let model = Model::from_graph(graph, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
            group.bench_function(BenchmarkId::new("whole", n), |b| {
                b.iter(|| {
                    let compiled = model.compile(Target::host()).unwrap_or_else(|e| panic!("{name}: {e}"));
                    black_box(compiled.session())
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(100))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(10)
        .without_plots();
    targets = bench
}
criterion_main!(benches);
