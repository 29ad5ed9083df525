//! The stage that makes a result wrong is found: stages are broken on purpose, one at a time.

use crate::broken::*;
use tancho::inspect::{Bisection, WrongStage};
use tancho::{AnyView, Compiled, Error, Graph, Tensor, network};
use tancho_ir::fuse::Fused;
use tancho_ir::op::{Binary, Op, Unary};
use tancho_ir::passes::PASSES;
use tancho_runtime::Stages;
use tancho_support::{Rng, views};

network! {
    /// Elementwise work on two sides.
    Sides<B>(x: [B, 16], y: [B, 16]) -> [B, 16] {
        let turned = exp(x) * tanh(y) - gelu(x) * sigmoid(y);
        turned * 0.5
    }
}

/// The same in the fourth of five layers.
fn wrong_fusion_of_d(fused: &mut Fused) {
    for group in &fused.groups {
        for v in &group.nodes[1..] {
            let node = &mut fused.graph.nodes[v.index()];
            if &*node.source.scope == "d" {
                other(&mut node.op);
            }
        }
    }
}

/// Breaks the last subtraction of a kernel that has two sides.
fn wrong_sides(fused: &mut Fused) {
    for group in fused.groups.iter().filter(|group| group.nodes.len() > 6) {
        for v in &group.nodes {
            let op = &mut fused.graph.nodes[v.index()].op;
            if *op == Op::Binary(Binary::Sub) {
                *op = Op::Binary(Binary::Add);
            }
        }
    }
}

