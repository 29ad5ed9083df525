use tancho::network;

network! {
    pub Classifier<B, D = 8, C = 4> {
        net head: Linear<D, C>;
        fn forward(x: [B, D]) -> [B, C] { head(x) }
        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let wrong = ne(argmax(forward(x), over = C), y);
            let loss = mean(cast(wrong, f32));
            minimize loss with sgd(lr = lr);
            loss
        }
    }
}

fn main() {}
