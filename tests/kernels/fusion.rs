//! What shares a kernel and what does not, and that a fusion that declines says why.

use std::collections::BTreeSet;
use tancho::{Graph, Tensor};
use tancho_ir::Value;
use tancho_ir::access::is_view;
use tancho_ir::fuse::{Constants, Fused, Kind, fuse};
use tancho_ir::op::Op;
use tancho_support::graphs::{Flavour, Random};
use tancho_support::{BERT_LAYER, GPT2_BLOCK, Rng, check, compile_for, targets, views};

fn fused(text: &str) -> Fused {
    let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let g = tancho_ir::passes::run_all(&g, &mut |_, _| ()).unwrap_or_else(|e| panic!("{e}"));
    fuse(&g, Constants::of(&g))
}

fn names(f: &Fused) -> Vec<String> {
    f.groups.iter().map(|k| k.name(&f.graph)).collect()
}

fn reasons(f: &Fused) -> Vec<String> {
    f.declined.iter().map(|d| d.reason.to_string()).collect()
}

/// A network of `x: f32[B, S, 16]`, two weights and a vector, with this body from `%4` on.
fn body(lines: &str) -> String {
    format!(
        "network A<B, S>
input x: f32[B, S, 16]
weight \"w\": f32[16, 16] = xavier
weight \"v\": f32[16, 16] = xavier
weight \"g\": f32[16] = ones
%0: f32[B, S, 16] = input(index = 0)
%1: f32[16, 16] = weight(index = 0)
%2: f32[16, 16] = weight(index = 1)
%3: f32[16] = weight(index = 2)
{lines}"
    )
}

/// Kernels and reasons of a body that also runs right.
#[track_caller]
fn of(lines: &str) -> (Vec<String>, Vec<String>) {
    let text = body(lines);
    let x = Rng::new(3).floats(&[2, 19, 16]);
    check(&text, &[x]);
    let f = fused(&text);
    (names(&f), reasons(&f))
}

