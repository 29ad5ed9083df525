//! PyTorch's answers (f32, eager, CPU; `tests/golden/torch`): the same weights and inputs through native
//! code, every element within 1e-5 of its row.

use crate::golden::Golden;
use tancho::inspect::{BOUND, compare};
use tancho::{AsView, Graph, Model, Tensor, network};
use tancho_support::{BERT_LAYER, GPT2_BLOCK, run_on, targets, views};

impl Golden {
    /// The results of a network with this file's weights, which must be all it declares: on every level of
    /// this machine, in checked mode, and on several threads.
    fn run(&self, text: &str, inputs: &[Tensor]) -> Vec<Vec<Tensor>> {
        let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        self.run_model(Model::from_graph(g, 0).unwrap_or_else(|e| panic!("{e}")), inputs)
    }

    fn run_model(&self, mut model: Model, inputs: &[Tensor]) -> Vec<Vec<Tensor>> {
        let names: Vec<String> = model.weights().names().map(String::from).collect();
        assert_eq!(
            names.len(),
            self.file().names().iter().filter(|n| n.starts_with("w.")).count(),
            "every weight is used"
        );
        for name in names {
            let w = self.floats(&format!("w.{name}"));
            model.weights_mut().set(&name, w).unwrap_or_else(|e| panic!("{e}"));
        }
        // Checked mode, and every level of this machine, on 1 to 3 threads.
        let mut results = Vec::new();
        for target in targets() {
            let c = model.compile(target).unwrap_or_else(|e| panic!("{e}"));
            let divergence = c.first_divergence(&views(inputs)).unwrap_or_else(|e| panic!("{e}"));
            assert!(divergence.is_none(), "{target:?} {divergence:?}\n{}", c.fused_ir());
            for threads in 1..=3 {
                results.push(
                    run_on(&c, threads, inputs)
                        .unwrap_or_else(|e| panic!("{target:?}, {threads} threads: {e}")),
                );
            }
        }
        results
    }
}

#[test]
fn residual_layer_norm() {
    let g = Golden::new("torch/residual_layer_norm");
    let y = g.run(
        "network ResidualLayerNorm<B>
input x: f32[B, 48]
weight \"w\": f32[48, 48] = xavier
weight \"gain\": f32[48] = ones
weight \"bias\": f32[48] = zeros
%0: f32[B, 48] = input(index = 0)
%1: f32[48, 48] = weight(index = 0)
%2: f32[48] = weight(index = 1)
%3: f32[48] = weight(index = 2)
%4: f32[48, 48] = transpose(%1, axes = (1, 0))
%5: f32[B, 48] = matmul(%0, %4)
%6: f32[B, 48] = add(%0, %5)
%7: f32[B, 48] = layer_norm(%6, gain = %2, bias = %3, over = (1,), eps = 1e-5)
return %7, %6",
        &[g.floats("in.x")],
    );
    for y in y {
        g.matches("out.y", &y[0]);
        g.matches("out.residual", &y[1]);
    }
}

#[test]
fn std_layer_norm() {
    let g = Golden::new("torch/std_layer_norm");
    let y = g.run(
        "network StdLayerNorm<B>
input x: f32[B, 48]
weight \"gamma\": f32[48] = ones
weight \"beta\": f32[48] = zeros
%0: f32[B, 48] = input(index = 0)
%1: f32[48] = weight(index = 0)
%2: f32[48] = weight(index = 1)
%3: f32[B, 48] = layer_norm(%0, gain = %1, bias = %2, over = (1,), eps = 1e-5, eps_on = std)
return %3",
        &[g.floats("in.x")],
    );
    y.iter().for_each(|y| g.matches("out.y", &y[0]));
}

