use tancho::network;

network! {
    pub Skip<B, CIN = 64, COUT = 128>(option bias = true)(x: [B, CIN]) -> [B, COUT] {
        let fits = if CIN == COUT { x } else {
            net l: Linear<CIN, COUT>;
            l(x)
        };
        if bias { fits } else { -fits }
    }
}

pub fn check() {
    assert_eq!(Skip::init(1).unwrap().weights().len(), 2);
    assert_eq!(Skip::with(SkipDims { COUT: 64, ..Default::default() }).init(1).unwrap().weights().len(), 0);
}
