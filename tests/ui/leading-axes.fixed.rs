use tancho::network;

network! {
    pub Between<A, B, C, D = 4>(x: [A, B, C, D]) -> [B, C] { x[A = 0, D = 1] }

    pub First<B, S, D = 4>(x: [B, S, D]) -> [B, D] { x[S = 0] }

    pub Cut<B, S, R = 2, D = 4>(x: [B, S, D]) -> [B, R, D] { x[S = 0..R] }

    pub Open<D = 4>(x: [.., D]) -> [..] { x[.., 0] }

    pub Colon<B, S, D = 4>(x: [B, S, D]) -> [B, D] { x[S = 0] }
}

pub fn check() {
    use tancho::{AsView, Target};
    let numbers: Vec<f32> = (0..8).map(|i| i as f32).collect();
    let between = Between::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(between.session().run(numbers.view([1, 1, 2, 4])).unwrap().data(), [1.0, 5.0]);
    First::init(1).unwrap();
    Cut::init(1).unwrap();
    Colon::init(1).unwrap();
    let open = Open::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(open.session().run(numbers.view([2, 4])).unwrap().data(), [0.0, 4.0]);
}
