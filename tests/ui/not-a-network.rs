use tancho::network;

struct NotANet;

network! {
    pub Tower<B, D = 768>(x: [B, D]) -> [B, D] {
        net block: NotANet;
        let h: [B, D] = block(x);
        relu(h)
    }
}

fn main() {}
