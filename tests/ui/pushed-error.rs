use tancho::network;

network! {
    /// What is pushed has an error of its own, which is the only one.
    pub Unknown<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        keys.push(rellu(x))
    }

    pub Before<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        let y = x + z;
        keys.push(y)
    }
}

network! {
    pub Unparsed<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        keys.push(x + )
    }
}

network! {
    pub Line<B, S, P: ..=512, D = 8>(x: [B, S, D]) -> [B, P + S, D] {
        state keys: [B, P, D] grow P;
        let y = x ** 2;
        let all = keys.push(y);
        all
    }

}

fn main() {}
