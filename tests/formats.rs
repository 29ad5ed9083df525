//! Weights in other formats than f32: what is computed is what the rounded weights give.

use tancho::compare::compare;
use tancho::{AsView, Error, Format, Isa, Target, Tensor, bf16, network};

network! {
    /// Products of several shapes: merged ones, an odd sum, an epilogue, row work, a tied and gathered weight.
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
    let levels = Isa::ALL.into_iter().filter_map(|isa| Target::host().with_isa(isa).ok());
    for target in levels.chain([Target::host().checked(true)]) {
        let compiled = net.compile(target.with_weights(Format::Bf16))?;
        for (b, s) in [(1, 1), (1, 2), (3, 1), (2, 5), (1, 13), (4, 17)] {
            let ids: Vec<i32> = (0..b * s).map(|i| (i * 17 + 5) as i32 % 37).collect();
            let want = reference.interpret(ids.view([b, s]))?;
            for threads in 1..=3 {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                session.run(ids.view([b, s]))?;
                // Products of more than four rows may have rounded their rows as well, one after another.
                let bound = if b * s > 4 { 2e-2 } else { 1e-5 };
                let report = compare("h", &session.tensor(0), &want[0], None, bound);
                assert!(report.ok(), "{target:?} {b} x {s}, {threads} threads: {report}");
                // The table is gathered as it is, and rounded where it is multiplied.
                for (row, got) in session.output::<f32>(1).data().chunks(37).enumerate() {
                    let x = &table[ids[row * s + s - 1] as usize * 48..][..48];
                    for (w, got) in table.chunks(48).zip(got) {
                        let sum: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(bf16::from_f32(*w).to_f32())).sum();
                        let scale: f64 = x.iter().zip(w).map(|(x, w)| f64::from((x * w).abs())).sum();
                        let bound = if b > 4 { 4e-3 } else { 1e-6 };
                        assert!((sum - f64::from(*got)).abs() < bound * scale.max(1.0), "{target:?}: {got} instead of {sum}");
                    }
                }
            }
        }
        assert!(compiled.packed_bytes() < plain.packed_bytes() * 6 / 10, "{} of {}", compiled.packed_bytes(), plain.packed_bytes());
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
    let w = net.weights().get("up.weight").expect("a weight").data().iter().map(|x| bf16::from_f32(*x).to_f32()).collect::<Vec<_>>();
    net.weights_mut().set("up.weight", Tensor::new(w, [70, 66])?)?;
    let plain = net.compile(Target::host())?;
    let levels = Isa::ALL.into_iter().filter_map(|isa| Target::host().with_isa(isa).ok());
    for target in levels.chain([Target::host().checked(true)]) {
        let compiled = net.compile(target.with_weights(Format::Bf16))?;
        for n in [0, 1, 2, 3, 4, 5, 8, 9, 31, 64, 65, 130] {
            let x: Vec<f32> = (0..n * 66).map(|i| bf16::from_f32((i as f32 * 12.9898).sin()).to_f32()).collect();
            let want = plain.interpret(x.view([n, 66]))?;
            for threads in 1..=3 {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                session.run(x.view([n, 66]))?;
                for (i, want) in want.iter().enumerate() {
                    let report = compare("y", &session.tensor(i), want, None, 1e-5);
                    assert!(report.ok(), "{target:?} {n} rows, {threads} threads: {report}");
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
    let report = net.compile(Target::host().with_weights(Format::Bf16))?.check(ids.view([2, 6]))?;
    assert!(!report.ok(), "bf16 is not f32");
    let worst = report.tensors.iter().map(|t| t.max_abs).fold(0.0, f64::max);
    assert!(worst > 1e-4 && worst < 0.2, "{report}");
    assert!(net.compile(Target::host())?.check(ids.view([2, 6]))?.ok());
    Ok(())
}
