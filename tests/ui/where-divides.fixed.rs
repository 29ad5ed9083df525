use tancho::network;

network! {
    pub Layer<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, S, D]
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

    pub Outer<B, S, D = 780>(x: [B, S, D]) -> [B, S, D] {
        net inner: Inner<D>;
        inner(x)
    }
}

network! {
    pub Half<B, D = 768>(x: [B, D]) -> [B, D / 2]
        where D % 2 == 0
    {
        let (a, b) = split(x, axis = D, parts = 2);
        a + b
    }
}

pub fn check() {
    Layer::init(1).unwrap();
    Outer::init(1).unwrap();
    Half::init(1).unwrap();
}
