use tancho::network;

network! {
    pub Coder<B, D = 8, H = 4> {
        net up: Linear<D, H>;
        fn encode(x: [B, D]) -> [B, H] { tanh(up(forward(x))) }
        fn forward(x: [B, D]) -> [B, D] { encode(x) }
    }

    pub Half<B> {
        fn forward(x: [B]) -> [B] { x / 2 }
    }

    pub User<B, D = 8>(x: [B, D], y: [B]) -> [B] {
        net h: Half;
        h.encode(y)
    }

    pub Recurrent<B> {
        fn step(x: [B]) -> [B] { x }
        fn state(x: [B]) -> [B] { x }
    }

    pub Nothing<B, D = 8> {
        param w: [D];
    }

    pub Chunks<B, D = 8> {
        param w: [D];
        fn chunk<S>(x: [B, S, D]) -> [B, S, D] where S <= D { x * w }
        fn row(x: [B, D]) -> [B, D] { x * w }
    }
}

fn main() {}
