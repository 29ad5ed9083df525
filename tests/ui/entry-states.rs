use tancho::network;

network! {
    /// Each entry point has a session of its own.
    pub Two<B, D = 8> {
        state seen: [B, D];
        fn write(x: [B, D]) -> [B, D] { seen = x; seen }
        fn read(x: [B, D]) -> [B, D] { x + seen }
    }

    /// One that calls the other keeps its states.
    pub Calls<B, D = 8> {
        fn one(x: [B, D]) -> [B, D] {
            state last: [B, D];
            last = x;
            last
        }
        fn both(x: [B, D]) -> [B, D] { one(x) + x }
    }

    pub Cache<B, S, P: ..=8, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state rows: [B, P, D] grow P;
        rows.push(x)
    }

    /// The same through a net.
    pub Through<B, S, P: ..=8, D = 8> {
        net cache: Cache<D = D, P = P>;
        fn one(x: [B, S, D]) -> [B, P + S, D] { cache(x) }
        fn two(x: [B, S, D]) -> [B, P + S, D] { cache(x) * 2 }
    }
}

network! {
    pub NoRoom<B, S, P: ..=0, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state rows: [B, P, D] grow P;
        rows.push(x)
    }

    pub Below<B, S: ..=-3>(x: [B, S]) -> [B, S] { x }

    /// The session has a method of that name: said once.
    pub Again<B, D = 8> {
        fn reset(x: [B, D]) -> [B, D] { x }
        fn forward(x: [B, D]) -> [B, D] { x * 2 }
        fn forward_into(x: [B, D]) -> [B, D] { x * 3 }
    }

}

fn main() {}
