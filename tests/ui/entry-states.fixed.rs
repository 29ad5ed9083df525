use tancho::network;

network! {
    pub Unset<B, D = 8> {
        state seen: [B, N, D];
        fn read<N>(x: [B, D]) -> [B, D] { x + mean(seen, over = N) }
        fn write<N>(x: [B, N, D]) -> [B, N, D] { seen = x; x }
    }

    pub Uneven<B, P: ..=8, Q: ..=8, D = 8> {
        state keys: [B, P, D] grow P;
        state values: [B, P, D] grow P;
        state rows: [B, Q, D] grow Q;
        fn both<S>(x: [B, S, D]) -> [B, P + S, D] { keys.push(x) + values.push(x * 2) }
        fn one<S>(x: [B, S, D]) -> [B, Q + S, D] { rows.push(x) }
        fn read() -> [B, P, D] { keys - values }
    }

    pub Cache<B, S, P: ..=8, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state rows: [B, P, D] grow P;
        rows.push(x)
    }

    /// Entry points keep the states of a net together.
    pub Through<B, P: ..=8, D = 8> {
        net cache: Cache<D = D, P = P>;
        fn one<S>(x: [B, S, D]) -> [B, P + S, D] { cache(x) }
        fn two<S>(x: [B, S, D]) -> [B, P + S, D] { cache(x) * 2 }
    }

    pub Elsewhere<B, P: ..=8, D = 8> {
        state rows: [B, P, D] grow P;
        fn add<S>(x: [B, S, D]) -> [B, P + S, D] { rows.push(x) }
        fn last<S>(x: [B, S, D]) -> [B, D] { add(x)[0..B, -1, 0..D] }
    }

    pub Other<B, D = 8> {
        fn one<N>(x: [B, N, D]) -> [B, N, D] { x }
        fn two<N>(x: [B, N, D]) -> [B, N, D] { x }
    }

    pub Again<B, D = 8> {
        fn anew(x: [B, D]) -> [B, D] { x }
        fn forward(x: [B, D]) -> [B, D] { x * 2 }
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let mut seen = Unset::init(1).unwrap().compile(Target::host()).unwrap().session();
    seen.write([1.0; 24].view([1, 3, 8])).unwrap();
    assert_eq!(seen.read([2.0; 8].view([1, 8])).unwrap().data(), [3.0; 8]);
    let mut uneven = Uneven::init(1).unwrap().compile(Target::host()).unwrap().session();
    uneven.both([1.0; 16].view([1, 2, 8])).unwrap();
    uneven.one([1.0; 8].view([1, 1, 8])).unwrap();
    assert_eq!((uneven.rows("P").unwrap(), uneven.rows("Q").unwrap()), (2, 1));
    assert_eq!(uneven.read().unwrap().data(), [-1.0; 16]);
    let mut through = Through::init(1).unwrap().compile(Target::host()).unwrap().session();
    through.one([1.0; 8].view([1, 1, 8])).unwrap();
    assert_eq!(through.two([1.0; 16].view([1, 2, 8])).unwrap().data(), [2.0; 24]);
    let mut rows = Elsewhere::init(1).unwrap().compile(Target::host()).unwrap().session();
    rows.add([1.0; 8].view([1, 1, 8])).unwrap();
    assert_eq!(rows.last([3.0; 8].view([1, 1, 8])).unwrap().data(), [3.0; 8]);
    let mut other = Other::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(other.two([1.0; 8].view([1, 1, 8])).unwrap().data(), [1.0; 8]);
    let mut again = Again::init(1).unwrap().compile(Target::host()).unwrap().session();
    again.reset();
    assert_eq!(again.anew([3.0; 8].view([1, 8])).unwrap().data(), [3.0; 8]);
}
