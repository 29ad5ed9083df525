use tancho::{AsView, Target, network};

network! {
    pub Line<B> {
        param slope: [1] = ones;
        fn forward(x: [B, 1]) -> [B, 1] { x * slope }
        train fn far(x: [B, 1], lr: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with adam(lr = lr, beta2 = 0.95);
            loss
        }
        train fn moving(x: [B, 1]) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with lion(lr = 1e-3, weight_decay = 0.1);
            loss
        }
        train fn strange(x: [B, 1], lr: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with sgd(lr = lr, momentum = 0.9);
            loss
        }
        train fn other(x: [B, 1], lr: []) -> [] {
            let loss = mean(forward(x), over = (0, 1));
            minimize loss with adam(lr = lr);
            loss
        }
    }
}

pub fn check() {
    let mut training = Line::init(1).unwrap().compile_train(Target::host()).unwrap();
    let x = [1.0, 2.0, 4.5];
    let mean = 2.5;
    let slope = |training: &LineTraining| training.weights().unwrap().get("slope").unwrap().data()[0];
    // The first step of Adam moves by the learning rate, that of Lion too, and its decay by a tenth of it.
    assert_eq!(training.far(x.view([3, 1]), 0.25).unwrap(), mean);
    assert!((slope(&training) - 0.75).abs() < 1e-6);
    training.moving(x.view([3, 1])).unwrap();
    assert!((slope(&training) - (0.75 - 1e-3 - 0.75e-4)).abs() < 1e-6);
    let before = slope(&training);
    training.strange(x.view([3, 1]), 0.1).unwrap();
    assert!((slope(&training) - (before - 0.25)).abs() < 1e-6);
    training.other(x.view([3, 1]), 0.5).unwrap();
    assert!((slope(&training) - (before - 0.75)).abs() < 1e-4);
}
