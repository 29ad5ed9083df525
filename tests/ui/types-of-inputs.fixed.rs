use tancho::{AsView, Target, f16, network};

network! {
    pub Pixels<B, D = 4>(image: u8[B, D]) -> i32[B, D] {
        param w: i32[D] = ones;
        buffer seen: i32[D] = zeros;
        const ids: i32[2] = [1, 2];
        state last: i32[B, D];
        let h: i32[B, D] = image;
        last = h + last;
        last * w + seen * sum(ids)
    }

    pub Words<B, V = 10, D = 4>(ids: i64[B], x: f16[B, D]) -> [B, D] {
        param table: [V, D];
        table[ids] + x
    }

    Scaled<B, D = 4>(image: u8[B, D]) -> [B, D] {
        cast(image, f32) / 255
    }

    pub Whole<B, D = 4>(image: u8[B, D], x: f16[B, D]) -> [B, D] {
        net scaled: Scaled<D = D>;
        let right = cast(image, f32) * x;
        scaled(image) + right
    }
}

pub fn check() {
    let host = Target::host;
    let mut pixels = Pixels::init(1).unwrap().compile(host()).unwrap().session();
    assert_eq!(pixels.run([1u8, 2, 3, 255].view([1, 4])).unwrap().data(), [1, 2, 3, 255]);
    let mut words = Words::init(1).unwrap().compile(host()).unwrap().session();
    let half = f16::from_f32(0.5);
    words.run([9i64].view([1]), [half; 4].view([1, 4])).unwrap();
    let mut whole = Whole::init(1).unwrap().compile(host()).unwrap().session();
    assert_eq!(whole.run([255u8; 4].view([1, 4]), [half; 4].view([1, 4])).unwrap().data(), [128.5; 4]);
    assert_eq!([1i64, 2].view([2]).shape(), [2]);
}
