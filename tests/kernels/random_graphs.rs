//! Random graphs: text form, passes, native code against the interpreter, repeated runs; and a few
//! graphs written out.
//!
//! `TANCHO_SEED=n cargo test --workspace --test kernels random_graphs` runs the graphs of one seed alone.

use std::collections::BTreeMap;
use tancho::Tensor;
use tancho_ir::table::OPS;
use tancho_support::graphs::{Flavour, Random};
use tancho_support::holds::check_seed;
use tancho_support::{Rng, check, compile, compile_for, levels, same_bits, views};

/// Graphs of one flavour: `count` seeds from `first` on.
#[track_caller]
fn graphs(flavour: Flavour, first: u64, count: u64) {
    let given = std::env::var("TANCHO_SEED").ok().and_then(|s| s.parse().ok());
    let seeds = given.map_or(first..first + count, |s| s..s + 1);
    let failures: Vec<String> = seeds.filter_map(|seed| check_seed(seed, flavour).err()).collect();
    assert!(failures.is_empty(), "{} graphs fail, the first:\n{}", failures.len(), failures[0]);
}

#[test]
fn mixed_graphs() {
    graphs(Flavour::Mixed, 10_000, 400);
}

#[test]
fn row_graphs() {
    graphs(Flavour::Rows, 20_000, 300);
}

#[test]
fn product_graphs() {
    graphs(Flavour::Products, 30_000, 300);
}

#[test]
fn attention_graphs() {
    graphs(Flavour::Attention, 40_000, 300);
}

#[test]
fn move_graphs() {
    graphs(Flavour::Moves, 50_000, 300);
}

#[test]
fn image_graphs() {
    graphs(Flavour::Images, 60_000, 400);
}

/// Each op of random graphs over long rows of numbers that are alike is as near to the reference as over
/// short ones: errors of sums that grow with their length show where the terms have a part in common.
#[test]
fn long_rows_of_alike_values() {
    let mut long = 0;
    for (flavour, first) in [
        (Flavour::Rows, 20_000),
        (Flavour::Products, 30_000),
        (Flavour::Attention, 40_000),
        (Flavour::Mixed, 10_000),
    ] {
        for seed in first..first + 12 {
            let r = Random::new(seed, 6, flavour);
            let Some(s) = [9001, 3000, 1030].into_iter().find(|s| r.largest(1, *s) <= 40_000) else {
                continue;
            };
            long += 1;
            let mut graph = r.graph.clone();
            // Some promise that rows are short.
            graph.constraints.clear();
            graph.dims.iter_mut().for_each(|d| d.bound = None);
            graph.share_with_bodies();
            let inputs = r.alike(1, s, seed);
            for isa in levels() {
                let target = tancho::Target::host().with_isa(isa).expect("a level of this machine");
                let c = compile_for(&graph, target).unwrap_or_else(|e| panic!("{seed} {flavour:?}: {e}"));
                let wrong =
                    c.first_divergence(&views(&inputs)).unwrap_or_else(|e| panic!("{seed} {flavour:?}: {e}"));
                assert!(
                    wrong.is_none(),
                    "TANCHO_SEED={seed} {flavour:?}, rows of {s} on {isa}\n{wrong:?}\n{graph}"
                );
            }
        }
    }
    assert!(long > 15, "{long} graphs");
}

#[test]
fn the_graphs_have_every_op() {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (first, flavour) in
        [(10_000, Flavour::Mixed), (40_000, Flavour::Attention), (60_000, Flavour::Images)]
    {
        for seed in first..first + 400 {
            for node in &Random::new(seed, 12, flavour).graph.nodes {
                *seen.entry(tancho_ir::table::name_of(&node.op)).or_default() += 1;
            }
        }
    }
    // States are grafted onto such graphs in tests/states.rs, which runs them several times.
    let names = OPS.iter().map(|row| row.name).filter(|n| !matches!(*n, "state" | "push"));
    let rare: Vec<&str> = names.filter(|n| seen.get(n).is_none_or(|c| *c < 10)).collect();
    assert_eq!(rare, [""; 0], "{seen:?}");
}

#[test]
fn elementwise_chain() {
    for b in [0, 1, 3, 5] {
        check(
            "network A<B>
input x: f32[B, 13]
weight \"w\": f32[13] = normal(1.0)
%0: f32[B, 13] = input(index = 0)
%1: f32[13] = weight(index = 0)
%2: f32[B, 13] = add(%0, %1)
%3: f32[B, 13] = gelu(%2)
%4: f32[B, 13] = softmax(%3, over = (1,))
%5: f32[B, 13] = layer_norm(%2, gain = %1, over = (1,))
%6: f32[B] = mean(%5, over = (1,))
return %4, %6",
            &[Rng::new(1).floats(&[b, 13])],
        );
    }
}

