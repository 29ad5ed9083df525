//! Attention by matmuls and a softmax.

use super::Body;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::*;

impl Body {
    pub(super) fn attention(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let Op::Attention { heads, causal, window, mask, bias, scale, softcap } = op else { return None };
        let (q_shape, k_shape) = (self.shape(args[0]), self.shape(args[1]));
        let merged = q_shape.len() == 3;
        let hd = if merged { q_shape[2].exact_div(heads).ok()? } else { q_shape.get(3)?.clone() };
        // `D / (D / HEADS)` is HEADS, which follows from no rule of dims.
        let kv = if k_shape.last() == q_shape.last() {
            heads.clone()
        } else {
            k_shape.last()?.exact_div(&hd).ok()?
        };
        let [q, k, v] = [
            self.heads_out(args[0], heads, &hd)?,
            self.heads_out(args[1], &kv, &hd)?,
            self.heads_out(args[2], &kv, &hd)?,
        ];
        let [k, v] = [self.repeat_heads(k, heads)?, self.repeat_heads(v, heads)?];
        let (batch, s, t) = (&q_shape[0], self.shape(q)[2].clone(), self.shape(k)[2].clone());
        let grid = vec![batch.clone(), heads.clone(), s.clone(), t.clone()];

        let kt = self.push(Op::Transpose(vec![0, 1, 3, 2]), &[k])?;
        let scores = self.push(Op::Matmul, &[q, kt])?;
        let factor = match scale {
            Some(s) => self.num(s.0)?,
            None => {
                let width = self.push(Op::DimValue(hd.clone()), &[])?;
                self.un(Unary::Rsqrt, width)?
            }
        };
        let mut scores = self.bin(Binary::Mul, scores, factor)?;
        if let Some(cap) = *softcap {
            scores = self.push(Op::Softcap { cap }, &[scores])?;
        }
        if *bias {
            scores = self.bin(Binary::Add, scores, *args.last()?)?;
        }

        let given = if *mask { Some(self.mask(args[3], &grid)?) } else { None };
        let causal = if *causal { Some(self.causal(&s, &t)?) } else { None };
        let window = window.as_ref().map(|w| self.window(w, &s, &t)).map_or(Some(None), |m| m.map(Some))?;
        let mut attend = given;
        for rule in [causal, window].into_iter().flatten() {
            attend = Some(match attend {
                Some(m) => self.bin(Binary::And, m, rule)?,
                None => rule,
            });
        }
        let softmax = Op::Softmax { axis: 3, log: false };
        let out = match attend {
            None => {
                let p = self.push(softmax, &[scores])?;
                self.push(Op::Matmul, &[p, v])?
            }
            Some(m) => {
                let never = self.num(f64::NEG_INFINITY)?;
                let scores = self.push(Op::Select, &[m, scores, never])?;
                let p = self.push(softmax, &[scores])?;
                // A key that is not attended has the weight 0, whatever the softmax makes of a row with no
                // key at all. (One hidden by its place does not count even if its value is not finite.)
                let zero = self.num(0.0)?;
                let p = self.push(Op::Select, &[m, p, zero])?;
                self.push(Op::Matmul, &[p, v])?
            }
        };
        if !merged {
            return Some(out);
        }
        let rows = self.push(Op::Transpose(vec![0, 2, 1, 3]), &[out])?;
        self.push(Op::Reshape(q_shape), &[rows]).filter(|_| k_shape.len() == 3)
    }

    /// `[B, S, N*HD]` as `[B, N, S, HD]`; the other form is left as it is.
    fn heads_out(&mut self, x: Value, n: &Dim, hd: &Dim) -> Option<Value> {
        let shape = self.shape(x);
        let [b, s, _] = shape.as_slice() else { return Some(x) };
        let split = vec![b.clone(), s.clone(), n.clone(), hd.clone()];
        let x = self.push(Op::Reshape(split), &[x])?;
        self.push(Op::Transpose(vec![0, 2, 1, 3]), &[x])
    }

    /// `[B, KV, T, HD]` as `[B, HEADS, T, HD]`: query head `h` uses key head `h / (HEADS / KV)`.
    fn repeat_heads(&mut self, x: Value, heads: &Dim) -> Option<Value> {
        let shape = self.shape(x);
        let [b, kv, t, hd] = shape.as_slice() else { return None };
        if kv == heads {
            return Some(x);
        }
        let group = heads.exact_div(kv).ok()?;
        let x = self
            .push(Op::Reshape(vec![b.clone(), kv.clone(), Dim::constant(1), t.clone(), hd.clone()]), &[x])?;
        let x = self.push(Op::Expand(vec![b.clone(), kv.clone(), group, t.clone(), hd.clone()]), &[x])?;
        self.push(Op::Reshape(vec![b.clone(), heads.clone(), t.clone(), hd.clone()]), &[x])
    }

    /// A mask over keys, over queries and keys, or over heads too, as one over everything.
    fn mask(&mut self, mask: Value, grid: &[Dim]) -> Option<Value> {
        let (m, one) = (self.shape(mask), Dim::constant(1));
        let thin = match m.as_slice() {
            [b, t] => vec![b.clone(), one.clone(), one, t.clone()],
            [b, s, t] => vec![b.clone(), one, s.clone(), t.clone()],
            _ => m,
        };
        let thin = self.push(Op::Reshape(thin), &[mask])?;
        self.push(Op::Expand(grid.to_vec()), &[thin])
    }

    /// `[S, T]`, true where `t <= s + T - S`.
    fn causal(&mut self, s: &Dim, t: &Dim) -> Option<Value> {
        self.keys(Binary::Ge, &t.minus(s).ok()?, s, t)
    }

    /// `[S, T]`, true where `t > s + T - S - window`.
    fn window(&mut self, window: &Dim, s: &Dim, t: &Dim) -> Option<Value> {
        self.keys(Binary::Lt, &t.minus(s).ok()?.minus(window).ok()?, s, t)
    }

    /// `[S, T]`: how `from + s` compares to `t`.
    fn keys(&mut self, how: Binary, from: &Dim, s: &Dim, t: &Dim) -> Option<Value> {
        let rows = self.push(Op::Arange { len: s.clone(), from: from.clone() }, &[])?;
        let rows = self.push(Op::Reshape(vec![s.clone(), Dim::constant(1)]), &[rows])?;
        let rows = self.push(Op::Expand(vec![s.clone(), t.clone()]), &[rows])?;
        let keys = self.push(Op::Arange { len: t.clone(), from: Dim::constant(0) }, &[])?;
        self.bin(how, rows, keys)
    }
}
