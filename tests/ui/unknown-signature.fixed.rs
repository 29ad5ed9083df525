use tancho::network;

network! {
    pub Headless<B, D = 8>(x: [B, D]) -> [B, D] {
        x + 1
    }

    pub Torn<B, D = 8>(x: [B, D]) -> [B, D] {
        x + 1
    }

    pub Body<B, D = 8>(x: [B, D]) -> [B, D] { relu(x) }

    pub Defaults<B, D = 8>(x: [B, D]) -> [B, D] { x }

    pub Typed<B, S, D = 8>(ids: i32[B, S], x: [B, D]) -> [B, D] { x + sum(cast(ids, f32)) }

    pub Several<B, D = 8> {
        fn encode(x: [B, D]) -> [B, D] { x }
        fn decode(x: [B, D]) -> [B, D] { x }
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let headless = Headless::init(1).unwrap().compile(Target::host()).unwrap();
    assert!(headless.check([0.0; 8].view([1, 8])).unwrap().ok());
    Torn::with(TornDims { D: 8 }).init(1).unwrap();
    assert!(Body::init(1).unwrap().compile(Target::host()).unwrap().check([0.0; 8].view([1, 8])).unwrap().ok());
    Defaults::with(DefaultsDims { D: 8 }).init(1).unwrap();
    let mut typed = Typed::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(typed.run([1].view([1, 1]), [0.0; 8].view([1, 8])).unwrap().data(), [1.0; 8]);
    let mut several = Several::init(1).unwrap().compile(Target::host()).unwrap().session();
    several.encode([0.0; 8].view([1, 8])).unwrap();
    several.decode_into([0.0; 8].view([1, 8]), &mut [0.0; 8]).unwrap();
}
