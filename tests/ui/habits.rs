use tancho::network;

network! {
    pub Habits<B, S, D = 8>(x: [B, S, D]) -> [B, D] {
        let a = cat(x, x);
        let b = x.relu();
        let c = x.T;
        let d = x ** 2;
        let e = mean(x, S);
        for i in 0..4 { x = x + 1; }
        while true { }
        return mean(x, over = S);
    }
}

fn main() {}
