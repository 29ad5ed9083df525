use tancho::network;

network! {
    pub Classifier<B, D = 8, C = 4> {
        param scale: [D] = ones;
        net head: Linear<D, C>;
        net other: Linear<D, C>;

        fn forward(x: [B, D]) -> [B, C] { head(x) }

        fn scaled(x: [B, D]) -> [B, C] { other(x * scale) }

        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y), over = B);
            minimize loss with adamw(lr = lr);
            loss
        }
    }
}

fn main() {}
