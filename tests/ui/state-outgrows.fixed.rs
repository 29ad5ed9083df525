use tancho::network;

network! {
    pub Cache<B, P: ..=T, D = 8, T = 2049>(x: [B, 2048, D]) -> [B, P + 2048, D] {
        state keys: [B, P, D] grow P;
        keys.push(x)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let mut session = Cache::init(1).unwrap().compile(Target::host()).unwrap().session();
    let x = vec![1.0; 2048 * 8];
    assert_eq!(session.run(x.view([1, 2048, 8])).unwrap().shape(), [1, 2048, 8]);
    let full = session.run(x.view([1, 2048, 8])).unwrap_err();
    assert!(full.to_string().contains("room for 2049 rows, 2048 are there and this call adds 2048"), "{full}");
}
