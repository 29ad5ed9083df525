//! Weights in other formats than f32: what is computed is what the rounded weights give.

use tancho::inspect::compare;
use tancho::{AsView, Error, Format, Target, Tensor, bf16, network};
use tancho_support::targets;

network! {
    /// Products of several shapes: merged ones, an odd sum, an epilogue, row work, a tied and gathered
    /// weight.
    Shapes<B, S, D = 48, H = 70, V = 37>(ids: i32[B, S]) -> ([B, S, H], [B, V]) {
        param table: [V, D] = normal(1.0);
        net q:    Linear<D, D>;
        net k:    Linear<D, D>;
        net up:   Linear<D, H>;
        net norm: LayerNorm<H>;
        net odd:  Linear<9, H>(bias = false);
        let x = table[ids];
        let h = norm(gelu(up(x + q(x) * k(x))));
        (h + odd(x[D = 3..12]), x[S = -1] @ table.t)
    }
}

/// Weights of products rounded as the format rounds them; those that are read otherwise stay.
fn rounded(net: &Shapes) -> Result<Shapes, Error> {
    let mut out = net.clone();
    for name in ["q.weight", "k.weight", "up.weight"] {
        let w = net.weights().get(name).expect("a weight");
        let data: Vec<f32> = w.data().iter().map(|x| bf16::from_f32(*x).to_f32()).collect();
        out.weights_mut().set(name, Tensor::new(data, w.shape().to_vec())?)?;
    }
    Ok(out)
}

#[test]
fn bf16_is_what_rounded_weights_give() -> Result<(), Error> {
    let net = Shapes::init(7)?;
    let reference = rounded(&net)?.compile(Target::host())?;
    let plain = net.compile(Target::host())?;
    let table = net.weights().get("table").expect("a table").data().to_vec();
    for target in targets() {
        let compiled = net.compile(target.with_weight_format(Format::Bf16))?;
        for (b, s) in [(1, 1), (1, 2), (3, 1), (2, 5), (1, 13), (4, 17)] {
            let ids: Vec<i32> = (0..b * s).map(|i| (i * 17 + 5) as i32 % 37).collect();
            let want = reference.interpret(ids.view([b, s]))?;
            for threads in 1..=3 {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                session.run(ids.view([b, s]))?;
                // Products of more than four rows may have rounded their rows as well, one after another.
                let bound = if b * s > 4 { 2e-2 } else { 1e-5 };
                let report = compare("h", &session.tensor(0).expect("a result"), &want[0], None, bound);
                assert!(report.is_ok(), "{target:?} {b} x {s}, {threads} threads: {report}");
                // The table is gathered as it is, and rounded where it is multiplied.
                for (row, got) in session.output::<f32>(1).expect("a result").data().chunks(37).enumerate() {
                    let x = &table[ids[row * s + s - 1] as usize * 48..][..48];
                    for (w, got) in table.chunks(48).zip(got) {
                        let sum: f64 = x
                            .iter()
                            .zip(w)
                            .map(|(x, w)| f64::from(*x) * f64::from(bf16::from_f32(*w).to_f32()))
                            .sum();
                        let scale: f64 = x.iter().zip(w).map(|(x, w)| f64::from((x * w).abs())).sum();
                        let bound = if b > 4 { 4e-3 } else { 1e-6 };
                        assert!(
                            (sum - f64::from(*got)).abs() < bound * scale.max(1.0),
                            "{target:?}: {got} instead of {sum}"
                        );
                    }
                }
            }
        }
        assert!(
            compiled.packed_bytes() < plain.packed_bytes() * 6 / 10,
            "{} of {}",
            compiled.packed_bytes(),
            plain.packed_bytes()
        );
    }
    Ok(())
}

network! {
    /// One product with what is fused into it.
    Product<N, K = 66, M = 70>(x: [N, K]) -> ([N, M], [N, M]) {
        net up:   Linear<K, M>;
        net norm: LayerNorm<M>;
        let y = up(x) * 0.5;
        (y, norm(y))
    }
}

