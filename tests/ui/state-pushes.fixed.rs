use tancho::network;

network! {
    pub Cache<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + 2 * S, D] {
        state keys: [B, P, D] grow P;
        keys.push(concat(x, x, axis = S))
    }

    pub Memory<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        state last: [B, D];
        last = x[S = -1];
        let all = keys.push(x);
        all
    }

    pub Counts<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S] {
        state keys: [B, P, D] grow P;
        state counts: [B, P] grow P;
        let _all = keys.push(x);
        counts.push(sum(x, over = D))
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let x: Vec<f32> = (0..3 * 8).map(|i| i as f32).collect();
    let mut cache = Cache::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(cache.run(x.view([1, 3, 8])).unwrap().shape(), [1, 6, 8]);
    assert_eq!(cache.rows("P").unwrap(), 6);
    let mut memory = Memory::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(memory.run(x.view([1, 3, 8])).unwrap().data(), x);
    assert_eq!(memory.state("last").unwrap().unwrap().as_f32().unwrap(), &x[16..]);
    assert_eq!(memory.run(x[..8].view([1, 1, 8])).unwrap().data()[24..], x[..8]);
    let mut counts = Counts::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(counts.run(x.view([1, 3, 8])).unwrap().data(), [28.0, 92.0, 156.0]);
}
