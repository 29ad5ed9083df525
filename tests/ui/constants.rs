use tancho::network;

network! {
    pub Image<N, C = 3, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        const mean: [C] = [0.485, 0.456];
        const scale: [2, 2] = [[1, 2], [3]];
        x - sum(mean) * sum(scale)
    }

    pub Numbers<B, S, D = 5>(x: [B, S]) -> [B, S] {
        const a: [2] = [B, exp(1)];
        const b: i32[2] = [1, D / 2];
        const c: [1] = [1e39];
        const d: bool[2] = [true, false];
        const e: [S];
        x + sum(a) + sum(cast(b, f32)) + sum(c) + sum(cast(d, f32)) + sum(e)
    }

    pub Stored<B>(x: [B, 4]) -> [B, 4] {
        #[weights("rotary.inv_freq")]
        const inv_freq: [4];
        const later: [4];
        x * inv_freq
    }

    pub Unused<B>(x: [B, 4]) -> [B, 4] {
        const later: [4];
        x
    }
}

fn main() {
    let _ = Unused::with(UnusedDims {}).constant("later", vec![1.0f64; 4]);
}
