//! Ops of the language by values worked out by hand, and leading axes `..`: every network runs natively in
//! checked mode and agrees with the interpreter.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Error, Target, network};
use tancho_support::{Rng, check, compile, tensors};

network! {
    pub Losses<B, C = 3>(x: [B, C], ids: i32[B], y: [B, C]) -> ([B], [B]) {
        (cross_entropy(x, ids), mse(x, y))
    }

    pub Ignoring<B, C = 3>(x: [B, C], ids: i32[B]) -> [B] { cross_entropy(x, ids, ignore = 2) }

    pub Padded<B, S>(x: [B, S], ids: i32[S]) -> ([B, S + 3], [B + 1, S], i32[S + B]) {
        (
            pad(x, axis = S, before = 2, after = 1),
            pad(x, axis = 0, after = 1),
            pad(ids, axis = -1, before = B),
        )
    }

    pub Gates<B, D = 2>(a: [B, D], b: [B, D]) -> ([B, D], [B, D], [B, D]) {
        param up: [D, D] = ones;
        (swiglu(a, b), swiglu(a @ up, b), dropout(a, p = 0.5) + stop_gradient(a))
    }

    pub Turned<B, H, S, P, D = 4>(x: [B, H, S, D], past: [P]) -> ([B, H, S, D], [B, H, S, D]) {
        (rope(x, from = P), rope(x + 0 * sum(past, over = P), base = 100, pairs = adjacent))
    }

    pub Grouped<N, C = 4, L, G = 2>(x: [N, C, L]) -> ([N, C, L], [N, C, L]) where C % G == 0 {
        param gain: [C];
        param bias: [C];
        (group_norm(x, gain, bias, groups = G, eps = 0), group_norm(x, groups = C))
    }

    pub Windows<B, S, T, W = 2>(q: [B, S, 1], k: [B, T, 1], bias: [1, S, T], late: bool[B, T])
        -> ([B, S, 1], [B, S, 1], [B, S, 1])
    {
        (
            attention(q, k, k, heads = 1, window = W),
            attention(q, k, k, heads = 1, window = W, causal = true),
            attention(q, k, k, late, bias, heads = 1),
        )
    }

    pub Strided<B, S>(x: [B, S]) -> ([B, ceil(S / 2)], [ceil(B / 2), S], [B, ceil((S - 1) / 3)]) {
        (x[S = 0..S step 2], x[.. step 2], x[.., 1..S step 3])
    }

    /// The shortcut of the first ResNets: every second pixel, and zeros for the new channels.
    pub OptionA<N, C = 2, H, W>(x: [N, C, H, W]) -> [N, 2 * C, ceil(H / 2), ceil(W / 2)] {
        pad(x[H = 0..H step 2, W = 0..W step 2], axis = 1, before = floor(C / 2), after = C - floor(C / 2))
    }

    pub Signals<N, L>(x: [N, 2, L]) -> ([N, 1, ceil(L / 2)], [N, 2 * L]) {
        #[weights("w")] param w: [1, 2, 3] = ones;
        (conv1d(x, w, stride = 2, pad = same), flatten(x))
    }

    pub Images<N, H, W>(x: [N, 1, H, W])
        -> ([N, 1, H, W], [N, 1, 2 * H, 3 * W], [N, 1], [N, 1, H, W], [N, 1, H, W], [N, 1, H, W])
    {
        #[weights("w")] param w: [1, 1, 3, 3] = ones;
        (
            conv2d(x, w, pad = 1),
            upsample_nearest(x, scale = (2, 3)),
            global_mean(x),
            max_pool2d(x, kernel = 3, stride = 1, pad = 1),
            avg_pool2d(x, kernel = 3, stride = 1, pad = 1),
            avg_pool2d(x, kernel = 3, stride = 1, pad = (1, 1, 1, 1), count_include_pad = true),
        )
    }

    /// Networks of the prelude for images and signals.
    pub Norms<N, H, W, C = 4>(x: [N, C, H, W]) -> ([N, C, H, W], [N, 3, H * W], [N, C, H, W])
        where C % 2 == 0
    {
        net groups: GroupNorm<2, C>;
        net signal: Conv1d<C, 3, K = 3, PAD = 1>;
        net wide:   Conv2d<C, C, K = 3, PAD = 2, DIL = 2, GROUPS = 2>;
        net batch:  BatchNorm<C>;
        (groups(x), signal(reshape(x, [N, C, H * W])), batch(wide(x)))
    }

    pub Angles<B>(x: [B]) -> ([B], [B]) { (sin(x), cos(x)) }

    /// One number for both ends of a signal, two for before and behind.
    pub Ends<L>(x: [1, 1, L])
        -> (
            [1, 1, L], [1, 1, L], [1, 1, L], [1, 1, L + 1], [1, 1, L],
            [1, 1, ceil(L / 2)], [1, 1, floor((L - 1) / 2) + 1]
        )
    {
        #[weights("w")] param w: [1, 1, 3] = ones;
        (
            conv1d(x, w, pad = 1),
            conv1d(x, w, pad = (2, 0)),
            conv1d(x, w, pad = (0, 2)),
            conv1d(x, w, pad = (2, 1)),
            conv1d(x, w, pad = (4, 0), dilation = 2),
            conv1d(x, w, pad = same, stride = 2),
            conv1d(x, w, pad = (2, 0), stride = 2),
        )
    }

    /// One number for both axes, two for rows and columns, four for the sides.
    pub Sides<H, W>(x: [1, 1, H, W])
        -> (
            [1, 1, H, W], [1, 1, H, W - 2], [1, 1, H, W], [1, 1, ceil(H / 2), W], [1, 1, H - 2, W],
            [1, 1, floor(H / 2), floor(W / 2)], [1, 1, floor(H / 2), W], [1, 1, H - 1, W], [1, 1, H, W - 1],
            [1, 1, H, W], [1, 1, H, W - 2],
            [1, 1, 2 * H, 2 * W], [1, 1, 2 * H, W]
        )
    {
        #[weights("w")] param w: [1, 1, 3, 3] = ones;
        #[weights("v")] param v: [1, 1, 3, 1] = ones;
        (
            conv2d(x, w, pad = 1),
            conv2d(x, w, pad = (1, 0)),
            conv2d(x, w, pad = (2, 0, 0, 2)),
            conv2d(x, v, pad = (1, 0), stride = (2, 1)),
            conv2d(x, v, pad = (1, 0), dilation = (2, 1)),
            max_pool2d(x, kernel = 2),
            max_pool2d(x, kernel = (2, 1)),
            max_pool2d(x, kernel = (2, 1), stride = 1),
            max_pool2d(x, kernel = (1, 2), stride = (1, 1)),
            max_pool2d(x, kernel = 2, stride = 1, pad = (1, 0, 0, 1)),
            avg_pool2d(x, kernel = 3, stride = 1, pad = (1, 0)),
            upsample_nearest(x, scale = 2),
            upsample_nearest(x, scale = (2, 1)),
        )
    }

    /// Several axes in parentheses, and one as a tuple of its own.
    pub Axes<A, B, C>(x: [A, B, C]) -> ([B], [B], [A, B], [C, A, B]) {
        (sum(x, over = (A, C)), sum(x, over = (0, -1)), sum(x, over = (C,)), transpose(x, axes = (C, A, B)))
    }

    /// A reduction that does not say over what is over everything, whatever else is said.
    pub Whole<A, B>(x: [A, B], m: bool[A, B])
        -> ([], [], [1, 1], [1, 1], [], [], [1, 1], [1, 1], [], [])
    {
        (
            max(x), min(x),
            max(x, keep = true), min(x, keep = true),
            max(x, where = m), min(x, where = m),
            max(x, where = m, keep = true), min(x, keep = true, where = m),
            sum(x, where = m), mean(x, where = m),
        )
    }

    /// Every form that fixed axes behind leading ones are moved by.
    pub Leading<D = 6, HEADS = 2>(x: [.., D])
        -> (
            [.., HEADS, D / HEADS], [.., D / HEADS, HEADS], [.., D / HEADS, HEADS],
            [.., D], [.., 2, D], [.., D / HEADS, HEADS]
        )
        where D % HEADS == 0
    {
        let heads = reshape(x, [.., HEADS, D / HEADS]);
        (
            heads,
            heads.t,
            transpose(heads, axes = (-1, -2)),
            rearrange(heads.t, [.., d, h] -> [.., (h d)]),
            expand(reshape(x, [.., 1, D]), [.., 2, D]),
            rearrange(x, [.., (h d)] -> [.., d, h], h = HEADS),
        )
    }

    pub Inside<B, S>(x: [B, S, 6], v: [6]) -> ([B, S, 2, 6], [3, 2], [6]) {
        let (_a, _b, _c, _d, wide, _e) = Leading(x);
        let (_f, turned, _g, back, _h, _i) = Leading(v);
        (wide, turned, back)
    }
}

