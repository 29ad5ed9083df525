use tancho::network;

network! {
    pub Compared<B, D = 8>(x: [B, D], y: [B, D]) -> [B, D] {
        let a = x < y < 1;
        let b = x % 2;
        let c = x ^ 2;
        let d = (x & y);
        x and y
    }

    pub Elsewhere<N, D, H, W>(x: [N, 3, D, H, W], w: [8, 3, 3, 3, 3]) -> [N, 8, D, H, W] {
        let a = stack(x, x);
        let b = einsum(x, w);
        conv3d(x, w)
    }

    pub Odd<N, H, W, K = 3>(x: [N, 3, H, W]) -> [N, 3, H, W] where K % 2 == 1 {
        avg_pool2d(x, kernel = K, stride = 1, pad = same)
    }

}

fn main() {}
