//! How the scores of attention are scaled and bounded.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Target, network};
use tancho_support::Rng;

network! {
    /// The scale of DeBERTa v2, and the same as a number.
    pub Scaled<B, S, D = 6, HEADS = 2>(x: [B, S, D]) -> ([B, S, D], [B, S, D]) where D % HEADS == 0 {
        (
            attention(x, x, x, heads = HEADS, scale = 1 / sqrt(3 * (D / HEADS))),
            attention(x, x, x, heads = HEADS, scale = 0.3333333333333333),
        )
    }

    /// Gemma 2 bounds its scores, of which the mask then hides some.
    pub Capped<B, S, D = 6, HEADS = 2>(x: [B, S, D]) -> ([B, S, D], [B, S, D]) where D % HEADS == 0 {
        (
            attention(x, x, x, heads = HEADS, softcap = 0.5, causal = true),
            attention(x, x, x, heads = HEADS, softcap = 1e6, causal = true),
        )
    }

    pub Plain<B, S, D = 6, HEADS = 2>(x: [B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        attention(x, x, x, heads = HEADS, causal = true)
    }
}

fn numbers(seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..60).map(|_| rng.float()).collect()
}

#[test]
fn a_scale_follows_from_dims() {
    let x = numbers(1);
    let c = Scaled::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let mut s = c.session();
    let (a, b) = s.run(x.view([2, 5, 6])).expect("runs");
    assert_eq!(a.data(), b.data());
    // 3 * 8 / 2 is 12 where a use says so.
    let wide = Scaled::with(ScaledDims { D: 8, ..Default::default() });
    assert!(
        wide.init(1)
            .expect("a model")
            .ir()
            .to_string()
            .contains(&format!("scale = {:?}", 1.0 / 12f64.sqrt()))
    );
}

#[test]
fn scores_are_bounded_before_they_are_hidden() {
    let x = numbers(2);
    let c = Capped::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    assert!(c.check(x.view([2, 5, 6])).expect("runs").is_ok());
    let mut s = c.session();
    let (low, high) = s.run(x.view([2, 5, 6])).expect("runs");
    let p = Plain::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let mut s = p.session();
    let plain = s.run(x.view([2, 5, 6])).expect("runs");
    assert!(high.data().iter().zip(plain.data()).all(|(a, b)| (a - b).abs() < 1e-5));
    assert!(low.data().iter().zip(plain.data()).any(|(a, b)| (a - b).abs() > 1e-3));
    // The first query sees one key.
    assert_eq!(low.data()[..6], plain.data()[..6]);
}