/// Rows that bf16 holds exactly: whatever is rounded, the sums are those of f32.
#[test]
fn sums_are_exact() -> Result<(), Error> {
    let mut net = Product::init(3)?;
    let w = net
        .weights()
        .get("up.weight")
        .expect("a weight")
        .data()
        .iter()
        .map(|x| bf16::from_f32(*x).to_f32())
        .collect::<Vec<_>>();
    net.weights_mut().set("up.weight", Tensor::new(w, [70, 66])?)?;
    let plain = net.compile(Target::host())?;
    for target in targets() {
        let compiled = net.compile(target.with_weight_format(Format::Bf16))?;
        for n in [0, 1, 2, 3, 4, 5, 8, 9, 31, 64, 65, 130] {
            let x: Vec<f32> =
                (0..n * 66).map(|i| bf16::from_f32((i as f32 * 12.9898).sin()).to_f32()).collect();
            let want = plain.interpret(x.view([n, 66]))?;
            for threads in 1..=3 {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                session.run(x.view([n, 66]))?;
                for (i, want) in want.iter().enumerate() {
                    let report = compare("y", &session.tensor(i).expect("a result"), want, None, 1e-5);
                    assert!(report.is_ok(), "{target:?} {n} rows, {threads} threads: {report}");
                }
            }
        }
    }
    Ok(())
}

/// The check against f32 says how far off it is.
#[test]
fn the_check_tells_the_loss() -> Result<(), Error> {
    let net = Shapes::init(8)?;
    let ids: Vec<i32> = (0..12).collect();
    let report = net.compile(Target::host().with_weight_format(Format::Bf16))?.check(ids.view([2, 6]))?;
    assert!(!report.is_ok(), "bf16 is not f32");
    let worst = report.tensors.iter().map(|t| t.max_abs).fold(0.0, f64::max);
    assert!(worst > 1e-4 && worst < 0.2, "{report}");
    assert!(net.compile(Target::host())?.check(ids.view([2, 6]))?.is_ok());
    Ok(())
}

network! {
    /// The same with whole groups of terms, and a product of another length that has none.
    Groups<N, K = 128, M = 70>(x: [N, K]) -> ([N, M], [N, M]) {
        net up:   Linear<K, M>;
        net down: Linear<M, M>(bias = false);
        net norm: LayerNorm<M>;
        let y = up(x) * 0.5;
        (y, norm(down(y)))
    }
}

/// Elements of a group as integers with a sign, and their factor.
fn quantized(x: &[f32]) -> (Vec<i32>, f32) {
    let most = x.iter().fold(0f32, |m, x| m.max(x.abs()));
    let by = if most < 1e-30 { 0.0 } else { 127.0 / most };
    (
        x.iter().map(|x| (x * by).round_ties_even() as i32).collect(),
        if most < 1e-30 { 0.0 } else { most / 127.0 },
    )
}

/// A group of 4-bit elements: the least is 0, the largest 15.
fn in_4_bits(x: &[f32]) -> Vec<f64> {
    let (least, most) = x.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    let (d, m) = (half::f16::from_f32((most - least) / 15.0).to_f32(), half::f16::from_f32(least).to_f32());
    let code = |x: f32| if d > 0.0 { ((x - m) / d).round_ties_even().clamp(0.0, 15.0) } else { 0.0 };
    x.iter().map(|x| f64::from(code(*x)) * f64::from(d) + f64::from(m)).collect()
}

/// What a product is with rows and weights rounded as the format says, computed in f64.
fn product_of_integers(format: Format, x: &[f32], w: &[f32]) -> f64 {
    let groups = x.chunks(format.group()).zip(w.chunks(format.group()));
    let sum = |(x, w): (&[f32], &[f32])| -> f64 {
        let (rows, factor) = quantized(x);
        let weights: Vec<f64> = match format {
            Format::Int8 => {
                let (codes, factor) = quantized(w);
                codes.iter().map(|c| f64::from(*c) * f64::from(factor)).collect()
            }
            _ => in_4_bits(w),
        };
        rows.iter().zip(&weights).map(|(x, w)| f64::from(*x) * f64::from(factor) * w).sum()
    };
    groups.map(sum).sum()
}

