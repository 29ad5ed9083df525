use tancho::network;

network! {
    pub Coder<B, D = 8, H = 4> {
        net up: Linear<D, H>;
        fn encode(x: [B, D]) -> [B, H] { tanh(up(x)) }
        fn forward(x: [B, D]) -> [B, H] { encode(x) }
    }

    pub User<B, D = 8>(x: [B, D]) -> [B, 4] {
        net c: Coder<D>;
        c.encode(x)
    }

    pub Chunks<B, S, D = 8> where S <= D {
        param w: [D];
        fn chunk(x: [B, S, D]) -> [B, S, D] { x * w }
        fn row(x: [B, D]) -> [B, D] { x * w }
    }
}

pub fn check() {
    User::init(1).unwrap();
    Chunks::init(1).unwrap();
}
