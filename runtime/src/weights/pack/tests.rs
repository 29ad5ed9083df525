//! Packs compared with what their layout says.

use super::chunk::bf16_bits;
use super::cut::{CHUNK, batch_offset};
use super::*;
use crate::tensor::Tensor;
use tancho_jit::{Format, WeightPart};

#[test]
fn bf16_is_rounded_as_the_crate_half_does() {
    let special =
        [0.0, -0.0, 1.0, f32::MAX, f32::MIN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-45, -1e-40];
    let some = (0..200_000u32).map(|i| f32::from_bits(i.wrapping_mul(2_654_435_761)));
    for x in special.into_iter().chain(some) {
        assert_eq!(bf16_bits(x), u32::from(half::bf16::from_f32(x).to_bits()), "{x:e}");
    }
}

/// Weights `a: [40, 23]`, `b: [7, 40]`, `c: [3, 5, 18]` and `e: [0, 4]`, each element its own number.
fn weights() -> Weights {
    let text = "network A<>\nweight \"a\": f32[40, 23] = zeros\nweight \"b\": f32[7, 40] = zeros\nweight \"c\": f32[3, 5, 18] = zeros\nweight \"e\": f32[0, 4] = zeros\nweight \"i\": i32[16, 16] = ones\n%0: f32[40, 23] = weight(index = 0)\nreturn %0";
    let g = Graph::parse(text).expect("the text of a graph");
    let mut w = Weights::init(&g, 0).expect("weights");
    for (i, (name, shape)) in
        [("a", vec![40usize, 23]), ("b", vec![7, 40]), ("c", vec![3, 5, 18])].into_iter().enumerate()
    {
        let data: Vec<f32> =
            (0..shape.iter().product()).map(|x: usize| (1000 * (i + 1) + x) as f32).collect();
        w.set(name, Tensor::new(data, shape).expect("a tensor")).expect("set");
    }
    w
}

fn part(weight: usize, offset: i64, batch_strides: &[i64], k_stride: i64, n: (i64, i64)) -> WeightPart {
    WeightPart {
        from: Constant::Weight(weight),
        scale: None,
        offset,
        batch_strides: batch_strides.to_vec(),
        k_strides: vec![k_stride],
        n,
    }
}

/// A pack in f32 whose rows are one axis of `k` elements.
fn pack(batch: &[i64], k: i64, parts: &[WeightPart]) -> WeightPack {
    WeightPack {
        format: Format::F32,
        winograd: None,
        batch: batch.to_vec(),
        k: vec![k],
        parts: parts.to_vec(),
    }
}

#[test]
fn panels_hold_what_the_strides_say() {
    let w = weights();
    let packs = [
        // A linear layer's weight: transposed.
        pack(&[], 23, &[part(0, 0, &[], 1, (40, 23))]),
        // Rows as they lie.
        pack(&[], 7, &[part(1, 0, &[], 40, (40, 1))]),
        // Neither step is 1: every third row of `a`, two elements apart.
        pack(&[], 11, &[part(0, 23, &[], 2, (13, 69))]),
        // Parts side by side, of two weights.
        pack(
            &[],
            7,
            &[part(0, 3, &[], 1, (32, 23)), part(1, 8, &[], 40, (16, 1)), part(1, 0, &[], 40, (5, 1))],
        ),
        // A matrix per batch.
        pack(&[3], 5, &[part(2, 0, &[90], 18, (18, 1))]),
        pack(&[2, 3], 6, &[part(2, 0, &[6, 90], 1, (5, 18))]),
        // Nothing at all.
        pack(&[], 4, &[part(3, 0, &[], 1, (0, 4))]),
        pack(&[], 0, &[part(3, 0, &[], 4, (4, 1))]),
    ];
    let packed = Packs::default().pack(&w, &packs, &Graph::default()).expect("packed");
    assert_eq!(packed.len(), packs.iter().map(|p| 4 * p.floats().expect("counted")).sum::<usize>());
    for (at, p) in packs.iter().enumerate() {
        let got: &[f32] = bytemuck::cast_slice(packed.get(at));
        assert_eq!(packed.get(at).as_ptr().addr() % 64, 0);
        let mut want = Vec::new();
        for b in 0..p.batch.iter().product() {
            for q in &p.parts {
                let Constant::Weight(weight) = q.from else { panic!("a weight") };
                let data = w.at(weight).and_then(|w| w.as_f32()).expect("f32");
                for s in 0..(q.n.0 + 15) / 16 {
                    for (i, j) in (0..p.k[0]).flat_map(|i| (16 * s..16 * (s + 1)).map(move |j| (i, j))) {
                        let from = batch_offset(p, q, b) + i * q.k_strides[0] + j * q.n.1;
                        want.push(if j < q.n.0 { data[from as usize] } else { 0.0 });
                    }
                }
            }
        }
        assert_eq!(got, want, "pack {at}");
    }
    assert_eq!(batch_offset(&packs[5], &packs[5].parts[0], 4), 96);
}

#[test]
fn what_one_entry_point_packed_another_shares() {
    let w = weights();
    let (one, two) =
        (pack(&[], 23, &[part(0, 0, &[], 1, (40, 23))]), pack(&[], 7, &[part(1, 0, &[], 40, (40, 1))]));
    let mut packs = Packs::default();
    let first = packs.pack(&w, std::slice::from_ref(&one), &Graph::default()).expect("packed");
    let second = packs.pack(&w, &[two.clone(), one.clone()], &Graph::default()).expect("packed");
    assert!(std::ptr::eq(first.get(0), second.get(1)));
    let alone = Packs::default().pack(&w, &[two, one], &Graph::default()).expect("packed");
    assert_eq!((second.get(0), second.get(1)), (alone.get(0), alone.get(1)));
    assert_eq!((second.len(), second.arena.bytes().len()), (alone.len(), second.get(0).len()));
}

