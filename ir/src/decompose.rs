//! What the composites mean: each as a small graph over core ops.
//!
//! The graph's inputs are the op's arguments under their names in the
//! [table](crate::table); symbols in their types are its run-time dims. It holds
//! core ops only, so decomposing is done in one step.

use crate::dim::Dim;
use crate::graph::{Graph, InputDecl, RunDim, Source, Value};
use crate::op::*;
use crate::table::{name_of, present_params};
use crate::types::{DType, Type};
use std::collections::BTreeSet;

/// The definition of a composite on arguments of these types, or `None` for a core op.
///
/// `None` also where the types do not fit the op.
pub fn decompose(op: &Op, arg_types: &[Type]) -> Option<Graph> {
    let names = present_params(op, arg_types.len());
    if !is_composite(op) || names.len() != arg_types.len() {
        return None;
    }
    let mut b = Body { g: Graph { name: name_of(op).into(), ..Graph::default() } };
    let mut syms: BTreeSet<String> = arg_types.iter().flat_map(|t| &t.shape).flat_map(Dim::syms).collect();
    if let Op::Attention { heads, .. } = op {
        syms.extend(heads.syms());
    }
    b.g.dims = syms.into_iter().map(|name| RunDim { name, bound: None }).collect();
    let mut args = Vec::new();
    for (i, (name, ty)) in names.iter().zip(arg_types).enumerate() {
        b.g.inputs.push(InputDecl { name: (*name).into(), ty: ty.clone() });
        args.push(b.push(Op::Input(i), &[])?);
    }
    let x = *args.first()?;
    let out = match op {
        Op::Unary(u) => b.unary_composite(*u, x),
        Op::Reduce { axes, keep, masked: false, .. } => b.mean(x, axes, *keep),
        Op::Reduce { axes, keep, .. } => b.masked_mean(x, args[1], axes, *keep),
        Op::Linear { bias } => b.linear(x, args[1], bias.then(|| args[2])),
        Op::Softmax { axis, log } => b.softmax(x, *axis, *log),
        Op::LayerNorm { axes, eps, eps_on, gain, bias } => {
            let y = b.standardized(x, axes, *eps, *eps_on)?;
            let y = if *gain { b.with_param(BinaryParam::Gain, y, args[1], axes)? } else { y };
            if *bias { b.with_param(BinaryParam::Bias, y, *args.last()?, axes) } else { Some(y) }
        }
        Op::RmsNorm { axes, eps, gain } => {
            let square = b.bin(Binary::Mul, x, x)?;
            let mean = b.mean(square, axes, true)?;
            let eps = b.num(eps.0)?;
            let shifted = b.bin(Binary::Add, mean, eps)?;
            let root = b.un(Unary::Sqrt, shifted)?;
            let y = b.with_kept(Binary::Div, x, root)?;
            if *gain { b.with_param(BinaryParam::Gain, y, args[1], axes) } else { Some(y) }
        }
        Op::L2Normalize { axis, eps } => {
            let square = b.bin(Binary::Mul, x, x)?;
            let sum = b.reduce(Reduction::Sum, square, &[*axis], true)?;
            let norm = b.un(Unary::Sqrt, sum)?;
            let eps = b.num(eps.0)?;
            let norm = b.bin(Binary::Max, norm, eps)?;
            b.with_kept(Binary::Div, x, norm)
        }
        Op::Attention { heads, causal, scale, .. } => b.attention(heads, *causal, *scale, &args),
        _ => None,
    }?;
    b.g.outputs = vec![out];
    Some(b.g)
}

/// Whether an op is defined by others.
pub fn is_composite(op: &Op) -> bool {
    use Unary::*;
    match op {
        Op::Unary(u) => matches!(u, Relu | Relu6 | Sigmoid | Silu | Gelu | GeluTanh | HardSwish),
        Op::Reduce { kind, .. } => *kind == Reduction::Mean,
        Op::Linear { .. }
        | Op::Softmax { .. }
        | Op::LayerNorm { .. }
        | Op::RmsNorm { .. }
        | Op::L2Normalize { .. }
        | Op::Attention { .. } => true,
        _ => false,
    }
}

