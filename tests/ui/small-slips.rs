use tancho::network;

network! {
    pub Comma<B D = 4>(x: [B, D]) -> [B, D] { relu(x) }

    pub Semicolon<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D, D]
        param b: [D];
        linear(x, w, b)
    }

    pub Flag<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Linear<D, D>(bias);
        #[weights(encoder.fc, transposed)] net other: Linear<D, D>;
        #[weights("a.{j}")] net all: [Linear<D, D>; 2];
        let mut y = fc(x, relu) + other(x);
        for net in all { y = net(y); }
        y
    }

    pub Unit<B, D = 4>(x: [B, D]) -> [B, D] {
        let y = relu(x);
    }

    pub Useless<B, D = 4>(x: [B, D]) -> [B, D] {
        let y = relu(x);
        y;
    }

    pub OneOfTwo<B, D = 4>(x: [B, D]) -> ([B, D], [B]) { relu(x) }

    pub Three<B, D = 6>(x: [B, D]) -> [B, D] where D % 3 == 0 {
        let all = split(x, axis = D, parts = 3);
        concat(all, x, axis = -1)
    }
}

fn main() {}
