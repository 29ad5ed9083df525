use tancho::network;

network! {
    pub A<B, D = 3>(x: [B, D]) -> [B, D] { x }

    pub Dims<B>(x: [B]) -> [B] { x }
}

pub fn check() {
    A::with(ADims { D: 4 }).init(1).unwrap();
    Dims::init(1).unwrap();
}
