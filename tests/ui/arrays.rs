use tancho::network;

network! {
    pub Wave<B, S, D = 4, DIL = 1>(x: [B, D, S]) -> [B, D, S] {
        net conv: Conv1d<D, D, K = 3, PAD = DIL, DIL = DIL>;
        tanh(conv(x))
    }

    pub Stack<B, S, D = 4, N = 3, M = 2>(x: [B, D, S]) -> [B, D, S] {
        net waves: [Wave<D = D, DIL = 2^j>; N];
        #[weights("norms.{floor(i / 2)}")] net norms: [GroupNorm<GROUPS = 2, C = D>; N];
        net more: [Wave<D = D>; M];
        net last: [Wave<D = D>; N];
        let a = last[3](x);
        let b = more[S](x);
        let mut y = x;
        for (wave, norm) in (more, last) { y = norm(wave(y)); }
        for wave in (more, last) { y = wave(y); }
        y
    }
}

fn main() {}
