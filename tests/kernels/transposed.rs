//! Transposed convolutions on every vector level, against the interpreter.

use tancho::{Graph, Tensor};
use tancho_support::{Rng, compile_for, targets, views};

/// A transposed convolution of four channels, with the options as the text form has them, over images whose
/// sizes are known when it runs.
fn graph(filters: [usize; 4], options: &str, groups: usize, out: [&str; 2]) -> Graph {
    let o = filters[1] * groups;
    let text = format!(
        "network Op<N, H, W>\ninput x: f32[N, 4, H, W]\nweight \"w\": f32{filters:?} = uniform(-1.0, 1.0)
weight \"b\": f32[{o}] = uniform(-1.0, 1.0)\n%0: f32[N, 4, H, W] = input(index = 0)
%1: f32{filters:?} = weight(index = 0)\n%2: f32[{o}] = weight(index = 1)
%3: f32[N, {o}, {}, {}] = conv_transpose2d(%0, %1, b = %2, {options}, groups = {groups})\nreturn %3",
        out[0], out[1]
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[track_caller]
fn check(g: &Graph, x: &[Tensor]) {
    for target in targets() {
        let c = compile_for(g, target).unwrap_or_else(|e| panic!("{e}\n{g}"));
        let report = c.check_inputs(&views(x)).unwrap_or_else(|e| panic!("{target:?}: {e}"));
        assert!(report.is_ok(), "{target:?}\n{report}\n{g}");
    }
}

#[test]
fn every_stride_padding_and_dilation() {
    let mut rng = Rng::new(1);
    let options = |s: [i64; 2], p: [i64; 2], o: [i64; 2], d: [i64; 2]| {
        format!("stride = {s:?}, pad = {p:?}, output_pad = {o:?}, dilation = {d:?}")
    };
    for (filters, options, groups, out) in [
        ([4, 3, 2, 2], options([2, 2], [0, 0], [0, 0], [1, 1]), 1, ["2*H", "2*W"]),
        ([4, 16, 4, 4], options([2, 2], [1, 1], [0, 0], [1, 1]), 1, ["2*H", "2*W"]),
        ([4, 5, 3, 3], options([2, 2], [1, 1], [1, 1], [1, 1]), 1, ["2*H", "2*W"]),
        ([4, 2, 3, 5], options([1, 3], [1, 2], [0, 2], [1, 1]), 2, ["H", "3*W"]),
        ([4, 1, 3, 2], options([1, 2], [2, 0], [0, 1], [2, 3]), 4, ["H", "2*W + 3"]),
        ([4, 3, 1, 2], options([3, 4], [0, 0], [2, 3], [1, 1]), 1, ["3*H", "4*W + 1"]),
    ] {
        let g = graph(filters, &options, groups, out);
        for (n, h, w) in [(1, 1, 1), (2, 5, 7), (1, 12, 9), (0, 3, 3), (3, 1, 8)] {
            check(&g, &[rng.floats(&[n, 4, h, w])]);
        }
    }
}

/// Where the stride divides the kernel, what is not finite shows where PyTorch has it and nowhere else.
#[test]
fn pixels_that_are_not_finite() {
    let options = "stride = [2, 2], pad = [0, 0], output_pad = [0, 0], dilation = [1, 1]";
    let g = graph([4, 3, 2, 2], options, 1, ["2*H", "2*W"]);
    for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45, -0.0] {
        let mut x = vec![0.5f32; 4 * 5 * 3];
        x[7] = special;
        x[59] = special;
        check(&g, &[Tensor::new(x, [1, 4, 5, 3]).expect("fits")]);
    }
}