/// What is found for a compiled network that `check` complains of.
fn found(compiled: &Compiled, inputs: &[AnyView<'_>]) -> Result<Bisection, Error> {
    assert!(!compiled.check_inputs(inputs)?.is_ok(), "the broken stage is not seen at all");
    Ok(compiled.bisect(inputs)?.expect("a stage is wrong"))
}

/// The line of the first op of that text in a graph.
fn line_of(graph: &Graph, op: &Op) -> u32 {
    graph.nodes.iter().find(|n| n.op == *op).expect("the op is there").source.line
}

#[test]
fn a_wrong_pass_is_found_at_every_place() -> Result<(), Error> {
    let graph = Stack::init(1)?.ir().clone();
    let x = Rng::new(1).floats(&[3, 32]);
    for at in 0..=PASSES.len() {
        let wrong = found(&compiled(&graph, with_wrong_pass(at))?, &views(std::slice::from_ref(&x)))?;
        let stage = WrongStage::Pass { name: "wrong_pass".into(), number: at, within: None };
        assert_eq!(wrong.stage, stage);
        assert!(wrong.report.bad > 0 && wrong.report.max_rel > 1e-3, "{wrong}");
        assert!(wrong.to_string().starts_with(&format!("pass {at}, wrong_pass, makes")), "{wrong}");
    }
    Ok(())
}

#[test]
fn right_stages_are_not_accused() -> Result<(), Error> {
    let x = Rng::new(2).floats(&[3, 32]);
    let compiled = compiled(Stack::init(1)?.ir(), Stages::default())?;
    assert_eq!(compiled.bisect(&views(&[x]))?, None);
    Ok(())
}

#[test]
fn a_wrong_fusion_is_found_among_many() -> Result<(), Error> {
    let graph = Stack::init(1)?.ir().clone();
    let x = [Rng::new(3).floats(&[3, 32])];
    let line = line_of(&graph, &Op::Unary(Unary::Gelu));
    for (fused, layer) in [(wrong_fusion as fn(&mut Fused), 0), (wrong_fusion_of_d, 3)] {
        let compiled = compiled(&graph, fused_by(fused))?;
        let wrong = found(&compiled, &views(&x))?;
        let WrongStage::Fusion { kernel, group, op, source, within, label } = &wrong.stage else {
            panic!("{wrong}");
        };
        assert_eq!((*kernel, op.as_str(), source.line, within), (layer, "gelu", line, &None), "{wrong}");
        assert_eq!((group.as_str(), label.as_str()), ("matmul+add+gelu+add+layer_norm", "gelu(l(x))"));
        assert!(wrong.to_string().contains("once gelu for `gelu(l(x))` at"), "{wrong}");
        assert!(wrong.report.bad > 0, "{wrong}");
    }
    Ok(())
}

#[test]
fn a_wrong_kernel_is_found_though_nothing_is_fused() -> Result<(), Error> {
    let graph = Stack::init(1)?.ir().clone();
    let wrong = found(&compiled(&graph, fused_by(wrong_kernel))?, &views(&[Rng::new(4).floats(&[2, 32])]))?;
    let WrongStage::Kernel { op, source, .. } = &wrong.stage else { panic!("{wrong}") };
    let line = line_of(&graph, &Op::Unary(Unary::Gelu));
    assert_eq!((op.as_str(), source.line, &*source.scope), ("gelu", line, "a"), "{wrong}");
    assert!(wrong.to_string().contains("is wrong by itself"), "{wrong}");
    Ok(())
}

#[test]
fn the_op_where_two_sides_meet_is_found() -> Result<(), Error> {
    let mut rng = Rng::new(5);
    let inputs = [rng.floats(&[3, 16]), rng.floats(&[3, 16])];
    let wrong = found(&compiled(Sides::init(1)?.ir(), fused_by(wrong_sides))?, &views(&inputs))?;
    let WrongStage::Fusion { op, group, .. } = &wrong.stage else { panic!("{wrong}") };
    // The kernel is the broken one once it has seven nodes, of which the subtraction is the seventh.
    assert_eq!(op, "sub", "{wrong}");
    assert!(group.starts_with("row+exp") && group.ends_with("+sub+mul"), "{group}");
    Ok(())
}

#[test]
fn states_are_compared_and_kept() -> Result<(), Error> {
    let graph = Counting::init(1)?.ir().clone();
    let mut session = compiled(&graph, fused_by(wrong_fusion))?.session();
    let x = [Rng::new(6).floats(&[2, 8])];
    session.run_inputs(&views(&x))?;
    let held = session.state("total")?;
    let wrong = session.bisect(&views(&x))?.expect("a state is wrong");
    assert_eq!(wrong.report.name, "total", "{wrong}");
    assert!(matches!(&wrong.stage, WrongStage::Fusion { op, .. } if op == "gelu"), "{wrong}");
    assert_eq!(session.state("total")?, held);
    Ok(())
}

#[test]
fn bodies_of_loops_and_experts_are_searched() -> Result<(), Error> {
    let mut rng = Rng::new(7);
    let (of_loop, of_experts) = (Loop::init(1)?.ir().clone(), Mixture::init(1)?.ir().clone());
    let ids = Tensor::new(vec![2, 0, 1, 2], [2, 2])?;
    let cases = [
        (of_loop, vec![rng.floats(&[2, 3, 8])], "scan", "gelu(hidden(h))"),
        (of_experts, vec![rng.floats(&[2, 8]), ids], "experts", "gelu(a(x))"),
    ];
    for (graph, inputs, around, label) in &cases {
        let wrong = found(&compiled(graph, fused_by(wrong_fusion))?, &views(inputs))?;
        let WrongStage::Fusion { op, source, within: Some(within), .. } = &wrong.stage else {
            panic!("{wrong}");
        };
        assert_eq!((op.as_str(), &*source.text), ("gelu", *label), "{wrong}");
        assert!(within.text.starts_with(around), "{wrong}");

        // Where the body is wrong in every way, the op that has it is named.
        let wrong = found(&compiled(graph, fused_by(wrong_kernel))?, &views(inputs))?;
        let WrongStage::Kernel { source, .. } = &wrong.stage else { panic!("{wrong}") };
        assert!(source.text.starts_with(around), "{wrong}");

        // The pass runs on the graph first, which has no `gelu` but in its body.
        let wrong = found(&compiled(graph, with_wrong_pass(2))?, &views(inputs))?;
        let WrongStage::Pass { name, number: 2, within: Some(within) } = &wrong.stage else {
            panic!("{wrong}");
        };
        assert!(name == "wrong_pass" && within.text.starts_with(around), "{wrong}");
    }
    Ok(())
}
