use tancho::{AsView, Target, network};

network! {
    pub Scale<B, D = 4>(x: [B, D], by: i32[B]) -> [B, D] { x * expand(reshape(cast(by, f32), [B, 1]), [B, D]) }

    pub Coder<B, D = 4> {
        net fc: Linear<D, D>;
        fn encode(x: [B, D]) -> [B, D] { fc(x) }
        fn decode(x: [B, D]) -> [B, D] { relu(x) }
    }
}

pub fn check() {
    let (x, by) = ([1.0; 4], [3]);
    let mut scale = Scale::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(scale.run(x.view([1, 4]), by.view([1])).unwrap().data(), [3.0; 4]);
    let mut coder = Coder::init(1).unwrap().compile(Target::host()).unwrap().session();
    coder.encode(x.view([1, 4])).unwrap();
    coder.decode(x.view([1, 4])).unwrap();
}