#[test]
fn a_residual_product_with_its_norm_is_one_kernel() {
    let (kernels, declined) = of("%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = add(%0, %4)
%6: f32[B, S, 16] = layer_norm(%5, gain = %3, bias = %3, over = (2,))
return %6");
    assert_eq!((kernels, declined), (vec!["matmul+add+layer_norm".into()], vec![]));
}

#[test]
fn bias_activation_and_what_works_on_the_same_rows_join_the_product() {
    let (kernels, _) = of("%4: f32[B, S, 16] = linear(%0, %1, b = %3)
%5: f32[B, S, 16] = gelu(%4)
%6: f32[B, S, 16] = softmax(%5, over = (2,))
%7: f32[B, S, 16] = mul(%6, %3)
%8: f32[B, S] = sum(%7, over = (2,), keep = false)
return %8");
    assert_eq!(kernels, ["matmul+add+gelu+softmax+mul+sum"]);
}

#[test]
fn row_work_and_elementwise_chains_are_one_kernel() {
    let (kernels, declined) = of("%4: f32[B, S, 16] = mul(%0, %0)
%5: f32[B, S, 16] = rms_norm(%4, gain = %3, over = (2,))
%6: f32[B, S, 16] = silu(%5)
%7: f32[B, S, 16] = add(%6, %4)
%8: i32[B, S] = argmax(%7, over = (2,))
return %7, %8");
    assert_eq!((kernels, declined), (vec!["row+mul+rms_norm+silu+add+argmax".into()], vec![]));
}

#[test]
fn a_sum_of_two_products_is_computed_once() {
    let text = "%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = linear(%0, %2)
%6: f32[B, S, 16] = add(%4, %5)
%7: f32[B, S, 16] = tanh(%6)
return %7";
    let (kernels, declined) = of(text);
    assert_eq!(kernels, ["matmul", "matmul+add+tanh"]);
    assert_eq!(declined, ["another kernel computes it already"]);
    // The same where the chains meet behind row work.
    let (kernels, declined) = of("%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = layer_norm(%4, over = (2,))
%6: f32[B, S, 16] = linear(%0, %2)
%7: f32[B, S, 16] = layer_norm(%6, over = (2,))
%8: f32[B, S, 16] = mul(%5, %7)
%9: f32[B, S, 16] = exp(%8)
return %9");
    assert_eq!(kernels, ["matmul+layer_norm", "matmul+layer_norm+mul+exp"]);
    assert_eq!(declined, ["another kernel computes it already"]);
}

#[test]
fn an_output_in_the_middle_is_stored() {
    let (kernels, declined) = of("%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = relu(%4)
return %5, %4");
    assert_eq!(kernels, ["matmul", "row+relu"]);
    assert_eq!(declined, ["the product is itself a result"]);
    // Behind an elementwise epilogue row work goes on, and the row is stored as well.
    let text = "%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = add(%0, %4)
%6: f32[B, S, 16] = layer_norm(%5, over = (2,))
return %6, %5";
    assert_eq!(of(text).0, ["matmul+add+layer_norm"]);
    assert_eq!(fused(&body(text)).groups[0].outputs.len(), 2);
}

#[test]
fn a_fusion_that_declines_says_why() {
    for (lines, reason) in [
        (
            "%4: f32[B, S, 16] = linear(%0, %1)
%5: bool[B, S, 16] = gt(%4, %0)
return %5",
            "an epilogue works in f32 only",
        ),
        (
            "%4: f32[16, 16] = linear(%1, %2)
%5: f32[B, S, 16] = linear(%0, %1)
%6: f32[S, 16] = sum(%0, over = (0,), keep = false)
%7: f32[S, 16] = linear(%6, %1)
%8: f32[B, S, 16] = mul(%0, %7)
return %8, %4, %5",
            "its result is [B, S, 16], not [S, 16]",
        ),
        (
            "%4: f32[B, S, 16] = exp(%0)
%5: f32[B, S] = sum(%4, over = (2,), keep = false)
%6: f32[B] = sum(%5, over = (1,), keep = false)
return %6",
            "it does not run over the same rows, or waits for another kernel",
        ),
        (
            "%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S] = mean(%4, over = (2,), keep = false)
%6: f32[B, S] = reduce_max(%4, over = (2,), keep = false)
%7: f32[B, S] = sub(%5, %6)
return %7",
            "its argument is stored, because other ops read it too or it is a result",
        ),
    ] {
        let (_, declined) = of(lines);
        assert!(declined.iter().any(|r| r == reason), "{declined:?}\n{lines}");
    }
    // The text of a fused graph ends with them.
    let text =
        fused(&body("%4: f32[B, S, 16] = linear(%0, %1)\n%5: f32[B, S, 16] = relu(%4)\nreturn %5, %4"))
            .to_string();
    assert!(text.ends_with("into the kernel of %3: the product is itself a result\n"), "{text}");
}

#[test]
fn chains_are_cut_at_48_ops() {
    let mut lines = String::from("%4: f32[B, S, 16] = tanh(%0)\n");
    for i in 5..104 {
        let op = if i % 2 == 0 { "tanh" } else { "sigmoid" };
        lines += &format!("%{i}: f32[B, S, 16] = {op}(%{})\n", i - 1);
    }
    let (kernels, declined) = of(&(lines + "return %103"));
    assert_eq!((kernels.len(), declined.len()), (3, 2));
    assert!(declined.iter().all(|r| r == "the kernel has 48 ops already"), "{declined:?}");
}

/// Heads are split and merged without a copy, and no value of one kernel is stored for nobody.
#[test]
fn transformer_layers() {
    assert_eq!(
        names(&fused(BERT_LAYER)),
        [
            "matmul+add",
            "attention",
            "matmul+add+add+layer_norm",
            "matmul+add+gelu",
            "matmul+add+add+layer_norm"
        ]
    );
    let f = fused(GPT2_BLOCK);
    assert_eq!(
        names(&f),
        [
            "row+layer_norm",
            "matmul+add",
            "attention",
            "move+transpose",
            "matmul+add+add+layer_norm",
            "matmul+add+gelu_tanh",
            "matmul+add+add"
        ]
    );
}

/// Query, key and value with weights of their own, of `x: f32[B, S, 32]`; `heads` of 8, keys of 16 columns.
fn parallel(lines: &str) -> String {
    format!(
        "network A<B, S>
input x: f32[B, S, 32]
input keep: bool[B, S]
weight \"q.weight\": f32[32, 32] = xavier
weight \"q.bias\": f32[32] = normal(1.0)
weight \"k.weight\": f32[16, 32] = xavier
weight \"k.bias\": f32[16] = normal(1.0)
weight \"v.weight\": f32[32, 16] = xavier
weight \"v.bias\": f32[16] = normal(1.0)
weight \"small\": f32[8, 32] = xavier
%0: f32[B, S, 32] = input(index = 0)
%1: bool[B, S] = input(index = 1)
%2: f32[32, 32] = weight(index = 0)
%3: f32[32] = weight(index = 1)
{lines}"
    )
}

/// A product's query, key and value with biases; the weights stand where they are used first.
const BIASED: &str = "%4: f32[B, S, 32] = linear(%0, %2, b = %3) // \"q(x)\" \"a.rs\":3:4 \"layers.0.q\"
%5: f32[16, 32] = weight(index = 2)
%6: f32[16] = weight(index = 3)
%7: f32[B, S, 16] = linear(%0, %5, b = %6) // \"k(x)\" \"a.rs\":3:10 \"layers.0.k\"
%8: f32[32, 16] = weight(index = 4)
%9: f32[16] = weight(index = 5)
%10: f32[B, S, 16] = matmul(%0, %8) // \"x @ v\" \"a.rs\":3:16 \"layers.0\"
%11: f32[B, S, 16] = add(%9, %10) // \"b + x @ v\" \"a.rs\":3:16 \"layers.0\"
";

/// The products of a fused graph: the number of columns of each.
fn products(f: &Fused) -> Vec<String> {
    let matmuls = f.groups.iter().filter(|k| matches!(k.kind, Kind::Matmul { .. }));
    matmuls.map(|k| k.domain.last().map(ToString::to_string).unwrap_or_default()).collect()
}

/// Compares with the interpreter in checked mode and on every level of the machine.
#[track_caller]
fn check_everywhere(text: &str, inputs: &[Tensor]) {
    check(text, inputs);
    let g = Graph::parse(text).unwrap();
    for target in targets() {
        let report = compile_for(&g, target).unwrap().check_inputs(&views(inputs)).unwrap();
        assert!(report.is_ok(), "{report}");
    }
}

#[test]
fn query_key_and_value_are_one_product() {
    let mut rng = Rng::new(4);
    let inputs = [rng.floats(&[2, 37, 32]), rng.flags(&[2, 37])];
    let text = parallel(&format!(
        "{BIASED}%12: f32[B, S, 32] = attention(%4, %7, %11, mask = %1, heads = 4)\nreturn %12"
    ));
    let f = fused(&text);
    assert_eq!((names(&f), products(&f)), (vec!["matmul+add".into(), "attention".into()], vec!["64".into()]));
    assert_eq!((f.packed.len(), f.declined.len()), (2, 0));
    // What is merged says so in the user's words, and each slice is what the user wrote.
    let sum = f.groups[0].outputs[0];
    assert_eq!(f.graph.node(sum).source.to_string(), "`q(x), k(x), b + x @ v` at a.rs:3:4 in layers.0");
    let slices = f.graph.values().filter(|v| matches!(f.graph.node(*v).op, Op::Slice { .. }));
    let sources: Vec<String> = slices.map(|v| f.graph.node(v).source.to_string()).collect();
    assert_eq!(sources[..2], ["`q(x)` at a.rs:3:4 in layers.0.q", "`k(x)` at a.rs:3:10 in layers.0.k"]);
    check_everywhere(&text, &inputs);
    // Heads split by hand, keys read by another product, no biases.
    let text = parallel(
        "%4: f32[B, S, 32] = linear(%0, %2)
%5: f32[16, 32] = weight(index = 2)
%6: f32[B, S, 16] = linear(%0, %5)
%7: f32[B, S, 2, 16] = reshape(%4, shape = [B, S, 2, 16])
%8: f32[B, 2, S, 16] = transpose(%7, axes = (0, 2, 1, 3))
%9: f32[B, 1, S, 16] = reshape(%6, shape = [B, 1, S, 16])
%10: f32[B, 2, S, 16] = attention(%8, %9, %9, heads = 2, causal = true)
%11: f32[16, 16] = slice(%5, axis = (1,), start = 0, end = 16)
%12: f32[B, S, 16] = matmul(%6, %11)
return %10, %12",
    );
    let f = fused(&text);
    assert_eq!(
        (names(&f), products(&f)),
        (vec!["matmul".into(), "attention".into(), "matmul".into()], vec!["48".into(), "16".into()])
    );
    check_everywhere(&text, &inputs);
}

#[test]
fn products_stay_alone_where_a_slice_would_cost_something() {
    let mut rng = Rng::new(5);
    let inputs = [rng.floats(&[2, 19, 32]), rng.flags(&[2, 19])];
    let two = "%4: f32[B, S, 32] = linear(%0, %2)\n%5: f32[B, S, 32] = matmul(%0, %2)\n";
    for (lines, columns) in [
        // Different work behind each product is fused into it.
        (format!("{two}%6: f32[B, S, 32] = silu(%4)\n%7: f32[B, S, 32] = mul(%6, %5)\nreturn %7"), vec!["32", "32"]),
        (format!("{two}%6: f32[B, S, 32] = softmax(%4, over = (2,))\n%7: f32[B, S, 32] = attention(%6, %5, %5, heads = 4)\nreturn %7"), vec!["32", "32"]),
        // A result is stored whole.
        (format!("{two}%6: f32[B, S, 32] = attention(%4, %5, %5, heads = 4)\nreturn %6, %5"), vec!["32", "32"]),
        // A slice of rows is no `[B, 2 * S, 16]` in place.
        (format!("{two}%6: f32[B, 2*S, 16] = reshape(%4, shape = [B, 2*S, 16])\n%7: f32[B, 2*S, 16] = reshape(%5, shape = [B, 2*S, 16])\n%8: f32[B, 2*S, 16] = attention(%6, %7, %7, heads = 2)\nreturn %8"), vec!["32", "32"]),
        // Half a panel.
        (
            "%4: f32[8, 32] = weight(index = 6)\n%5: f32[B, S, 8] = linear(%0, %4)\n%6: f32[16, 32] = weight(index = 2)\n%7: f32[B, S, 16] = linear(%0, %6)\n%8: f32[B, S, 8] = attention(%5, %5, %5, heads = 1)\n%9: f32[B, S, 16] = attention(%7, %7, %7, heads = 1)\nreturn %8, %9".into(),
            vec!["8", "16"],
        ),
        // A bias here and none there.
        (
            "%4: f32[B, S, 32] = linear(%0, %2, b = %3)\n%5: f32[B, S, 32] = matmul(%0, %2)\n%6: f32[B, S, 32] = attention(%4, %5, %5, heads = 4)\nreturn %6".into(),
            vec!["32", "32"],
        ),
        // Another left operand.
        (
            "%4: f32[B, S, 32] = tanh(%0)\n%5: f32[B, S, 32] = linear(%0, %2)\n%6: f32[B, S, 32] = linear(%4, %2)\n%7: f32[B, S, 32] = attention(%5, %6, %6, heads = 4)\nreturn %7".into(),
            vec!["32", "32"],
        ),
    ] {
        let text = parallel(&lines);
        let f = fused(&text);
        assert_eq!(products(&f), columns, "{f}");
        assert!(f.packed.is_empty());
        check(&text, &inputs);
    }
}

/// Weights that the user concatenates are put together when they are packed, if they are in whole panels.
#[test]
fn concatenated_weights_need_no_kernel() {
    let mut rng = Rng::new(6);
    let inputs = [rng.floats(&[2, 19, 32]), rng.flags(&[2, 19])];
    let lines = "%4: f32[32, 16] = weight(index = 4)
%5: f32[32, 48] = concat(%2, %4, axis = (1,))
%6: f32[16] = weight(index = 3)
%7: f32[48] = concat(%6, %3, axis = (0,))
%8: f32[B, S, 48] = matmul(%0, %5)
%9: f32[B, S, 48] = add(%8, %7)
return %9";
    let text = parallel(lines);
    assert_eq!(names(&fused(&text)), ["matmul+add"]);
    check_everywhere(&text, &inputs);
    // As a result, or as a left operand, it is a value like any other.
    for other in [
        "return %9, %5",
        "%10: f32[32, 32] = transpose(%2, axes = (1, 0))\n%11: f32[48, 32] = transpose(%5, axes = (1, 0))\n%12: f32[48, 32] = matmul(%11, %10)\nreturn %9, %12",
    ] {
        let text = parallel(&lines.replace("return %9", other));
        assert!(names(&fused(&text)).iter().any(|n| n == "concat"));
        check(&text, &inputs);
    }
    let text = parallel(&lines.replace("weight(index = 4)", "slice(%2, axis = (1,), start = 7, end = 23)"));
    assert_eq!(names(&fused(&text)), ["matmul+add"]);
    check_everywhere(&text, &inputs);
}

/// The arguments that an op reads: a barrier waits for its second one alone.
fn read(graph: &Graph, v: Value) -> &[Value] {
    let node = graph.node(v);
    if node.op == Op::OptimizationBarrier { &node.args[..1] } else { &node.args }
}

/// Every op is in exactly one kernel (or is a view, a source, or rows taken by their reader), kernels run
/// after those they read from, and every value is stored at most once and before it is read.
#[test]
fn random_graphs_are_grouped_soundly() {
    let mut ops = 0;
    for seed in 0..1500 {
        let flavour = [Flavour::Mixed, Flavour::Rows, Flavour::Products, Flavour::Moves, Flavour::Attention]
            [seed as usize % 5];
        let g = Random::new(seed, 14, flavour).graph;
        let g = tancho_ir::passes::run_all(&g, &mut |_, _| ()).unwrap_or_else(|e| panic!("{e}"));
        let f = fuse(&g, Constants::of(&g));
        let mut stored = BTreeSet::new();
        let mut grouped = BTreeSet::new();
        for (i, k) in f.groups.iter().enumerate() {
            let mine: BTreeSet<Value> = k.nodes.iter().copied().collect();
            assert!(
                k.nodes.iter().all(|v| !f.packed.contains(v) && !f.prepared.contains(v)),
                "seed {seed}: kernel {i} computes what is packed\n{f}"
            );
            for &v in &k.nodes {
                assert!(grouped.insert(v), "seed {seed}: {v} is in two kernels\n{f}");
                // Sources that are results are read as they came.
                if matches!(g.node(v).op, Op::Input(_) | Op::Weight(_)) {
                    continue;
                }
                let mut reads = read(&g, v).to_vec();
                while let Some(r) = reads.pop() {
                    let node = g.node(r);
                    if stored.contains(&r) || mine.contains(&r) {
                        continue;
                    }
                    let in_place = is_view(&node.op) || matches!(node.op, Op::Gather);
                    let source =
                        matches!(node.op, Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::DimValue(_));
                    let source = source || f.packed.contains(&r) || f.prepared.contains(&r);
                    assert!(
                        in_place || source,
                        "seed {seed}: kernel {i} reads {r}, which is not stored yet\n{f}"
                    );
                    // What is packed or prepared is made of weights, and no kernel reads what it is made of.
                    if !source {
                        reads.extend(read(&g, r));
                    }
                }
            }
            assert!(
                k.outputs.iter().all(|o| mine.contains(o)),
                "seed {seed}: kernel {i} stores what it does not compute\n{f}"
            );
            for o in &k.outputs {
                assert!(stored.insert(*o), "seed {seed}: {o} is stored twice\n{f}");
            }
            assert!(!k.outputs.is_empty(), "seed {seed}: kernel {i} stores nothing\n{f}");
        }
        let mut wanted = BTreeSet::new();
        let mut open: Vec<Value> = g.results().collect();
        while let Some(v) = open.pop() {
            if !f.packed.contains(&v) && !f.prepared.contains(&v) && wanted.insert(v) {
                open.extend(read(&g, v));
            }
        }
        for v in wanted {
            let node = g.node(v);
            let free = is_view(&node.op)
                || matches!(
                    node.op,
                    Op::Gather | Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::DimValue(_)
                );
            assert!(free || grouped.contains(&v), "seed {seed}: {v} is in no kernel\n{f}");
        }
        assert!(g.outputs.iter().all(|o| stored.contains(o)), "seed {seed}: a result is not stored\n{f}");
        ops += grouped.len();
    }
    assert!(ops > 10_000, "{ops}");
}

/// A view that could be read in place may not any more once what is behind it is stored for another reader:
/// `%3` has its rows in order while it is read through `%2`, but not when `%2` is copied for `%7`.
#[test]
fn storing_a_view_changes_the_views_of_it() {
    let x = Rng::new(8).floats(&[5, 6]);
    let text = "network A<B>
input x: f32[B, 6]
weight \"w\": f32[6, 5] = xavier
weight \"v\": f32[1, 3] = xavier
%0: f32[B, 6] = input(index = 0)
%1: f32[6, B] = transpose(%0, axes = (1, 0))
%2: f32[6, B, 1] = reshape(%1, shape = [6, B, 1])
%3: f32[B, 1, 6] = transpose(%2, axes = (1, 2, 0))
%4: f32[6, 5] = weight(index = 0)
%5: f32[B, 1, 5] = matmul(%3, %4)
%6: f32[1, 3] = weight(index = 1)
%7: f32[6, B, 3] = matmul(%2, %6)
return %5, %7";
    check(text, &[x]);
    assert_eq!(names(&fused(text)).iter().filter(|n| n.starts_with("move")).count(), 2);
}

/// Two sides that meet are one kernel, unless others read both of them or one waits for the other's kernel.
#[test]
fn sides_that_meet_are_one_kernel() {
    let head = "network N<B>
input a: f32[B, 24]
input b: f32[B, 24]
input c: f32[24]
%0: f32[B, 24] = input(index = 0)
%1: f32[B, 24] = input(index = 1)
%2: f32[24] = input(index = 2)
%3: f32[B, 24] = mul(%0, %2)
%4: f32[B, 24] = mul(%1, %2)
";
    let mut rng = Rng::new(6);
    let x = [rng.floats(&[5, 24]), rng.floats(&[5, 24]), rng.floats(&[24])];
    for (rest, kernels) in [
        ("%5: f32[B, 24] = sub(%3, %4)\nreturn %5", 1),
        (
            "%5: f32[B, 24] = exp(%3)\n%6: f32[B, 24] = tanh(%4)\n%7: f32[B, 24] = add(%5, %6)\n%8: f32[B, 24] = mul(%7, %7)\nreturn %8",
            1,
        ),
        // One side is a result, or both are, as the moments of an optimiser.
        ("%5: f32[B, 24] = sub(%3, %4)\nreturn %5, %4", 1),
        ("%5: f32[B, 24] = sub(%3, %4)\nreturn %5, %3", 1),
        ("%5: f32[B, 24] = sub(%3, %4)\nreturn %5, %3, %4", 1),
        // A row of sums is no elementwise work.
        ("%5: f32[B, 24] = softmax(%4, over = (1,))\n%6: f32[B, 24] = add(%3, %5)\nreturn %6", 2),
        // The second side waits for a softmax of the first.
        (
            "%5: f32[24, B] = transpose(%3, axes = (1, 0))\n%6: f32[24, B] = softmax(%5, over = (1,))\n%7: f32[B, 24] = transpose(%6, axes = (1, 0))\n%8: f32[B, 24] = mul(%7, %4)\n%9: f32[B, 24] = sub(%3, %8)\nreturn %9",
            3,
        ),
    ] {
        let text = format!("{head}{rest}");
        check(&text, &x);
        assert_eq!(fused(&text).groups.len(), kernels, "{text}\n{}", fused(&text));
    }
}
