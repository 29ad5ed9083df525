use tancho::network;

network! {
    pub Good<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        let y = pow(relu(x), 2);
        keys.push(y)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let mut good = Good::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(good.run([2.0; 8].view([1, 1, 8])).unwrap().data(), [4.0; 8]);
}
