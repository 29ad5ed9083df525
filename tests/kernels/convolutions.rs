//! Convolutions and pooling over NaN, infinities, zeros and subnormal numbers, and what their kernels have in
//! common with what the reference says, on every level.

use tancho::Model;
use tancho::inspect::Interpreter;
use tancho::inspect::{BOUND, compare};
use tancho::{AsView, Error, Graph, Precision, Target, Tensor, network};
use tancho_support::{Rng, targets, views};

/// The numbers that sums and maxima go wrong at, among small ordinary ones.
fn special(shape: &[usize], seed: u64, often: usize) -> Tensor {
    const SPECIAL: [f32; 8] =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 1e-45, -1e-40, f32::MIN_POSITIVE, 0.0];
    let mut rng = Rng::new(seed);
    let data: Vec<f32> = (0..shape.iter().product())
        .map(|_| if rng.below(often) == 0 { rng.pick(&SPECIAL) } else { (rng.below(17) as f32 - 8.0) / 8.0 })
        .collect();
    Tensor::new(data, shape).expect("fits")
}

/// Every level of this machine and checked mode.
fn targets_with(precision: Precision) -> impl Iterator<Item = Target> {
    targets().into_iter().map(move |t| t.with_precision(precision))
}

/// A network of one op over `x [N, C, H, W]`, with filters `w` if they have a shape.
fn graph(op: &str, x: &[usize], w: Option<&[usize]>, out: &[usize]) -> Graph {
    let mut text = format!("network Op<>\ninput x: f32{x:?}\n");
    if let Some(w) = w {
        text += &format!("weight \"w\": f32{w:?} = uniform(-1.0, 1.0)\n");
    }
    text += &format!("%0: f32{x:?} = input(index = 0)\n");
    if let Some(w) = w {
        text += &format!("%1: f32{w:?} = weight(index = 0)\n");
    }
    let n = 1 + usize::from(w.is_some());
    text += &format!("%{n}: f32{out:?} = {op}\nreturn %{n}");
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Results of native code with those of the reference.
fn both(g: &Graph, x: &Tensor, target: Target) -> (Tensor, Tensor) {
    let compiled = Model::from_graph(g.clone(), 5)
        .expect("a model")
        .compile(target)
        .unwrap_or_else(|e| panic!("{e}\n{g}"));
    let mut s = compiled.session();
    s.run_inputs(&views(std::slice::from_ref(x))).expect("runs");
    let weights = |i: usize| compiled.weights().at(i).expect("a weight").to_tensor();
    let interpreter = Interpreter::for_inputs(g, std::slice::from_ref(x)).expect("an interpreter");
    let want = interpreter.run(std::slice::from_ref(x), &weights).expect("interpreted");
    (s.tensor(0).expect("a result"), want[0].clone())
}

/// Maxima are exact, and a NaN in a window is its maximum; what surrounds the image does not count.
#[test]
fn pooling_of_special_values() {
    for (kernel, stride, pad, out) in [(3, 2, 1, 5), (2, 2, 0, 4), (5, 1, 2, 9), (1, 3, 0, 3)] {
        for c in [1, 5, 16, 33] {
            for op in ["max_pool2d", "sum_pool2d"] {
                let text = format!(
                    "{op}(%0, kernel = [{kernel}, {kernel}], stride = [{stride}, {stride}], pad = [{pad}, {pad}, {pad}, {pad}], layout = nchw)"
                );
                let g = graph(&text, &[2, c, 9, 9], None, &[2, c, out, out]);
                let x = special(&[2, c, 9, 9], c as u64, 9);
                for target in targets_with(Precision::Standard) {
                    let (got, want) = both(&g, &x, target);
                    let bound = if op == "max_pool2d" { 0.0 } else { BOUND };
                    let report = compare(op, &got, &want, Some(&vec![25.0; want.len()]), bound);
                    assert!(report.is_ok() && report.max_rel <= bound, "{target:?} {text}\n{report}");
                }
            }
        }
    }
}

/// Sums of products have an infinity or a NaN where the reference has one, and nowhere else.
#[test]
fn convolutions_of_special_values() {
    for (c, o, groups, k, stride, dilation) in [
        (3, 5, 1, 3, 1, 1),
        (16, 32, 1, 3, 2, 1),
        (16, 16, 16, 3, 1, 1),
        (8, 12, 4, 5, 1, 2),
        (17, 50, 1, 1, 1, 1),
        (20, 20, 20, 5, 2, 1),
    ] {
        let span = (k - 1) * dilation + 1;
        let pad = span / 2;
        let out = (11 + 2 * pad - span) / stride + 1;
        let text = format!(
            "conv2d(%0, %1, stride = [{stride}, {stride}], pad = [{pad}, {pad}, {pad}, {pad}], dilation = [{dilation}, {dilation}], groups = {groups}, layout = nchw)"
        );
        let g = graph(&text, &[1, c, 11, 11], Some(&[o, c / groups, k, k]), &[1, o, out, out]);
        let x = special(&[1, c, 11, 11], 7, 60);
        for target in targets_with(Precision::Direct) {
            let (got, want) = both(&g, &x, target);
            let scale = vec![(c / groups * k * k) as f64; want.len()];
            let report = compare("conv2d", &got, &want, Some(&scale), BOUND);
            assert!(report.is_ok(), "{target:?} {text}\n{report}");
        }
    }
}

/// Winograd's tiles may spread a NaN or an infinity to their other results, and never hide one.
#[test]
fn tiles_of_special_values() {
    let text =
        "conv2d(%0, %1, stride = [1, 1], pad = [1, 1, 1, 1], dilation = [1, 1], groups = 1, layout = nchw)";
    let g = graph(text, &[2, 16, 13, 10], Some(&[24, 16, 3, 3]), &[2, 24, 13, 10]);
    let x = special(&[2, 16, 13, 10], 3, 900);
    for precision in [Precision::Standard, Precision::Fast] {
        for target in targets_with(precision) {
            let (got, want) = both(&g, &x, target);
            let (got, want) = (got.as_f32().expect("f32"), want.as_f32().expect("f32"));
            assert!(got.iter().zip(want).all(|(g, w)| w.is_finite() || !g.is_finite()), "{target:?}");
            assert!(got.iter().zip(want).all(|(g, w)| !g.is_finite() || (g - w).abs() <= 1e-4), "{target:?}");
            let finite = |v: &[f32]| v.iter().filter(|x| x.is_finite()).count();
            assert!(
                finite(want) < want.len() && finite(got) > want.len() / 4,
                "{target:?}: {} of {}",
                finite(got),
                finite(want)
            );
        }
    }
}

network! {
    /// A batch norm's channels are axis 1, which of channels last is the rows.
    RowNorm<N, R = 2>(x: [N, R, 1, 1]) -> [N, R, 1, 2] {
        param w: [2, 1, 1, 1] = ones;
        param gain: [R];
        param bias: [R] = zeros;
        param mean: [R] = zeros;
        param var: [R] = ones;
        batch_norm(conv2d(x, w, layout = nhwc), gain, bias, mean, var, eps = 0)
    }
}

/// With as many rows as filters, where taking one axis for the other fits, and with more.
#[test]
fn norms_behind_channels_last_are_of_their_rows() -> Result<(), Error> {
    for (x, gain, want) in [
        (vec![3.0, 5.0], vec![1.0, 10.0], vec![3.0, 3.0, 50.0, 50.0]),
        (vec![3.0, 5.0, 7.0], vec![1.0, 10.0, 100.0], vec![3.0, 3.0, 50.0, 50.0, 700.0, 700.0]),
    ] {
        let rows = x.len();
        let mut net = RowNorm::with(RowNormDims { R: rows }).init(0)?;
        net.weights_mut().set("gain", Tensor::new(gain, [rows])?)?;
        for target in targets_with(Precision::Standard) {
            let compiled = net.compile(target)?;
            assert_eq!(compiled.session().run(x.view([1, rows, 1, 1]))?.data(), want, "{target:?}");
            assert!(compiled.check(x.view([1, rows, 1, 1]))?.is_ok(), "{target:?}");
        }
    }
    Ok(())
}

/// The channels of both are axis 1, or the norm is of rows: the same as the reference, for any number of rows
/// and filters.
#[test]
fn norms_behind_convolutions_of_both_layouts() {
    for (layout, x, out) in [
        ("nchw", [2, 4, 5, 3], [2, 6, 5, 3]),
        ("nhwc", [2, 6, 3, 4], [2, 6, 3, 6]),
        ("nhwc", [2, 5, 3, 4], [2, 5, 3, 6]),
        ("nhwc", [2, 4, 6, 4], [2, 4, 6, 6]),
    ] {
        let c = out[1];
        let mut text =
            format!("network Op<>\ninput x: f32{x:?}\nweight \"w\": f32[6, 4, 3, 3] = uniform(-1.0, 1.0)\n");
        for name in ["gain", "bias", "mean"] {
            text += &format!("weight \"{name}\": f32[{c}] = uniform(-1.0, 1.0)\n");
        }
        text += &format!(
            "weight \"var\": f32[{c}] = uniform(0.5, 1.5)\n%0: f32{x:?} = input(index = 0)\n%1: f32[6, 4, 3, 3] = weight(index = 0)\n"
        );
        (2..6).for_each(|i| text += &format!("%{i}: f32[{c}] = weight(index = {})\n", i - 1));
        text += &format!("%6: f32{out:?} = conv2d(%0, %1, pad = [1, 1, 1, 1], layout = {layout})\n");
        text += &format!("%7: f32{out:?} = batch_norm(%6, %2, %3, %4, %5, eps = 1e-5)\nreturn %7");
        let g = Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let x = Rng::new(5).floats(&x);
        for target in targets_with(Precision::Standard) {
            let (got, want) = both(&g, &x, target);
            let report = compare("batch_norm", &got, &want, Some(&vec![36.0; want.len()]), BOUND);
            assert!(report.is_ok(), "{target:?} {layout} {out:?}\n{report}");
        }
    }
}

/// Statistics far from 0: the difference from the mean is what counts, and f32 has it exactly. Folded into
/// filters it has been rounded with the product: by as much as f32 rounds numbers of that size.
#[test]
fn batch_norms_far_from_zero() {
    for (mean, deviation) in [(100.0f64, 0.01f64), (-700.0, 0.7), (1e4, 0.1), (0.5, 1.0)] {
        let (low, high) = (mean - deviation / 4.0, mean + deviation / 4.0);
        let variances = (deviation * deviation / 2.0, deviation * deviation * 2.0);
        let text = |folded: bool| {
            let mut text = String::from("network Op<N>\ninput x: f32[N, 4, 3, 5]\n");
            for (name, (a, b)) in
                [("gain", (0.5, 2.0)), ("bias", (-0.5, 0.5)), ("mean", (low, high)), ("var", variances)]
            {
                text += &format!("weight \"{name}\": f32[4] = uniform({a:?}, {b:?})\n");
            }
            text += "weight \"w\": f32[4, 1, 1, 1] = ones\n%0: f32[N, 4, 3, 5] = input(index = 0)\n";
            (1..5).for_each(|i| text += &format!("%{i}: f32[4] = weight(index = {})\n", i - 1));
            text += "%5: f32[4, 1, 1, 1] = weight(index = 4)\n";
            let x = if folded { "conv2d(%0, %5, groups = 4)" } else { "reshape(%0, shape = [N, 4, 3, 5])" };
            text += &format!(
                "%6: f32[N, 4, 3, 5] = {x}\n%7: f32[N, 4, 3, 5] = batch_norm(%6, %1, %2, %3, %4, eps = 1e-12)\nreturn %7"
            );
            Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
        };
        let noise = Rng::new(2).floats(&[3, 4, 3, 5]);
        let x: Vec<f32> =
            noise.as_f32().expect("f32").iter().map(|z| (mean + deviation * f64::from(*z)) as f32).collect();
        let x = Tensor::new(x, [3, 4, 3, 5]).expect("fits");
        // Results are of size 1: in units of what f32 rounds them by, and of what it rounds `mean /
        // deviation` by.
        let far = mean.abs() / deviation;
        for (folded, allowed) in [(false, 4.0), (true, 8.0 * far.max(1.0))] {
            for target in targets_with(Precision::Standard) {
                let (got, want) = both(&text(folded), &x, target);
                let pairs = got.as_f32().expect("f32").iter().zip(want.as_f32().expect("f32"));
                let most = pairs.map(|(g, w)| f64::from(g - w).abs()).fold(0.0, f64::max);
                println!("mean {mean}, deviation {deviation}, folded {folded}: {most:e}");
                assert!(
                    most <= allowed * 1.2e-7,
                    "{target:?} mean {mean}, deviation {deviation}, folded {folded}: {most:e}"
                );
            }
        }
    }
}

/// Windows with more elements than code is written out for: borders, strides, dilations, and channels that do
/// not fill a vector.
#[test]
fn windows_as_large_as_images() {
    for ((h, w), kernel, stride, pad, dilation) in [
        ((20usize, 17usize), (20usize, 17usize), (1usize, 1usize), 0usize, 1usize),
        ((40, 9), (31, 9), (2, 1), 4, 1),
        ((23, 23), (12, 12), (3, 2), 5, 2),
        ((1, 300), (1, 200), (1, 7), 0, 1),
        ((30, 30), (12, 13), (1, 1), 6, 1),
    ] {
        for c in [1, 5, 33] {
            let span = |k: usize| (k - 1) * dilation + 1;
            let out = |len: usize, k: usize, s: usize| (len + 2 * pad - span(k)) / s + 1;
            let (oh, ow) = (out(h, kernel.0, stride.0), out(w, kernel.1, stride.1));
            let frame = format!("stride = [{}, {}], pad = [{pad}, {pad}, {pad}, {pad}]", stride.0, stride.1);
            let spread = format!("dilation = [{dilation}, {dilation}]");
            let x = special(&[2, c, h, w], c as u64, 4000);
            for (op, filters) in [("max_pool2d", false), ("sum_pool2d", false), ("conv2d", true)] {
                let (text, weights) = match filters {
                    false => (
                        format!("{op}(%0, kernel = [{}, {}], {frame}, layout = nchw)", kernel.0, kernel.1),
                        None,
                    ),
                    true => (
                        format!("{op}(%0, %1, {frame}, {spread}, groups = {c}, layout = nchw)"),
                        Some([c, 1, kernel.0, kernel.1]),
                    ),
                };
                if dilation > 1 && !filters {
                    continue;
                }
                let g = graph(&text, &[2, c, h, w], weights.as_ref().map(|w| &w[..]), &[2, c, oh, ow]);
                for target in targets_with(Precision::Standard) {
                    let (got, want) = both(&g, &x, target);
                    let scale = vec![(kernel.0 * kernel.1) as f64; want.len()];
                    let bound = if op == "max_pool2d" { 0.0 } else { BOUND };
                    let report = compare(op, &got, &want, Some(&scale), bound);
                    assert!(report.is_ok() && report.max_rel <= bound, "{target:?} {text}\n{report}");
                }
            }
        }
    }
}

/// Dense convolutions whose window has more runs of pixels than code is written out for.
#[test]
fn convolutions_with_large_windows() {
    let text =
        "conv2d(%0, %1, stride = [2, 1], pad = [3, 3, 3, 3], dilation = [2, 2], groups = 1, layout = nchw)";
    let (h, k) = (40, 12);
    let out = h + 6 - (2 * (k - 1) + 1);
    let g = graph(text, &[1, 3, h, h], Some(&[4, 3, k, k]), &[1, 4, out / 2 + 1, out + 1]);
    let x = special(&[1, 3, h, h], 9, 3000);
    for target in targets_with(Precision::Direct) {
        let (got, want) = both(&g, &x, target);
        let report = compare("conv2d", &got, &want, Some(&vec![(3 * k * k) as f64; want.len()]), BOUND);
        assert!(report.is_ok(), "{target:?}\n{report}");
    }
}

/// The largest windows compile on a small stack, and give what a sum and a maximum of all pixels are.
#[test]
fn windows_of_any_size_compile_on_a_small_stack() {
    for side in [56, 112, 224] {
        let g = |op: &str, padding: usize| {
            let pad = format!("[{padding}, {padding}, {padding}, {padding}]");
            graph(
                &format!("{op}(%0, kernel = [{side}, {side}], stride = [1, 1], pad = {pad}, layout = nchw)"),
                &[1, 2, side, side],
                None,
                &[1, 2, 1 + 2 * padding, 1 + 2 * padding],
            )
        };
        let x = Tensor::new(
            (0..2 * side * side).map(|i| (i % 1000) as f32).collect::<Vec<_>>(),
            [1, 2, side, side],
        )
        .expect("fits");
        for (op, padding) in [("max_pool2d", 0), ("sum_pool2d", 0), ("max_pool2d", 1), ("sum_pool2d", 1)] {
            let (g, x) = (g(op, padding), x.clone());
            let run = move || both(&g, &x, Target::host());
            let small = std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread");
            let (got, want) = small.join().expect("no overflow");
            let report = compare(op, &got, &want, None, 1e-6);
            assert!(report.is_ok(), "{side}\n{report}");
        }
    }
}
