//! The page that `report` writes: what is in the file, and how it behaves in a browser.
//!
//! * `files`: paths that cannot be written, inputs that do not fit, the size of pages
//! * `views`: clicks, keys, search and fragments in headless Chromium; sizes, colours, and names that look
//!   like markup

#[cfg(unix)]
mod browser;
mod files;
#[cfg(unix)]
mod views;

use tancho::network;

network! {
    /// The article's formula: `LN(x + x W^T)`.
    pub ResidualNorm<B, D = 48>(x: [B, D]) -> [B, D] {
        param w: [D, D] = xavier;
        net norm: LayerNorm<D>;
        let h = residual(x) { x @ w.t };
        norm(h)
    }

    /// A block with two kernels.
    pub Block<B, D = 32>(x: [B, D]) -> [B, D] {
        net up:   Linear<D, 2 * D>;
        net down: Linear<2 * D, D>;
        net norm: LayerNorm<D>;
        norm(residual(x) { down(gelu(up(x))) })
    }

    /// Equal blocks, one after another.
    pub Blocks<B, D = 32, LAYERS = 12>(x: [B, D]) -> [B, D] {
        net blocks: [Block<D = D>; LAYERS];
        let mut x = x;
        for block in blocks { x = block(x); }
        x
    }

    /// Sums of what came before: a loop.
    pub Sums<B, S, D = 8>(xs: [B, S, D]) -> [B, S, D] {
        let mut h = expand(0.0, [B, D]);
        let hs = scan x in xs over S {
            h = tanh(h + x);
            h
        };
        hs
    }
}

/// Numbers for inputs.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i as f32 * 0.37).sin()).collect()
}