/// A constant row, 1e18, 1e-20, an offset of 1e4 and a ramp: PyTorch's f32 kernels lose some of them, so the
/// answer is one in f64.
#[test]
fn layer_norm_of_hard_rows() {
    let g = Golden::new("torch/layer_norm_hard_rows");
    let x = g.floats("in.x");
    let y = g.run(
        "network HardRows<B>
input x: f32[B, 48]
weight \"gain\": f32[48] = ones
weight \"bias\": f32[48] = zeros
%0: f32[B, 48] = input(index = 0)
%1: f32[48] = weight(index = 0)
%2: f32[48] = weight(index = 1)
%3: f32[B, 48] = layer_norm(%0, gain = %1, bias = %2, over = (1,), eps = 1e-5)
return %3",
        &[x],
    );
    let (want, _) = g.numbers("out.y");
    for y in y {
        let got = y[0].as_f32().expect("f32");
        assert!(want.iter().zip(got).all(|(w, g)| !w.is_finite() || g.is_finite()), "{got:?}");
        g.matches("out.y", &y[0]);
    }
}

/// `torch.nn.TransformerEncoderLayer`, post-LN, with padded positions, whose rows nobody reads.
#[test]
fn bert_layer() {
    let g = Golden::new("torch/bert_layer");
    let keep = g.flags("in.keep");
    let y = g.run(BERT_LAYER, &[g.floats("in.x"), keep.clone()]);
    let kept = |t: &Tensor| {
        let rows = t.as_f32().expect("f32").chunks(48).zip(keep.as_bool().expect("bool"));
        let data: Vec<f32> = rows.filter(|(_, k)| **k).flat_map(|(r, _)| r.iter().copied()).collect();
        let n = data.len() / 48;
        Tensor::new(data, [n, 48]).expect("whole rows")
    };
    for y in y {
        let report = compare("kept rows", &kept(&y[0]), &kept(&g.floats("out.y")), None, BOUND);
        assert!(report.is_ok(), "{report}");
    }
}

/// A pre-LN decoder block: q, k and v from one product, tanh gelu, causal attention.
#[test]
fn gpt2_block() {
    let g = Golden::new("torch/gpt2_block");
    let y = g.run(GPT2_BLOCK, &[g.floats("in.x")]);
    y.iter().for_each(|y| g.matches("out.y", &y[0]));
}

network! {
    /// The same block with a cache of keys and values.
    pub Gpt2Block<B, S, P: ..=T, D = 48, HEADS = 4, T = 11>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0, P + S <= T
    {
        net ln_1: LayerNorm<D>;
        net ln_2: LayerNorm<D>;
        net qkv:  Linear<D, 3 * D>;
        net proj: Linear<D, D>;
        net up:   Linear<D, 4 * D>;
        net down: Linear<4 * D, D>;
        state keys:   [B, P, D] grow P;
        state values: [B, P, D] grow P;

        let (q, k, v) = split(qkv(ln_1(x)), axis = -1, parts = 3);
        let x = x + proj(attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true));
        x + down(gelu_tanh(up(ln_2(x))))
    }
}

/// All positions at once, in chunks and one by one, on every level.
#[test]
fn gpt2_block_with_a_cache() {
    let g = Golden::new("torch/gpt2_block");
    let mut net = Gpt2Block::init(0).expect("a net");
    for name in net.weights().names().map(String::from).collect::<Vec<_>>() {
        net.weights_mut().set(&name, g.floats(&format!("w.{name}"))).expect("a weight");
    }
    let (x, want) = (g.floats("in.x"), g.floats("out.y"));
    let (x, want) = (x.as_f32().expect("f32"), want.as_f32().expect("f32"));
    let rows = |data: &[f32], from: usize, to: usize| {
        [&data[from * 48..to * 48], &data[(11 + from) * 48..(11 + to) * 48]].concat()
    };
    for target in targets() {
        let compiled = net.compile(target).expect("compiles");
        for parts in [&[11][..], &[4, 1, 6], &[1; 11]] {
            let (mut session, mut from) = (compiled.session(), 0);
            for n in parts {
                let (x, want) = (rows(x, from, from + n), rows(want, from, from + n));
                let y = session.run(x.view([2, *n, 48])).expect("runs").to_vec();
                let [y, want] = [y, want].map(|d| Tensor::new(d, [2, *n, 48]).expect("its shape"));
                let report = compare("y", &y, &want, None, BOUND);
                assert!(report.is_ok(), "{target:?} {parts:?} {from}: {report}");
                from += n;
            }
        }
    }
}

