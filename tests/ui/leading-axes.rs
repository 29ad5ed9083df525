use tancho::network;

network! {
    pub Between<A, B, C, D = 4>(x: [A, B, C, D]) -> [B, C] { x[0, .., 1] }

    pub First<B, S, D = 4>(x: [B, S, D]) -> [B, D] { x[.., 0] }

    pub Cut<B, S, R = 2, D = 4>(x: [B, S, D]) -> [B, R, D] { x[.., 0..R] }

    pub Open<D = 4>(x: [.., D]) -> [..] { x[0, ..] }

    pub Colon<B, S, D = 4>(x: [B, S, D]) -> [B, D] { x[:, 0] }
}

fn main() {}
