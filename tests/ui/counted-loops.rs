use tancho::network;

network! {
    pub Number<B, D = 4>(x: [B, D]) -> [B, D] {
        net layers: [Linear<D, D>; 3];
        let mut x = x;
        for layer in layers { x = layer(x) / (i + 1); }
        x
    }

    pub Pairs<B, D = 4>(x: [B, D]) -> [B, D] {
        net layers: [Linear<D, D>; 3];
        let mut x = x;
        for (i, layer) in layers { x = layer(x) / (i + 1); }
        for (i, layer) in layers.enumerate() { x = layer(x) / (i + 1); }
        for layer in layers.iter() { x = layer(x); }
        for layer in layers.rev() { x = layer(x); }
        for a in layers.zip() { x = a(x); }
        x
    }
}

fn main() {}
