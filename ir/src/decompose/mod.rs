//! What the composites mean: each as a small graph over core ops.
//!
//! The graph's inputs are the op's arguments under their names in the
//! [table](crate::table); symbols in their types are its run-time dims.

mod attention;
mod conv;
mod losses;
mod rope;

use crate::dim::Dim;
use crate::graph::{Graph, InputDecl, RunDim, Source, Value};
use crate::op::*;
use crate::table::{Attr, attrs_of, name_of, present_params};
use crate::types::{DType, Type};
use std::collections::BTreeSet;

/// The definition of a composite on arguments of these types, or `None` for a core op. It holds core ops
/// only, so decomposing is done in one step.
///
/// `None` also where the types do not fit the op.
pub fn decompose(op: &Op, arg_types: &[Type]) -> Option<Graph> {
    decompose_to(op, arg_types, |_| false)
}

/// The same, but composites of the definition that `stays` accepts are not decomposed themselves.
pub fn decompose_to(op: &Op, arg_types: &[Type], stays: fn(&Op) -> bool) -> Option<Graph> {
    let names = present_params(op, arg_types.len());
    if !op.is_composite() || names.len() != arg_types.len() {
        return None;
    }
    let mut b = Body { g: Graph { name: name_of(op).into(), ..Graph::default() }, stays };
    let mut syms: BTreeSet<String> = arg_types.iter().flat_map(|t| &t.shape).flat_map(Dim::syms).collect();
    for (_, attr) in attrs_of(op) {
        match attr {
            Attr::Dim(d) => syms.extend(d.syms()),
            Attr::Dims(all) => syms.extend(all.iter().flat_map(Dim::syms)),
            _ => {}
        }
    }
    b.g.dims = syms.into_iter().map(|name| RunDim { name, bound: None }).collect();
    let mut args = Vec::new();
    for (i, (name, ty)) in names.iter().zip(arg_types).enumerate() {
        b.g.inputs.push(InputDecl { name: (*name).into(), ty: ty.clone() });
        args.push(b.push(Op::Input(i), &[])?);
    }
    let out = b.define(op, &args)?;
    b.g.outputs = vec![out];
    Some(b.g)
}

/// The graph under construction; every method gives `None` where a shape does not fit.
struct Body {
    g: Graph,
    /// Composites that are not decomposed.
    stays: fn(&Op) -> bool,
}

impl Body {
    fn push(&mut self, op: Op, args: &[Value]) -> Option<Value> {
        if op.is_composite() && !(self.stays)(&op) {
            return self.define(&op, args);
        }
        self.g.push(op, args, Source::default()).ok()
    }

