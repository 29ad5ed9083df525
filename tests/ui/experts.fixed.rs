use tancho::network;

network! {
    pub Expert<D = _>(x: [.., D]) -> [.., D] { net fc: Linear<D, D>; fc(x) }

    pub Shares<B, D = 4, N = 3>(x: [B, D], share: [B, N]) -> [B, 2, D] {
        net experts: [Expert<D>; N];
        let (_share, ids) = topk(share, k = 2, over = N);
        experts[ids](x)
    }

    pub Axes<B, S, D = 4, N = 3>(x: [B, S, D], ids: i32[B, S]) -> [B, S, D] {
        net experts: [Expert<D>; N];
        experts[ids](x)
    }

    pub Rank<B, D = 4, N = 3>(x: [B, D], ids: i32[B, N]) -> [B, N, D] {
        net experts: [Expert<D>; N];
        experts[ids](x)
    }

    pub Width<B, D = 4, N = 3>(x: [B, D + 1], ids: i32[B]) -> [B, D + 1] {
        net experts: [Expert<D + 1>; N];
        experts[ids](x)
    }

    pub Memory<D = 4>(x: [.., D], h: [.., D]) -> [.., D] { x + h }

    pub States<N, D = 4, E = 3>(x: [N, D], ids: i32[N]) -> [N, D] {
        net experts: [Memory<D>; E];
        state h: [D];
        h = h + mean(x, over = N);
        experts[ids](x, expand(h, [N, D]))
    }

    pub Pool<N, D = 4>(x: [N, D]) -> [N, D] { x - expand(mean(x, over = D, keep = true), [N, D]) }

    pub Pooled<B, D = 4, E = 3>(x: [B, D], ids: i32[B]) -> [B, D] {
        net experts: [Pool<D>; E];
        experts[ids](x)
    }

    pub Growing<D = 4>(x: [.., D]) -> [.., D] { net fc: Linear<D, D>; fc(x) }

    pub Unlike<B, D = 4, E = 3>(x: [B, D], ids: i32[B]) -> [B, D] {
        net experts: [Growing<D = D>; E];
        experts[ids](x)
    }

    pub One<B, D = 4>(x: [B, D], ids: i32[B]) -> [B, D] {
        net fc: [Linear<D, D>; 1];
        fc[ids](x)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let x = [1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0];
    macro_rules! agrees {
        ($network:ident($($input:expr),*)) => {{
            let compiled = $network::init(1).unwrap().compile(Target::host()).unwrap();
            assert!(compiled.check($($input),*).unwrap().is_ok(), stringify!($network));
        }};
    }
    let (rows, ids) = (x.view([2, 4]), [2, 0]);
    agrees!(Shares(rows, [0.1, 0.2, 0.3, 0.3, 0.1, 0.2].view([2, 3])));
    agrees!(Axes(x.view([1, 2, 4]), ids.view([1, 2])));
    agrees!(Rank(rows, [0, 1, 2, 2, 2, 0].view([2, 3])));
    agrees!(Width([1.0; 10].view([2, 5]), ids.view([2])));
    agrees!(States(rows, ids.view([2])));
    agrees!(Pooled(rows, ids.view([2])));
    agrees!(Unlike(rows, ids.view([2])));
    agrees!(One(rows, [0, 0].view([2])));
}
