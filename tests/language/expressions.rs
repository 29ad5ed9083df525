//! What the language can say, by values: every network runs natively in checked mode, gives what is
//! written here, and agrees with the interpreter. Nothing that the macro emits may be warned about.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, OptionValue, Target, Tensor, bf16, network};
use tancho_support::run;

network! {
    /// `..` in front stands for all axes before those that are given.
    pub Ends<B, S, D = 4, R = 2>(x: [B, S, D]) -> ([B, S], [B, S, R], [B, D], [B, S, D]) {
        (x[.., -1], x[.., 0..R], x[.., 1, ..], x[..] + x[.., .., 0..D])
    }

    pub LastOf<D = 4>(x: [.., D]) -> ([..], [.., 2]) { (x[.., D - 1], x[.., 1..3]) }

    /// Two results, options of two kinds, a branch on one of them.
    pub Affine<B, D = 4>(option scale = 2.0, option shift = true)(x: [B, D]) -> ([B, D], [B])
        where D % 2 == 0
    {
        let y = if shift { x * scale + 1 } else { x * scale };
        (y, sum(y, over = D))
    }

    /// Comparisons, logic and assignments as operators; a `let` with the name of a net.
    pub Compared<B, D = 4>(option all = false)(x: [B, D], y: [B, D], _z: [B])
        -> (bool[B, D], bool[B, D], [B, D])
    {
        net inner: Inner<D = D>;
        let inner = inner(x);
        let mut sum = inner;
        sum += y;
        sum *= 2^3 - 7;
        sum -= x - 1;
        sum /= 2;
        (x < y && !(x == 0.0) || all, x <= 1 && y >= 1 || x != y && x > y, sum)
    }

    pub Parts<B, S: ..=8, D = 6>(x: [B, S, D]) -> ([B, S, D], [B, S, D], [B, S, D / 3])
        where D % 3 == 0, S % 2 == 0
    {
        let (a, b, c) = split(x, axis = D, parts = 3);
        let (early, late) = split(x, axis = S, parts = 2);
        (concat(c, b, a, axis = -1), concat(late, early, axis = 1), a + b * c)
    }

    /// The number of heads follows from their width.
    pub Heads<B, S, D = 6, HEADS = 3>(x: [B, S, D]) -> ([B, HEADS, S, D / HEADS], [B, S, D])
        where D % HEADS == 0
    {
        let h = rearrange(x, [b, s, (h d)] -> [b, h, s, d], d = D / HEADS);
        (h, rearrange(h * 2, [b, h, s, d] -> [b, s, (h d)]))
    }

    pub Inner<B, D = 2>(x: [B, D]) -> [B, D] {
        param w: [D] = ones;
        x * w + w
    }

    pub Middle<B, D = 2, N = 1>(x: [B, D]) -> [B, D] {
        #[weights("turn{i}\u{2e}\x77")] net inner: [Inner<D = D>; N];
        let mut x = x;
        for layer in inner { x = layer(x); }
        x
    }

    /// An array of nets that have an array themselves, and a net that is called twice.
    pub Outer<B, D = 2, M = 2>(x: [B, D]) -> ([B, D], [B, D]) {
        net stack: [Middle<D = D, N = M + 1>; M];
        net twice: Inner<D = D>;
        let mut y = x;
        for m in stack { y = m(y); }
        (y, twice(twice(x)))
    }

    /// A projection only where the widths differ.
    pub Fit<B, D = 3, E = 3>(x: [B, D]) -> [B, E] {
        if D == E { x } else { net fit: Linear<D, E>(bias = false); fit(x) }
    }

    pub Types<B>(x: bf16[B], i: i32[B], keep: bool[B]) -> (bf16[B], i32[B], bool[B], i32[B]) {
        let y = cast(cast(x, f32) * 2, bf16);
        (y, max(i + 1, -i) * 2 - B, and(keep, lt(i, 0)), select(keep, i, 7))
    }

    pub Vectors<B, D = 3>(m: [B, D], x: [D]) -> ([B], [D], []) {
        param only: [D];
        (m @ x, -x * 2 + only, sum(x, over = D))
    }

    /// Scalars: literals and dims beside tensors.
    pub Scalars<B, S, D = 2>(x: [B, S, D], keep: bool[B, S])
        -> ([B, S, D], [B, S, D], [B, S, D], [B, D], [B, D], bool[B, S, D])
    {
        let rectified = select(lt(x, 0), 0, x);
        (
            clamp(x, -1, 1.5),
            rectified,
            x / D + S,
            mean(x, over = S, where = keep),
            max(x, over = S, where = keep),
            ge(x, 1),
        )
    }

    /// Arithmetic with dims is i32 beside i32, and f32 beside f32 or where a quotient need not be whole.
    pub Whole<B, N = 6>(ids: i32[B], x: [B]) -> (i32[B], bool[B], [B], [B]) where N % 2 == 0 {
        (min(ids, N - 1) * (N / 2) + 2 * B, ids < 3 * N / 2, x * (N / 2) - 2^N, x * (N / 4) + 1 / 2)
    }

    /// What divides a dim divides its multiples.
    pub Multiples<B, D = 6, F = 3>(x: [B, 4 * D]) -> [B, F, 4 * D / F] where D % F == 0 {
        let half = x[0..B, 0..(4 * D + 2 * F) / F];
        reshape(x, [B, F, 4 * D / F]) + 0 * sum(half)
    }

    /// Rows by ids that are expressions.
    pub Rows<B, V = 5, D = 2>(ids: i32[B], x: [B]) -> ([B, D], [B, D], [B, D], [B, D], [D], [B, D - 1]) {
        param table: [V, D];
        let d = ids;
        (
            table[ids + ids],
            table[cast(x, i32)],
            table[d - 1],
            table[-(d - V)],
            table[V - 1],
            table[d + 1][0..B, 1..D],
        )
    }

    pub Cuts<B, S: ..=9, D = 4>(x: [B, S, D]) -> ([B, floor(S / 2), D], [B, D], [B, S]) {
        (x[S = 0..floor(S / 2)], x[S = -1], x[D = D - 1])
    }

    /// `H` follows `D`, and `K` follows `H`.
    pub Derived<B, D = 2, H = 3 * D, K = H + D>(x: [B, D]) -> [B, K] {
        param w: [H, D] = ones;
        param v: [K, H] = ones;
        x @ w.t @ v.t
    }

    pub Sums<B, D = 4>(x: [B, D]) -> [B, D] where D % 2 == 0 {
        let a = x[D = 0..D / 2];
        let b = x[D = D / 2..D];
        residual(x) {
            concat(
                b,   // the other half
                a,
                axis = 1,
            )
        }
    }

    pub Double<B>(x: [B]) -> [B] { x + x }
    pub Direct<B>(x: [B]) -> [B] { Double(Double(x)) }
    pub Given<D = 2>() -> [D] { param w: [D] = ones; w * D }
    pub Fixed<D = 3, K = 2>(x: [D]) -> [K] { param w: [K, D] = ones; w @ x }
}

