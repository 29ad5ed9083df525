use tancho::network;

network! {
    pub Cache<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        state keys: [B, S, D] grow S;
        let k = keys.push(x);
        x + k
    }
}

network! {
    pub Conv<N, C = 3, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        net conv: Conv2d<C, C, K = 3>;
        conv(x)
    }
}

network! {
    pub Classifier<B, D = 784> {
        fn forward(x: [B, D]) -> [B, D] { relu(x) }
        train fn step(x: [B, D]) -> [] { mean(x, over = (B, D)) }
    }
}

fn main() {}
