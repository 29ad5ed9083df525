use tancho::network;

network! {
    pub Embedded<B, V = 10, D = 4>(ids: i32[B]) -> [B, D] {
        param table: [V, D];
        embedding(table, ids)
    }

    pub Attended<B, S, HEADS = 2, HD = 4>(x: [B, S, HEADS, HD]) -> [B, S, HEADS, HD] {
        let heads = transpose(x, axes = (0, 2, 1, 3));
        transpose(attention(heads, heads, heads), axes = (0, 2, 1, 3))
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    Embedded::init(1).unwrap();
    let attended = Attended::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(attended.session().run([1.0; 24].view([1, 3, 2, 4])).unwrap().data(), [1.0; 24]);
}
