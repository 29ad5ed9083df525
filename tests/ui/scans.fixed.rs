use tancho::network;

network! {
    pub Cell<B, D = 4>(x: [B, D], h: [B, D]) -> [B, D] { h + x }

    pub NoAxis<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut h = expand(0, [B, D]);
        scan x_t in x over S { h = h + x_t; h }
    }

    pub Names<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        scan (x_t, y_t) in (x, x) over S { x_t + y_t }
    }

    pub Lengths<B, S, D = 4>(x: [B, S, D], y: [B, S, D]) -> [B, S, D] {
        scan (x_t, y_t) in (x, y) over 1 { x_t + y_t }
    }

    pub Shape<B, S, D = 4>(x: [B, S, D]) -> [B, S, 2 * D] {
        let mut h = expand(0, [B, D]);
        scan x_t in x over S { let both = concat(h, x_t, axis = -1); h = h + x_t; both }
    }

    pub Declares<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        net fc: Linear<D, D>;
        scan x_t in x over S { fc(x_t) }
    }

    pub Idle<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut y = expand(0, [B, D]);
        scan x_t in x over S { y = y + x_t; }
        x + expand(reshape(y, [B, 1, D]), [B, S, D])
    }

    pub Stacked<B, S, D = 4>(x: [B, S, D]) -> [B, D] {
        reshape(scan x_t in x over D { sum(x_t, over = S, keep = true) }, [B, D])
    }

    pub Pushes<B, S, P: ..=9, D = 4>(x: [B, S, D]) -> [B, P + S, D] {
        state k: [B, P, D] grow P;
        let rows = scan x_t in x over S { 2 * x_t };
        k.push(rows)
    }

    pub For<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut h = expand(0, [B, D]);
        scan x_t in x over S { h = h + x_t; h }
    }

    pub Unrolled<B, S, D = 4>(x: [B, S, D]) -> [B, D] {
        let mut h = expand(0, [B, D]);
        scan x_t in x over S { h = h + x_t; }
        h
    }

    pub Numbers<S>(x: [S]) -> [S] {
        scan (x_t, t) in (x, arange(S)) over S { x_t * cast(t, f32) }
    }

    pub Reversed<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        let mut h = expand(0, [B, D]);
        scan x_t in x over S backwards { h = h + x_t; h }
    }

    pub Stateful<B, S, D = 4>(x: [B, S, D]) -> [B, S, D] {
        net cell: Cell<D = D>;
        state h: [B, D];
        scan x_t in x over S { h = cell(x_t, h); h }
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let x = [1.0; 8];
    let x = x.view([1, 2, 4]);
    let sums = [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0];
    macro_rules! gives {
        ($network:ident($($input:expr),*) == $want:expr) => {{
            let mut session = $network::init(1).unwrap().compile(Target::host()).unwrap().session();
            assert_eq!(session.run($($input),*).unwrap().data(), $want, stringify!($network));
        }};
    }
    gives!(NoAxis(x) == sums);
    gives!(Names(x) == [2.0; 8]);
    gives!(Lengths(x, x) == [2.0; 8]);
    gives!(Idle(x) == [3.0; 8]);
    gives!(Stacked(x) == [2.0; 4]);
    gives!(Pushes(x) == [2.0; 8]);
    gives!(For(x) == sums);
    gives!(Unrolled(x) == [2.0; 4]);
    gives!(Numbers([1.0, 2.0, 3.0].view([3])) == [0.0, 2.0, 6.0]);
    gives!(Reversed(x) == [2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]);
    gives!(Stateful(x) == sums);
    let both = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    gives!(Shape(x) == both);
    assert!(Declares::init(1).unwrap().compile(Target::host()).unwrap().check(x).unwrap().is_ok());
}
