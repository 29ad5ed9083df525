//! Large graphs of every shape: what fusion costs grows as they do, counted in edges that it follows.

use tancho_ir::fuse::{Constants, fuse};
use tancho_support::shapes;

#[test]
fn fusion_follows_as_many_edges_as_there_are_nodes() {
    for (name, make) in shapes::SHAPES {
        for n in [1_000, 10_000] {
            let graph = make(n);
            let (fused, nodes) = (fuse(&graph, Constants::of(&graph)), graph.nodes.len());
            // Values of the towers are far from all that they wait for, and from all that waits for them:
            // there the search gives up.
            let most = if *name == "two towers" { 1000 } else { 64 };
            assert!(fused.edges <= most * nodes, "{name}: {} edges for {nodes} nodes", fused.edges);
            assert!(
                fused.groups.iter().map(|k| k.nodes.len()).sum::<usize>() > 0,
                "{name}: nothing is computed"
            );
        }
    }
}
