//! Networks of another crate, for the tests of composition.

use tancho::network;

network! {
    /// A residual block: the stream and a hidden layer of it.
    pub Mlp<B, D = 16, H = 4 * D>(x: [B, D]) -> [B, D] {
        net up:   Linear<D, H>;
        net down: Linear<H, D>;
        residual(x) { down(gelu(up(x))) }
    }

    /// Attention with a bounded sequence.
    pub Encoder<B, S: ..=16, D = 24, HEADS = 4>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
        where D % HEADS == 0
    {
        net q: Linear<D, D>;
        net k: Linear<D, D>;
        net v: Linear<D, D>;
        residual(x) { attention(q(x), k(x), v(x), heads = HEADS, mask = mask) }
    }

    /// Any leading axes, an option for a second weight, and one that is a number.
    pub Scale<D = _>(option bias = true, option eps = 1e-5)(x: [.., D]) -> [.., D] {
        param gain: [D] = normal(1.0);
        let y = layer_norm(x, gain, over = D, eps = eps);
        if bias { param shift: [D] = normal(1.0); y + shift } else { y }
    }

    /// Two results.
    pub Halves<B, D = 8>(x: [B, D]) -> ([B, D / 2], [B, D / 2])
        where D % 2 == 0
    {
        param left:  [D, D / 2] = xavier;
        param right: [D, D / 2] = xavier;
        (x @ left, x @ right)
    }

    /// Hidden values four times as wide, gated.
    pub Gate<B, D = 8>(x: [B, D], gate: [B, 4 * D]) -> [B, 4 * D] {
        param w: [D, 4 * D] = xavier;
        (x @ w) * sigmoid(gate)
    }

    /// A sequence of half the length.
    pub Shorter<B, S, D = 8>(x: [B, S, D]) -> [B, floor(S / 2), D] {
        param w: [D] = ones;
        (x * w)[S = 0..floor(S / 2)]
    }
}

/// A module further in.
pub mod nested {
    tancho::network! {
        /// A plain projection.
        pub Project<B, IN = _, OUT = _>(x: [B, IN]) -> [B, OUT] {
            param w: [IN, OUT] = xavier;
            x @ w
        }
    }
}
