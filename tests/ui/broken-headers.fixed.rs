use tancho::{AsView, Target, network};

network! {
    pub NoArrow<B, D = 4>(x: [B, D]) -> [B, D] { x }

    pub Coder<B, D = 4> {
        net fc: Linear<D, D>;
        fn encode(x: [B, D]) -> [B, D] { fc(x) }
        fn decode(x: [B, D]) -> [B, D] { fc(x) }
    }
}

pub fn check() {
    let mut session = NoArrow::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(session.run([0.0; 4].view([1, 4])).unwrap().shape(), [1, 4]);
    let coder = Coder::with(CoderDims { D: 8 }).init(1).unwrap().compile(Target::host()).unwrap();
    coder.check_encode([0.0; 8].view([1, 8])).unwrap().into_result().unwrap();
    let mut session: CoderSession = coder.session();
    let code = session.encode([0.0; 8].view([1, 8])).unwrap().data().to_vec();
    assert_eq!(session.decode(code.view([1, 8])).unwrap().data(), [0.0; 8]);
}
