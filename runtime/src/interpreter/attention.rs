//! Scaled dot-product attention.

use super::elementwise::max;
use super::f32s;
use crate::error::Error;
use crate::reserve::{with_capacity, zeros};
use crate::tensor::Tensor;

/// Where the heads of a `[B, S, N*HD]` or `[B, N, S, HD]` tensor are.
struct Heads<'a> {
    data: &'a [f32],
    batch: usize,
    head: usize,
    row: usize,
    width: usize,
}

impl<'a> Heads<'a> {
    fn new(t: &'a Tensor, heads: usize) -> Heads<'a> {
        let (data, s) = (f32s(t), t.shape());
        if s.len() == 3 {
            let width = s[2].checked_div(heads).unwrap_or(0);
            Heads { data, batch: s[1] * s[2], head: width, row: s[2], width }
        } else {
            Heads { data, batch: s[1] * s[2] * s[3], head: s[2] * s[3], row: s[3], width: s[3] }
        }
    }

    fn at(&self, b: usize, h: usize, i: usize) -> usize {
        b * self.batch + h * self.head + i * self.row
    }

    fn row(&self, b: usize, h: usize, i: usize) -> &'a [f32] {
        &self.data[self.at(b, h, i)..][..self.width]
    }
}

/// What besides heads and operands attention depends on.
pub struct Rules<'a> {
    pub causal: bool,
    pub window: Option<i64>,
    pub scale: Option<f64>,
    /// What bounds the scaled scores, before a bias is added.
    pub softcap: Option<f64>,
    pub mask: Option<&'a Tensor>,
    /// `[HEADS, S, T]` or `[B, HEADS, S, T]`.
    pub bias: Option<&'a Tensor>,
}

/// Query `s` stands at position `p = s + T - S` of the keys. It attends key `t` if the mask says so, with
/// `causal` if `t <= p`, and with a window if `t > p - window`. With fewer key heads than query heads, query
/// head `h` uses key head `h / (HEADS / KV)`. A key that it does not see by its place does not count,
/// whatever it holds. One that the mask hides has the weight 0: its score does not matter, its value is
/// multiplied by 0.
///
/// # Errors
/// The heads do not divide the widths; `uneven` makes it of the reason in words.
pub fn attention(
    heads: usize,
    [q, k, v]: [&Tensor; 3],
    rules: &Rules<'_>,
    uneven: impl FnOnce(String) -> Error,
) -> Result<Tensor, Error> {
    let mut y = zeros::<f32>(q.len())?;
    let merged = q.shape().len() == 3;
    let (batches, axis) = (q.shape()[0], if merged { 1 } else { 2 });
    let (queries, keys) = (q.shape()[axis], k.shape()[axis]);
    // No element means no head width, and nothing to compute.
    if y.is_empty() || k.is_empty() {
        return Ok(Tensor::from_parts(y, q.shape()));
    }
    let qh = Heads::new(q, heads);
    let kv = if merged { k.shape()[2].checked_div(qh.width).unwrap_or(0) } else { k.shape()[1] };
    let whole = !merged || (qh.width * heads == q.shape()[2] && qh.width * kv == k.shape()[2]);
    if !whole || kv == 0 || !heads.is_multiple_of(kv) {
        return Err(uneven(format!("they do not divide queries {:?} and keys {:?}", q.shape(), k.shape())));
    }
    let (kh, vh) = (Heads::new(k, kv), Heads::new(v, kv));
    let scale = rules.scale.unwrap_or(1.0 / (qh.width as f64).sqrt());
    let bits = rules.mask.and_then(|m| m.as_bool());
    let rank = rules.mask.map_or(0, |m| m.shape().len());
    let attends = |b: usize, h: usize, s: usize, t: usize| {
        let row = match rank {
            2 => b,
            3 => b * queries + s,
            _ => (b * heads + h) * queries + s,
        };
        bits.is_none_or(|m| m[row * keys + t])
    };
    // Keys that a query sees by its place.
    let seen_by = |s: usize| {
        let position = (s + keys) as i64 - queries as i64;
        let within = |t: i64| t.clamp(0, keys as i64) as usize;
        let to = if rules.causal { within(position + 1) } else { keys };
        rules.window.map_or(0, |w| within(position + 1 - w))..to
    };
    let added = |b: usize, h: usize, s: usize, t: usize| {
        let head = |bias: &Tensor| if bias.shape().len() == 3 { h } else { b * heads + h };
        rules.bias.map_or(0.0, |bias| f64::from(f32s(bias)[(head(bias) * queries + s) * keys + t]))
    };
    let capped = |score: f64| rules.softcap.map_or(score, |cap| cap * (score / cap).tanh());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let mut seen: Vec<(usize, f64)> = with_capacity(keys)?;
    let (mut weights, mut sums) = (zeros::<f64>(keys)?, zeros::<f64>(qh.width)?);
    for b in 0..batches {
        for h in 0..heads {
            let g = h / (heads / kv);
            for s in 0..queries {
                let query = qh.row(b, h, s);
                seen.clear();
                seen.extend(
                    seen_by(s)
                        .filter(|&t| attends(b, h, s, t))
                        .map(|t| (t, capped(dot(query, kh.row(b, g, t)) * scale) + added(b, h, s, t))),
                );
                let top = seen.iter().map(|x| x.1).fold(f64::NEG_INFINITY, max);
                weights.fill(0.0);
                for &(t, score) in &seen {
                    weights[t] = (score - top).exp();
                }
                let total = if seen.is_empty() { 1.0 } else { weights.iter().sum::<f64>() };
                sums.fill(0.0);
                for (t, w) in seen_by(s).map(|t| (t, weights[t])) {
                    for (sum, &x) in sums.iter_mut().zip(vh.row(b, g, t)) {
                        *sum += w * f64::from(x);
                    }
                }
                let at = qh.at(b, h, s);
                for (to, sum) in y[at..].iter_mut().zip(&sums) {
                    *to = (sum / total) as f32;
                }
            }
        }
    }
    Ok(Tensor::from_parts(y, q.shape()))
}
