use tancho::network;

network! {
    Layer<B, D = 8>(x: [B, D]) -> [B, D] {
        net l: Linear<D, D>;
        x + l(x)
    }

    pub Tower<B, D = 8>(x: [B, D]) -> [B, D] {
        #[weights("encoder.layer")] net layers: [Layer<D>; 12];
        let mut x = x;
        for layer in layers { x = layer(x); }
        x
    }
}

fn main() {}
