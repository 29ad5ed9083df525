//! ResNet-18 and ResNet-34 (He et al. 2016) from the article's residual block, with torchvision's weight
//! names.
//!
//! ```text
//! cargo run --release --example resnet
//! cargo run --release --example resnet -- resnet18.safetensors
//! ```
//!
//! Without a file the weights are random. Prints how the network is cut into kernels, how long it takes, and
//! whether the reference interpreter agrees.

#[path = "common/program.rs"]
#[allow(clippy::duplicate_mod)] // the benchmark has several examples as modules
mod program;

use program::Failure;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;
use tancho::{AsView, Target, network};

network! {
    /// The article's `ResidualBlock`: two convolutions with batch norm around a shortcut, which is the
    /// identity where nothing changes its shape, else a 1x1 convolution.
    pub BasicBlock<N, CIN = 64, COUT = 64, STRIDE = 1, H, W>
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        net conv1: Conv2d<CIN, COUT, K = 3, STRIDE = STRIDE, PAD = 1>(bias = false);
        net bn1:   BatchNorm<COUT>;
        net conv2: Conv2d<COUT, COUT, K = 3, PAD = 1>(bias = false);
        net bn2:   BatchNorm<COUT>;

        let skip = if STRIDE == 1 && CIN == COUT { x } else {
            #[weights("downsample.0")] net conv: Conv2d<CIN, COUT, K = 1, STRIDE = STRIDE>(bias = false);
            #[weights("downsample.1")] net bn:   BatchNorm<COUT>;
            bn(conv(x))
        };
        relu(residual(skip) { bn2(conv2(relu(bn1(conv1(x))))) })
    }

    /// Layer norm over the channels with eps added to the standard deviation, as the article's module has it.
    pub ChannelNorm<C = 64, N, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param gamma: [C] = ones;
        param beta:  [C] = zeros;

        layer_norm(x, gamma, beta, over = C, eps = 1e-5, eps_on = std)
    }

    /// The article's `ResidualBlockWithLN`: the same block with layer norm over the channels.
    pub NormBlock<N, CIN = 64, COUT = 64, STRIDE = 1, H, W>
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        net conv1: Conv2d<CIN, COUT, K = 3, STRIDE = STRIDE, PAD = 1>(bias = false);
        net norm1: ChannelNorm<COUT>;
        net conv2: Conv2d<COUT, COUT, K = 3, PAD = 1>(bias = false);
        net norm2: ChannelNorm<COUT>;

        let skip = if STRIDE == 1 && CIN == COUT { x } else {
            net conv: Conv2d<CIN, COUT, K = 1, STRIDE = STRIDE>(bias = false);
            net norm: ChannelNorm<COUT>;
            norm(conv(x))
        };
        relu(residual(skip) { norm2(conv2(relu(norm1(conv1(x))))) })
    }

    /// Blocks of one width; the first may halve the image.
    pub Stage<N, CIN = 64, COUT = 64, STRIDE = 1, BLOCKS = 2, H, W>
        (x: [N, CIN, H, W]) -> [N, COUT, ceil(H / STRIDE), ceil(W / STRIDE)]
    {
        #[weights("0")] net first: BasicBlock<CIN, COUT, STRIDE = STRIDE>;

        let mut x = first(x);
        repeat i in 1..BLOCKS {
            #[weights("{i}")] net block: BasicBlock<COUT, COUT, STRIDE = 1>;
            x = block(x);
        }
        x
    }

    /// ResNet-18; with 3, 4, 6 and 3 blocks ResNet-34.
    #[unused_weights("*.num_batches_tracked")]
    pub ResNet<N, H, W, CLASSES = 1000, B1 = 2, B2 = 2, B3 = 2, B4 = 2>(image: [N, 3, H, W]) -> [N, CLASSES] {
        net conv1:  Conv2d<3, 64, K = 7, STRIDE = 2, PAD = 3>(bias = false);
        net bn1:    BatchNorm<64>;
        net layer1: Stage<64, 64, BLOCKS = B1>;
        net layer2: Stage<64, 128, STRIDE = 2, BLOCKS = B2>;
        net layer3: Stage<128, 256, STRIDE = 2, BLOCKS = B3>;
        net layer4: Stage<256, 512, STRIDE = 2, BLOCKS = B4>;
        net fc:     Linear<512, CLASSES>;

        let x = relu(bn1(conv1(image)));
        let x = max_pool2d(x, kernel = 3, stride = 2, pad = 1);
        fc(global_mean(layer4(layer3(layer2(layer1(x))))))
    }
}

impl ResNetDims {
    /// The blocks of ResNet-34.
    #[allow(dead_code)] // not every program that includes this one has a use for it
    pub fn resnet34() -> ResNetDims {
        ResNetDims { B1: 3, B2: 4, B3: 6, B4: 3, ..Default::default() }
    }
}

/// Numbers that look random and are the same on every machine.
fn sample(n: usize) -> Vec<f32> {
    (0..n as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let net = match std::env::args_os().nth(1) {
        Some(path) => ResNet::load(path)?,
        None => ResNet::init(42)?,
    };
    let compiled = net.compile(Target::host())?;
    writeln!(out, "{}", compiled.fused_ir())?;
    writeln!(
        out,
        "compiled in {:.1?}, weights packed in {:.1?}",
        compiled.stats().total(),
        compiled.pack_time()
    )?;

    let image = sample(3 * 224 * 224);
    let mut session = compiled.session();
    session.run(image.view([1, 3, 224, 224]))?;
    let start = Instant::now();
    let logits = session.run(image.view([1, 3, 224, 224]))?;
    writeln!(out, "one image of 224x224 in {:.1?}: {} logits", start.elapsed(), logits.shape()[1])?;

    // The same code runs on images of any size; a small one is soon interpreted.
    let report = compiled.check(image[..2 * 3 * 48 * 40].view([2, 3, 48, 40]))?;
    writeln!(out, "{report}")?;
    Ok(())
}

fn main() -> ExitCode {
    program::run(run)
}
