use tancho::network;

network! {
    pub Embedded<B, S, V = 10, MAX = 16, D = 4>(ids: i32[B, S]) -> [B, S, D] where S <= MAX {
        net tokens: Embedding<V, D>;
        param positions: [MAX, D];
        tokens(ids) + positions[0..S]
    }

    /// One row on purpose: that of a length.
    pub OfLength<B, S, MAX = 16, D = 4>(x: [B, S, D]) -> [B, S, D] where S < MAX {
        param lengths: [MAX, D] = ones;
        x + lengths[MAX = S]
    }

    pub Rotated<B, S, HEADS = 2, HD = 4>(x: [B, S, HEADS, HD]) -> [B, HEADS, S, HD] {
        let q = rope(transpose(x, axes = (0, 2, 1, 3)));
        attention(q, q, q, heads = HEADS)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Embedded::init(1).unwrap();
    let of_length = OfLength::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(of_length.session().run([1.0; 8].view([1, 2, 4])).unwrap().data(), [2.0; 8]);
    let rotated = Rotated::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(rotated.session().run([1.0; 24].view([1, 3, 2, 4])).unwrap().shape(), [1, 2, 3, 4]);
}