#[track_caller]
fn near(got: &tancho::Tensor, want: &[f32]) {
    let got = got.as_f32().expect("f32");
    let all = got.len() == want.len()
        && got.iter().zip(want).all(|(a, b)| (a - b).abs() <= 2e-6 * b.abs().max(1.0));
    assert!(all, "{got:?}, not {want:?}");
}

#[test]
fn losses_of_rows() {
    let (two, five) = (2f32.ln(), 5f32.ln());
    let x = [0.0, 0.0, 0.0, 0.0, two, five, 1.0, 2.0, 3.0];
    let y =
        tensors!(Losses::init(0).unwrap(), x.view([3, 3]), [1, 2, -100].view([3]), [0.0f32; 9].view([3, 3]));
    near(&y[0], &[3f32.ln(), (8f32 / 5.0).ln(), 0.0]);
    near(&y[1], &[0.0, (two * two + five * five) / 3.0, 14.0 / 3.0]);
    let y = tensors!(Ignoring::init(0).unwrap(), x.view([3, 3]), [1, 2, 0].view([3]));
    near(&y[0], &[3f32.ln(), 0.0, (1.0 + 1f32.exp() + 2f32.exp()).ln()]);
    let mut s = Losses::init(0).unwrap().compile(Target::host()).unwrap().session();
    for id in [3, -1] {
        let e = s.run(x.view([3, 3]), [0, id, 0].view([3]), x.view([3, 3])).unwrap_err();
        assert!(matches!(&e, Error::IdOutOfRange { id: i, rows: 3, .. } if *i == i64::from(id)), "{e}");
        assert!(e.to_string().contains("cross_entropy(x, ids)"), "{e}");
    }
}