/// What a norm's parameter does to the normalised values.
#[derive(Clone, Copy)]
enum BinaryParam {
    Gain,
    Bias,
}

/// The graph under construction; every method gives `None` where a shape does not fit.
struct Body {
    g: Graph,
}

impl Body {
    fn push(&mut self, op: Op, args: &[Value]) -> Option<Value> {
        self.g.push(op, args, Source::default()).ok()
    }

    fn num(&mut self, x: f64) -> Option<Value> {
        self.push(Op::Const(Scalar::F32(Number(x))), &[])
    }

    fn un(&mut self, u: Unary, x: Value) -> Option<Value> {
        self.push(Op::Unary(u), &[x])
    }

    fn bin(&mut self, b: Binary, x: Value, y: Value) -> Option<Value> {
        self.push(Op::Binary(b), &[x, y])
    }

    /// `x` and a number.
    fn by(&mut self, b: Binary, x: Value, number: f64) -> Option<Value> {
        let n = self.num(number)?;
        self.bin(b, x, n)
    }

    fn reduce(&mut self, kind: Reduction, x: Value, axes: &[usize], keep: bool) -> Option<Value> {
        self.push(Op::Reduce { kind, axes: axes.to_vec(), keep, masked: false }, &[x])
    }

    fn shape(&self, v: Value) -> Vec<Dim> {
        self.g.ty(v).shape.clone()
    }

    /// `x` and what a reduction with `keep` left of it, stretched back.
    fn with_kept(&mut self, b: Binary, x: Value, kept: Value) -> Option<Value> {
        let wide = self.push(Op::Expand(self.shape(x)), &[kept])?;
        self.bin(b, x, wide)
    }

    /// `y` times a gain or plus a bias that runs along `axes`.
    fn with_param(&mut self, which: BinaryParam, y: Value, p: Value, axes: &[usize]) -> Option<Value> {
        let shape = self.shape(y);
        let thin = shape.iter().enumerate().map(|(i, d)| if axes.contains(&i) { d.clone() } else { Dim::constant(1) }).collect();
        let p = self.push(Op::Reshape(thin), &[p])?;
        let b = match which {
            BinaryParam::Gain => Binary::Mul,
            BinaryParam::Bias => Binary::Add,
        };
        self.with_kept(b, y, p)
    }

    fn unary_composite(&mut self, u: Unary, x: Value) -> Option<Value> {
        match u {
            Unary::Relu => {
                let zero = if self.g.ty(x).dtype == DType::I32 { Scalar::I32(0) } else { Scalar::F32(Number(0.0)) };
                let zero = self.push(Op::Const(zero), &[])?;
                self.bin(Binary::Max, x, zero)
            }
            Unary::Relu6 => {
                let low = self.by(Binary::Max, x, 0.0)?;
                self.by(Binary::Min, low, 6.0)
            }
            Unary::Sigmoid => self.sigmoid(x),
            Unary::Silu => {
                let s = self.sigmoid(x)?;
                self.bin(Binary::Mul, x, s)
            }
            Unary::Gelu => {
                let scaled = self.by(Binary::Mul, x, std::f64::consts::FRAC_1_SQRT_2)?;
                let inner = self.un(Unary::Erf, scaled)?;
                self.half_of_x_times_one_plus(x, inner)
            }
            Unary::GeluTanh => {
                let cube = self.push(Op::Pow(Number(3.0)), &[x])?;
                let bent = self.by(Binary::Mul, cube, 0.044715)?;
                let sum = self.bin(Binary::Add, x, bent)?;
                let scaled = self.by(Binary::Mul, sum, (2.0 / std::f64::consts::PI).sqrt())?;
                let inner = self.un(Unary::Tanh, scaled)?;
                self.half_of_x_times_one_plus(x, inner)
            }
            Unary::HardSwish => {
                let shifted = self.by(Binary::Add, x, 3.0)?;
                let low = self.by(Binary::Max, shifted, 0.0)?;
                let gate = self.by(Binary::Min, low, 6.0)?;
                let product = self.bin(Binary::Mul, x, gate)?;
                self.by(Binary::Div, product, 6.0)
            }
            _ => None,
        }
    }

