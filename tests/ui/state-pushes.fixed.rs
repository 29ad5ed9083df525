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
}

pub fn check() {
    assert!(Cache::init(1).is_err() && Memory::init(1).is_err());
}