fn count(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

#[test]
fn options_and_several_results() {
    let x = count(4);
    let (y, sums) = run!(Affine::init(0).unwrap(), x.view([1, 4]));
    assert_eq!((y, sums), (vec![1.0, 3.0, 5.0, 7.0], vec![16.0]));
    let other = Affine::with(AffineDims { D: 2 })
        .option("scale", OptionValue::Float(-1.0))
        .option("shift", OptionValue::Bool(false));
    assert_eq!(run!(other.init(0).unwrap(), x.view([2, 2])), (vec![0.0, -1.0, -2.0, -3.0], vec![-1.0, -5.0]));
    let odd = Affine::with(AffineDims { D: 3 }).init(0).unwrap_err().to_string();
    assert!(odd.contains("`Affine` requires"), "{odd}");
}

#[test]
fn operators_of_bool_and_assignment() {
    let (x, y) = ([0.0f32, 1.0, 2.0, 3.0], [1.0f32, 2.0, 2.0, 1.0]);
    let n = Compared::init(0).unwrap().compile(Target::host()).unwrap();
    let mut session = n.session();
    let (less, either, sum) = session.run(x.view([1, 4]), y.view([1, 4]), [0.0].view([1])).unwrap();
    assert_eq!(less.data(), [false, true, false, false]);
    assert_eq!(either.data(), [true, true, false, true]);
    // The net gives `x * w + w` with weights of one.
    let want: Vec<f32> = x.iter().zip(&y).map(|(x, y)| (x + 1.0 + y - x + 1.0) / 2.0).collect();
    assert_eq!(sum.data(), want);
    let all = Compared::with(ComparedDims::default()).option("all", OptionValue::Bool(true));
    let all = all.init(0).unwrap().compile(Target::host()).unwrap();
    let mut session = all.session();
    let (less, _, _) = session.run(x.view([1, 4]), y.view([1, 4]), [0.0].view([1])).unwrap();
    assert_eq!(less.data(), [true; 4]);
}

#[test]
fn parts_of_an_axis_give_it_back() {
    let (x, n) = (count(12), Parts::init(0).unwrap());
    let (turned, swapped, mixed) = run!(n, x.view([1, 2, 6]));
    assert_eq!(turned, [4., 5., 2., 3., 0., 1., 10., 11., 8., 9., 6., 7.]);
    assert_eq!(swapped, [6., 7., 8., 9., 10., 11., 0., 1., 2., 3., 4., 5.]);
    assert_eq!(mixed, [8., 16., 86., 106.]);
    let mut s = n.compile(Target::host().with_checked(true)).unwrap().session();
    assert!(s.run(count(60).view([1, 10, 6])).is_err() && s.run(count(18).view([1, 3, 6])).is_err());
    assert_eq!(run!(Sums::init(0).unwrap(), count(4).view([1, 4])), [2., 4., 2., 4.]);
    let ir = Sums::init(0).unwrap().ir().to_string();
    assert!(ir.contains("residual(x) { concat( b, a, axis = 1, ) }"), "{ir}");
}

#[test]
fn heads_and_cuts() {
    let x = count(12);
    let (h, back) = run!(Heads::init(0).unwrap(), x.view([1, 2, 6]));
    assert_eq!(h, [0., 1., 6., 7., 2., 3., 8., 9., 4., 5., 10., 11.]);
    assert_eq!(back, x.iter().map(|v| v * 2.0).collect::<Vec<_>>());
    let (half, last, column) = run!(Cuts::init(0).unwrap(), x.view([1, 3, 4]));
    assert_eq!((half, last, column), (vec![0., 1., 2., 3.], vec![8., 9., 10., 11.], vec![3., 7., 11.]));
}

#[test]
fn nets_in_arrays_and_nets_called_twice() {
    let mut n = Outer::with(OuterDims { M: 2, ..OuterDims::default() }).init(0).unwrap();
    let names: Vec<String> = n.weights().names().map(str::to_string).collect();
    let stacked = (0..6).map(|i| format!("stack.{}.turn{}.w.w", i / 3, i % 3));
    assert_eq!(names, stacked.chain(["twice.w".to_string()]).collect::<Vec<_>>());
    n.weights_mut().set("twice.w", Tensor::new(vec![3.0f32, 0.5], [2]).unwrap()).unwrap();
    n.weights_mut().set("stack.1.turn0.w.w", Tensor::new(vec![2.0f32, 1.0], [2]).unwrap()).unwrap();
    let (y, twice) = run!(n.clone(), [1.0f32, 2.0].view([1, 2]));
    assert_eq!((y, twice), (vec![(1.0 + 3.0) * 2.0 + 2.0 + 2.0, 8.0], vec![21.0, 1.25]));
    assert!(
        format!("{n:?} {:?}", n.compile(Target::host().with_checked(true)).unwrap().session())
            .contains("Outer")
    );
}

#[test]
fn branches_on_dims() {
    let same = Fit::init(0).unwrap();
    assert_eq!(same.weights().len(), 0);
    assert_eq!(run!(same, count(3).view([1, 3])), [0., 1., 2.]);
    let mut fit = Fit::with(FitDims { E: 1, ..FitDims::default() }).init(0).unwrap();
    fit.weights_mut().set("fit.weight", Tensor::new(vec![1.0f32, 2.0, 3.0], [1, 3]).unwrap()).unwrap();
    assert_eq!(run!(fit, count(6).view([2, 3])), [8., 26.]);
}

#[test]
fn defaults_follow_the_dims_they_are_made_from() {
    let w = |dims| Derived::with(dims).init(0).unwrap();
    assert_eq!(
        run!(w(DerivedDims { D: 1, ..Default::default() }), [5.0f32].view([1, 1])),
        [15., 15., 15., 15.]
    );
    assert_eq!(
        run!(w(DerivedDims { D: 1, H: Some(1), ..Default::default() }), [5.0f32].view([1, 1])),
        [5., 5.]
    );
    assert_eq!((Derived::D, Derived::H, Derived::K), (2, 6, 8));
    assert_eq!(run!(w(DerivedDims { K: Some(1), ..Default::default() }), [1.0f32, 1.0].view([1, 2])), [12.]);
}

#[test]
fn element_types() {
    let b = |x: &[f32]| x.iter().map(|x| bf16::from_f32(*x)).collect::<Vec<_>>();
    let (y, j, k, s) =
        run!(Types::init(0).unwrap(), b(&[1.5, -2.0]).view([2]), [3, -9].view([2]), [false, true].view([2]));
    assert_eq!((y, j, k, s), (b(&[3.0, -4.0]), vec![6, 16], vec![false, true], vec![7, -9]));
}

#[test]
fn arithmetic_with_dims() {
    let (whole, less, even, odd) =
        run!(Whole::init(0).unwrap(), [2, 8, 9].view([3]), [1.0, 2.0, -1.0].view([3]));
    assert_eq!((whole, less), (vec![12, 21, 21], vec![true, true, false]));
    assert_eq!((even, odd), (vec![-61.0, -58.0, -67.0], vec![2.0, 3.5, -1.0]));
    let x = count(24);
    assert_eq!(run!(Multiples::init(0).unwrap(), x.view([1, 24])), x);
}

#[test]
fn vectors_and_scalars() {
    let (product, negated, sum) = run!(Vectors::init(0).unwrap(), count(6).view([2, 3]), count(3).view([3]));
    assert_eq!((product, negated, sum), (vec![5., 14.], vec![0., -2., -4.], vec![3.]));
    let x = [-3.0, 4.0, 0.5, -1.0, 7.0, 2.0f32];
    let (clamped, relu, scaled, mean, max, big) =
        run!(Scalars::init(0).unwrap(), x.view([1, 3, 2]), [true, true, false].view([1, 3]));
    assert_eq!(clamped, [-1.0, 1.5, 0.5, -1.0, 1.5, 1.5]);
    assert_eq!(relu, [0.0, 4.0, 0.5, 0.0, 7.0, 2.0]);
    assert_eq!(scaled, [1.5, 5.0, 3.25, 2.5, 6.5, 4.0]);
    assert_eq!((mean, max), (vec![-1.25, 1.5], vec![0.5, 4.0]));
    assert_eq!(big, [false, true, false, false, true, true]);
    assert_eq!(run!(Direct::init(0).unwrap(), count(3).view([3])), [0., 4., 8.]);
}

#[test]
fn networks_without_run_time_dims() {
    assert_eq!(run!(Given::init(0).unwrap(),), [2., 2.]);
    assert_eq!(run!(Fixed::init(0).unwrap(), count(3).view([3])), [3., 3.]);
}

#[test]
fn axes_from_the_end() {
    let x = count(24);
    let (last, cut, row, twice) = run!(Ends::init(0).unwrap(), x.view([2, 3, 4]));
    assert_eq!(last, [3., 7., 11., 15., 19., 23.]);
    assert_eq!(cut[..4], [0., 1., 4., 5.]);
    assert_eq!((row[0], row[4]), (4., 16.));
    assert_eq!(twice[23], 46.);
    let (last, cut) = run!(LastOf::init(0).unwrap(), x.view([6, 4]));
    assert_eq!((last[1], &cut[2..4]), (7., &[5., 6.][..]));
}

#[test]
fn rows_by_expressions() {
    let mut n = Rows::init(0).unwrap();
    n.weights_mut().set("table", Tensor::new(count(10), [5, 2]).unwrap()).unwrap();
    let (twice, cast, before, minus, last, next) = run!(n, [1, 2].view([2]), [3.9f32, 0.0].view([2]));
    assert_eq!((twice, cast, before), (vec![4., 5., 8., 9.], vec![6., 7., 0., 1.], vec![0., 1., 2., 3.]));
    assert_eq!((minus, last, next), (vec![8., 9., 6., 7.], vec![8., 9.], vec![5., 7.]));
}

/// Names of the standard library mean other things here, and none of them is there unasked.
#[no_implicit_prelude]
#[deny(missing_docs, warnings)]
#[forbid(unsafe_code)]
pub mod bare {
    ::tancho::network! {
        /// Not the standard one.
        pub Vec<B, T = 8>(out: [B, T]) -> [B, T] { param w: [T, T] = xavier; residual(out) { out @ w } }
        /// Nor this.
        pub Result<B, D = 8>(session: [B, D], weights: [B, D]) -> [B, D] {
            net v: Vec<D>;
            v(session) + weights
        }
        /// Nor this.
        pub Option<B, D = 8>(net: [B, D]) -> [B, D] { buffer scale: [D] = ones; net * scale }
        /// Several entry points.
        pub String<B, D = 8, Z = 2> {
            net down: Linear<D, Z>;
            net up:   Linear<Z, D>;
            /// There and back.
            fn forward(x: [B, D]) -> [B, D] { decode(encode(x)) }
            fn encode(x: [B, D]) -> [B, Z] { down(x) }
            fn decode(z: [B, Z]) -> [B, D] { up(z) }
        }
    }
}

#[test]
fn no_name_of_the_host_is_in_the_way() {
    let compiled = bare::Result::init(1).unwrap().compile(Target::host().with_checked(true)).unwrap();
    let x = [0.5; 16];
    assert!(compiled.check(x.view([2, 8]), x.view([2, 8])).unwrap().is_ok());
    let compiled = bare::String::init(1).unwrap().compile(Target::host().with_checked(true)).unwrap();
    assert!(compiled.check_forward(x.view([2, 8])).unwrap().is_ok());
}
