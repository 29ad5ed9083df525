//! Gradients of random networks, against finite differences and on every level.

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
    let part = tancho_ir::passes::remove_dead::run(&part).ok()?;
    // Differences go through what gradients stop at.
    (!part.nodes.iter().any(|node| node.op == Op::StopGradient)).then_some(part)
}

/// What random networks have that is refused: mixtures of experts, images with channels last, which no
/// declaration makes, and windows whose padding follows from run-time dims.
const REFUSED: [&str; 3] = ["`experts`", "channels first", "the padding of a window is not known"];
const SEEDS: u64 = 240;
const FLAVOURS: [Flavour; 6] =
    [Flavour::Mixed, Flavour::Rows, Flavour::Products, Flavour::Attention, Flavour::Moves, Flavour::Images];

#[test]
fn gradients_of_random_networks_are_finite_differences_and_the_same_on_every_level() {
    let (mut seen, mut steady, mut gradients) = (0, 0, 0);
    for seed in 0..SEEDS {
        let flavour = FLAVOURS[seed as usize % FLAVOURS.len()];
        let random = Random::new(seed, 6, flavour);
        let Some(graph) = smooth_part(&random) else { continue };
        if !graph.states.is_empty() || graph.unbound_dims().next().is_some() {
            continue;
        }
        let mut rng = Rng::new(seed);
        let dims = HashMap::from([("B", 2), ("S", 5)]);
        let case = match Case::of(&graph) {
            Ok(case) => case,
            Err(e) => {
                assert!(REFUSED.iter().any(|why| e.to_string().contains(why)), "{e}\n{graph}");
                continue;
            }
        };
        seen += 1;
        let inputs = inputs(&graph, &dims, &mut rng);
        steady += case.check_steady(&inputs, &mut rng);
        gradients += case.by.len();
    }
    assert!(seen >= 200, "{seen} graphs");
    assert!(steady * 20 >= gradients * 19, "only {steady} of {gradients} gradients have no corner near");
}
