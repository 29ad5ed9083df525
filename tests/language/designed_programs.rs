//! The programs the language was designed with: those that run are run and compared with the interpreter, one
//! with training is checked and says what is missing.
#![deny(warnings, missing_docs, missing_debug_implementations)]

use tancho::{AsView, Target, network};
use tancho_support::run;

network! {
    /// Residual linear layer followed by layer norm.
    pub ResidualNorm<B, D = 768>(x: [B, D]) -> [B, D] {
        param w:    [D, D] = xavier;
        param gain: [D] = ones;
        param bias: [D] = zeros;

        layer_norm(x + x @ w.t, gain, bias, over = D, eps = 1e-5)
    }
}

network! {
    pub BertLayer<B, S: ..=512, D = 768, HEADS = 12, H = 4 * D>
        (x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
        where D % HEADS == 0
    {
        #[weights("attention.self.query")]       net q:    Linear<D, D>;
        #[weights("attention.self.key")]         net k:    Linear<D, D>;
        #[weights("attention.self.value")]       net v:    Linear<D, D>;
        #[weights("attention.output.dense")]     net o:    Linear<D, D>;
        #[weights("attention.output.LayerNorm")] net ln1:  LayerNorm<D>(eps = 1e-12);
        #[weights("intermediate.dense")]         net up:   Linear<D, H>;
        #[weights("output.dense")]               net down: Linear<H, D>;
        #[weights("output.LayerNorm")]           net ln2:  LayerNorm<D>(eps = 1e-12);

        let a = attention(q(x), k(x), v(x), heads = HEADS, mask = mask);
        let x = ln1(x + o(a));
        ln2(x + down(gelu(up(x))))
    }

    pub BertEncoder<B, S: ..=512, D = 768, LAYERS = 12>
        (x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
    {
        #[weights("encoder.layer.{i}")] net layers: [BertLayer<D = D>; LAYERS];
        let mut x = x;
        for layer in layers { x = layer(x, mask); }
        x
    }
}

network! {
    pub Classifier<B, D = 784, H = 256, C = 10> {
        net up:   Linear<D, H>;
        net norm: LayerNorm<H>;
        net mix:  Linear<H, H>;
        net head: Linear<H, C>;

        fn forward(x: [B, D]) -> [B, C] {
            let h = gelu(up(x));
            head(norm(h + mix(h)))
        }

        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y));
            minimize loss with adamw(lr = lr, weight_decay = 0.01);
            loss
        }
    }
}

network! {
    /// The article's norm: over the channels, eps on the standard deviation.
    pub ChannelNorm<N, C = 6, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param gain: [C] = ones;
        param bias: [C] = zeros;
        layer_norm(x, gain, bias, over = C, eps = 1e-5, eps_on = std)
    }
}

/// Numbers in (-1, 1) that do not repeat soon.
fn some(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 12.9898).sin()).collect()
}

#[test]
fn the_seed_formula() {
    let y = run!(ResidualNorm::init(1).unwrap(), some(3 * 768).view([3, 768]));
    for row in y.chunks(768) {
        let mean = row.iter().sum::<f32>() / 768.0;
        let var = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 768.0;
        assert!(mean.abs() < 1e-5 && (var - 1.0).abs() < 1e-3, "{mean} {var}");
    }
}

#[test]
fn bert() {
    let dims = BertEncoderDims { D: 48, LAYERS: 2 };
    let net = BertEncoder::with(dims).init(1).unwrap();
    assert_eq!(net.weights().names().nth(2), Some("encoder.layer.0.attention.self.key.weight"));
    assert_eq!(net.weights().len(), 32);
    let y = run!(
        net,
        some(2 * 5 * 48).view([2, 5, 48]),
        [true, true, true, false, false, true, true, true, true, true].view([2, 5])
    );
    assert!(y.iter().all(|v| v.is_finite()));
}

#[test]
fn classifier() {
    let net = Classifier::with(ClassifierDims { D: 20, H: 12, C: 4 }).init(42).unwrap();
    let compiled = net.compile(Target::host().with_checked(true)).unwrap();
    let x = some(60);
    assert!(compiled.check_forward(x.view([3, 20])).unwrap().is_ok());
    assert_eq!(compiled.session().forward(x.view([3, 20])).unwrap().shape(), [3, 4]);
    let mut training = net.compile_train(Target::host()).unwrap();
    let y = [0, 3, 1];
    let losses: Vec<f32> =
        (0..30).map(|_| training.step(x.view([3, 20]), y.view([3]), 1e-2).unwrap()).collect();
    assert!(losses[29] < 0.2 * losses[0], "{losses:?}");
}

#[test]
fn the_article_s_norm() {
    let (n, c, area) = (2, 6, 15);
    let x = some(n * c * area);
    let y = run!(ChannelNorm::init(1).unwrap(), x.view([n, c, 3, 5]));
    for at in 0..area {
        let pixel: Vec<f64> = (0..c).map(|k| f64::from(x[k * area + at])).collect();
        let mean = pixel.iter().sum::<f64>() / c as f64;
        let std = (pixel.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / c as f64).sqrt();
        for k in 0..c {
            let want = (pixel[k] - mean) / (std + 1e-5);
            assert!((f64::from(y[k * area + at]) - want).abs() < 1e-5);
        }
    }
}
