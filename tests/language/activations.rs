//! Activations, whole numbers and remainders, by values worked out by hand.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Target, network};

network! {
    pub Bent<B>(option alpha = 2.0)(x: [B]) -> ([B], [B], [B], [B], [B], [B], [B]) {
        (
            softplus(x), mish(x), hard_sigmoid(x), leaky_relu(x), leaky_relu(x, slope = 0.5), elu(x),
            elu(x, alpha = alpha),
        )
    }

    /// `floor` of dims is a dim, that of a tensor its elements'.
    pub Whole<B, D = 7>(x: [B], i: i32[B]) -> ([B], [B], [B], i32[B], [B]) {
        (floor(x), round(x), sign(x), sign(i), floor(x / 2) + floor(D / 2) * ceil(D / 2))
    }

    pub Remainders<B>(x: [B], y: [B], i: i32[B]) -> ([B], [B], i32[B], i32[B]) {
        (rem(x, y), rem(x, 2), rem(i, 3), rem(i, -3))
    }
}

#[test]
fn activations() {
    let c = Bent::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let mut s = c.session();
    let (soft, mish, hard, leaky, half, elu, twice) = s.run([-3.0, 0.0, 3.0].view([3])).expect("runs");
    let near = |got: &[f32], want: [f32; 3]| {
        assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}, not {want:?}");
    };
    near(soft.data(), [0.048_587_35, std::f32::consts::LN_2, 3.048_587_3]);
    near(mish.data(), [-0.145_647_5, 0.0, 2.986_535]);
    near(hard.data(), [0.0, 0.5, 1.0]);
    near(leaky.data(), [-0.03, 0.0, 3.0]);
    near(half.data(), [-1.5, 0.0, 3.0]);
    near(elu.data(), [-0.950_212_93, 0.0, 3.0]);
    near(twice.data(), [-1.900_425_9, 0.0, 3.0]);
}

#[test]
fn whole_numbers() {
    let c = Whole::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let (x, i) = ([-1.5, 0.5, 2.5, 7.0], [-4, 0, 9, i32::MIN]);
    let mut s = c.session();
    let (floor, round, sign, of_i, more) = s.run(x.view([4]), i.view([4])).expect("runs");
    assert_eq!(floor.data(), [-2.0, 0.0, 2.0, 7.0]);
    assert_eq!(round.data(), [-2.0, 0.0, 2.0, 7.0]);
    assert_eq!(sign.data(), [-1.0, 1.0, 1.0, 1.0]);
    assert_eq!(of_i.data(), [-1, 0, 1, -1]);
    assert_eq!(more.data(), [11.0, 12.0, 13.0, 15.0]);
}

#[test]
fn remainders() {
    let c = Remainders::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let (x, y, i) = ([-3.0, -1.5, 2.0, 5.5], [2.0, -1.0, -3.0, 0.25], [-4, -3, 4, 5]);
    let mut s = c.session();
    let (a, two, three, minus) = s.run(x.view([4]), y.view([4]), i.view([4])).expect("runs");
    assert_eq!(a.data(), [1.0, -0.5, -1.0, 0.0]);
    assert_eq!(two.data(), [1.0, 0.5, 0.0, 1.5]);
    assert_eq!(three.data(), [2, 0, 1, 2]);
    assert_eq!(minus.data(), [-1, 0, -2, -1]);
}
