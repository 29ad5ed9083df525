//! What shares a kernel and what does not, and that a fusion that declines says why.

mod common;

use common::graphs::{Flavour, Random};
use common::{BERT_LAYER, GPT2_BLOCK, Rng, check};
use std::collections::BTreeSet;
use tancho::Graph;
use tancho::fuse::{Fused, Kind, fuse};
use tancho_ir::Value;
use tancho_ir::access::is_view;
use tancho_ir::op::Op;

fn fused(text: &str) -> Fused {
    let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let g = tancho::passes::run_all(&g, &mut |_, _| ()).unwrap_or_else(|e| panic!("{e}"));
    fuse(&g)
}

fn names(f: &Fused) -> Vec<String> {
    f.kernels.iter().map(|k| k.name(&f.graph)).collect()
}

fn reasons(f: &Fused) -> Vec<&str> {
    f.declined.iter().map(|d| d.reason.as_str()).collect()
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
    (names(&f), reasons(&f).into_iter().map(String::from).collect())
}

#[test]
fn a_residual_product_with_its_norm_is_one_kernel() {
    let (kernels, declined) = of("%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = add(%0, %4)
%6: f32[B, S, 16] = layer_norm(%5, gain = %3, bias = %3, over = (2,))
return %6");
    assert_eq!((kernels, declined), (vec!["contract+add+layer_norm".into()], vec![]));
}

#[test]
fn bias_activation_and_what_works_on_the_same_rows_join_the_product() {
    let (kernels, _) = of("%4: f32[B, S, 16] = linear(%0, %1, b = %3)
%5: f32[B, S, 16] = gelu(%4)
%6: f32[B, S, 16] = softmax(%5, over = (2,))
%7: f32[B, S, 16] = mul(%6, %3)
%8: f32[B, S] = sum(%7, over = (2,), keep = false)
return %8");
    assert_eq!(kernels, ["contract+add+gelu+softmax+mul+sum"]);
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
    assert_eq!(kernels, ["contract", "contract+add+tanh"]);
    assert_eq!(declined, ["another kernel computes it already"]);
    // The same where the chains meet behind row work.
    let (kernels, declined) = of("%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = layer_norm(%4, over = (2,))
%6: f32[B, S, 16] = linear(%0, %2)
%7: f32[B, S, 16] = layer_norm(%6, over = (2,))
%8: f32[B, S, 16] = mul(%5, %7)
%9: f32[B, S, 16] = exp(%8)
return %9");
    assert_eq!(kernels, ["contract+layer_norm", "contract+layer_norm+mul+exp"]);
    assert_eq!(declined, ["another kernel computes it already"]);
}

#[test]
fn an_output_in_the_middle_is_stored() {
    let (kernels, declined) = of("%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = relu(%4)
return %5, %4");
    assert_eq!(kernels, ["contract", "row+relu"]);
    assert_eq!(declined, ["the product is itself a result"]);
    // Behind an elementwise epilogue row work goes on, and the row is stored as well.
    let text = "%4: f32[B, S, 16] = linear(%0, %1)
%5: f32[B, S, 16] = add(%0, %4)
%6: f32[B, S, 16] = layer_norm(%5, over = (2,))
return %6, %5";
    assert_eq!(of(text).0, ["contract+add+layer_norm"]);
    assert_eq!(fused(&body(text)).kernels[0].outputs.len(), 2);
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
    ] {
        let (_, declined) = of(lines);
        assert!(declined.iter().any(|r| r == reason), "{declined:?}\n{lines}");
    }
    // The text of a fused graph ends with them.
    let text = fused(&body("%4: f32[B, S, 16] = linear(%0, %1)\n%5: f32[B, S, 16] = relu(%4)\nreturn %5, %4")).to_string();
    assert!(text.ends_with("into the kernel of %3: the product is itself a result\n"), "{text}");
}

#[test]
fn long_chains_are_cut() {
    let mut lines = String::from("%4: f32[B, S, 16] = tanh(%0)\n");
    for i in 5..104 {
        lines += &format!("%{i}: f32[B, S, 16] = {}(%{})\n", if i % 2 == 0 { "tanh" } else { "softmax" }, i - 1);
        lines = lines.replace("softmax(%", "sigmoid(%");
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
        ["contract+add", "attention", "contract+add+add+layer_norm", "contract+add+gelu", "contract+add+add+layer_norm"]
    );
    let f = fused(GPT2_BLOCK);
    assert_eq!(
        names(&f),
        [
            "row+layer_norm",
            "contract+add",
            "attention",
            "move+transpose",
            "contract+add+add+layer_norm",
            "contract+add+gelu_tanh",
            "contract+add+add"
        ]
    );
}

/// Every op is in exactly one kernel (or is a view, a source, or rows taken by their reader), kernels run
/// after those they read from, and every value is stored at most once and before it is read.
#[test]
fn random_graphs_are_grouped_soundly() {
    let mut ops = 0;
    for seed in 0..1500 {
        let flavour = [Flavour::Mixed, Flavour::Rows, Flavour::Products, Flavour::Moves, Flavour::Attention][seed as usize % 5];
        let g = Random::new(seed, 14, flavour).graph;
        let g = tancho::passes::run_all(&g, &mut |_, _| ()).unwrap_or_else(|e| panic!("{e}"));
        let f = fuse(&g);
        let mut stored = BTreeSet::new();
        let mut grouped = BTreeSet::new();
        for (i, k) in f.kernels.iter().enumerate() {
            let mine: BTreeSet<Value> = k.nodes.iter().copied().collect();
            for &v in &k.nodes {
                assert!(grouped.insert(v), "seed {seed}: {v} is in two kernels\n{f}");
                // Sources that are results are read as they came.
                if matches!(g.node(v).op, Op::Input(_) | Op::Weight(_)) {
                    continue;
                }
                let mut reads = g.node(v).args.clone();
                while let Some(r) = reads.pop() {
                    let node = g.node(r);
                    if stored.contains(&r) || mine.contains(&r) {
                        continue;
                    }
                    let in_place = is_view(&node.op) || matches!(node.op, Op::Gather);
                    let source = matches!(node.op, Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::DimValue(_));
                    assert!(in_place || source, "seed {seed}: kernel {i} reads {r}, which is not stored yet\n{f}");
                    reads.extend(&node.args);
                }
            }
            assert!(k.outputs.iter().all(|o| mine.contains(o)), "seed {seed}: kernel {i} stores what it does not compute\n{f}");
            for o in &k.outputs {
                assert!(stored.insert(*o), "seed {seed}: {o} is stored twice\n{f}");
            }
            assert!(!k.outputs.is_empty() || matches!(k.kind, Kind::Rows | Kind::Contract { .. }), "seed {seed}: kernel {i}\n{f}");
        }
        for v in g.values() {
            let node = g.node(v);
            let free = is_view(&node.op) || matches!(node.op, Op::Gather | Op::Input(_) | Op::Weight(_) | Op::Const(_) | Op::DimValue(_));
            assert!(free || grouped.contains(&v), "seed {seed}: {v} is in no kernel\n{f}");
        }
        assert!(g.outputs.iter().all(|o| stored.contains(o)), "seed {seed}: a result is not stored\n{f}");
        assert!(f.declined.iter().all(|d| !d.reason.is_empty()));
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