#[test]
fn zeros_around_a_tensor() {
    let y = tensors!(Padded::init(0).unwrap(), [1.0f32, 2.0, 3.0, 4.0].view([2, 2]), [7, 8].view([2]));
    near(&y[0], &[0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0]);
    near(&y[1], &[1.0, 2.0, 3.0, 4.0, 0.0, 0.0]);
    assert_eq!(y[2].as_i32(), Some(&[0, 0, 7, 8][..]));
}

#[test]
fn gates_and_identities() {
    let silu = |x: f32| x / (1.0 + (-x).exp());
    let n = Gates::init(0).unwrap();
    let y = tensors!(n, [1.0f32, -2.0, 0.0, 3.0].view([2, 2]), [2.0f32, 5.0, 4.0, -1.0].view([2, 2]));
    near(&y[0], &[2.0 * silu(1.0), 5.0 * silu(-2.0), 0.0, -silu(3.0)]);
    near(&y[1], &[2.0 * silu(-1.0), 5.0 * silu(-1.0), 4.0 * silu(3.0), -silu(3.0)]);
    near(&y[2], &[2.0, -4.0, 0.0, 6.0]);
    // The gate is an epilogue of the product.
    let ir = n.compile(Target::host()).unwrap().fused_ir();
    assert!(ir.contains("matmul+swiglu"), "{ir}");
}

