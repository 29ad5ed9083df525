use tancho::network;

network! {
    pub Block<B, D = 4>(x: [B, D]) -> [B, D] { x + relu(x) }

    pub Tower<B, D = 4>(x: [B, D]) -> [B, D] {
        net fc: Liner<D, D>;
        net block: Blok<D = D>;
        let y: [B, D] = fc(x);
        let y: [B, D] = block(y);
        y
    }
}

fn main() {}