#[test]
fn integers_are_what_rounded_rows_and_weights_give() -> Result<(), Error> {
    let net = Groups::init(11)?;
    let weight = |name: &str| net.weights().get(name).map(|w| w.data().to_vec()).expect("a weight");
    let (up, bias, down) = (weight("up.weight"), weight("up.bias"), weight("down.weight"));
    let targets = targets();
    for (format, target) in
        [Format::Int8, Format::Q4].into_iter().flat_map(|f| targets.iter().map(move |t| (f, *t)))
    {
        let compiled = net.compile(target.with_weight_format(format))?;
        for n in [0, 1, 2, 3, 4, 5, 7, 8, 33, 64, 65, 130] {
            // One group of zeros, one of numbers so small that they count as such.
            let x: Vec<f32> = (0..n * 128)
                .map(|i| {
                    ((i as f32 * 12.9898).sin() * 3.0)
                        * if i / 64 == 3 {
                            0.0
                        } else if i / 64 == 4 {
                            1e-38
                        } else {
                            1.0
                        }
                })
                .collect();
            let y: Vec<f32> = (x.chunks(128))
                .flat_map(|x| up.chunks(128).zip(&bias).map(move |(w, b)| (x, w, b)))
                .map(|(x, w, b)| (0.5 * (product_of_integers(format, x, w) + f64::from(*b))) as f32)
                .collect();
            // 70 terms are no whole groups.
            let z: Vec<f64> = (y.chunks(70))
                .flat_map(|y| {
                    down.chunks(70).map(|w| y.iter().zip(w).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum())
                })
                .collect();
            let norm = |z: &[f64]| -> Vec<f32> {
                let mean = z.iter().sum::<f64>() / 70.0;
                let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 70.0;
                z.iter().map(|z| ((z - mean) / (variance + 1e-5).sqrt()) as f32).collect()
            };
            let want = [
                Tensor::new(y, [n, 70])?,
                Tensor::new(z.chunks(70).flat_map(norm).collect::<Vec<_>>(), [n, 70])?,
            ];
            for threads in 1..=3 {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                session.run(x.view([n, 128]))?;
                for (i, want) in want.iter().enumerate() {
                    let report = compare("y", &session.tensor(i).expect("a result"), want, None, 2e-5);
                    assert!(report.is_ok(), "{format}, {target:?} {n} rows, {threads} threads: {report}");
                }
            }
        }
    }
    Ok(())
}

