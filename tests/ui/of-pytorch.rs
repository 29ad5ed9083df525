use tancho::network;

network! {
    pub Values<B, S, D = 4, HEADS = 2>(x: [B, S, D], keep: bool[B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        # the forms of PyTorch
        let a = concat([x, x], axis = 1);
        let b = reshape(x, B, S * D);
        let c = transpose(x, 1, 2);
        let d = attention(x, x, x, HEADS);
        let e = x[..., 0];
        let f = x[.., None];
        let g = masked_fill(x, keep, 0);
        let h = x / x.shape[1];
        let i = x.size(1);
        let j = pow(x, x);
        x
    }

    pub Nets<N, H, W, D = 4>(x: [N, 3, H, W], y: [N, D]) -> [N, D] {
        net first: Conv2d(3, 8, 3, padding = 1);
        net second: Conv2d<3, 8, K = 3, PAD = 1>(stride = 2);
        net third: Linear<D, D>(bias = False);
        net fourth: Linear<D, D>(bias = None);
        net fifth: Sequential<Linear<D, D>, Relu>;
        net sixth: Linear<D, D>;
        let a = sixth.forward(y);
        let b = y @ sixth.weight.t;
        a + b
    }
}

fn main() {}
