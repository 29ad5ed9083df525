//! Matrix products.

use super::f32s;
use crate::tensor::Tensor;

/// Rows that share one pass over the right side: their sums are independent, so the adder is kept busy.
const ROWS: usize = 4;

/// `x [M, K]` times `w [N, K]` transposed, each element summed in f64 along K in order.
fn times_transposed(x: &[f32], w: &[f32], k: usize, n: usize, mut put: impl FnMut(f64)) {
    if k == 0 || n == 0 {
        return;
    }
    let mut block = vec![0.0; ROWS * n];
    for rows in x.chunks(ROWS * k) {
        let m = rows.len() / k;
        // A short last block reads its last row again, and drops the result.
        let row = |i: usize| &rows[i.min(m - 1) * k..][..k];
        let (a, b, c, d) = (row(0), row(1), row(2), row(3));
        for (j, w) in w.chunks_exact(k).enumerate() {
            let mut s = [0.0f64; ROWS];
            for ((((&w, &a), &b), &c), &d) in w.iter().zip(a).zip(b).zip(c).zip(d) {
                let w = f64::from(w);
                s[0] += w * f64::from(a);
                s[1] += w * f64::from(b);
                s[2] += w * f64::from(c);
                s[3] += w * f64::from(d);
            }
            for (i, s) in s.into_iter().enumerate() {
                block[i * n + j] = s;
            }
        }
        block[..m * n].iter().for_each(|&s| put(s));
    }
}

pub fn matmul(a: &Tensor, b: &Tensor, out: &[usize]) -> Tensor {
    let rank = b.shape().len();
    let (k, n) = (b.shape()[rank - 2], b.shape()[rank - 1]);
    let (x, w) = (f32s(a), f32s(b));
    let len: usize = out.iter().product();
    let batches: usize = b.shape()[..rank - 2].iter().product();
    if k == 0 || n == 0 || batches == 0 {
        return Tensor::from_parts(vec![0.0f32; len], out);
    }
    let mut y = Vec::with_capacity(len);
    let rows = x.len() / batches;
    for (i, w) in w.chunks_exact(k * n).enumerate() {
        let wt: Vec<f32> = (0..k * n).map(|j| w[j % k * n + j / k]).collect();
        times_transposed(&x[i * rows..(i + 1) * rows], &wt, k, n, |s| y.push(s as f32));
    }
    Tensor::from_parts(y, out)
}

pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, out: &[usize]) -> Tensor {
    let (n, k) = (w.shape()[0], w.shape()[1]);
    let mut sums = Vec::with_capacity(out.iter().product());
    if k == 0 {
        sums.resize(out.iter().product(), 0.0);
    }
    times_transposed(f32s(x), f32s(w), k, n, |s| sums.push(s));
    let y: Vec<f32> = match bias.map(f32s) {
        Some(b) => sums.iter().zip(b.iter().cycle()).map(|(s, &b)| (s + f64::from(b)) as f32).collect(),
        None => sums.iter().map(|&s| s as f32).collect(),
    };
    Tensor::from_parts(y, out)
}
