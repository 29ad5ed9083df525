//! Matmuls.

use super::{count, f32s};
use crate::error::Error;
use crate::reserve::{collected, with_capacity, zeros};
use crate::tensor::Tensor;

/// Rows that share one pass over the right side: their sums are independent, so the adder is kept busy.
const ROWS: usize = 4;

/// `x [M, K]` times `w [N, K]` transposed, each element summed in f64 along K in order.
fn times_transposed(x: &[f32], w: &[f32], k: usize, n: usize, mut put: impl FnMut(f64)) -> Result<(), Error> {
    if k == 0 || n == 0 || x.is_empty() {
        return Ok(());
    }
    let mut block = zeros::<f64>(ROWS.saturating_mul(n))?;
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
    Ok(())
}

pub fn matmul(a: &Tensor, b: &Tensor, out: &[usize]) -> Result<Tensor, Error> {
    let rank = b.shape().len();
    let (k, n) = (b.shape()[rank - 2], b.shape()[rank - 1]);
    let (x, w) = (f32s(a), f32s(b));
    let len = count(out);
    if len == 0 || k == 0 {
        return Ok(Tensor::from_parts(zeros::<f32>(len)?, out));
    }
    let batches = count(&b.shape()[..rank - 2]);
    let mut y = with_capacity(len)?;
    let rows = x.len() / batches;
    for (i, w) in w.chunks_exact(k * n).enumerate() {
        let wt: Vec<f32> = collected(k * n, (0..k * n).map(|j| w[j % k * n + j / k]))?;
        times_transposed(&x[i * rows..(i + 1) * rows], &wt, k, n, |s| y.push(s as f32))?;
    }
    Ok(Tensor::from_parts(y, out))
}

pub fn linear(x: &Tensor, w: &Tensor, bias: Option<&Tensor>, out: &[usize]) -> Result<Tensor, Error> {
    let (n, k, len) = (w.shape()[0], w.shape()[1], count(out));
    let mut sums = with_capacity(len)?;
    if k == 0 {
        sums.resize(len, 0.0);
    }
    times_transposed(f32s(x), f32s(w), k, n, |s| sums.push(s))?;
    let y: Vec<f32> = match bias.map(f32s) {
        Some(b) => {
            collected(len, sums.iter().zip(b.iter().cycle()).map(|(s, &b)| (s + f64::from(b)) as f32))?
        }
        None => collected(len, sums.iter().map(|&s| s as f32))?,
    };
    Ok(Tensor::from_parts(y, out))
}
