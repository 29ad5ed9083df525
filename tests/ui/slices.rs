use tancho::network;

network! {
    pub Cuts<B, S, D = 8>(x: [B, S, D]) -> [B, D] {
        let a = x[D = 0..9];
        let b = x[D = 8];
        let c = x[0, 0, 0, 0];
        let d = x[E = 0];
        let e = x[S = 0, S = 1];
        let f = x[relu(x)];
        x[S = 0]
    }
}

fn main() {}
