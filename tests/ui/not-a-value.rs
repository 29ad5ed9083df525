use tancho::network;

network! {
    pub Values<B, D = 8>(x: [B, D]) -> [B, D] {
        net up: Linear<D, D>;
        net layers: [Linear<D, D>; 2];
        let a = up + x;
        let b = layers(x);
        let c = relu + x;
        let d = x(x);
        let e = upp(x);
        let f = [B, D];
        for layer in up { }
        y
    }
}

fn main() {}
