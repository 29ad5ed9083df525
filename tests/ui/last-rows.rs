use tancho::network;

network! {
    pub Mixed<B, S, P: ..=8, D = 4>(x: [B, S, D]) -> [B, D] {
        state keys: [B, P, D] last P;
        state values: [B, P, D] grow P;
        sum(keys.push(x), over = 1) + sum(values.push(x), over = 1)
    }

    pub Turned<B, S, P: ..=8, D = 4>(x: [B, 1, S, D]) -> [B, D] {
        state keys: [B, 1, P, D] last P;
        sum(keys.push(rope(x, from = P)), over = (1, 2))
    }

    pub Rows<B, S, P: ..=8, D = 4, T = 64>(x: [B, S, D]) -> [B, D] {
        param places: [T, D];
        state keys: [B, P, D] last P;
        sum(keys.push(x + places[P..P + S]), over = 1)
    }

    pub Many<B, P: ..=8, D = 4>(x: [B, 9, D]) -> [B, D] {
        state keys: [B, P, D] last P;
        sum(keys.push(x), over = 1)
    }
}

fn main() {}