#[test]
fn heads_are_turned_by_their_position() {
    let x: Vec<f32> = (0..8).map(|i| i as f32 - 3.0).collect();
    let y = tensors!(Turned::init(0).unwrap(), x.view([1, 1, 2, 4]), [0.0f32; 3].view([3]));
    let turn =
        |a: f32, b: f32, angle: f32| (a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin());
    let (mut halves, mut adjacent) = (x.clone(), x.clone());
    for s in 0..2 {
        let (p, row) = (s as f32, 4 * s);
        for i in 0..2 {
            (halves[row + i], halves[row + i + 2]) =
                turn(x[row + i], x[row + i + 2], (p + 3.0) * [1.0, 0.01][i]);
            (adjacent[row + 2 * i], adjacent[row + 2 * i + 1]) =
                turn(x[row + 2 * i], x[row + 2 * i + 1], p * [1.0, 0.1][i]);
        }
    }
    near(&y[0], &halves);
    near(&y[1], &adjacent);
}

#[test]
fn groups_of_channels() {
    let mut n = Grouped::init(0).unwrap();
    for (name, data) in [("gain", [1.0f32, 2.0, 3.0, 4.0]), ("bias", [0.0, 0.5, 0.0, 0.0])] {
        n.weights_mut().set(name, tancho::Tensor::new(data.to_vec(), [4]).unwrap()).unwrap();
    }
    let y = tensors!(n, [1.0f32, 3.0, 10.0, 20.0].view([1, 4, 1]));
    near(&y[0], &[-1.0, 2.5, -3.0, 4.0]);
    near(&y[1], &[0.0; 4]);
}

#[test]
fn windows_and_biases() {
    let (q, k) = ([0.0f32; 3], [1.0f32, 2.0, 6.0]);
    let low = f32::ln(1e-9);
    let bias = [0.0, low, low, low, 0.0, 0.0, 3f32.ln(), 0.0, low];
    let y = tensors!(
        Windows::init(0).unwrap(),
        q.view([1, 3, 1]),
        k.view([1, 3, 1]),
        bias.view([1, 3, 3]),
        [true, true, false].view([1, 3])
    );
    // A window alone hides the past, causality alone the future.
    near(&y[0], &[3.0, 3.0, 4.0]);
    near(&y[1], &[1.0, 1.5, 4.0]);
    near(&y[2], &[1.0, 2.0, 1.25]);
    // One query stands at the last key.
    let y = tensors!(
        Windows::init(0).unwrap(),
        q[..1].view([1, 1, 1]),
        k.view([1, 3, 1]),
        bias[..3].view([1, 1, 3]),
        [true; 3].view([1, 3])
    );
    near(&y[1], &[4.0]);
}

#[test]
fn steps() {
    let x: Vec<f32> = (0..15).map(|i| i as f32).collect();
    let y = tensors!(Strided::init(0).unwrap(), x.view([3, 5]));
    near(&y[0], &[0.0, 2.0, 4.0, 5.0, 7.0, 9.0, 10.0, 12.0, 14.0]);
    near(&y[1], &[0.0, 1.0, 2.0, 3.0, 4.0, 10.0, 11.0, 12.0, 13.0, 14.0]);
    near(&y[2], &[1.0, 4.0, 6.0, 9.0, 11.0, 14.0]);
    let y = tensors!(OptionA::init(0).unwrap(), x[..12].view([1, 2, 2, 3]));
    near(&y[0], &[0.0, 0.0, 0.0, 2.0, 6.0, 8.0, 0.0, 0.0]);
}

