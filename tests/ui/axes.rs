use tancho::network;

network! {
    pub Square<B, D = 8>(x: [B, D, D]) -> [B, D] {
        let a = softmax(x, over = D);
        let b = sum(x, over = 3);
        let c = sum(x, over = (1, 1));
        let d = mean(x, B);
        let e = softmax(x);
        let f = sum(x, over = relu(x));
        let g = transpose(x, axes = (0, 1));
        sum(x, over = 1)
    }
}

fn main() {}
