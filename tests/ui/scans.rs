use tancho::network;

network! {
    pub Cell<B, D = 4>(x: [B, D]) -> [B, D] { state h: [B, D]; h = h + x; h }

    pub NoAxis<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut h = zeros([B, D]);
        scan x_t in x { h = h + x_t; h }
    }

    pub Names<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        scan (x_t, y_t) in x over S { x_t + y_t }
    }

    pub Lengths<B, S, T, D = 4>(x: [B, S, D], y: [B, T, D]) -> [B, S, D] {
        scan (x_t, y_t) in (x, y) over 1 { x_t + y_t }
    }

    pub Shape<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut h = expand(0, [B, D]);
        scan x_t in x over S { h = concat(h, x_t, axis = -1); h }
    }

    pub Declares<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        scan x_t in x over S { net fc: Linear<D, D>; fc(x_t) }
    }

    pub Idle<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        scan x_t in x over S { let _y = x_t; }
        x
    }

    pub Stacked<B, S, D = 4>(x: [B, S, D]) -> [B, D] {
        scan x_t in x over D { sum(x_t) }
    }

    pub Pushes<B, S, P: ..=9, D = 4>(x: [B, S, D]) -> [B, S, D] {
        state k: [B, P, D] grow P;
        scan x_t in x over S { k.push(reshape(x_t, [B, 1, D])); x_t }
    }

    pub For<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut h = expand(0, [B, D]);
        for x_t in x over S { h = h + x_t; h }
    }

    pub Unrolled<B, S, D = 4>(x: [B, S, D]) -> [B, D] {
        let mut h = expand(0, [B, D]);
        repeat t in 0..S { h = h + x[S = t]; }
        h
    }

    pub Numbers<B, S>(x: [B, S]) -> [B, S] {
        scan t in 0..S { x[S = t] }
    }

    pub Reversed<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        scan x_t in x over S reverse { x_t }
    }

    pub Stateful<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        net cell: Cell<D = D>;
        scan x_t in x over S { cell(x_t) }
    }
}

fn main() {}
