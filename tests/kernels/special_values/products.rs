//! Matrix products and attention.

use super::*;

#[test]
fn products() {
    let mut rng = Rng::new(5);
    for (m, k, n) in [(1, 3, 5), (5, 16, 33), (6, 9, 16), (35, 7, 20)] {
        for special in [NAN, INF, -INF, 1e-40, -0.0, 1e30, f32::MAX] {
            let mut a: Vec<f32> = (0..m * k).map(|_| rng.float()).collect();
            let mut b: Vec<f32> = (0..k * n).map(|_| rng.float()).collect();
            // One special number on the left; on the right one, and a zero that it does not meet.
            a[m * k / 2] = special;
            let y = op(&Op::Matmul, &[f(&a, &[m, k]), f(&b, &[k, n])]);
            let touched = m * k / 2 / k;
            let clean = y
                .as_f32()
                .expect("f32")
                .chunks(n)
                .enumerate()
                .all(|(i, r)| i == touched || r.iter().all(|x| x.abs() < 1e3));
            assert!(clean, "{special} in row {touched}: {y:?}");
            a[m * k / 2] = 0.5;
            b[k * n / 3] = special;
            op(&Op::Matmul, &[f(&a, &[m, k]), f(&b, &[k, n])]);
            a.fill(0.0);
            let y = op(&Op::Matmul, &[f(&a, &[m, k]), f(&b, &[k, n])]);
            // 0 * NaN and 0 * infinity are NaN, in their column only.
            let nan = y.as_f32().expect("f32").iter().filter(|x| x.is_nan()).count();
            assert_eq!(nan, if special.is_finite() { 0 } else { m });
        }
    }
    // Beyond the range: infinities on both sides.
    let y = op(&Op::Matmul, &[f(&[1e20; 6], &[2, 3]), f(&[1e20; 6], &[3, 2])]);
    assert_eq!(y.as_f32(), Some(&[INF; 4][..]));
}

#[test]
fn attention() {
    let mut rng = Rng::new(9);
    let (b, s, t, h, w) = (2, 3, 21, 2, 5);
    for (causal, capped) in [(false, false), (true, false), (true, true)] {
        for special in [NAN, INF, -INF, 1e-40, -0.0, 1e18] {
            for where_ in 0..4 {
                let mut q = rng.floats(&[b, s, h * w]).as_f32().expect("f32").to_vec();
                let mut k = rng.floats(&[b, t, h * w]).as_f32().expect("f32").to_vec();
                let v = rng.floats(&[b, t, h * w]);
                let mut keep = vec![true; b * t];
                match where_ {
                    0 => q[7] = special,
                    1 => k[4 * h * w + 6] = special,
                    // A key that is masked out may hold anything.
                    2 => {
                        k[4 * h * w..5 * h * w].fill(special);
                        keep[4] = false;
                    }
                    // No key at all in the first sequence.
                    _ => {
                        k[..t * h * w].fill(special);
                        keep[..t].fill(false);
                    }
                }
                let args = [
                    f(&q, &[b, s, h * w]),
                    f(&k, &[b, t, h * w]),
                    v,
                    Tensor::new(keep, [b, t]).expect("fits"),
                ];
                let o = Op::Attention {
                    heads: Dim::from(h),
                    causal,
                    window: None,
                    mask: true,
                    bias: false,
                    scale: None,
                    softcap: capped.then_some(Number(20.0)),
                };
                let y = op(&o, &args);
                let y = y.as_f32().expect("f32");
                if where_ >= 2 {
                    assert!(y.iter().all(|x| x.is_finite()), "{special}: {y:?}");
                }
                if where_ == 3 {
                    assert!(y[..s * h * w].iter().all(|x| *x == 0.0), "{special}: {y:?}");
                }
            }
        }
    }
    // A value that is masked out is multiplied by 0: NaN shows. One that is not seen by its place does not
    // count.
    let (q, k) = (f(&[1.0; 4], &[1, 2, 2]), f(&[1.0; 4], &[1, 2, 2]));
    let v = f(&[1.0, 2.0, 3.0, NAN], &[1, 2, 2]);
    let plain = |causal, mask| Op::Attention {
        heads: Dim::constant(1),
        causal,
        window: None,
        mask,
        bias: false,
        scale: None,
        softcap: None,
    };
    let masked = plain(false, true);
    for keep in [[true, false], [false, false]] {
        let y = op(
            &masked,
            &[q.clone(), k.clone(), v.clone(), Tensor::new(keep.to_vec(), [1, 2]).expect("fits")],
        );
        let first = f32::from(u8::from(keep[0]));
        assert!(same_bits(&y, &f(&[first, NAN, first, NAN], &[1, 2, 2])), "{y:?}");
    }
    let y = op(&plain(true, false), &[q, k, v]);
    assert!(same_bits(&y, &f(&[1.0, 2.0, 2.0, NAN], &[1, 2, 2])), "{y:?}");
}
