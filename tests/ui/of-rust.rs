use tancho::network;

network! {
    pub Slice<B, D = 4>(x: &[f32]) -> [B, D] { relu(x) }

    pub Generic<B, D = 4>(x: Tensor<f32, 2>) -> [B, D] { relu(x) }

    pub Mutable<B, D = 4>(mut x: [B, D]) -> [B, D] { x = relu(x); x }

    pub Receiver<B, D = 4> {
        net fc: Linear<D, D>;
        fn forward(&self, x: [B, D]) -> [B, D] { fc(x) }
    }

    pub Items<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>;
        self.fc(x)
    }

    pub Array<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [f32; D];
        x * w
    }

    pub Above<B, D = 4>(x: [B, D]) -> [B, D] where D > 0 { relu(x) }

    pub AtLeast<B, S, T>(x: [B, S], y: [B, T]) -> [B, S] where S >= T { x + mean(y) }

    pub Assigned<B, D = 4, HEADS = 2>(x: [B, HEADS, D]) -> [B, HEADS, D] where D % HEADS = 0 { relu(x) }

    pub Text<B>(option act = "relu")(x: [B]) -> [B] { relu(x) }

    pub State<B, D = 4>(x: [B, D]) -> [B, D] {
        state h: [B, D] = zeros;
        h = h + x;
        h
    }

    pub Body<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut y: Tensor = x;
        let a = x[D = 0..=2];
        repeat 3 { y = relu(y); }
        repeat i in 0..=D { y = y * i; }
        z = x > 0 ? x : y;
        y
    }
}

fn main() {}
