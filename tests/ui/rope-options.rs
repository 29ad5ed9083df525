use tancho::network;

network! {
    pub Both<B, H, S, HD = 8>(x: [B, H, S, HD], f: [HD / 2], at: i32[B, S]) -> ([B, H, S, HD], [B, H, S, HD], [B, H, S, HD])
        where HD % 2 == 0
    {
        (
            rope(x, freqs = f, base = 5e5),
            rope(x, freqs = f, scaling = linear, factor = 4),
            rope(x, positions = at, from = 3),
        )
    }

    pub Shapes<B, H, S, HD = 8>(x: [B, H, S, HD], f: [HD], at: i32[B], turn: [B, S]) -> ([B, H, S, HD], [B, H, S, HD], [B, H, S, HD], [B, H, S, HD])
        where HD % 2 == 0
    {
        (rope(x, freqs = f), rope(x, turn), rope(x, positions = at), rope(x, positions = turn))
    }

    pub Lacking<B, H, S>(x: [B, H, S, 8]) -> ([B, H, S, 8], [B, H, S, 8], [B, H, S, 8]) {
        (
            rope(x, scaling = linear),
            rope(x, scaling = llama3, factor = 8, original_max_position = 8192),
            rope(x, scaling = dynamic, factor = 2),
        )
    }

    pub More<B, H, S>(x: [B, H, S, 8]) -> ([B, H, S, 8], [B, H, S, 8]) {
        (
            rope(x, factor = 8),
            rope(x, scaling = linear, factor = 8, beta_fast = 32),
        )
    }

    pub Ranges<B, H, S>(x: [B, H, S, 8]) -> ([B, H, S, 8], [B, H, S, 8], [B, H, S, 8]) {
        (
            rope(x, scaling = linear, factor = 0),
            rope(x, scaling = yarn, factor = 4, original_max_position = 64, beta_fast = 1, beta_slow = 32),
            rope(x, base = 1, scaling = yarn, factor = 4, original_max_position = 64),
        )
    }
}

fn main() {}
