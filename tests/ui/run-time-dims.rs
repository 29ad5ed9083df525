use tancho::network;

network! {
    pub Unbound<B, N, D = 8>(x: [B, D]) -> [B, D] { x * N }

    pub Fixed<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] {
        param w: [S, D];
        net layers: [Linear<D, D>; B];
        net l: Linear<S, S>;
        if S == 2 { x } else { -x }
    }

    pub Odd<B, D = 7>(x: [B, D / 2]) -> [B, D / 2] { x }

    pub Negative<B, D = 2 - 3>(x: [B, D]) -> [B, D] { x }
}

fn main() {}
