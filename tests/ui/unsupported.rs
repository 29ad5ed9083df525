use tancho::network;

network! {
    pub Conv<N, C = 3, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        net conv: Conv2d<C, C, K = 3>;
        let y = max_pool2d(x, kernel = 2);
        conv(x)
    }
}

fn main() {}
