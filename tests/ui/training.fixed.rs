use tancho::network;

network! {
    pub Classifier<B, D = 8> {
        net head: Linear<D, 1>;
        fn forward(x: [B, D]) -> [B, 1] { head(x) }
        train fn step(x: [B, D], y: [B, 1], lr: []) -> [] {
            let loss = mean(mse(forward(x), y));
            minimize loss with adamw(lr = lr, weight_decay = 0.01);
            loss
        }
        train fn other(x: [B, D], y: [B, 1]) -> [] {
            let rows = mse(forward(x), y);
            minimize mean(rows, over = B) with sgd(lr = 1e-3);
            mean(rows)
        }
    }
}

pub fn check() {
    Classifier::init(1).unwrap();
}