#[test]
fn signals() {
    let y = tensors!(Signals::init(0).unwrap(), [1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0].view([1, 2, 4]));
    near(&y[0], &[66.0, 77.0]);
    near(&y[1], &[1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0]);
}

#[test]
fn norms_of_images() {
    let x: Vec<f32> = (0..2 * 4 * 3 * 5).map(|i| ((i * 13) % 29) as f32 - 14.0).collect();
    let net = Norms::init(3).unwrap();
    let names: Vec<&str> = net.weights().names().collect();
    assert_eq!(names[..4], ["groups.weight", "groups.bias", "signal.weight", "signal.bias"]);
    assert_eq!(net.weights().get("wide.weight").unwrap().shape(), [4, 2, 3, 3]);
    let y = tensors!(net, x.view([2, 4, 3, 5]));
    assert_eq!(
        (y[0].shape(), y[1].shape(), y[2].shape()),
        (&[2, 4, 3, 5][..], &[2, 3, 15][..], &[2, 4, 3, 5][..])
    );
    // Each group of each image has mean 0 and variance 1.
    for group in y[0].as_f32().expect("f32").chunks(2 * 15) {
        let mean = group.iter().sum::<f32>() / 30.0;
        let var = group.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 30.0;
        assert!(mean.abs() < 1e-5 && (var - 1.0).abs() < 1e-4, "{mean} {var}");
    }
}

#[test]
fn images() {
    let y = tensors!(Images::init(0).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].view([1, 1, 2, 3]));
    near(&y[0], &[12.0, 21.0, 16.0, 12.0, 21.0, 16.0]);
    let wide = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0];
    let below = wide.map(|x| x + 3.0);
    near(&y[1], &[wide, wide, below, below].concat());
    near(&y[2], &[3.5]);
    near(&y[3], &[5.0, 6.0, 6.0, 5.0, 6.0, 6.0]);
    near(&y[4], &[3.0, 3.5, 4.0, 3.0, 3.5, 4.0]);
    near(&y[5], &[12.0, 21.0, 16.0, 12.0, 21.0, 16.0].map(|x| x / 9.0));
}

#[test]
fn angles() {
    let x = [0.0, 1.0, -2.5, 1e6];
    let y = tensors!(Angles::init(0).unwrap(), x.view([4]));
    near(&y[0], &[0.0, 0.841_471, -0.598_472_1, -0.349_993_5]);
    near(&y[1], &[1.0, 0.540_302_3, -0.801_143_6, 0.936_752_1]);
}

#[test]
fn leading_axes_stay_where_they_are() {
    let x: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let y = tensors!(Leading::init(0).unwrap(), x.view([2, 6]));
    let turned = [0.0, 3.0, 1.0, 4.0, 2.0, 5.0, 6.0, 9.0, 7.0, 10.0, 8.0, 11.0];
    assert_eq!((y[0].shape(), y[1].shape(), y[4].shape()), (&[2, 2, 3][..], &[2, 3, 2][..], &[2, 2, 6][..]));
    [0, 3].iter().for_each(|i| near(&y[*i], &x));
    [1, 2, 5].iter().for_each(|i| near(&y[*i], &turned));
    near(&y[4], &[&x[..6], &x[..6], &x[6..], &x[6..]].concat());
    let y = tensors!(Inside::init(0).unwrap(), x.view([2, 1, 6]), x[..6].view([6]));
    assert_eq!(y[0].shape(), [2, 1, 2, 6]);
    near(&y[1], &turned[..6]);
    near(&y[2], &x[..6]);
}

