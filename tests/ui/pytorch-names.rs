use tancho::network;

network! {
    pub Reduced<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let a = softmax(x, dim = -1);
        let b = mean(x, over = S, keepdim = true);
        let c = mean(x, 1);
        let d = reshape(x, [B, -1]);
        x
    }

    pub Images<N, H, W>(x: [N, 3, H, W], w: [8, 3, 3, 3]) -> [N, 8, H, W] {
        net norm: GroupNorm<GROUPS = 2, num_channels = 8>(epsilon = 1e-6);
        net conv: Conv2d<3, 8, kernel_size = 3, padding = 1>;
        let y = conv2d(x, w, padding = 1);
        max_pool2d(y, kernel_size = 3)
    }

    pub Called<B, D = 4>(x: [B, D]) -> [B, D] {
        let fc = Linear(D, D);
        fc(x)
    }
}

fn main() {}
