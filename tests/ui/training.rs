use tancho::network;

network! {
    pub Classifier<B, D = 8> {
        net head: Linear<D, 1>;
        fn forward(x: [B, D]) -> [B, 1] { head(x) }
        train fn step(x: [B, D], y: [B, 1], lr: []) -> [] {
            let loss = mean(mse(forward(x), y));
            minimize loss with adam_w(lr = lr);
            loss
        }
        train fn other(x: [B, D], y: [B, 1]) -> [] {
            let rows = mse(forward(x), y);
            minimize rows with sgd(momentum = 0.9);
            mean(rows)
        }
        train fn third(x: [B, D]) -> [] {
            sum(forward(x))
        }
    }
}

fn main() {}
