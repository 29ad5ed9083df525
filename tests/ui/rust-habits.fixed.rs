use tancho::network;

const HIDDEN: usize = 8;

network! {
    pub Generic<D = 768>(x: [D]) -> [D] { x }

    pub Constant<B, D = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Twice<B, S, D>(x: [B, S, D]) -> [B, S, D] { relu(x) * 2.0 }

    pub Swish<B, S, D>(x: [B, S, D]) -> [B, S, D] { x * sigmoid(x) }

    pub Functions<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        net generic: Generic<D = D>;
        let a = Twice(x);
        let b = Swish(x);
        let d = x[S = 0];
        let e = select(mean(x) > 0, x, -x);
        let g = residual(x) { relu(x) };
        a + b - b + e + g + generic(x[0, 0]) - sum(d) + sum(d)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Generic::init(1).unwrap();
    Constant::with(ConstantDims { D: HIDDEN }).init(1).unwrap();
    let functions = Functions::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(functions.session().run([1.0; 4].view([1, 1, 4])).unwrap().data(), [6.0; 4]);
}
