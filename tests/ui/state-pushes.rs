use tancho::network;

network! {
    pub Cache<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        let a = keys.push(x);
        let b = keys.push(x);
        a
    }

    pub Memory<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, S, D] {
        state keys: [B, P, D] grow P;
        x
    }

    pub Unbounded<B, S, P, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        keys.push(x)
    }

    pub Sideways<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, S, D] {
        state keys: [B, P, D] grow P;
        let all = keys.push(x.t);
        x.push(all)
    }

    pub Counts<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P] {
        state keys: [B, P, D] grow P;
        state counts: [B, P];
        let all = keys.push(x);
        counts = counts + 1.0;
        counts
    }
}

fn main() {}