/// Infinities and NaN of a row show in it, and in no other.
#[test]
fn bad_rows_stay_alone() -> Result<(), Error> {
    let net = Groups::init(12)?;
    for format in [Format::Int8, Format::Q4] {
        let compiled = net.compile(Target::host().with_weight_format(format))?;
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x: Vec<f32> = (0..9 * 128).map(|i| (i as f32 * 7.13).cos()).collect();
            let mut session = compiled.session();
            session.run(x.view([9, 128]))?;
            let good = session.tensor(0).expect("a result").as_f32().expect("f32").to_vec();
            x[4 * 128 + 77] = bad;
            session.run(x.view([9, 128]))?;
            for (i, (got, was)) in
                session.output::<f32>(0).expect("a result").data().iter().zip(&good).enumerate()
            {
                assert!(
                    if i / 70 == 4 { !got.is_finite() } else { got == was },
                    "{format}, {bad}: element {i} is {got}, was {was}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn weights_that_integers_cannot_hold_are_an_error() -> Result<(), Error> {
    let mut net = Groups::init(13)?;
    let good = net.weights().get("up.weight").expect("a weight").data().to_vec();
    for bad in [f32::NAN, f32::NEG_INFINITY, f32::MAX, 3e38, 70_000.0, -65_505.0] {
        let mut w = good.clone();
        w[1234] = bad;
        net.weights_mut().set("up.weight", Tensor::new(w, [70, 128])?)?;
        for format in [Format::Int8, Format::Q4] {
            let e = net
                .compile(Target::host().with_weight_format(format))
                .map(|_| ())
                .expect_err("it cannot be held");
            assert_eq!(
                e.to_string(),
                "weight `up.weight` has an element that is NaN or beyond 65504, the largest f16: integers cannot hold it; take f32 or bf16",
                "{bad}"
            );
        }
        net.compile(Target::host().with_weight_format(Format::Bf16))?;
    }
    let mut w = good;
    w[1234] = 65_504.0;
    net.weights_mut().set("up.weight", Tensor::new(w, [70, 128])?)?;
    for format in [Format::Int8, Format::Q4] {
        net.compile(Target::host().with_weight_format(format))?;
    }
    Ok(())
}

/// Bytes of packed weights, of products that are whole groups.
#[test]
fn integers_take_less_memory() -> Result<(), Error> {
    let net = Product::with(ProductDims { K: 256, M: 512 }).init(1)?;
    let bytes = |f: Format| net.compile(Target::host().with_weight_format(f)).map(|c| c.packed_bytes());
    let vectors = 3 * 512 * 4;
    let f32 = bytes(Format::F32)?;
    assert!(f32 >= 256 * 512 * 4);
    for (format, bits) in [(Format::Bf16, 16.0), (Format::Int8, 8.5), (Format::Q4, 5.0)] {
        let most = (256.0 * 512.0 * bits / 8.0) as usize + vectors;
        assert!(bytes(format)? <= most, "{format}: {} bytes, not {most}", bytes(format)?);
    }
    Ok(())
}

/// However rows are divided among threads, and wherever a row stands, its results are the same bits.
#[test]
fn a_row_s_results_do_not_depend_on_threads() -> Result<(), Error> {
    let net = Product::with(ProductDims { K: 192, M: 144 }).init(9)?;
    let targets = targets();
    for (format, target) in Format::ALL.into_iter().flat_map(|f| targets.iter().map(move |t| (f, *t))) {
        let compiled = net.compile(target.with_weight_format(format))?;
        for n in [1, 2, 4, 5, 9, 65, 66, 129] {
            // All rows are equal.
            let x: Vec<f32> = (0..n * 192).map(|i| ((i % 192) as f32 * 0.731).sin()).collect();
            let mut first: Option<Vec<f32>> = None;
            for threads in 1..=4 {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                let (y, _) = session.run(x.view([n, 192]))?;
                let row = first.get_or_insert_with(|| y.data()[..144].to_vec());
                for (r, got) in y.data().chunks(144).enumerate() {
                    assert_eq!(got, row, "{format}, {target:?}, {n} rows, {threads} threads, row {r}");
                }
            }
        }
    }
    Ok(())
}

network! {
    /// What follows from a weight alone is multiplied by, and added as it lies.
    Both<N, K = 64, M = 48>(x: [N, K], z: [N, K, M]) -> ([N, M], [N, K, M]) {
        param w: [K, M] = normal(1.0);
        let half = w * 0.5;
        (x @ half, z + half)
    }
}

#[test]
fn a_prepared_weight_is_a_matrix_and_a_summand() -> Result<(), Error> {
    for m in [16, 37, 48] {
        let net = Both::with(BothDims { K: 64, M: m }).init(2)?;
        let (x, z) = (vec![0.25; 3 * 64], vec![1.0; 3 * 64 * m]);
        for target in [Target::host(), Target::host().with_checked(true)] {
            let report = net.compile(target)?.check(x.view([3, 64]), z.view([3, 64, m]))?;
            assert!(report.is_ok(), "{m} columns: {report}");
        }
    }
    Ok(())
}

/// Products of many sizes, with few rows and many, on every level: what rounded rows and weights give, and
/// NaN or an infinity in a row stays in it.
#[test]
fn products_of_integers_of_many_sizes() -> Result<(), Error> {
    let targets = targets();
    let mut turn = 0;
    for (k, m) in [(64, 1), (64, 16), (128, 37), (192, 48), (64, 130), (320, 95), (128, 200), (64, 257)] {
        let net = Product::with(ProductDims { K: k, M: m }).init(k as u64 + m as u64)?;
        let weight = |name: &str| net.weights().get(name).map(|w| w.data().to_vec()).expect("a weight");
        let (w, bias) = (weight("up.weight"), weight("up.bias"));
        for (format, target) in
            [Format::Int8, Format::Q4].into_iter().flat_map(|f| targets.iter().map(move |t| (f, *t)))
        {
            let compiled = net.compile(target.with_weight_format(format))?;
            for n in [1, 2, 3, 4, 6, 19] {
                turn += 1;
                let mut x: Vec<f32> = (0..n * k).map(|i| ((i + turn) as f32 * 12.9898).sin() * 2.0).collect();
                let bad =
                    [None, Some(f32::NAN), Some(f32::INFINITY)][turn % 3].map(|special| (turn % n, special));
                if let Some((row, special)) = bad {
                    x[row * k + turn % k] = special;
                }
                let mut session = compiled.session_with_threads(1 + turn % 3)?;
                session.divide_all();
                let (y, _) = session.run(x.view([n, k]))?;
                for (r, (x, y)) in x.chunks(k).zip(y.data().chunks(m)).enumerate() {
                    for ((w, b), got) in w.chunks(k).zip(&bias).zip(y) {
                        if bad.is_some_and(|(row, _)| row == r) {
                            assert!(
                                !got.is_finite(),
                                "{format}, {target:?}, {n} x {k} x {m}, row {r}: {got}"
                            );
                            continue;
                        }
                        let want = 0.5 * (product_of_integers(format, x, w) + f64::from(*b));
                        let scale: f64 =
                            x.iter().zip(w).map(|(x, w)| f64::from((x * w).abs())).sum::<f64>() + 1.0;
                        let error = (f64::from(*got) - want).abs() / scale;
                        assert!(
                            error < 2e-6,
                            "{format}, {target:?}, {n} x {k} x {m}, row {r}: {got}, not {want}"
                        );
                    }
                }
            }
        }
    }
    Ok(())
}
