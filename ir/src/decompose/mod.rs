//! What the composites mean: each as a small graph over core ops.
//!
//! The graph's inputs are the op's arguments under their names in the
//! [table](crate::table); symbols in their types are its run-time dims.

mod attention;
mod conv;
mod elementwise;
mod losses;
mod means;
mod norms;
mod random;
mod resize;
mod rope;
mod shapes;
#[cfg(test)]
mod tests;
mod topk;
mod transposed;

use crate::dim::Dim;
use crate::graph::{Graph, InputDecl, RunDim, Source, Value};
use crate::op::*;
use crate::table::{Attr, attrs_of, name_of, present_params};
use crate::types::Type;
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
        b.g.inputs.push(InputDecl::new(*name, ty.clone()));
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
            Op::Unary(u) => self.unary(*u, x),
            Op::Binary(b) => self.binary(*b, x, args[1]),
            Op::Reduce { kind: Reduction::Mean, axes, keep, masked: false } => self.mean(x, axes, *keep),
            Op::Reduce { kind: Reduction::Mean, axes, keep, masked: true } => {
                self.masked_mean(x, args[1], axes, *keep)
            }
            Op::Linear { bias } => self.linear(x, args[1], bias.then(|| args[2])),
            Op::Softmax { axis, log } => self.softmax(x, *axis, *log),
            Op::LayerNorm { .. } => self.layer_norm(op, args),
            Op::RmsNorm { axes, eps, gain } => self.rms_norm(x, gain.then(|| args[1]), axes, *eps),
            Op::L2Normalize { axis, eps } => self.l2_normalize(x, *axis, *eps),
            Op::GroupNorm { .. } => self.group_norm(op, args),
            Op::Attention { .. } => self.attention(op, args),
            Op::Conv1d { .. } => self.conv1d(op, args),
            Op::ConvTranspose2d { .. } => self.conv_transpose2d(op, args),
            Op::ConvTranspose1d { .. } => self.conv_transpose1d(op, args),
            Op::Pool2d { kind: Pooling::Avg, .. } => self.avg_pool2d(op, x),
            Op::BatchNorm { eps } => self.batch_norm(args, *eps),
            Op::GlobalMean => self.global_mean(x),
            Op::Flatten { from } => self.flatten(x, *from),
            Op::UpsampleNearest { scale } => self.upsample_nearest(x, scale),
            Op::Resize { size, mode } => self.resize(x, size, *mode),
            Op::UpsampleBilinear { scale } => {
                let shape = self.shape(x);
                let size = vec![shape[2].times(&scale[0]).ok()?, shape[3].times(&scale[1]).ok()?];
                self.push(Op::Resize { size, mode: Resampling::Bilinear }, &[x])
            }
            Op::Rope { .. } => self.rope(op, args),
            Op::TopK { k, axis, indices: true } => self.topk_indices(x, k, *axis),
            Op::TopK { k, axis, indices: false } => {
                let ids = self.push(Op::TopK { k: k.clone(), axis: *axis, indices: true }, &[x])?;
                self.push(Op::TakeAlong { axis: *axis }, &[x, ids])
            }
            Op::Flip { axis } => self.flip(x, *axis),
            Op::TakeAlong { axis } => self.take_along(x, args[1], *axis),
            Op::Pad { axis, before, after } => self.pad(x, *axis, before, after),
            Op::CrossEntropy { ignore } => self.cross_entropy(x, args[1], *ignore),
            Op::Mse => self.mse(x, args[1]),
            Op::Softcap { cap } => {
                let inner = self.by(Binary::Div, x, cap.0)?;
                let bent = self.un(Unary::Tanh, inner)?;
                self.by(Binary::Mul, bent, cap.0)
            }
            Op::LeakyRelu { slope } => self.leaky_relu(x, *slope),
            Op::Elu { alpha } => self.elu(x, *alpha),
            Op::Dropout { .. } | Op::StopGradient => Some(x),
            Op::Uniform(shape) => self.uniform(shape, [x, args[1]]),
            Op::KeyedDropout { p } => self.keyed_dropout(p.0, x, [args[1], args[2]]),
            Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => None,
            Op::Arange { .. } | Op::Powers { .. } | Op::Pow(_) | Op::Select | Op::Cast(_) => None,
            Op::Reduce { kind: Reduction::Sum | Reduction::Max | Reduction::Min, .. } => None,
            Op::Argmax { .. } | Op::Matmul | Op::Conv2d { .. } | Op::Gather => None,
            Op::ScatterAdd { .. } | Op::SumRows { .. } | Op::Threefry => None,
            Op::Pool2d { kind: Pooling::Max | Pooling::Sum, .. } => None,
            Op::Reshape(_) | Op::Transpose(_) | Op::Expand(_) | Op::Slice { .. } => None,
            Op::OptimizationBarrier | Op::Concat { .. } | Op::Push { .. } | Op::Cumsum { .. } => None,
            Op::Scan { .. } | Op::Experts { .. } => None,
        }
    }

    fn linear(&mut self, x: Value, w: Value, bias: Option<Value>) -> Option<Value> {
        let wt = self.push(Op::Transpose(vec![1, 0]), &[w])?;
        let y = self.push(Op::Matmul, &[x, wt])?;
        match bias {
            Some(b) => self.bin(Binary::Add, y, b),
            None => Some(y),
        }
    }

    fn num(&mut self, x: f64) -> Option<Value> {
        self.push(Op::Const(Scalar::F32(Number(x))), &[])
    }

    /// A dim as an i32 scalar.
    fn integer(&mut self, d: &Dim) -> Option<Value> {
        if let Some(n) = d.as_const() {
            return self.push(Op::Const(Scalar::I32(i32::try_from(n).ok()?)), &[]);
        }
        let one = self.push(Op::Arange { len: Dim::constant(1), from: d.clone() }, &[])?;
        self.push(Op::Reshape(Vec::new()), &[one])
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
}
