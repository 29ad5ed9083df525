use tancho::network;

network! {
    pub Skip<B, CIN = 64, COUT = 128>(option bias = true)(x: [B, CIN]) -> [B, COUT] {
        let fits = if CIN == COUT { x } else {
            net l: Linear<CIN, COUT>;
            l(x)
        };
        if bias { fits } else { x }
    }
}

fn main() {}
