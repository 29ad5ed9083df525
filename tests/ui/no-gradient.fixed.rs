use tancho::network;

network! {
    pub Classifier<B, D = 8, C = 4> {
        net head: Linear<D, C>;
        fn forward(x: [B, D]) -> [B, C] { head(x) }
        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let right = eq(stop_gradient(argmax(forward(x), over = C)), y);
            let loss = mean(select(right, 0, cross_entropy(forward(x), y)));
            minimize loss with sgd(lr = lr);
            loss
        }
    }
}

pub fn check() {
    let e = Classifier::init(1).unwrap().compile_train(tancho::Target::host()).unwrap_err();
    assert!(e.to_string().contains("not run yet"));
}
