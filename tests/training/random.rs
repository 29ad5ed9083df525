//! Gradients of random networks.

use crate::{Case, inputs};
use std::collections::HashMap;
use tancho::{DType, Graph};
use tancho_ir::Value;
use tancho_ir::op::{Number, Op};
use tancho_support::Rng;
use tancho_support::graphs::{Flavour, Random};

/// The first float result of a random graph that is smooth in its inputs, as a graph of its own.
fn smooth_part(random: &Random) -> Option<Graph> {
    let graph = &random.graph;
    let is_good = |v: &Value| {
        let node = graph.node(*v);
        node.ty.dtype == DType::F32 && random.smooth[v.index()]
    };
    let result = graph.outputs.iter().copied().find(is_good)?;
    let mut part = graph.clone();
    part.outputs = vec![result];
    part.states.iter_mut().for_each(|s| s.next = None);
    // With another share it has no gradient, as `gradients` tests.
    for node in &mut part.nodes {
        if let Op::Dropout { p } = &mut node.op {
            *p = Number(0.0);
        }
    }
    tancho_ir::passes::remove_dead::run(&part).ok()
}

/// Mixtures of experts have no gradient.
fn has_experts(graph: &Graph) -> bool {
    graph.nodes.iter().any(|n| matches!(n.op, Op::Experts { .. }))
}

#[test]
fn gradients_of_random_networks_are_those_of_the_interpreter() {
    let mut seen = 0;
    for seed in 0..60 {
        let flavour = [Flavour::Mixed, Flavour::Rows, Flavour::Products, Flavour::Moves][seed as usize % 4];
        let random = Random::new(seed, 6, flavour);
        let Some(graph) = smooth_part(&random) else { continue };
        if !graph.states.is_empty() || has_experts(&graph) || graph.unbound_dims().next().is_some() {
            continue;
        }
        seen += 1;
        let mut rng = Rng::new(seed);
        let dims = HashMap::from([("B", 2), ("S", 5)]);
        let case = Case::new(&graph);
        let mut all = inputs(&graph, &dims, &mut rng);
        let shape = case.result_shape(&all);
        all.push(rng.floats(&shape));
        case.check_code(&all);
    }
    assert!(seen >= 20, "{seen} graphs");
}
