use tancho::network;

network! {
    pub Expert<D = _>(x: [.., D]) -> [.., D] { net fc: Linear<D, D>; fc(x) }

    pub Shares<B, D = 4, N = 3>(x: [B, D], share: [B, N]) -> [B, N, D] {
        net experts: [Expert<D>; N];
        experts[share](x)
    }

    pub Axes<B, S, D = 4, N = 3>(x: [B, S, D], ids: i32[S, B]) -> [B, S, D] {
        net experts: [Expert<D>; N];
        experts[ids](x)
    }

    pub Rank<B, D = 4, N = 3>(x: [B, D], ids: i32[B, N, N]) -> [B, D] {
        net experts: [Expert<D>; N];
        experts[ids](x)
    }

    pub Width<B, D = 4, N = 3>(x: [B, D + 1], ids: i32[B]) -> [B, D] {
        net experts: [Expert<D>; N];
        experts[ids](x)
    }

    pub Memory<N, D = 4>(x: [N, D]) -> [N, D] { state h: [D]; h = h + mean(x, over = N); x + expand(h, [N, D]) }

    pub States<N, D = 4, E = 3>(x: [N, D], ids: i32[N]) -> [N, D] {
        net experts: [Memory<D>; E];
        experts[ids](x)
    }

    pub Pool<N, D = 4>(x: [N, D]) -> [D] { mean(x, over = N) }

    pub Pooled<B, D = 4, E = 3>(x: [B, D], ids: i32[B]) -> [B, D] {
        net experts: [Pool<D>; E];
        experts[ids](x)
    }

    pub Growing<D = 4>(x: [.., D]) -> [.., D] { net fc: Linear<D, D>; fc(x) }

    pub Unlike<B, D = 4, E = 3>(x: [B, D], ids: i32[B]) -> [B, D] {
        net experts: [Growing<D = D * (i + 1)>; E];
        experts[ids](x)
    }

    pub One<B, D = 4>(x: [B, D], ids: i32[B]) -> [B, D] {
        net fc: Linear<D, D>;
        fc[ids](x)
    }
}

fn main() {}
