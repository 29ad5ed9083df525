use tancho::network;

network! {
    /// Nothing says how long the state is.
    pub Unset<B, D = 8> {
        state seen: [B, N, D];
        fn read<N>(x: [B, D]) -> [B, D] { x + mean(seen, over = N) }
        fn other(x: [B, D]) -> [B, D] { x }
    }

    /// The rows of two states along one dim are equally many in every entry point.
    pub Uneven<B, P: ..=8, D = 8> {
        state keys: [B, P, D] grow P;
        state values: [B, P, D] grow P;
        fn both<S>(x: [B, S, D]) -> [B, P + S, D] { keys.push(x) + values.push(x * 2) }
        fn one<S>(x: [B, S, D]) -> [B, P + S, D] { keys.push(x) }
    }

    /// The same in one entry point.
    pub Alone<B, P: ..=8, D = 8> {
        state keys: [B, P, D] grow P;
        state values: [B, P, D] grow P;
        fn one<S>(x: [B, S, D]) -> ([B, P + S, D], [B, P, D]) { (keys.push(x), values) }
    }

    pub NeverPushed<B, P: ..=8, D = 8> {
        state rows: [B, P, D] grow P;
        fn one(x: [B, D]) -> ([B, D], [B, P, D]) { (x, rows) }
        fn two(x: [B, D]) -> ([B, D], [B, P, D]) { (x, rows * 2) }
    }

    /// Static dims size weights, which all entry points share.
    pub Static<B> {
        fn one<D = 8>(x: [B, D]) -> [B, D] { x }
    }

    /// No argument says what `P` is.
    pub Elsewhere<B, D = 8> {
        state rows: [B, P, D] grow P;
        fn add<S, P: ..=8>(x: [B, S, D]) -> [B, P + S, D] { rows.push(x) }
        fn last<S>(x: [B, S, D]) -> [B, D] { add(x)[.., -1, 0..D] }
    }

    /// `N` is a dim of `one` alone.
    pub Other<B, D = 8> {
        fn one<N>(x: [B, N, D]) -> [B, N, D] { x }
        fn two(x: [B, N, D]) -> [B, N, D] { x }
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
