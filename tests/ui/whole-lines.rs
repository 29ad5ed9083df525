use tancho::network;

network! {
    pub Blocks<B, D = 8>(option flag = true)(x: [B, D]) -> [B, D] {
        let a = if flag { x };
        let b = if x { x } else { x };
        let c = residual(x) { };
        let d = x[];
        let e = ();
        let f = 1e999 * x;
        let g = models::encoder;
        let h = x
    }
}

fn main() {}