#[test]
fn products() {
    for (m, k, n) in [(1, 7, 5), (3, 16, 16), (33, 19, 50), (5, 0, 3), (0, 4, 4), (70, 48, 48)] {
        check(
            &format!(
                "network A<B>
input x: f32[B, {k}]
input r: f32[B, {n}]
weight \"w\": f32[{n}, {k}] = normal(1.0)
weight \"b\": f32[{n}] = normal(1.0)
%0: f32[B, {k}] = input(index = 0)
%1: f32[{n}, {k}] = weight(index = 0)
%2: f32[{n}] = weight(index = 1)
%3: f32[B, {n}] = linear(%0, %1, b = %2)
%4: f32[B, {n}] = input(index = 1)
%5: f32[B, {n}] = add(%3, %4)
%6: f32[B, {n}] = layer_norm(%5, gain = %2, bias = %2, over = (1,))
return %6"
            ),
            &[Rng::new(1).floats(&[m, k]), Rng::new(2).floats(&[m, n])],
        );
    }
}

#[test]
fn attention() {
    for (b, s) in [(1, 1), (2, 5), (1, 40)] {
        let keep: Vec<bool> = (0..b * s).map(|i| i % 3 != 1).collect();
        check(
            "network A<B, S>
input x: f32[B, S, 24]
input keep: bool[B, S]
%0: f32[B, S, 24] = input(index = 0)
%1: bool[B, S] = input(index = 1)
%2: f32[B, S, 24] = exp(%0)
%3: f32[B, S, 24] = attention(%0, %2, %2, mask = %1, heads = 4, causal = true)
%4: f32[B, S, 24] = attention(%0, %2, %2, heads = 2)
%5: f32[B, 24] = mean(%3, where = %1, over = (1,), keep = false)
return %3, %4, %5",
            &[Rng::new(1).floats(&[b, s, 24]), Tensor::new(keep, [b, s]).unwrap()],
        );
    }
}

#[test]
fn run_time_products_and_moves() {
    check(
        "network A<B, S>
input x: f32[B, S, 24]
input ids: i32[B, S]
weight \"t\": f32[11, 24] = normal(1.0)
%0: f32[B, S, 24] = input(index = 0)
%1: i32[B, S] = input(index = 1)
%2: f32[11, 24] = weight(index = 0)
%3: f32[B, S, 24] = gather(%2, %1)
%4: f32[B, S, 24] = add(%0, %3)
%5: f32[B, S, 24] = layer_norm(%4, over = (2,))
%6: f32[B, 24, S] = transpose(%5, axes = (0, 2, 1))
%7: f32[B, S, S] = matmul(%5, %6)
%8: f32[B, S, S] = softmax(%7, over = (2,))
%9: f32[B, S, 24] = matmul(%8, %5)
%10: f32[B, S, 48] = concat(%9, %0, axis = (2,))
%11: f32[B, S, 48] = layer_norm(%10, over = (1, 2))
%12: i32[B, S] = argmax(%10, over = (2,))
%13: f32[B, 48, S] = transpose(%11, axes = (0, 2, 1))
return %13, %12, %3",
        &[
            Rng::new(1).floats(&[2, 7, 24]),
            Tensor::new((0..14).map(|i| i % 11).collect::<Vec<i32>>(), [2, 7]).unwrap(),
        ],
    );
}

/// The kernel says which id of which unit was wrong, also where it reads many things before the ids.
#[test]
fn an_id_out_of_range_behind_many_operands() {
    let mut text = String::from("network Many<B>\ninput x: f32[B, 4]\ninput ids: i32[B]\n");
    (0..20).for_each(|i| text += &format!("weight \"w{i}\": f32[4] = ones\n"));
    text +=
        "weight \"t\": f32[7, 4] = ones\n%0: f32[B, 4] = input(index = 0)\n%1: i32[B] = input(index = 1)\n";
    (0..20).for_each(|i| text += &format!("%{}: f32[4] = weight(index = {i})\n", 2 + i));
    text += "%22: f32[7, 4] = weight(index = 20)\n%23: i32[B] = add(%1, %1)\n%24: f32[B, 4] = gather(%22, %23) // \"t[ids + ids]\" \"a.rs\":1:1\n";
    (0..20).for_each(|i| {
        text += &format!("%{}: f32[B, 4] = add(%{}, %{})\n", 25 + i, if i == 0 { 0 } else { 24 + i }, 2 + i)
    });
    text += "%45: f32[B, 4] = add(%44, %24)\nreturn %45";
    let x = Rng::new(1).floats(&[5, 4]);
    let ids = |v: [i32; 5]| Tensor::new(v.to_vec(), [5]).expect("fits");
    let sums = check(&text, &[x.clone(), ids([0, 1, 2, 3, 0])]);
    assert_eq!(sums[0].shape(), [5, 4]);
    let g = tancho::Graph::parse(&text).expect("a graph");
    let mut s = compile(&g).expect("compiles").session();
    let bad = [x.clone(), ids([0, 1, 2, 9, 0])];
    let e = s.run_inputs(&views(&bad)).expect_err("18 is no row").to_string();
    assert!(e.contains("id 18 at position [3]") && e.contains("the table has 7 rows"), "{e}");
    // The session goes on.
    let good = [x, ids([0, 1, 2, 3, 0])];
    s.run_inputs(&views(&good)).expect("runs");
    assert!(same_bits(&s.tensor(0).expect("a result"), &sums[0]));
}
