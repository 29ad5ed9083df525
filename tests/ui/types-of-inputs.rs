use tancho::network;

network! {
    pub Pixels<B, D = 4>(image: u8[B, D]) -> u8[B, D] {
        param w: f16[D];
        buffer seen: i64[D];
        const ids: u32[2] = [1, 2];
        state last: i64[B, D];
        let h: u8[B, D] = image;
        h
    }

    pub Words<B, V = 10, D = 4>(ids: i64[B], x: u16[B, D]) -> [B, D] {
        param table: [V, D];
        table[cast(ids, i64)] + x
    }

    Scaled<B, D = 4>(image: u8[B, D]) -> [B, D] {
        cast(image, f32) / 255
    }

    pub Whole<B, D = 4>(image: u8[B, D], x: f16[B, D]) -> [B, D] {
        net scaled: Scaled<D = D>;
        let wrong = image * x;
        scaled(x)
    }
}

fn main() {
    let _ = tancho::AsView::view(&[1u64, 2][..], [2]);
}
