//! The `VanillaVAE` of AntixK/PyTorch-VAE, with its noise as an input.
//! 22 lines as the script has it, 32 here.

use super::{answers, weights};
use tancho::{Error, network};

network! {
    pub Half<N, CIN = _, COUT = _, S = _>(x: [N, CIN, S, S]) -> [N, COUT, S / 2, S / 2] where S % 2 == 0 {
        #[weights("0")] net conv: Conv2d<CIN, COUT, K = 3, STRIDE = 2, PAD = 1>;
        #[weights("1")] net norm: BatchNorm<COUT>;
        leaky_relu(norm(conv(x)))
    }

    pub Twice<N, CIN = _, COUT = _, S = _>(x: [N, CIN, S, S]) -> [N, COUT, 2 * S, 2 * S] {
        #[weights("0.weight")] param w: [CIN, COUT, 3, 3];
        #[weights("0.bias")] param b: [COUT];
        #[weights("1")] net norm: BatchNorm<COUT>;
        leaky_relu(norm(conv_transpose2d(x, w, b, stride = 2, pad = 1, output_pad = 1)))
    }

    pub Vae<N, C = 3, C1 = 32, C2 = 64, C3 = 128, LATENT = 128, S = 64>
        (image: [N, C, S, S], noise: [N, LATENT])
        -> ([N, C, S, S], [N, LATENT], [N, LATENT])
        where S % 8 == 0
    {
        #[weights("encoder.0")] net down1: Half<C, C1, S>;
        #[weights("encoder.1")] net down2: Half<C1, C2, S / 2>;
        #[weights("encoder.2")] net down3: Half<C2, C3, S / 4>;
        net fc_mu: Linear<C3 * (S / 8)^2, LATENT>;
        net fc_var: Linear<C3 * (S / 8)^2, LATENT>;
        net decoder_input: Linear<LATENT, C3 * (S / 8)^2>;
        #[weights("decoder.0")] net up1: Twice<C3, C2, S / 8>;
        #[weights("decoder.1")] net up2: Twice<C2, C1, S / 4>;
        #[weights("final_layer")] net up3: Twice<C1, C1, S / 2>;
        #[weights("final_layer.3")] net last: Conv2d<C1, C, K = 3, PAD = 1>;

        let h = flatten(down3(down2(down1(image))));
        let (mu, log_var) = (fc_mu(h), fc_var(h));
        let z = mu + exp(0.5 * log_var) * noise;
        let y = reshape(decoder_input(z), [N, C3, S / 8, S / 8]);
        (tanh(last(up3(up2(up1(y))))), mu, log_var)
    }
}

fn small() -> VaeDims {
    VaeDims { C: 3, C1: 6, C2: 8, C3: 10, LATENT: 6, S: 16 }
}

#[test]
fn images_are_the_reference_s() -> Result<(), Error> {
    let net = Vae::with(small()).load(weights("vae"))?;
    answers("vae", &["y", "mu", "log_var"], |target| net.compile(target))
}
