use tancho::network;

network! {
    pub Compared<B, D = 8>(x: [B, D], y: [B, D]) -> [B, D] {
        let a = x < y && y < 1;
        let b = !(x <= 0.0) && (x >= 1 || x == y);
        let mut square = pow(x, 2);
        square -= x * x;
        select(b && !a, x, y) + square
    }

    pub Images<N, H, W>(x: [N, 3, H, W], w: [8, 3, 3, 3]) -> [N, 8, H, W] {
        conv2d(x, w, stride = 1, pad = 1)
    }

    pub Odd<N, H, W, K = 3>(x: [N, 3, H, W]) -> [N, 3, H, W] where (K - 1) % 2 == 0 {
        avg_pool2d(x, kernel = K, stride = 1, pad = (K - 1) / 2)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let y = Compared::init(1).unwrap().compile(Target::host()).unwrap().session();
    let mut y = y;
    let y = y.run([0.5, 2.0, -1.0, 3.0, 0.0, 0.0, 0.0, 0.0].view([1, 8]), [0.5, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0].view([1, 8])).unwrap();
    assert_eq!(y.data(), [0.5, 2.0, 7.0, 3.0, 7.0, 7.0, 7.0, 7.0]);
    Images::init(1).unwrap();
    let odd = Odd::init(1).unwrap().compile(Target::host()).unwrap();
    assert_eq!(odd.session().run([1.0; 60].view([1, 3, 4, 5])).unwrap().data(), [1.0; 60]);
    assert!(Odd::with(OddDims { K: 4 }).init(1).is_err());
}