network! {
    /// The article's `ResidualBlock`.
    #[unused_weights("*.num_batches_tracked")]
    pub ResidualBlock<N, CIN = 64, COUT = 128, STRIDE = 2, H, W>
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        net conv1: Conv2d<CIN, COUT, K = 3, STRIDE = STRIDE, PAD = 1>(bias = false);
        net bn1:   BatchNorm<COUT>;
        net conv2: Conv2d<COUT, COUT, K = 3, PAD = 1>(bias = false);
        net bn2:   BatchNorm<COUT>;

        let skip = if STRIDE == 1 && CIN == COUT { x } else {
            #[weights("shortcut.0")] net conv: Conv2d<CIN, COUT, K = 1, STRIDE = STRIDE>(bias = false);
            #[weights("shortcut.1")] net bn:   BatchNorm<COUT>;
            bn(conv(x))
        };
        relu(residual(skip) { bn2(conv2(relu(bn1(conv1(x))))) })
    }

    /// The article's `LayerNorm` over the channels, eps added to the standard deviation.
    pub ChannelNorm<C = _, N, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param gamma: [C] = ones;
        param beta:  [C] = zeros;

        layer_norm(x, gamma, beta, over = C, eps = 1e-5, eps_on = std)
    }

    /// The article's `ResidualBlockWithLN`.
    pub ResidualBlockWithLN<N, CIN = 64, COUT = 128, STRIDE = 2, H, W>
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        net conv1: Conv2d<CIN, COUT, K = 3, STRIDE = STRIDE, PAD = 1>(bias = false);
        #[weights("bn1")] net norm1: ChannelNorm<COUT>;
        net conv2: Conv2d<COUT, COUT, K = 3, PAD = 1>(bias = false);
        #[weights("bn2")] net norm2: ChannelNorm<COUT>;

        let skip = if STRIDE == 1 && CIN == COUT { x } else {
            #[weights("shortcut.0")] net conv: Conv2d<CIN, COUT, K = 1, STRIDE = STRIDE>(bias = false);
            #[weights("shortcut.1")] net norm: ChannelNorm<COUT>;
            norm(conv(x))
        };
        relu(residual(skip) { norm2(conv2(relu(norm1(conv1(x))))) })
    }
}

/// The article's blocks: identity and projected shortcuts, strides of 1 and 2, odd sizes.
#[test]
fn residual_blocks() {
    for (cin, cout, stride) in [(16, 16, 1), (8, 16, 1), (8, 16, 2)] {
        let g = Golden::new(&format!("torch/residual_block_batch_norm_{cin}_{cout}_s{stride}"));
        let dims = ResidualBlockDims { CIN: cin, COUT: cout, STRIDE: stride };
        let net = ResidualBlock::with(dims).graph().unwrap_or_else(|e| panic!("{e}"));
        let model = Model::from_graph(net, 0).unwrap_or_else(|e| panic!("{e}"));
        g.run_model(model, &[g.floats("in.x")]).iter().for_each(|y| g.matches_image("out.y", &y[0]));
    }
}

/// The same with layer norm over the channels.
#[test]
fn residual_blocks_with_layer_norm() {
    for (cin, cout, stride) in [(16, 16, 1), (8, 16, 1), (8, 16, 2)] {
        let g = Golden::new(&format!("torch/residual_block_std_layer_norm_{cin}_{cout}_s{stride}"));
        let dims = ResidualBlockWithLNDims { CIN: cin, COUT: cout, STRIDE: stride };
        let net = ResidualBlockWithLN::with(dims).graph().unwrap_or_else(|e| panic!("{e}"));
        let model = Model::from_graph(net, 0).unwrap_or_else(|e| panic!("{e}"));
        g.run_model(model, &[g.floats("in.x")]).iter().for_each(|y| g.matches_image("out.y", &y[0]));
    }
}
