use tancho::network;

// The article normalises [N, C, H, W] over C and multiplies by a [C] gain, which PyTorch
// broadcasts along W: silently wrong where W == C.
network! {
    pub Article<N, C = 64, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        param gain: [C] = ones;
        layer_norm(x, over = C, eps = 1e-5, eps_on = std) * gain
    }
}

fn main() {}
