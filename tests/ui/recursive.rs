use tancho::network;

network! {
    pub Odd<B, D = 8>(x: [B, D]) -> [B, D] {
        net even: Even<D>;
        even(x)
    }

    pub Even<B, D = 8>(x: [B, D]) -> [B, D] {
        net odd: Odd<D>;
        odd(x)
    }
}

fn main() {}
