use tancho::network;

network! {
    pub Body<B, D = 8>(x: [B, D]) -> [B, D] { relu(x) }

    pub Defaults<B, D = 8>(x: [B, D]) -> [B, D] { x }

    pub Typed<B, S, D = 8>(ids: i32[B, S], x: [B, D]) -> [B, D] { x + sum(cast(ids, f32)) }
}

pub fn check() {
    use tancho::{AsView, Target};
    assert!(Body::init(1).unwrap().compile(Target::host()).unwrap().check([0.0; 8].view([1, 8])).unwrap().is_ok());
    Defaults::with(DefaultsDims { D: 8 }).init(1).unwrap();
    let mut typed = Typed::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(typed.run([1].view([1, 1]), [0.0; 8].view([1, 8])).unwrap().data(), [1.0; 8]);
}
