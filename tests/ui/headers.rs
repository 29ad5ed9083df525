use tancho::network;

network! {
    pub NoArrow<B, D = 8>(x: [B, D]) { x }
}

network! {
    pub Colon<B, D: 8>(x: [B, D]) -> [B, D] { x }
}

network! {
    pub Open<D = 8>(x: [D, ..]) -> [D, ..] { x }
}

network! {
    pub Remainder<B, D = 8>(x: [B, D]) -> [B, D] where D % 2 == 1 { x }
}

network! {
    struct NoNetwork { w: [D, D] }
}

network! {
    pub Twice<B>(x: [B]) -> [B] { x }
    pub Twice<B>(x: [B]) -> [B] { x }
}

fn main() {}
