use tancho::network;

network! {
    pub Lower<B, D = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Width<B, D = 4, WIDTH = 8>(x: [B, D]) -> [B, WIDTH] {
        net fc: Linear<D, WIDTH>;
        fc(x)
    }

    pub Halves<B, D = 8>(x: [B, D]) -> [B, 2, D / 2] where D % 2 == 0, D / 2 % 2 == 0 {
        let y = reshape(x, [B, 2, D / 2]);
        attention(y, y, y, heads = 2) + attention(y, y, y, heads = 2)
    }

    Layer<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        net fc: Linear<D, D>;
        fc(x)
    }

    pub Positional<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        net layer: Layer<D>;
        layer(x)
    }

    pub RunTime<B, D = 768>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>;
        fc(x)
    }

    pub Undeclared<B, D = 4, N: ..=4>(x: [B, D], n: [N, D]) -> [N, D] where N <= B {
        let y = relu(x);
        let z = reshape(y, [B, D]) + reshape(y, [B, D]);
        z[0..N] + y[0..N] + n
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Lower::init(1).unwrap();
    Width::init(1).unwrap();
    Halves::init(1).unwrap();
    Positional::init(1).unwrap();
    RunTime::init(1).unwrap();
    let last = Undeclared::init(1).unwrap().compile(Target::host()).unwrap();
    let y = last.session().run([1.0; 8].view([2, 4]), [2.0; 4].view([1, 4])).unwrap().data().to_vec();
    assert_eq!(y, [5.0; 4]);
}
