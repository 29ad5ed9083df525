use tancho::network;

network! {
    pub Layer<B, S, D = 770, HEADS = 12>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0
    {
        attention(x, x, x, heads = HEADS)
    }
}

network! {
    Inner<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0
    {
        attention(x, x, x, heads = HEADS)
    }

    pub Outer<B, S, D = 770>(x: [B, S, D]) -> [B, S, D] {
        net inner: Inner<D>;
        inner(x)
    }
}

network! {
    pub Half<B, D = 768>(x: [B, D]) -> [B, D / 2] {
        let (a, b) = split(x, axis = D, parts = 2);
        a
    }
}

fn main() {}
