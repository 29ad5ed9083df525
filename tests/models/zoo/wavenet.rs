//! The `WaveNetModel` of vincentherrmann/pytorch-wavenet with causal padding.
//! 19 lines as the script has it, 22 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub WaveNet<B, T, C = 256, R = 32, SKIP = 1024, END = 512, LAYERS = 10, BLOCKS = 3>
        (x: [B, C, T]) -> [B, C, T]
    {
        #[weights("start_conv")] net start: Conv1d<C, R, K = 1>;
        #[weights("end_conv_1")] net end1: Conv1d<SKIP, END, K = 1>;
        #[weights("end_conv_2")] net end2: Conv1d<END, C, K = 1>;

        let mut x = start(x);
        let mut total = expand(0.0, [B, SKIP, T]);
        repeat block in 0..BLOCKS {
            repeat i in 0..LAYERS {
                #[weights("filter_convs.{block * LAYERS + i}")] net filter: Conv1d<R, R, K = 2, DIL = 2^i>;
                #[weights("gate_convs.{block * LAYERS + i}")] net gate: Conv1d<R, R, K = 2, DIL = 2^i>;
                #[weights("residual_convs.{block * LAYERS + i}")] net out: Conv1d<R, R, K = 1>;
                #[weights("skip_convs.{block * LAYERS + i}")] net skip: Conv1d<R, SKIP, K = 1>;
                let past = pad(x, axis = T, before = 2^i);
                let z = tanh(filter(past)) * sigmoid(gate(past));
                total += skip(z);
                x += out(z);
            }
        }
        end2(relu(end1(relu(total))))
    }
}

fn small() -> WaveNetDims {
    WaveNetDims { C: 10, R: 8, SKIP: 12, END: 14, LAYERS: 3, BLOCKS: 2 }
}

#[test]
fn logits_are_the_reference_s() -> Result<(), Error> {
    let net = WaveNet::with(small()).load(weights("wavenet"))?;
    answers("wavenet", &["y"], |target| net.compile(target))
}
