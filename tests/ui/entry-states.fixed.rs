use tancho::network;

network! {
    pub Two<B, D = 8> {
        fn write(x: [B, D]) -> [B, D] {
            state seen: [B, D];
            seen = x;
            seen
        }
        fn read(x: [B, D]) -> [B, D] { x }
    }

    pub Cache<B, S, P: ..=8, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state rows: [B, P, D] grow P;
        rows.push(x)
    }

    pub Through<B, S, P: ..=8, D = 8> {
        fn one(x: [B, S, D]) -> [B, P + S, D] {
            net cache: Cache<D = D, P = P>;
            cache(x)
        }
        fn two(x: [B, S, D]) -> [B, P + S, D] {
            net twice: Cache<D = D, P = P>;
            twice(x) * 2
        }
    }

    pub Again<B, D = 8> {
        fn anew(x: [B, D]) -> [B, D] { x }
        fn forward(x: [B, D]) -> [B, D] { x * 2 }
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let mut two = Two::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(two.write([1.0; 8].view([1, 8])).unwrap().data(), [1.0; 8]);
    assert_eq!(two.read([2.0; 8].view([1, 8])).unwrap().data(), [2.0; 8]);
    let mut through = Through::init(1).unwrap().compile(Target::host()).unwrap().session();
    through.one([1.0; 8].view([1, 1, 8])).unwrap();
    assert_eq!(through.two([1.0; 16].view([1, 2, 8])).unwrap().data(), [2.0; 16]);
    let mut again = Again::init(1).unwrap().compile(Target::host()).unwrap().session();
    again.reset();
    assert_eq!(again.anew([3.0; 8].view([1, 8])).unwrap().data(), [3.0; 8]);
}
