use tancho::network;

network! {
    Sum<B, D = 4>(x: [B, D]) -> [B, D] {
        state total: [B, D];
        total = total + x;
        total
    }

    pub Two<B, D = 4>(x: [B, D]) -> [B, D] {
        #[weights("")] net first: Sum<D = D>;
        net second: Sum<D = D>;
        second(first(x))
    }

    pub Own<B, D = 4>(x: [B, D]) -> [B, D] {
        net sum: Sum<D = D>;
        state total: [B, D];
        total = sum(x) + total;
        total
    }

    pub Deep<B, D = 4>(x: [B, D]) -> [B, D] {
        net first: Sum<D = D>;
        net two: Inner<D = D>;
        two(first(x))
    }

    Inner<B, D = 4>(x: [B, D]) -> [B, D] {
        net a: Sum<D = D>;
        a(x)
    }

    pub Hidden<B, D = 4>(x: [B, D]) -> [B, D] {
        state h: [B, D];
        h = h + x;
        h
    }

    pub Pushed<B, S, P: ..=64, D = 4>(x: [B, S, D]) -> [B, D] {
        state seen: [B, P, D] grow P;
        mean(seen.push(x), over = 1)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let mut session = Two::init(1).unwrap().compile(Target::host()).unwrap().session();
    assert_eq!(session.run([1.0; 4].view([1, 4])).unwrap().data(), [1.0; 4]);
    // The first sum is 2 now, and the second one adds that to 1.
    assert_eq!(session.run([1.0; 4].view([1, 4])).unwrap().data(), [3.0; 4]);
    Own::init(1).unwrap();
    Deep::init(1).unwrap();
    Hidden::init(1).unwrap();
    Pushed::init(1).unwrap();
}
