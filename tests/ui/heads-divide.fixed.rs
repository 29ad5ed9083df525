use tancho::network;

network! {
    pub Attend<B, S, D = 768>(x: [B, S, D]) -> [B, S, D] where D % 12 == 0 {
        attention(x, x, x, heads = 12)
    }
}

network! {
    pub Licence<B, S, D = 768, HEADS = 12>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0
    {
        attention(x, x, x, heads = HEADS)
    }
}

pub fn check() {
    Attend::init(1).unwrap();
    Licence::init(1).unwrap();
    assert!(Licence::with(LicenceDims { D: 770, ..Default::default() }).init(1).is_err());
}
