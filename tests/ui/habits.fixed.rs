use tancho::network;

network! {
    pub Habits<B, S, D = 8>(x: [B, S, D]) -> [B, D] {
        let a = concat(x, x, axis = S);
        let b = relu(a);
        let c = pow(b, 2);
        let mut d = c;
        repeat i in 0..4 { d = d + i; }
        mean(d, over = 1)
    }
}

pub fn check() {
    Habits::init(1).unwrap();
}
