use tancho::network;

const HIDDEN: usize = 8;

fn swish(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}

network! {
    pub Generic<const D: usize>(x: [D]) -> [D] { x }

    pub Constant<B, D = HIDDEN>(x: [B, D]) -> [B, D] { relu(x) }

    pub Functions<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let f = |y| relu(y) * 2.0;
        let a = f(x);
        let b = swish(x);
        let c = relu(&x);
        let d = x[:, 0];
        println!("{x}");
        let e = if mean(x) > 0 { x } else { -x };
        let g = residual(x, relu(x));
        let h = Generic<D = 4>(x);
        x
    }
}

fn main() {
    println!("{}", swish(HIDDEN as f32));
}