    /// The definition of a composite; `None` for a core op.
    fn define(&mut self, op: &Op, args: &[Value]) -> Option<Value> {
        let x = *args.first()?;
        match op {
            Op::Unary(u) => self.unary_composite(*u, x),
            Op::Binary(Binary::Swiglu) => {
                let gate = self.push(Op::Unary(Unary::Silu), &[x])?;
                self.bin(Binary::Mul, gate, args[1])
            }
            Op::Reduce { kind: Reduction::Mean, axes, keep, masked: false } => self.mean(x, axes, *keep),
            Op::Reduce { kind: Reduction::Mean, axes, keep, masked: true } => {
                self.masked_mean(x, args[1], axes, *keep)
            }
            Op::Linear { bias } => self.linear(x, args[1], bias.then(|| args[2])),
            Op::Softmax { axis, log } => self.softmax(x, *axis, *log),
            Op::LayerNorm { axes, eps, eps_on, gain, bias } => {
                let y = self.standardized(x, axes, *eps, *eps_on)?;
                self.affine(y, gain.then(|| args[1]), bias.then(|| args[args.len() - 1]), axes)
            }
            Op::RmsNorm { axes, eps, gain } => {
                let square = self.bin(Binary::Mul, x, x)?;
                let mean = self.mean(square, axes, true)?;
                let shifted = self.by(Binary::Add, mean, eps.0)?;
                let root = self.un(Unary::Sqrt, shifted)?;
                let y = self.with_kept(Binary::Div, x, root)?;
                self.affine(y, gain.then(|| args[1]), None, axes)
            }
            Op::L2Normalize { axis, eps } => {
                let square = self.bin(Binary::Mul, x, x)?;
                let sum = self.reduce(Reduction::Sum, square, &[*axis], true)?;
                let norm = self.un(Unary::Sqrt, sum)?;
                let norm = self.by(Binary::Max, norm, eps.0)?;
                self.with_kept(Binary::Div, x, norm)
            }
            Op::GroupNorm { groups, eps, gain, bias } => {
                let y = self.group_norm(x, groups, *eps)?;
                self.affine(y, gain.then(|| args[1]), bias.then(|| args[args.len() - 1]), &[1])
            }
            Op::Attention { .. } => self.attention(op, args),
            Op::Conv1d { .. } => self.conv1d(op, args),
            Op::Pool2d { .. } => self.avg_pool2d(op, x),
            Op::BatchNorm { eps } => self.batch_norm(args, *eps),
            Op::GlobalMean => {
                let pixels: Vec<usize> = (2..self.shape(x).len()).collect();
                self.mean(x, &pixels, false)
            }
            Op::Flatten { from } => {
                let mut shape = self.shape(x);
                let joined = Dim::product(shape.get(*from..)?).ok()?;
                shape.truncate(*from);
                shape.push(joined);
                self.push(Op::Reshape(shape), &[x])
            }
            Op::UpsampleNearest { scale } => self.upsample_nearest(x, scale),
            Op::Rope { base, from, pairs } => self.rope(x, *base, from, *pairs),
            Op::Pad { axis, before, after } => self.pad(x, *axis, before, after),
            Op::CrossEntropy { ignore } => self.cross_entropy(x, args[1], *ignore),
            Op::Mse => self.mse(x, args[1]),
            Op::Dropout { .. } | Op::StopGradient => Some(x),
            _ => None,
        }
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

    /// `y` and `p`, which runs along `axes`.
    fn along(&mut self, b: Binary, y: Value, p: Value, axes: &[usize]) -> Option<Value> {
        let shape = self.shape(y);
        let thin = shape
            .iter()
            .enumerate()
            .map(|(i, d)| if axes.contains(&i) { d.clone() } else { Dim::constant(1) })
            .collect();
        let p = self.push(Op::Reshape(thin), &[p])?;
        self.with_kept(b, y, p)
    }

    /// `y * gain + bias`, as far as they are given; both run along `axes`.
    fn affine(
        &mut self,
        mut y: Value,
        gain: Option<Value>,
        bias: Option<Value>,
        axes: &[usize],
    ) -> Option<Value> {
        for (b, p) in [(Binary::Mul, gain), (Binary::Add, bias)] {
            let Some(p) = p else { continue };
            y = self.along(b, y, p, axes)?;
        }
        Some(y)
    }

    /// `[N, C, ..]` as rows of one group each, normalised.
    fn group_norm(&mut self, x: Value, groups: &Dim, eps: Number) -> Option<Value> {
        let shape = self.shape(x);
        let [n, channels, rest @ ..] = shape.as_slice() else { return None };
        let each = channels.exact_div(groups).ok()?;
        let row = Dim::product(std::iter::once(&each).chain(rest)).ok()?;
        let rows = self.push(Op::Reshape(vec![n.clone(), groups.clone(), row]), &[x])?;
        let norm = Op::LayerNorm { axes: vec![2], eps, eps_on: EpsOn::Var, gain: false, bias: false };
        let y = self.push(norm, &[rows])?;
        self.push(Op::Reshape(shape), &[y])
    }

    fn pad(&mut self, x: Value, axis: usize, before: &Dim, after: &Dim) -> Option<Value> {
        let ty = self.g.ty(x).clone();
        let zero = self.push(Op::Const(Scalar::F32(Number(0.0))), &[])?;
        let zero = self.push(Op::Cast(ty.dtype), &[zero])?;
        let mut parts = Vec::new();
        for (len, part) in [(Some(before), None), (None, Some(x)), (Some(after), None)] {
            let mut shape = ty.shape.clone();
            match len {
                Some(len) if len.is(0) => continue,
                Some(len) => shape[axis] = len.clone(),
                None => {}
            }
            parts.push(match part {
                Some(x) => x,
                None => self.push(Op::Expand(shape), &[zero])?,
            });
        }
        self.push(Op::Concat { axis }, &parts)
    }

    fn unary_composite(&mut self, u: Unary, x: Value) -> Option<Value> {
        match u {
            Unary::Relu => {
                let zero =
                    if self.g.ty(x).dtype == DType::I32 { Scalar::I32(0) } else { Scalar::F32(Number(0.0)) };
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
        let sum = self
            .push(Op::Reduce { kind: Reduction::Sum, axes: axes.to_vec(), keep, masked: true }, &[x, mask])?;
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
        Op::Attention {
            heads: Dim::parse(heads).expect("a dim"),
            causal,
            window: None,
            mask,
            bias: false,
            scale: None,
        }
    }

    /// With a bias as last argument, and a window.
    fn biased(op: Op, window: &str) -> Op {
        match op {
            Op::Attention { heads, causal, mask, scale, .. } => {
                Op::Attention { heads, causal, window: Dim::parse(window).ok(), mask, bias: true, scale }
            }
            other => other,
        }
    }

    fn composites() -> Vec<(Op, Vec<&'static str>)> {
        let eps = Number(1e-5);
        let mean = |axes: &[usize], keep, masked| Op::Reduce {
            kind: Reduction::Mean,
            axes: axes.to_vec(),
            keep,
            masked,
        };
        let norm = |axes: &[usize], eps_on, gain, bias| Op::LayerNorm {
            axes: axes.to_vec(),
            eps,
            eps_on,
            gain,
            bias,
        };
        let mut all: Vec<(Op, Vec<&str>)> = Unary::TABLE
            .iter()
            .map(|(u, _)| (Op::Unary(*u), vec!["f32[B, 4]"]))
            .filter(|(op, _)| op.is_composite())
            .collect();
        let dim = |text: &str| Dim::parse(text).expect("a dim");
        let rope = |from, pairs| Op::Rope { base: Number(1e4), from: dim(from), pairs };
        let zeros = |axis, before, after| Op::Pad { axis, before: dim(before), after: dim(after) };
        let pad = |p: [&str; 4]| Padding::Explicit(p.map(dim));
        let window = |s: &str, p| Window { stride: [dim(s), dim(s)], pad: p, dilation: [dim("1"), dim("1")] };
        let avg = |kernel: [&str; 2], w, layout, count_pad| Op::Pool2d {
            kind: Pooling::Avg,
            kernel: kernel.map(dim),
            window: w,
            layout,
            count_pad,
        };
        let conv1d = |pad, bias| Op::Conv1d {
            window: Window::along_columns(&dim("2"), &pad, &dim("1")),
            groups: dim("2"),
            bias,
        };
        all.extend([
            (conv1d(Padding::Same, false), vec!["f32[N, 4, L]", "f32[6, 2, 3]"]),
            (conv1d(pad(["0", "0", "1", "2"]), true), vec!["f32[N, 4, 9]", "f32[6, 2, 3]", "f32[6]"]),
            (avg(["2", "2"], window("2", pad(["0"; 4])), Layout::Nchw, false), vec!["f32[N, C, H, W]"]),
            (avg(["3", "2"], window("2", pad(["1"; 4])), Layout::Nchw, false), vec!["f32[N, C, H, 8]"]),
            (avg(["3", "3"], window("1", Padding::Same), Layout::Nhwc, false), vec!["f32[N, H, W, C]"]),
            (avg(["3", "3"], window("1", pad(["1"; 4])), Layout::Nhwc, true), vec!["f32[N, H, W, C]"]),
            (Op::BatchNorm { eps }, vec!["f32[N, 4, H, W]", "f32[4]", "f32[4]", "f32[4]", "f32[4]"]),
            (Op::BatchNorm { eps }, vec!["f32[N, 4]", "f32[4]", "f32[4]", "f32[4]", "f32[4]"]),
            (Op::GlobalMean, vec!["f32[N, C, H, W]"]),
            (Op::Flatten { from: 1 }, vec!["i32[N, C, H]"]),
            (Op::Flatten { from: 0 }, vec!["f32[N, C]"]),
            (Op::UpsampleNearest { scale: [dim("2"), dim("3")] }, vec!["f32[N, C, H, W]"]),
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
            (Op::Binary(Binary::Swiglu), vec!["f32[B, S]", "f32[S]"]),
            (
                Op::GroupNorm { groups: dim("G"), eps, gain: false, bias: true },
                vec!["f32[B, G*E, S]", "f32[G*E]"],
            ),
            (
                Op::GroupNorm { groups: dim("2"), eps, gain: true, bias: true },
                vec!["f32[B, 6, S, 3]", "f32[6]", "f32[6]"],
            ),
            (Op::GroupNorm { groups: dim("2"), eps, gain: false, bias: false }, vec!["f32[B, 6]"]),
            (rope("0", Pairs::Halves), vec!["f32[B, H, S, 8]"]),
            (rope("P", Pairs::Adjacent), vec!["f32[B, H, S, 6]"]),
            (zeros(1, "2", "0"), vec!["f32[B, S]"]),
            (zeros(0, "P", "1"), vec!["bf16[B, S]"]),
            (zeros(0, "0", "0"), vec!["bool[B]"]),
            (Op::CrossEntropy { ignore: -100 }, vec!["f32[B, S, C]", "i32[B, S]"]),
            (Op::CrossEntropy { ignore: 0 }, vec!["f32[7]", "i32[]"]),
            (Op::Mse, vec!["f32[B, S]", "f32[B, S]"]),
            (Op::Dropout { p: Number(0.1) }, vec!["f32[B]"]),
            (Op::StopGradient, vec!["i32[B]"]),
            (
                biased(attention("H", true, false), "W"),
                vec!["f32[B, S, H*E]", "f32[B, T, H*E]", "f32[B, T, H*E]", "f32[H, S, T]"],
            ),
            (
                biased(attention("4", false, true), "5"),
                vec![
                    "f32[B, 4, S, 8]",
                    "f32[B, 2, T, 8]",
                    "f32[B, 2, T, 8]",
                    "bool[B, T]",
                    "f32[B, 4, S, T]",
                ],
            ),
            (attention("H", true, false), vec!["f32[B, S, H*E]"; 3]),
            (
                attention("4", false, true),
                vec!["f32[B, S, 32]", "f32[B, T, 16]", "f32[B, T, 16]", "bool[B, T]"],
            ),
            (
                attention("4", true, true),
                vec!["f32[B, 4, S, 8]", "f32[B, 2, T, 8]", "f32[B, 2, T, 8]", "bool[B, 4, S, T]"],
            ),
            (
                attention("4", true, true),
                vec!["f32[B, 7, 8]", "f32[B, 9, 8]", "f32[B, 9, 8]", "bool[B, 7, 9]"],
            ),
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
            assert!(g.nodes.iter().all(|n| !n.op.is_composite()), "{g}");
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
