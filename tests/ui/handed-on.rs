use tancho::network;

network! {
    pub Block<B, S, P: ..=8, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        state keys: [B, P, D] grow P;
        let all = keys.push(x);
        attention(x, all, all, heads = 2)
    }

    pub Forgot<B, S, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        net block: Block<D = D>;
        block(block(x))
    }

    pub Declared<B, S, P: ..=8, T = 4, D = 8>(x: [B, S, D]) -> [B, S, D] where D % 2 == 0 {
        state sums: [B, P, D] grow P;
        net blocks: [Block<D = D>; T];
        let mut y = x + sum(sums.push(x));
        for block in blocks { y = block(y); }
        y
    }
}

fn main() {}
