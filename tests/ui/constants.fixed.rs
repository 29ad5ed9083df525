use tancho::network;

network! {
    pub Image<N, C = 3, H, W>(x: [N, C, H, W]) -> [N, C, H, W] {
        const mean: [C] = [0.485, 0.456, 0.406];
        const scale: [2, 2] = [[1, 2], [3, 4]];
        x - sum(mean) * sum(scale)
    }

    pub Numbers<B, S, D = 5>(x: [B, S]) -> [B, S] {
        const a: [2] = [D, 2.71828];
        const b: i32[2] = [1, (D - 1) / 2];
        const c: [1] = [1e38];
        const d: i32[2] = [1, 0];
        const e: [D];
        x + sum(a) + sum(cast(b, f32)) + 0 * sum(c) + sum(cast(cast(d, bool), f32)) + sum(e)
    }

    pub Stored<B>(x: [B, 4]) -> [B, 4] {
        const inv_freq: [4];
        const _later: [4];
        x * inv_freq
    }

    pub Unused<B>(x: [B, 4]) -> [B, 4] {
        const later: [4];
        x * later
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    assert_eq!(Image::init(1).unwrap().weights().len(), 0);
    let numbers = Numbers::with(NumbersDims::default()).constant("e", [0.0f32; 5]).init(1).unwrap();
    let mut session = numbers.compile(Target::host()).unwrap().session();
    let y = session.run([0.0; 2].view([1, 2])).unwrap();
    assert!((y.data()[0] - 11.71828).abs() < 1e-5, "{y}");
    let stored = Stored::with(StoredDims {}).constant("inv_freq", [1.0f32; 4]).constant("_later", [0.0f32; 4]);
    assert_eq!(stored.init(1).unwrap().weights().len(), 0);
    let given = Unused::with(UnusedDims {}).constant("later", [1.0f64; 4].iter().map(|x| *x as f32).collect::<Vec<f32>>());
    given.init(1).unwrap();
}