    fn sigmoid(&mut self, x: Value) -> Option<Value> {
        let neg = self.un(Unary::Neg, x)?;
        let e = self.un(Unary::Exp, neg)?;
        let below = self.by(Binary::Add, e, 1.0)?;
        let one = self.num(1.0)?;
        self.bin(Binary::Div, one, below)
    }

    fn half_of_x_times_one_plus(&mut self, x: Value, inner: Value) -> Option<Value> {
        let plus = self.by(Binary::Add, inner, 1.0)?;
        let product = self.bin(Binary::Mul, x, plus)?;
        self.by(Binary::Mul, product, 0.5)
    }

    fn mean(&mut self, x: Value, axes: &[usize], keep: bool) -> Option<Value> {
        let shape = self.shape(x);
        let count = Dim::product(axes.iter().map(|&a| &shape[a])).ok()?;
        let sum = self.reduce(Reduction::Sum, x, axes, keep)?;
        let count = self.push(Op::DimValue(count), &[])?;
        self.bin(Binary::Div, sum, count)
    }

    fn masked_mean(&mut self, x: Value, mask: Value, axes: &[usize], keep: bool) -> Option<Value> {
        let sum = self.push(Op::Reduce { kind: Reduction::Sum, axes: axes.to_vec(), keep, masked: true }, &[x, mask])?;
        let ones = self.push(Op::Cast(DType::F32), &[mask])?;
        let count = self.reduce(Reduction::Sum, ones, axes, keep)?;
        // The mask has only leading axes of `x`: its counts run along the leading axes of the sum.
        let whole = self.shape(sum);
        let mut thin = self.shape(count);
        thin.resize(whole.len(), Dim::constant(1));
        let count = self.push(Op::Reshape(thin), &[count])?;
        let count = self.push(Op::Expand(whole), &[count])?;
        let mean = self.bin(Binary::Div, sum, count)?;
        let some = self.by(Binary::Gt, count, 0.0)?;
        let zero = self.num(0.0)?;
        self.push(Op::Select, &[some, mean, zero])
    }

    fn linear(&mut self, x: Value, w: Value, bias: Option<Value>) -> Option<Value> {
        let wt = self.push(Op::Transpose(vec![1, 0]), &[w])?;
        let y = self.push(Op::Matmul, &[x, wt])?;
        match bias {
            Some(b) => self.bin(Binary::Add, y, b),
            None => Some(y),
        }
    }

    fn softmax(&mut self, x: Value, axis: usize, log: bool) -> Option<Value> {
        let max = self.reduce(Reduction::Max, x, &[axis], true)?;
        let shifted = self.with_kept(Binary::Sub, x, max)?;
        let e = self.un(Unary::Exp, shifted)?;
        let sum = self.reduce(Reduction::Sum, e, &[axis], true)?;
        if log {
            let log = self.un(Unary::Log, sum)?;
            return self.with_kept(Binary::Sub, shifted, log);
        }
        self.with_kept(Binary::Div, e, sum)
    }

    fn standardized(&mut self, x: Value, axes: &[usize], eps: Number, eps_on: EpsOn) -> Option<Value> {
        let mean = self.mean(x, axes, true)?;
        let centred = self.with_kept(Binary::Sub, x, mean)?;
        let square = self.bin(Binary::Mul, centred, centred)?;
        let var = self.mean(square, axes, true)?;
        let below = match eps_on {
            EpsOn::Var => {
                let shifted = self.by(Binary::Add, var, eps.0)?;
                self.un(Unary::Sqrt, shifted)?
            }
            EpsOn::Std => {
                let std = self.un(Unary::Sqrt, var)?;
                self.by(Binary::Add, std, eps.0)?
            }
        };
        self.with_kept(Binary::Div, centred, below)
    }

