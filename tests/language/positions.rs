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
