use tancho::network;

network! {
    #[frozen]
    pub Head<B, D = 8>(x: [B, D]) -> [B, D] {
        #[weight("head.gain")] param gain: [D];
        #[weights] param bias: [D];
        #[unused_weights("pooler.*")] param scale: [D];
        #[weights("v", transposed)] param v: [D];
        #[cfg(test)] param t: [D];
        x * gain * scale + bias + v + t
    }
}

fn main() {}
