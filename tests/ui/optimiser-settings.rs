use tancho::network;

network! {
    pub Line<B> {
        param slope: [1] = ones;
        fn forward(x: [B, 1]) -> [B, 1] { x * slope }
        train fn far(x: [B, 1], lr: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with adam(lr = lr, beta2 = 1);
            loss
        }
        train fn moving(x: [B, 1], decay: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with lion(lr = 1e-3, weight_decay = decay);
            loss
        }
        train fn strange(x: [B, 1], lr: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with sgd(lr = lr, momentun = 0.9);
            loss
        }
        train fn other(x: [B, 1], lr: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with adan(lr = lr);
            loss
        }
    }
}

fn main() {}