/// Far positions, wide heads: the frequencies are rounded to f32 and so are the angles.
#[test]
fn rope_far_away() {
    let text = "network A<B>
input x: f32[B, 2, 9, 64]
%0: f32[B, 2, 9, 64] = input(index = 0)
%1: f32[B, 2, 9, 64] = rope(%0, base = 10000.0, from = 999990, pairs = halves)
%2: f32[B, 2, 9, 64] = rope(%0, base = 500000.0, from = 131000, pairs = adjacent)
return %1, %2";
    let y = check(text, &[Rng::new(5).floats(&[2, 2, 9, 64])]);
    assert_eq!(y.len(), 2);
    let bad =
        tancho::Graph::parse(&text.replace("2, 9, 64", "2, 9, B")).expect_err("a run-time width").to_string();
    assert!(
        bad.contains("the frequencies of `rope` follow from the width of a head, but B is a run-time dim"),
        "{bad}"
    );
    assert!(compile(&tancho::Graph::parse(text).expect("a graph")).is_ok());
}

#[test]
fn what_each_number_of_an_option_is_for() {
    let y = tensors!(Ends::init(0).unwrap(), [1.0, 10.0, 100.0, 1000.0].view([1, 1, 4]));
    near(&y[0], &[11.0, 111.0, 1110.0, 1100.0]);
    near(&y[1], &[1.0, 11.0, 111.0, 1110.0]);
    near(&y[2], &[111.0, 1110.0, 1100.0, 1000.0]);
    near(&y[3], &[1.0, 11.0, 111.0, 1110.0, 1100.0]);
    near(&y[4], &[1.0, 10.0, 101.0, 1010.0]);
    near(&y[5], &[111.0, 1100.0]);
    near(&y[6], &[1.0, 111.0]);

    let y = tensors!(
        Sides::init(0).unwrap(),
        [1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 100.0, 200.0, 300.0].view([1, 1, 3, 3])
    );
    near(&y[0], &[33.0, 66.0, 55.0, 333.0, 666.0, 555.0, 330.0, 660.0, 550.0]);
    near(&y[1], &[66.0, 666.0, 660.0]);
    near(&y[2], &[6.0, 5.0, 3.0, 66.0, 55.0, 33.0, 666.0, 555.0, 333.0]);
    near(&y[3], &[11.0, 22.0, 33.0, 110.0, 220.0, 330.0]);
    near(&y[4], &[10.0, 20.0, 30.0]);
    near(&y[5], &[20.0]);
    near(&y[6], &[10.0, 20.0, 30.0]);
    near(&y[7], &[10.0, 20.0, 30.0, 100.0, 200.0, 300.0]);
    near(&y[8], &[2.0, 3.0, 20.0, 30.0, 200.0, 300.0]);
    near(&y[9], &[2.0, 3.0, 3.0, 20.0, 30.0, 30.0, 200.0, 300.0, 300.0]);
    near(&y[10], &[11.0, 74.0, 110.0]);
    near(
        &y[11],
        &[[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]; 2]
            .concat()
            .into_iter()
            .chain([[10.0, 10.0, 20.0, 20.0, 30.0, 30.0]; 2].concat())
            .chain([[100.0, 100.0, 200.0, 200.0, 300.0, 300.0]; 2].concat())
            .collect::<Vec<f32>>(),
    );
    near(
        &y[12],
        &[
            1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 10.0, 20.0, 30.0, 10.0, 20.0, 30.0, 100.0, 200.0, 300.0, 100.0,
            200.0, 300.0,
        ],
    );

    let y = tensors!(Axes::init(0).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0].view([2, 2, 2]));
    near(&y[0], &[14.0, 22.0]);
    near(&y[1], &[14.0, 22.0]);
    near(&y[2], &[3.0, 7.0, 11.0, 15.0]);
    near(&y[3], &[1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn reductions_of_everything() {
    let y = tensors!(
        Whole::init(0).unwrap(),
        [9.0, 2.0, -3.0, -8.0].view([2, 2]),
        [false, true, true, false].view([2, 2])
    );
    let all = y.iter().map(|t| t.as_f32().unwrap()[0]).collect::<Vec<f32>>();
    assert_eq!(all, [9.0, -8.0, 9.0, -8.0, 2.0, -3.0, 2.0, -3.0, -1.0, -0.5]);
    assert_eq!(y[6].shape(), [1, 1]);
}
