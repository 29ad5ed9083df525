//! Winograd's convolutions: how far they are from the exact sums, beside the direct form, on every level.

use tancho::Model;
use tancho::{Graph, Isa, Precision, Target, Tensor};
use tancho_support::{Rng, levels, views};

/// A convolution of `[N, c, H, W]` with a residual sum behind it, as the blocks of ResNets have.
fn graph(c: usize, o: usize) -> Graph {
    let options = "stride = [1, 1], pad = [1, 1, 1, 1], dilation = [1, 1], groups = 1, layout = nchw";
    let text = format!(
        "network Conv<N, H, W>
input x: f32[N, {c}, H, W]
weight \"w\": f32[{o}, {c}, 3, 3] = normal(1.0)
%0: f32[N, {c}, H, W] = input(index = 0)
%1: f32[{o}, {c}, 3, 3] = weight(index = 0)
%2: f32[N, {o}, H, W] = conv2d(%0, %1, {options})
return %2"
    );
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Largest and root-mean-square error over all results, relative to the sums of magnitudes.
fn errors(got: &Tensor, want: &Tensor, scale: &Tensor) -> (f64, f64) {
    let all = [got, want, scale].map(|t| t.as_f32().expect("f32"));
    let each =
        (0..all[0].len()).map(|i| f64::from(all[0][i] - all[1][i]).abs() / f64::from(all[2][i]).max(1e-30));
    let (mut most, mut squares) = (0.0f64, 0.0);
    for e in each {
        most = most.max(e);
        squares += e * e;
    }
    (most, (squares / all[0].len() as f64).sqrt())
}

/// Errors of the three precisions on one level, each the worst of a few images.
fn measured(c: usize, o: usize, [n, h, w]: [usize; 3], isa: Isa) -> [(f64, f64); 3] {
    let shape = [n, c, h, w];
    results(o, &Rng::new(3).floats(&shape), isa).map(|[got, want, scale]| errors(&got, &want, &scale))
}

/// The results of the three precisions, with the exact ones and the sums of magnitudes.
fn results(o: usize, x: &Tensor, isa: Isa) -> [[Tensor; 3]; 3] {
    let c = x.shape()[1];
    let model = Model::from_graph(graph(c, o), 7).expect("a model");
    let mut absolute = Model::from_graph(graph(c, o), 7).expect("a model");
    let w_abs: Vec<f32> = model.weights().get("w").expect("filters").data().iter().map(|x| x.abs()).collect();
    absolute.weights_mut().set("w", Tensor::new(w_abs, [o, c, 3, 3]).expect("filters")).expect("set");
    let magnitudes =
        Tensor::new(x.as_f32().expect("f32").iter().map(|x| x.abs()).collect::<Vec<f32>>(), x.shape())
            .expect("an image");
    let target = Target::host().with_isa(isa).expect("a level of this machine");
    let direct = model.compile(target.with_precision(Precision::Direct)).expect("compiles");
    let want = direct.interpret_inputs(&views(std::slice::from_ref(x))).expect("interpreted");
    let scale = absolute
        .compile(target)
        .expect("compiles")
        .interpret_inputs(&views(std::slice::from_ref(&magnitudes)))
        .expect("interpreted");
    [Precision::Direct, Precision::Standard, Precision::Fast].map(|p| {
        let compiled = model.compile(target.with_precision(p)).expect("compiles");
        let mut s = compiled.session();
        s.run_inputs(&views(std::slice::from_ref(x))).expect("runs");
        [s.tensor(0).expect("a result"), want[0].clone(), scale[0].clone()]
    })
}

/// A pixel of one channel much larger than all others: products of the transforms have sums of its weights
/// where the direct form has one alone, which may be small. What the README states.
#[test]
fn beside_a_large_pixel() {
    const SIDE: usize = 12;
    for isa in levels() {
        for (size, standard, fast) in [(1e5f32, 2e-4, 2e-2), (1e7, 2e-4, 1.5)] {
            let mut worst = [0.0f64; 3];
            for seed in 0..8 {
                let mut pixels = Rng::new(seed).floats(&[1, 16, SIDE, SIDE]).as_f32().expect("f32").to_vec();
                let at = (3 + seed as usize) * SIDE + 5;
                pixels[at] = size;
                let x = Tensor::new(pixels, [1, 16, SIDE, SIDE]).expect("an image");
                let each = results(16, &x, isa).map(|[got, want, scale]| errors(&got, &want, &scale).0);
                worst = std::array::from_fn(|i| worst[i].max(each[i]));
            }
            println!("{isa}, a pixel of {size:e}: {worst:?}");
            assert!(
                worst[0] <= 1.2e-6 && worst[1] <= standard && worst[2] <= fast,
                "{isa}, {size:e}: {worst:?}"
            );
        }
    }
}

/// The bounds that `Precision` states. Sizes that leave rests of tiles, images smaller than a tile, channels
/// that are no whole vectors.
#[test]
fn errors_stay_within_what_is_stated() {
    for isa in levels() {
        for (c, o, image) in [
            (16, 16, [1, 1, 1]),
            (16, 32, [2, 3, 2]),
            (17, 50, [1, 5, 7]),
            (64, 64, [1, 14, 13]),
            (256, 48, [1, 9, 9]),
            (24, 384, [2, 6, 9]),
            (512, 16, [1, 7, 7]),
        ] {
            let [direct, standard, fast] = measured(c, o, image, isa);
            println!(
                "{isa}, {c} to {o} channels of {image:?}, largest and rms: {direct:?} {standard:?} {fast:?}"
            );
            // An image of one pixel meets one ninth of each filter, and the tile all of it.
            let factor = if image[1] == 1 { 9.0 } else { 4.0 };
            assert!(
                standard.0 <= factor * direct.0 && standard.1 <= factor * direct.1,
                "{standard:?} {direct:?}"
            );
            assert!(fast.0 <= 4e-6 && fast.1 <= 4e-7, "{fast:?}");
        }
    }
}

/// What is forbidden is not done, and what is done is said.
#[test]
fn the_kernels_say_which_form_they_have() {
    let model = Model::from_graph(graph(32, 32), 1).expect("a model");
    let steps = |p| {
        let compiled = model.compile(Target::host().with_precision(p)).expect("compiles");
        compiled.packed_bytes()
    };
    let direct = steps(Precision::Direct);
    assert_eq!(direct, 32 * 32 * 9 * 4);
    assert_eq!(steps(Precision::Standard), direct / 9 * 16);
    assert_eq!(steps(Precision::Fast), direct / 9 * 36);
}
