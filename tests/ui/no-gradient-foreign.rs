use tancho::network;

mod models {
    tancho::network! {
        /// Scores, and the best of them as a number.
        pub Scorer<B, D = _, C = 4>(x: [B, D]) -> ([B], [B, C]) {
            net head: Linear<D, C>;
            let scores = head(x);
            (cast(argmax(scores, over = C), f32), scores)
        }
    }
}

network! {
    pub Trained<B, D = 8> {
        net scorer: models::Scorer<D>;
        fn best(x: [B, D]) -> [B] {
            let (best, _scores): ([B], [B, 4]) = scorer(x);
            best
        }
        train fn step(x: [B, D], y: [B], lr: []) -> [] {
            let d = best(x) - y;
            let loss = mean(d * d, over = B);
            minimize loss with sgd(lr = lr);
            loss
        }
    }
}

fn main() {}
