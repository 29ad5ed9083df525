use tancho::network;

network! {
    pub Parts<B, D = 9>(x: [B, D]) -> [B, D / 3] where D % 3 == 0 {
        let (a, b) = split(x, axis = D, parts = 3);
        let all = split(x, axis = D, parts = 3);
        let c = all + 1;
        let d: [B, D] = x[0..B, 0..D / 3];
        split(x, axis = D, parts = D)
    }
}

fn main() {}