/// Filters `[20, 3, 3, 3]` by hand: in the order of a window's elements, with a factor each, and transformed.
#[test]
fn filters_are_ordered_scaled_and_transformed() {
    let text = "network A<>\nweight \"f\": f32[20, 3, 3, 3] = normal(1.0)\nweight \"s\": f32[20] = uniform(0.5, 2.0)\n%0: f32[20] = weight(index = 1)\nreturn %0";
    let g = Graph::parse(text).expect("the text of a graph");
    let double = Graph::parse(
        "network D<>\nweight \"f\": f32[20, 3, 3, 3] = zeros\nweight \"s\": f32[20] = zeros\n%0: f32[20] = weight(index = 1)\n%1: f32[20] = add(%0, %0)\nreturn %1",
    );
    let w = Weights::init(&g, 9).expect("weights");
    let [f, s] = [0, 1].map(|i| w.at(i).and_then(|w| w.as_f32()).expect("f32"));
    let scale = Some(tancho_jit::Scale { by: Constant::Prepared(0), run: 27 });
    let part = WeightPart {
        from: Constant::Weight(0),
        scale,
        offset: 0,
        batch_strides: vec![],
        k_strides: vec![3, 1, 9],
        n: (20, 27),
    };
    let pack = |winograd: Option<i64>, k: &[i64]| WeightPack {
        format: Format::F32,
        winograd,
        batch: vec![],
        k: k.to_vec(),
        parts: vec![part.clone()],
    };
    let packs = [pack(None, &[3, 3, 3]), pack(Some(2), &[3]), pack(Some(4), &[3])];
    let packed = Packs::default().pack(&w, &packs, &double.expect("the text of a graph")).expect("packed");
    let value = |o: usize, c: usize, i: usize, j: usize| {
        if o < 20 { f[o * 27 + c * 9 + i * 3 + j] * 2.0 * s[o] } else { 0.0 }
    };
    let got: &[f32] = bytemuck::cast_slice(packed.get(0));
    for (o, k) in (0..32).flat_map(|o| (0..27).map(move |k| (o, k))) {
        assert_eq!(got[(o / 16 * 27 + k) * 16 + o % 16], value(o, k % 3, k / 9, k / 3 % 3));
    }
    for (at, m) in [(1, 2), (2, 4)] {
        let (got, g): (&[f32], _) =
            (bytemuck::cast_slice(packed.get(at)), tancho_jit::winograd::matrices(m).g);
        assert_eq!(got.len(), (m + 2) * (m + 2) * 2 * 3 * 16);
        for (a, b) in (0..m + 2).flat_map(|a| (0..m + 2).map(move |b| (a, b))) {
            for (o, c) in (0..32).flat_map(|o| (0..3).map(move |c| (o, c))) {
                let terms = (0..9).map(|n| {
                    f64::from(g[a][n / 3]) * f64::from(value(o, c, n / 3, n % 3)) * f64::from(g[b][n % 3])
                });
                let (want, size) = terms.fold((0.0, 0.0), |(s, t), x| (s + x, t + x.abs()));
                let place = a * (m + 2) + b;
                let got = f64::from(got[((place * 2 + o / 16) * 3 + c) * 16 + o % 16]);
                assert!(
                    (got - want).abs() <= 1e-6 * size,
                    "F({m}) place {a}, {b} of filter {o}: {got}, not {want}"
                );
            }
        }
    }
}

#[test]
fn many_chunks_are_all_packed() {
    let text = "network A<>\nweight \"a\": f32[1600, 700] = normal(1.0)\n%0: f32[1600, 700] = weight(index = 0)\nreturn %0";
    let w = Weights::init(&Graph::parse(text).expect("the text of a graph"), 3).expect("weights");
    let pack = WeightPack {
        format: Format::F32,
        winograd: None,
        batch: vec![],
        k: vec![700],
        parts: vec![part(0, 0, &[], 1, (1600, 700))],
    };
    let packed = Packs::default().pack(&w, std::slice::from_ref(&pack), &Graph::default()).expect("packed");
    let (got, data): (&[f32], _) =
        (bytemuck::cast_slice(packed.get(0)), w.at(0).and_then(|w| w.as_f32()).expect("f32"));
    assert!(got.len() > 4 * CHUNK);
    assert!((0..1600 * 700).all(|i| got[i] == data[(i / 11200 * 16 + i % 16) * 700 + i / 16 % 700]));
}

#[test]
fn what_cannot_be_packed_is_an_error() {
    let w = weights();
    let one = |p: WeightPart, k: i64| {
        Packs::default()
            .pack(
                &w,
                &[WeightPack {
                    format: Format::F32,
                    winograd: None,
                    batch: vec![],
                    k: vec![k],
                    parts: vec![p],
                }],
                &Graph::default(),
            )
            .map(|_| ())
    };
    let e = one(part(4, 0, &[], 1, (16, 16)), 16).expect_err("not f32");
    assert_eq!(
        e.to_string(),
        "weight `i` is i32, but products read f32 weights only; declare it f32, or cast it"
    );
    assert!(matches!(one(part(9, 0, &[], 1, (16, 16)), 16), Err(Error::Graph(_))));
    for k in [i64::MAX, 1 << 55] {
        assert!(matches!(one(part(0, 0, &[], 1, (16, 16)), k), Err(Error::WeightMemory { .. })), "{k}");
    }
}
