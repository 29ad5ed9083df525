use tancho::network;

network! {
    Sum<B, D = 4>(x: [B, D]) -> [B, D] {
        state total: [B, D];
        total = total + x;
        total
    }

    pub Two<B, D = 4>(x: [B, D]) -> [B, D] {
        #[weights("")] net first: Sum<D = D>;
        #[weights("")] net second: Sum<D = D>;
        second(first(x))
    }

    pub Own<B, D = 4>(x: [B, D]) -> [B, D] {
        #[weights("")] net sum: Sum<D = D>;
        state total: [B, D];
        total = sum(x) + total;
        total
    }

    pub Deep<B, D = 4>(x: [B, D]) -> [B, D] {
        #[weights("two.a")] net first: Sum<D = D>;
        net two: Inner<D = D>;
        two(first(x))
    }

    Inner<B, D = 4>(x: [B, D]) -> [B, D] {
        net a: Sum<D = D>;
        a(x)
    }

    pub Hidden<B, D = 4>(x: [B, D]) -> [B, D] {
        state h: [B, D];
        let h = h + x;
        h
    }

    pub Pushed<B, S, P: ..=64, D = 4>(x: [B, S, D]) -> [B, D] {
        state seen: [B, P, D] grow P;
        seen = seen.push(x);
        mean(seen, over = 1)
    }
}

fn main() {}
