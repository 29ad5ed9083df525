use tancho::network;

network! {
    pub Largest<B, E = 4>(x: [B, E]) -> [B, 3] { let (v, _i) = topk(x, k = 3, over = E); v }
    pub HowMany<B, E = 4, K = 2>(x: [B, E]) -> [B, K] { let (v, _i) = topk(x, k = K, over = E); v }
    pub Both<B, E = 4>(x: [B, E]) -> ([B, 2], i32[B, 2]) { topk(x, k = 2, over = E) }
    pub Filters<N, C = 4, H, W>(x: [N, C, H, W], w: [C, 8, 2, 2]) -> [N, 8, 2 * H, 2 * W] {
        conv_transpose2d(x, w, stride = 2)
    }
    pub Added<N, C = 4, H, W>(x: [N, C, H, W], w: [C, 8, 2, 2]) -> [N, 8, 2 * H + 1, 2 * W + 1] {
        conv_transpose2d(x, w, stride = 2, output_pad = 1)
    }
    pub Net<N, C = 4, H, W>(x: [N, C, H, W]) -> [N, 8, 2 * H, 2 * W] {
        net up: ConvTranspose2d<C, 8, K = 2, STRIDE = 2>;
        up(x)
    }
    pub Along<B, S, E = 4>(x: [B, S, E], ids: i32[B, 2, E]) -> [B, 2, E] { take_along(x, ids, axis = S) }
    pub Sums<B, E = 4>(x: bool[B, E]) -> i32[B, E] { cumsum(cast(x, i32), over = E) }
    pub Flipped<B, E = 4>(x: [B, E]) -> [B, E] { flip(x, axis = 1) }
    pub Resized<N, C = 4>(x: [N, C]) -> [N, C, 8, 8] { resize(reshape(x, [N, C, 1, 1]), [8, 8]) }
    pub Mode<N, C = 4, H, W>(x: [N, C, H, W]) -> [N, C, 8, 8] { resize(x, [8, 8], mode = bilinear) }
    pub Places<B, S>(x: [B, S]) -> [B, S] { x + cast(arange(S), f32) }
    pub Whole<B, E = 4>(x: i32[B, E]) -> [B, E] { softplus(cast(x, f32)) }
    pub Slope<B, E = 4>(x: [B, E]) -> [B, E] { leaky_relu(x, slope = 0.1) }
    pub Cap<B, S, E = 4>(x: [B, S, E]) -> [B, S, E] { attention(x, x, x, heads = 1, softcap = 1) }
    pub Scale<B, S, E = 4>(x: [B, S, E]) -> [B, S, E] { attention(x / sqrt(S), x, x, heads = 1, scale = 1) }
}

pub fn check() {
    use tancho::{AsView, Target};
    macro_rules! gives {
        ($network:ident($($input:expr),*) == $want:expr) => {{
            let mut session = $network::init(1).unwrap().compile(Target::host()).unwrap().session();
            assert_eq!(session.run($($input),*).unwrap().data(), $want, stringify!($network));
        }};
    }
    let x = [3.0, 1.0, 4.0, -2.0];
    let rows = x.view([1, 4]);
    gives!(Largest(rows) == [4.0, 3.0, 1.0]);
    gives!(HowMany(rows) == [4.0, 3.0]);
    let mut both = Both::init(1).unwrap().compile(Target::host()).unwrap().session();
    let (values, places) = both.run(rows).unwrap();
    assert_eq!((values.data(), places.data()), (&[4.0, 3.0][..], &[2, 0][..]));
    let filters = [0.5; 128];
    gives!(Filters(x.view([1, 4, 1, 1]), filters.view([4, 8, 2, 2])) == [3.0; 32]);
    let added = Added::init(1).unwrap().compile(Target::host()).unwrap();
    assert!(added.check(x.view([1, 4, 1, 1]), filters.view([4, 8, 2, 2])).unwrap().is_ok());
    let net = Net::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(net.session().run(x.view([1, 4, 1, 1])).unwrap().shape(), [1, 8, 2, 2]);
    gives!(Along(x.view([1, 1, 4]), [0; 8].view([1, 2, 4])) == [3.0, 1.0, 4.0, -2.0, 3.0, 1.0, 4.0, -2.0]);
    gives!(Sums([true, false, true, true].view([1, 4])) == [1, 1, 2, 3]);
    gives!(Flipped(rows) == [-2.0, 4.0, 1.0, 3.0]);
    gives!(Resized([1.0; 4].view([1, 4])) == [1.0; 256]);
    gives!(Mode([1.0; 16].view([1, 4, 2, 2])) == [1.0; 256]);
    gives!(Places([1.0; 3].view([1, 3])) == [1.0, 2.0, 3.0]);
    gives!(Whole([100, 100, 100, 100].view([1, 4])) == [100.0; 4]);
    gives!(Slope([1.0, -1.0, 2.0, -2.0].view([1, 4])) == [1.0, -0.1, 2.0, -0.2]);
    gives!(Cap(x.view([1, 1, 4])) == x);
    gives!(Scale(x.view([1, 1, 4])) == x);
}
