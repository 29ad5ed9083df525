use tancho::network;

network! {
    pub Values<B, S, D = 4, HEADS = 2>(x: [B, S, D], keep: bool[B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        // the forms of the language
        let a = concat(x, x, axis = 1);
        let b = reshape(x, [B, S * D]);
        let c = x.t;
        let d = attention(x, x, x, heads = HEADS);
        let e = x[.., 0];
        let f = reshape(x, [B, S, D, 1]);
        let g = select(keep, 0, x);
        let h = x / S;
        let j = exp(x * log(x));
        d + g + h + j + sum(a) + sum(b) + sum(c) + sum(e) + sum(f)
    }

    pub Nets<N, H, W, D = 4>(x: [N, 3, H, W], y: [N, D]) -> [N, D] {
        net first: Conv2d<3, 8, 3, PAD = 1>;
        net second: Conv2d<3, 8, K = 3, PAD = 1, STRIDE = 2>;
        net third: Linear<D, D>(bias = false);
        net fifth: Linear<D, D>;
        net sixth: Linear<D, D>;
        #[weights("sixth.weight")] param w: [D, D];
        let a = sixth(y) + fifth(relu(third(y)));
        let b = y @ w.t;
        a + b + mean(first(x)) + mean(second(x))
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let values = Values::init(1).unwrap().compile(Target::host()).unwrap();
    let mut session = values.session();
    // 1 of each of `d`, `h` and `j`, and 8 + 4 + 4 + 1 + 4 of the sums.
    let y = session.run([1.0; 4].view([1, 1, 4]), [true; 4].view([1, 1, 4])).unwrap();
    assert_eq!(y.data(), [24.0; 4]);
    let nets = Nets::init(1).unwrap();
    assert_eq!(nets.weights().names().filter(|n| n.starts_with("sixth")).count(), 2);
}
