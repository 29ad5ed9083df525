//! Positions and what is found by them, by values worked out by hand.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Target, network};

network! {
    /// As ids, in a comparison, and as numbers; the rows before the call are counted.
    pub Counted<B, S, P: ..=8, N = 6, D = 2>(x: [B, S, D]) -> ([S, D], bool[S], [S], [B, P + S, D]) {
        param table: [N, D] = ones;
        state seen: [B, P, D] grow P;
        let at = arange(S, from = P);
        (table[at], lt(at, 2), cast(at, f32) * 0.5, seen.push(x))
    }

    pub Found<B, E = 4, K = 2>(x: [B, E], ids: i32[B, 1]) -> ([B, K], i32[B, K], [B, 1], [B, E], [B, E]) {
        let (values, places) = topk(x * 2, k = K, over = E);
        (values, places, take_along(x, ids, axis = E), flip(x, axis = E), cumsum(x, over = B))
    }

    /// The first is turned by its rows, the others by the same numbers given in other ways.
    pub Turned<B, H, S, P, HD = 8>(option factor = 4)(
        x: [B, H, S, HD], f: [HD / 2], at: i32[B, S], past: [P], all: i32[S],
    ) -> ([B, H, S, HD], [B, H, S, HD], [B, H, S, HD], [B, H, S, HD], [B, H, S, HD], [B, H, S, HD])
        where HD % 4 == 0
    {
        let x = x + 0 * sum(past, over = P);
        (
            rope(x, scaling = linear, factor = factor, from = P),
            rope(x, f / factor, at),
            rope(x, freqs = f / factor, from = P),
            rope(x, positions = all, scaling = linear, factor = HD / 2),
            rope(x, freqs = f[0..HD / 4], positions = at, pairs = adjacent),
            rope(
                x, base = 5e5, scaling = llama3, factor = factor,
                low_freq_factor = 1, high_freq_factor = HD / 2,
                original_max_position = 32 * HD,
            ),
        )
    }

    pub Ranges<B, S>(x: [B, S]) -> (i32[S], i32[4], i32[B + 1], [B, S]) {
        (arange(S), arange(4, from = 2 - S), arange(B + 1, from = -B), x + cast(arange(S), f32))
    }
}

#[test]
fn positions_go_on_where_the_last_call_ended() {
    let c = Counted::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let mut s = c.session();
    let (rows, early, half, _) = s.run([0.5; 6].view([1, 3, 2])).expect("runs");
    assert_eq!((rows.data(), early.data()), (&[1.0; 6][..], &[true, true, false][..]));
    assert_eq!(half.data(), [0.0, 0.5, 1.0]);
    let (_, early, half, _) = s.run([0.5; 4].view([1, 2, 2])).expect("runs");
    assert_eq!((early.data(), half.data()), (&[false; 2][..], &[1.5, 2.0][..]));
    // Two rows more than the table has.
    let error = s.run([0.5; 6].view([1, 3, 2])).map(|_| ()).expect_err("out of range");
    assert!(error.to_string().contains("out of range") || error.to_string().contains("6"), "{error}");
}

#[test]
fn what_rope_turns_by_is_given_in_several_ways() {
    let c = Turned::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let x: Vec<f32> = (0..96).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
    let f = [1.0f32, 0.1, 0.01, 0.001];
    let mut s = c.session();
    let at = [3, 4, 5, 3, 4, 5];
    let args = || (x.view([2, 2, 3, 8]), f.view([4]), at.view([2, 3]), [0.0; 3].view([3]), at[..3].view([3]));
    let (x0, f0, at0, past, all) = args();
    let (rows, both, freqs, positions, part, _) = s.run(x0, f0, at0, past, all).expect("runs");
    let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    for other in [both.data(), freqs.data(), positions.data()] {
        assert!(near(rows.data(), other), "{:?}\n{other:?}", rows.data());
    }
    // The second half of a head is not turned, nor is a pair at position 0.
    assert!(part.data().chunks(8).zip(x.chunks(8)).all(|(y, x)| y[4..] == x[4..] && y[..4] != x[..4]));
    let (first, x0) = (part.data()[..2].to_vec(), [x[0], x[1]]);
    let (sin, cos) = 3f32.sin_cos();
    assert!(near(&first, &[x0[0] * cos - x0[1] * sin, x0[1] * cos + x0[0] * sin]), "{first:?}");
    let (x0, f0, at0, past, all) = args();
    let report = c.check(x0, f0, at0, past, all).expect("runs");
    assert!(report.is_ok(), "{report}");
    let error = s.run(args().0, f0, at0, past, [1, 2].view([2])).map(|_| ()).expect_err("two positions");
    assert!(error.to_string().contains("`all`"), "{error}");
}

#[test]
fn ranges() {
    let c = Ranges::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let mut s = c.session();
    let (a, b, d, x) = s.run([1.0; 6].view([2, 3])).expect("runs");
    assert_eq!((a.data(), b.data(), d.data()), (&[0, 1, 2][..], &[-1, 0, 1, 2][..], &[-2, -1, 0][..]));
    assert_eq!(x.data(), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    let mut s = c.session();
    let (a, ..) = s.run([0.0; 0].view([2, 0])).expect("runs");
    assert_eq!(a.shape(), [0]);
}

#[test]
fn elements_are_found_and_moved() {
    let c = Found::init(1).and_then(|m| m.compile(Target::host().with_checked(true))).expect("compiles");
    let x = [1.0, 4.0, 2.0, 4.0, -1.0, -3.0, -2.0, 0.0];
    let mut s = c.session();
    let (values, places, taken, turned, sums) = s.run(x.view([2, 4]), [3, 1].view([2, 1])).expect("runs");
    assert_eq!((values.data(), places.data()), (&[8.0, 8.0, 0.0, -2.0][..], &[1, 3, 3, 0][..]));
    assert_eq!(taken.data(), [4.0, -3.0]);
    assert_eq!(turned.data(), [4.0, 2.0, 4.0, 1.0, 0.0, -2.0, -3.0, -1.0]);
    assert_eq!(sums.data(), [1.0, 4.0, 2.0, 4.0, 0.0, 1.0, 0.0, 4.0]);
}
