use tancho::network;

network! {
    pub A<B, D = 3>(x: [B, D]) -> [B, D] { x }

    pub ADims<B>(x: [B]) -> [B] { x }

    pub ASession<B>(x: [B]) -> [B] { x }

}

fn main() {}
