//! Reductions, norms and masks.

use super::*;

fn row_ops() -> Vec<Op> {
    let eps = Number(1e-5);
    let ln = |eps_on| Op::LayerNorm { axes: vec![1], eps, eps_on, gain: false, bias: false };
    let mut ops = vec![
        Op::Softmax { axis: 1, log: false },
        Op::Softmax { axis: 1, log: true },
        ln(EpsOn::Var),
        ln(EpsOn::Std),
        Op::RmsNorm { axes: vec![1], eps, gain: false },
        Op::L2Normalize { axis: 1, eps: Number(1e-12) },
        Op::Argmax { axis: 1, keep: false },
    ];
    ops.extend(Reduction::TABLE.map(|(kind, _)| Op::Reduce {
        kind,
        axes: vec![1],
        keep: false,
        masked: false,
    }));
    ops
}

#[test]
fn rows_with_special_values() {
    let moderate: Vec<f32> = SPECIAL.iter().copied().filter(|x| !x.is_finite() || x.abs() < 1e12).collect();
    for len in [1, 2, 5, 8, 19, 33] {
        let x = rows(len, &moderate);
        for o in row_ops() {
            op(&o, std::slice::from_ref(&x));
        }
        // One huge number: sums and softmax hold it, norms up to 1e18.
        let huge = rows(len, &[f32::MAX, f32::MIN, 1e30, -1e18]);
        let large = rows(len, &[1e18, -1e18, 3e17]);
        for o in row_ops() {
            let norm = matches!(o, Op::LayerNorm { .. } | Op::RmsNorm { .. } | Op::L2Normalize { .. });
            let sum = matches!(o, Op::Reduce { kind: Reduction::Sum | Reduction::Mean, .. });
            if !(sum && len == 2) {
                op(&o, &[if norm { large.clone() } else { huge.clone() }]);
            }
        }
        for constant in [0.0, -0.0, 3.0, 0.1, -1e-40, 1e4, 1e18, -INF, INF, NAN] {
            let x = f(&vec![constant; 2 * len], &[2, len]);
            for o in row_ops() {
                op(&o, std::slice::from_ref(&x));
            }
        }
        let offset: Vec<f32> = (0..3 * len).map(|i| 1e4 + (i * 7 % 13) as f32 * 0.01).collect();
        for o in row_ops() {
            op(&o, &[f(&offset, &[3, len])]);
        }
    }
}

#[test]
fn empty_rows() {
    for o in row_ops() {
        let y = op(&o, &[f(&[], &[3, 0])]);
        let want = match &o {
            Op::Reduce { kind: Reduction::Sum, .. } => f(&[0.0; 3], &[3]),
            Op::Reduce { kind: Reduction::Mean, .. } => f(&[NAN; 3], &[3]),
            Op::Reduce { kind: Reduction::Max, .. } => f(&[-INF; 3], &[3]),
            Op::Reduce { kind: Reduction::Min, .. } => f(&[INF; 3], &[3]),
            Op::Argmax { .. } => Tensor::new(vec![0; 3], [3]).expect("fits"),
            _ => f(&[], &[3, 0]),
        };
        assert!(same_bits(&y, &want), "{o:?}: {y:?}");
    }
    let whole = |kind, x: Tensor| op(&Op::Reduce { kind, axes: vec![0, 1], keep: true, masked: false }, &[x]);
    let none = Tensor::new(Vec::<i32>::new(), [0, 4]).expect("fits");
    for (kind, want) in [(Reduction::Sum, 0), (Reduction::Max, i32::MIN), (Reduction::Min, i32::MAX)] {
        assert_eq!(whole(kind, none.clone()).as_i32(), Some(&[want][..]), "{kind:?}");
    }
}

#[test]
fn what_a_mask_hides_does_not_matter() {
    for len in [3, 8, 21] {
        let x = rows(len, &[NAN, INF, -INF, f32::MAX, 1.0, -0.0]);
        let n = x.shape()[0];
        let hide: Vec<bool> = x.as_f32().expect("f32").iter().map(|x| x.abs() < 1e30).collect();
        let mut none = hide.clone();
        none[..len].fill(false);
        for keep in [hide, none] {
            let keep = Tensor::new(keep, [n, len]).expect("fits");
            for (kind, _) in Reduction::TABLE {
                let y = op(
                    &Op::Reduce { kind, axes: vec![1], keep: false, masked: true },
                    &[x.clone(), keep.clone()],
                );
                let first = keep.as_bool().expect("bool")[..len].contains(&true);
                let finite = y.as_f32().expect("f32").iter().skip(usize::from(!first)).all(|y| y.is_finite());
                assert!(finite, "{kind:?}: {y:?}");
            }
        }
    }
}
