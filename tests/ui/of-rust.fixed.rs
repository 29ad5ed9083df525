use tancho::network;

network! {
    pub Slice<B, D = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Mutable<B, D = 4>(x: [B, D]) -> [B, D] {
        let mut x = x;
        x = relu(x);
        x
    }

    pub Items<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>;
        fc(x)
    }

    pub Array<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D];
        x * w
    }

    pub Above<B, D = 4>(x: [B, D]) -> [B, D] where 0 < D { relu(x) }

    pub AtLeast<B, S, T>(x: [B, S], y: [B, T]) -> [B, S] where T <= S { x + mean(y) }

    pub Assigned<B, D = 4, HEADS = 2>(x: [B, HEADS, D]) -> [B, HEADS, D] where D % HEADS == 0 {
        reshape(reshape(x, [B, HEADS, D / HEADS, HEADS]), [B, HEADS, D])
    }

    pub Text<B>(option linear = true)(x: [B]) -> [B] { if linear { x } else { relu(x) } }

    pub State<B, D = 4>(x: [B, D]) -> [B, D] {
        state h: [B, D];
        h = h + x;
        h
    }

    pub Body<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut y: [B, S, D] = x;
        let a = x[D = 0..3];
        repeat i in 0..3 { y = relu(y) + i; }
        repeat i in 0..D + 1 { y = y * i; }
        let z = select(x > 0, x, y);
        z + sum(a)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Slice::init(1).unwrap();
    Mutable::init(1).unwrap();
    Items::init(1).unwrap();
    Array::init(1).unwrap();
    Above::init(1).unwrap();
    AtLeast::init(1).unwrap();
    Assigned::init(1).unwrap();
    Text::init(1).unwrap();
    State::init(1).unwrap();
    let body = Body::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(body.session().run([1.0; 4].view([1, 1, 4])).unwrap().data(), [4.0; 4]);
}
