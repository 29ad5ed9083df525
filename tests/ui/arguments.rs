use tancho::network;

network! {
    pub Called<B, D = 8>(x: [B, D]) -> [B, D] {
        param gain: [D] = one;
        let a = layer_norm(x, gian = x, over = D);
        let b = layer_norm(x, over = D, eps_on = sdt);
        let c = relu(x, x);
        let d = relu(x = x, x = x);
        let e = linear(x);
        let f = pow(x, x);
        let g = cast(x, f64);
        x
    }
}

fn main() {}
