use tancho::network;

network! {
    pub Comma<B, D = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Semicolon<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        param b: [D];
        linear(x, w, b)
    }

    pub Flag<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>(bias = false);
        #[weights("encoder.fc", transposed)] net other: Linear<D, D>;
        #[weights("a.{i}")] net all: [Linear<D, D>; 2];
        let mut y = fc(x) + other(x);
        for net in all { y = net(y); }
        y
    }

    pub Unit<B, D = 4>(x: [B, D]) -> [B, D] {
        let y = relu(x);
        y
    }

    pub OneOfTwo<B, D = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Three<B, D = 6>(x: [B, D]) -> [B, D] where D % 3 == 0 {
        let (a, b, c) = split(x, axis = D, parts = 3);
        concat(c, b, a, axis = -1)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Comma::init(1).unwrap();
    Semicolon::init(1).unwrap();
    Flag::init(1).unwrap();
    Unit::init(1).unwrap();
    OneOfTwo::init(1).unwrap();
    let three = Three::init(1).unwrap().compile(Target::host()).unwrap();
    let numbers: Vec<f32> = (0..6).map(|i| i as f32).collect();
    let y = three.session().run(numbers.view([1, 6])).unwrap().data().to_vec();
    assert_eq!(y, [4.0, 5.0, 2.0, 3.0, 0.0, 1.0]);
}
