use tancho::network;

network! {
    pub Both<B, H, S, HD = 8>(x: [B, H, S, HD], f: [HD / 2], at: i32[B, S]) -> ([B, H, S, HD], [B, H, S, HD], [B, H, S, HD])
        where HD % 2 == 0
    {
        (
            rope(x, freqs = f),
            rope(x, freqs = f / 4),
            rope(x, positions = at),
        )
    }

    pub Shapes<B, H, S, HD = 8>(x: [B, H, S, HD], f: [HD / 2], at: i32[S], turn: [B, S]) -> ([B, H, S, HD], [B, H, S, HD], [B, H, S, HD], [B, H, S, HD])
        where HD % 2 == 0
    {
        (rope(x, freqs = f), rope(x, f), rope(x, positions = at), rope(x, positions = cast(turn, i32)))
    }

    pub Lacking<B, H, S>(x: [B, H, S, 8]) -> ([B, H, S, 8], [B, H, S, 8], [B, H, S, 8]) {
        (
            rope(x, scaling = linear, factor = 4),
            rope(x, scaling = llama3, factor = 8, low_freq_factor = 1, high_freq_factor = 4, original_max_position = 8192),
            rope(x, scaling = linear, factor = 2),
        )
    }

    pub More<B, H, S>(x: [B, H, S, 8]) -> ([B, H, S, 8], [B, H, S, 8]) {
        (
            rope(x, scaling = linear, factor = 8),
            rope(x, scaling = linear, factor = 8),
        )
    }

    pub Ranges<B, H, S>(x: [B, H, S, 8]) -> ([B, H, S, 8], [B, H, S, 8], [B, H, S, 8]) {
        (
            rope(x, scaling = linear, factor = 0.5),
            rope(x, scaling = yarn, factor = 4, original_max_position = 64, beta_fast = 32, beta_slow = 1),
            rope(x, scaling = yarn, factor = 4, original_max_position = 64),
        )
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let x: Vec<f32> = (0..48).map(|i| i as f32 / 16.0).collect();
    let x = x.view([2, 1, 3, 8]);
    let both = Both::init(1).unwrap().compile(Target::host()).unwrap();
    assert!(both.check(x, [1.0, 0.5, 0.25, 0.1].view([4]), [7, 8, 9, 0, 1, 2].view([2, 3])).unwrap().is_ok());
    let shapes = Shapes::init(1).unwrap().compile(Target::host()).unwrap();
    let report = shapes.check(x, [1.0, 0.5, 0.25, 0.1].view([4]), [7, 8, 9].view([3]), [1.0; 6].view([2, 3]));
    assert!(report.unwrap().is_ok());
    assert!(Lacking::init(1).unwrap().compile(Target::host()).unwrap().check(x).unwrap().is_ok());
    assert!(More::init(1).unwrap().compile(Target::host()).unwrap().check(x).unwrap().is_ok());
    assert!(Ranges::init(1).unwrap().compile(Target::host()).unwrap().check(x).unwrap().is_ok());
}
