use tancho::network;

network! {
    pub Block<B, S, P: ..=8, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        state keys: [B, P, D] grow P;
        let all = keys.push(x);
        attention(x, all, all, heads = 2)
    }

    pub Forgot<B, S, P: ..=8, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        net block: Block<D = D, P = P>;
        block(x)
    }

    pub Declared<B, S, P: ..=8, T = 4, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        state sums: [B, P, D] grow P;
        net blocks: [Block<D = D, P = P>; T];
        let mut y = x + sums.push(x)[0..B, P..P + S, 0..D];
        for block in blocks { y = block(y); }
        y
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let forgot = Forgot::init(1).unwrap().compile(Target::host()).unwrap();
    let mut session = forgot.session();
    assert_eq!(session.run([1.0; 16].view([1, 2, 8])).unwrap().data(), [1.0; 16]);
    assert_eq!(session.rows("P").unwrap(), 2);
    let declared = Declared::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(declared.session().run([0.0; 8].view([1, 1, 8])).unwrap().data(), [0.0; 8]);
}