    fn attention(&mut self, heads: &Dim, causal: bool, scale: Option<Number>, args: &[Value]) -> Option<Value> {
        let (q_shape, k_shape) = (self.shape(args[0]), self.shape(args[1]));
        let merged = q_shape.len() == 3;
        let hd = if merged { q_shape[2].exact_div(heads).ok()? } else { q_shape.get(3)?.clone() };
        // `D / (D / HEADS)` is HEADS, which no rule of dims says.
        let kv = if k_shape.last() == q_shape.last() { heads.clone() } else { k_shape.last()?.exact_div(&hd).ok()? };
        let [q, k, v] = [self.heads_out(args[0], heads, &hd)?, self.heads_out(args[1], &kv, &hd)?, self.heads_out(args[2], &kv, &hd)?];
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
        let scores = self.bin(Binary::Mul, scores, factor)?;

        let mut attend = None;
        if let Some(&mask) = args.get(3) {
            let m = self.shape(mask);
            let one = Dim::constant(1);
            let thin = match m.len() {
                2 => vec![m[0].clone(), one.clone(), one, m[1].clone()],
                3 => vec![m[0].clone(), one, m[1].clone(), m[2].clone()],
                _ => m,
            };
            let thin = self.push(Op::Reshape(thin), &[mask])?;
            attend = Some(self.push(Op::Expand(grid.clone()), &[thin])?);
        }
        if causal {
            let past = self.causal_mask(&s, &t)?;
            let past = self.push(Op::Expand(grid), &[past])?;
            attend = Some(match attend {
                Some(m) => self.bin(Binary::And, m, past)?,
                None => past,
            });
        }
        let out = match attend {
            None => {
                let p = self.softmax(scores, 3, false)?;
                self.push(Op::Matmul, &[p, v])?
            }
            Some(m) => {
                let never = self.num(f64::NEG_INFINITY)?;
                let scores = self.push(Op::Select, &[m, scores, never])?;
                let p = self.softmax(scores, 3, false)?;
                // A key that is not attended has the weight 0, whatever the softmax makes of a row
                // with no key at all.
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
        let x = self.push(Op::Reshape(vec![b.clone(), kv.clone(), Dim::constant(1), t.clone(), hd.clone()]), &[x])?;
        let x = self.push(Op::Expand(vec![b.clone(), kv.clone(), group, t.clone(), hd.clone()]), &[x])?;
        self.push(Op::Reshape(vec![b.clone(), heads.clone(), t.clone(), hd.clone()]), &[x])
    }

    /// `[S, T]`, true where `t <= s + T - S`.
    ///
    /// Rows of `T + 1` trues and `S` falses, read with one element less a row, move right by
    /// one from row to row; the columns from `S` on are the mask.
    fn causal_mask(&mut self, s: &Dim, t: &Dim) -> Option<Value> {
        let one = Dim::constant(1);
        let [yes, no] = [self.push(Op::Const(Scalar::Bool(true)), &[])?, self.push(Op::Const(Scalar::Bool(false)), &[])?];
        let yes = self.push(Op::Expand(vec![t.plus(&one).ok()?]), &[yes])?;
        let no = self.push(Op::Expand(vec![s.clone()]), &[no])?;
        let row = self.push(Op::Concat { axis: 0 }, &[yes, no])?;
        let width = s.plus(t).ok()?;
        let full = width.plus(&one).ok()?;
        let rows = self.push(Op::Expand(vec![s.clone(), full.clone()]), &[row])?;
        let flat = self.push(Op::Reshape(vec![s.times(&full).ok()?]), &[rows])?;
        let end = s.times(&width).ok()?;
        let flat = self.push(Op::Slice { axis: 0, start: Dim::constant(0), end }, &[flat])?;
        let skewed = self.push(Op::Reshape(vec![s.clone(), width.clone()]), &[flat])?;
        self.push(Op::Slice { axis: 1, start: s.clone(), end: width }, &[skewed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::{Arg, infer};
    use crate::text::split_type;
    use crate::types::Facts;
    use crate::verify::verify;

    fn ty(text: &str) -> Type {
        let (dtype, axes) = split_type(text).expect("a type");
        Type::new(dtype, axes.iter().map(|a| Dim::parse(a).expect("a dim")).collect())
    }

    fn attention(heads: &str, causal: bool, mask: bool) -> Op {
        Op::Attention { heads: Dim::parse(heads).expect("a dim"), causal, mask, scale: None }
    }

    fn composites() -> Vec<(Op, Vec<&'static str>)> {
        let eps = Number(1e-5);
        let mean = |axes: &[usize], keep, masked| Op::Reduce { kind: Reduction::Mean, axes: axes.to_vec(), keep, masked };
        let norm = |axes: &[usize], eps_on, gain, bias| Op::LayerNorm { axes: axes.to_vec(), eps, eps_on, gain, bias };
        let mut all: Vec<(Op, Vec<&str>)> = Unary::TABLE.iter().skip(9).map(|(u, _)| (Op::Unary(*u), vec!["f32[B, 4]"])).collect();
        all.extend([
            (Op::Unary(Unary::Relu), vec!["i32[B]"]),
            (mean(&[0, 2], false, false), vec!["f32[B, S, 4]"]),
            (mean(&[1], false, true), vec!["f32[B, S, 4]", "bool[B, S]"]),
            (mean(&[1], true, true), vec!["f32[B, S, 4]", "bool[B, S]"]),
            (Op::Linear { bias: false }, vec!["f32[4]", "f32[3, 4]"]),
            (Op::Linear { bias: true }, vec!["f32[B, S, 4]", "f32[3, 4]", "f32[3]"]),
            (Op::Softmax { axis: 0, log: false }, vec!["f32[B, S]"]),
            (Op::Softmax { axis: 1, log: true }, vec!["f32[B, S]"]),
            (norm(&[2], EpsOn::Var, true, true), vec!["f32[B, S, 4]", "f32[4]", "f32[4]"]),
            (norm(&[0, 2], EpsOn::Std, false, true), vec!["f32[3, S, 4]", "f32[3, 4]"]),
            (Op::RmsNorm { axes: vec![1], eps, gain: true }, vec!["f32[B, 4, 3]", "f32[4]"]),
            (Op::L2Normalize { axis: 1, eps }, vec!["f32[B, 4]"]),
            (attention("H", true, false), vec!["f32[B, S, H*E]"; 3]),
            (attention("4", false, true), vec!["f32[B, S, 32]", "f32[B, T, 16]", "f32[B, T, 16]", "bool[B, T]"]),
            (attention("4", true, true), vec!["f32[B, 4, S, 8]", "f32[B, 2, T, 8]", "f32[B, 2, T, 8]", "bool[B, 4, S, T]"]),
            (attention("4", true, true), vec!["f32[B, 7, 8]", "f32[B, 9, 8]", "f32[B, 9, 8]", "bool[B, 7, 9]"]),
        ]);
        all
    }

    #[test]
    fn definitions_are_valid_graphs_of_core_ops_with_the_type_of_the_op() {
        for (op, texts) in composites() {
            let types: Vec<Type> = texts.iter().map(|t| ty(t)).collect();
            let g = decompose(&op, &types).unwrap_or_else(|| panic!("{op:?} on {texts:?}"));
            verify(&g).unwrap_or_else(|e| panic!("{op:?}: {e}\n{g}"));
            assert_eq!(Graph::parse(&g.to_string()).as_ref(), Ok(&g));
            assert!(g.nodes.iter().all(|n| !is_composite(&n.op)), "{g}");
            let args: Vec<Arg<'_>> = types.iter().map(|ty| Arg { ty, name: "x" }).collect();
            let want = infer(&op, &args, &Facts::default()).unwrap_or_else(|e| panic!("{op:?}: {e}"));
            assert_eq!(*g.ty(g.outputs[0]), want);
        }
    }

    #[test]
    fn heads_that_are_promised_to_divide_are_exact_quotients() {
        let q = ty("f32[B, S, D]");
        let g = decompose(&attention("H", false, false), &vec![q.clone(); 3]).expect("a definition");
        assert_eq!((verify(&g), g.ty(g.outputs[0])), (Ok(()), &q));
    }

    #[test]
    fn core_ops_and_unfit_types_have_no_definition() {
        assert!(decompose(&Op::Matmul, &[ty("f32[2, 3]"), ty("f32[3, 2]")]).is_none());
        assert!(decompose(&Op::Unary(Unary::Exp), &[ty("f32[2]")]).is_none());
        assert!(decompose(&Op::Linear { bias: false }, &[ty("f32[2]"), ty("f32[3]")]).is_none());
        assert!(decompose(&Op::Linear { bias: false }, &[ty("f32[2]")]).is_none());
        assert!(decompose(&Op::Softmax { axis: 3, log: false }, &[ty("f32[2]")]).is_none());
    }
}
