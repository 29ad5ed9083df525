//! The arena: no two blocks that are alive together overlap, and a block lives as long as it is used.

use tancho_ir::fuse::{Constants, fuse};
use tancho_ir::{Dim, Graph, passes};
use tancho_jit::plan::{ALIGN, ArenaBlock, Place, Plan, plan};
use tancho_jit::spec::Buffer;
use tancho_jit::{Target, lower};

#[track_caller]
fn places_soundly(plan: &Plan, sizes: &[usize]) -> usize {
    let (mut offsets, mut order) = (vec![7; 3], vec![9; 2]);
    let total = plan.place(sizes, &mut offsets, &mut order);
    assert_eq!(offsets.len(), sizes.len());
    for (i, (a, at)) in plan.blocks.iter().zip(&offsets).enumerate() {
        assert!(at % ALIGN == 0 && at + sizes[i] <= total, "block {i} at {at} of {total}");
        for (j, (b, other)) in plan.blocks.iter().zip(&offsets).enumerate().take(i) {
            let together = a.first <= b.last && b.first <= a.last;
            let overlap = at < &(other + sizes[j]) && other < &(at + sizes[i]);
            assert!(
                !(together && overlap && sizes[i] > 0 && sizes[j] > 0),
                "blocks {i} and {j} at {at} and {other}"
            );
        }
    }
    assert_eq!(
        (&offsets, total),
        (&one_by_one(plan, sizes).0, one_by_one(plan, sizes).1),
        "{sizes:?} {:?}",
        plan.blocks
    );
    let mut again = Vec::new();
    assert_eq!(plan.place(sizes, &mut again, &mut order), total);
    assert_eq!(again, offsets);
    total
}

/// First fit, largest first, as it is said: behind each block that is alive at the same time and in the way.
fn one_by_one(plan: &Plan, sizes: &[usize]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(sizes[i]), i));
    let (mut offsets, mut total) = (vec![0; sizes.len()], 0);
    for rank in 0..order.len() {
        let i = order[rank];
        let (size, mut at) = (sizes[i].next_multiple_of(ALIGN), 0);
        let in_the_way = |at: usize, j: usize| {
            let (a, b) = (&plan.blocks[i], &plan.blocks[j]);
            let end = offsets[j] + sizes[j].next_multiple_of(ALIGN);
            (a.first <= b.last && b.first <= a.last && at < end && offsets[j] < at + size).then_some(end)
        };
        while let Some(end) = order[..rank].iter().find_map(|j| in_the_way(at, *j)) {
            at = end;
        }
        offsets[i] = at;
        total = total.max(at + size);
    }
    (offsets, total)
}

#[test]
fn random_lifetimes_and_sizes() {
    let mut state = 3u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for round in 0..3000 {
        // A few blocks, now and then many, and once more than are compared one by one.
        let many = round % 50 == 0;
        let steps = 1 + below(if many { 90 } else { 20 });
        let mut plan = Plan::default();
        let count = if round == 0 { 1500 } else { below(if many { 120 } else { 25 }) };
        for _ in 0..count {
            let first = below(steps);
            let longest = 1 + below(steps);
            let last = first + below((steps - first).min(longest));
            plan.blocks.push(ArenaBlock { size: Dim::default(), per_thread: false, first, last });
        }
        let sizes: Vec<usize> =
            plan.blocks.iter().map(|_| [0, 1, 4, 63, 64, 65, 1000, 4096][below(8)]).collect();
        let total = places_soundly(&plan, &sizes);
        let all: usize = sizes.iter().map(|s| s.next_multiple_of(ALIGN)).sum();
        assert!(total <= all, "never more than all side by side");
    }
}

const CHAIN: &str = "network Chain<B>
input x: f32[B, 24]
weight \"w\": f32[24, 24] = xavier
%0: f32[B, 24] = input(index = 0)
%1: f32[24, 24] = weight(index = 0)
%2: f32[B, 24] = linear(%0, %1)
%3: f32[24, B] = transpose(%2, axes = (1, 0))
%4: f32[B, B] = matmul(%2, %3)
%5: f32[B, B] = softmax(%4, over = (0,))
%6: f32[B, 24] = matmul(%5, %2)
%7: f32[B, 24] = linear(%6, %1)
%8: f32[B, 24] = linear(%7, %1)
%9: f32[B, 24] = concat(%8, %2, axis = (0,))
return %9";

#[test]
fn blocks_live_as_long_as_they_are_used() {
    let text = CHAIN.replace("%9: f32[B, 24] = concat", "%9: f32[2*B, 24] = concat");
    let g = Graph::parse(&text).expect("a graph");
    let g = passes::run_all(&g, &mut |_, _| ()).expect("the passes run");
    let fused = fuse(&g, Constants::of(&g));
    let schedule = lower(&fused, Target::host(), &[]).expect("is lowered");
    let plan = &plan(&fused, &schedule).expect("a plan");
    let mut uses = 0;
    // A value is in one place from the step that writes it to the last that reads it.
    let mut homes: Vec<(&Buffer, Place)> = Vec::new();
    for (i, (step, places)) in schedule.steps.iter().zip(&plan.places).enumerate() {
        assert_eq!(step.binding.buffers.len(), places.len());
        for (buffer, place) in step.binding.buffers.iter().zip(places) {
            if let Place::Block(b) = place {
                uses += 1;
                assert!(
                    plan.blocks[*b].first <= i && i <= plan.blocks[*b].last,
                    "step {i} uses block {b}: {:?}",
                    plan.blocks[*b]
                );
            }
            if *buffer != Buffer::Scratch {
                match homes.iter().find(|h| h.0 == buffer) {
                    Some((_, home)) => assert_eq!(home, place, "{buffer:?}"),
                    None => homes.push((buffer, *place)),
                }
            }
        }
    }
    assert!(uses > 5, "{uses}");
    for b in [0, 1, 3, 40] {
        let size = |d: &Dim| d.eval(&|_| Some(b)).expect("B is known") as usize;
        let sizes: Vec<usize> = plan.blocks.iter().map(|block| size(&block.size)).collect();
        let total = places_soundly(plan, &sizes);
        // Memory is shared: not everything is alive at once.
        let all: usize = sizes.iter().map(|s| s.next_multiple_of(ALIGN)).sum();
        assert!(b < 40 || total < all, "{total} of {all}");
    }
}
