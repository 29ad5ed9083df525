//! Which function evaluates which op.

use super::{
    Interpreter, attention, conv, elementwise, experts, f32s, losses, moves, norms, place, positions,
    products, random, reduce, resize, scan, transposed,
};
use crate::error::Error;
use crate::tensor::Tensor;
use crate::window::window_fits;
use std::slice::from_ref;
use tancho_ir::infer::Rotation;
use tancho_ir::op::{Layout, Op, Reduction, Resampling, Scalar};
use tancho_ir::{Dim, DimError, Sight, Value};

/// One op on arguments that have the types the graph gives them.
pub fn eval(interpreter: &Interpreter<'_>, v: Value, args: &[&Tensor]) -> Result<Tensor, Error> {
    let call = Call { interpreter, v, args, out: interpreter.shape(v) };
    call.eval(&interpreter.graph.node(v).op)
}

/// An op with its arguments and the shape of its result.
struct Call<'c> {
    interpreter: &'c Interpreter<'c>,
    v: Value,
    args: &'c [&'c Tensor],
    out: &'c [usize],
}

impl Call<'_> {
    fn eval(&self, op: &Op) -> Result<Tensor, Error> {
        let (args, out) = (self.args, self.out);
        let place = || self.place();
        Ok(match op {
            Op::Input(_) | Op::Weight(_) => {
                return Err(Error::Graph(format!("{} is no op to evaluate", place())));
            }
            Op::State(i) => self.interpreter.states[*i].copied()?,
            Op::Scan { .. } => scan::scan(self.interpreter, op, args, out, &scan::exact)?,
            Op::Experts { .. } => experts::experts(self.interpreter, op, args, out, &scan::exact, &place)?,
            Op::Const(Scalar::F32(n)) => Tensor::scalar(n.0 as f32),
            Op::Const(Scalar::I32(i)) => Tensor::scalar(*i),
            Op::Const(Scalar::Bool(b)) => Tensor::scalar(*b),
            Op::DimValue(d) => Tensor::scalar(self.dim(d)? as f32),
            Op::Arange { from, .. } => positions::arange(self.dim(from)?, out)?,
            Op::Powers { ratio, .. } => positions::powers(ratio.0, out)?,
            Op::Unary(u) => elementwise::unary(*u, self.first()?)?,
            Op::Binary(b) => elementwise::binary(*b, self.first()?, args[1], out)?,
            Op::Pow(n) => elementwise::each(self.first()?, |x| x.powf(n.0))?,
            Op::Select => elementwise::select(self.first()?, args[1], args[2], out)?,
            Op::Threefry => random::threefry(args, out)?,
            Op::Uniform(_) => random::uniform([self.first()?, args[1]], out)?,
            Op::KeyedDropout { p } => random::dropout(p.0, self.first()?, [args[1], args[2]])?,
            Op::Cast(to) => elementwise::cast(self.first()?, *to)?,
            Op::Matmul => products::matmul(self.first()?, args[1], out)?,
            Op::Reduce { kind, axes, masked, .. } => {
                reduce::reduce(*kind, self.first()?, axes, masked.then(|| args[1]), out)?
            }
            Op::Argmax { axis, .. } => reduce::argmax(self.first()?, *axis, out)?,
            Op::Reshape(_) | Op::Flatten { .. } => Tensor::from_parts(self.first()?.data().copied()?, out),
            Op::Transpose(perm) => moves::transpose(self.first()?, perm, out)?,
            Op::Expand(_) => moves::expand(self.first()?, out)?,
            Op::Slice { axis, start, end, step } => self.slice(*axis, (start, end), step)?,
            Op::Concat { axis } | Op::Push { axis } => moves::concat(args, *axis, out)?,
            Op::Gather => moves::gather(self.first()?, args[1], out, &place)?,
            Op::ScatterAdd { .. } => reduce::scatter_add(self.first()?, args[1], out, &place)?,
            Op::SumRows { part } => reduce::sum_rows(self.first()?, *part, out)?,
            Op::TopK { axis, indices, .. } => {
                let ids = moves::topk(self.first()?, *axis, out, &place)?;
                if *indices { ids } else { moves::take_along(self.first()?, &ids, *axis, out, &place)? }
            }
            Op::Flip { axis } => moves::flip(self.first()?, *axis)?,
            Op::TakeAlong { axis } => moves::take_along(self.first()?, args[1], *axis, out, &place)?,
            Op::Cumsum { axis } => reduce::cumsum(self.first()?, *axis)?,
            Op::Linear { .. } => products::linear(self.first()?, args[1], args.get(2).copied(), out)?,
            Op::Softmax { axis, log } => norms::softmax(self.first()?, *axis, *log)?,
            Op::LayerNorm { axes, eps, eps_on, gain, bias } => {
                let (gain, bias) = (gain.then(|| args[1]), bias.then(|| args[1 + usize::from(*gain)]));
                norms::layer_norm(self.first()?, gain, bias, axes, eps.0, *eps_on)?
            }
            Op::RmsNorm { axes, eps, gain } => {
                norms::rms_norm(self.first()?, gain.then(|| args[1]), axes, eps.0)?
            }
            Op::L2Normalize { axis, eps } => norms::l2_normalize(self.first()?, *axis, eps.0)?,
            Op::GroupNorm { groups, eps, gain, bias } => {
                let (gain, bias) = (gain.then(|| args[1]), bias.then(|| args[args.len() - 1]));
                let n = self.count(groups)?;
                norms::group_norm(self.first()?, gain, bias, n, eps.0, self.uneven(groups))?
            }
            Op::Attention { .. } => self.attention(op)?,
            Op::Conv2d { groups, layout, bias, .. } => {
                let (bias, groups) = (bias.then(|| args[2]), self.count(groups)?);
                conv::conv2d(self.first()?, args[1], bias, &self.frame(*layout)?, groups, out)?
            }
            Op::Conv1d { groups, bias, .. } => self.conv1d(bias.then(|| args[2]), groups)?,
            Op::ConvTranspose2d { bias, .. } | Op::ConvTranspose1d { bias, .. } => {
                let bias = bias.then(|| args[2]);
                transposed::conv_transpose(self.first()?, args[1], bias, &self.spread(op)?, out)?
            }
            Op::Pool2d { kind, layout, count_pad, .. } => {
                conv::pool2d(*kind, self.first()?, &self.frame(*layout)?, *count_pad, out)?
            }
            Op::BatchNorm { eps } => self.first().and_then(|_| conv::batch_norm(args, eps.0))?,
            Op::GlobalMean => {
                let pixels: Vec<usize> = (2..self.first()?.shape().len()).collect();
                reduce::reduce(Reduction::Mean, self.first()?, &pixels, None, out)?
            }
            Op::UpsampleNearest { .. } => conv::upsample_nearest(self.first()?, out)?,
            Op::Resize { mode, .. } => resize::resize(self.first()?, *mode, out, &place)?,
            Op::UpsampleBilinear { .. } => resize::resize(self.first()?, Resampling::Bilinear, out, &place)?,
            Op::Rope { .. } => self.rope(op)?,
            Op::Pad { axis, before, .. } => moves::pad(self.first()?, *axis, self.count(before)?, out)?,
            Op::CrossEntropy { ignore } => {
                losses::cross_entropy(self.first()?, args[1], *ignore, out, &place)?
            }
            Op::Mse => losses::mse(self.first()?, args[1], out)?,
            Op::Softcap { cap } => elementwise::each(self.first()?, |x| cap.0 * (x / cap.0).tanh())?,
            Op::LeakyRelu { slope } => {
                elementwise::each(self.first()?, |x| if x > 0.0 { x } else { x * slope.0 })?
            }
            Op::Elu { alpha } => {
                elementwise::each(self.first()?, |x| if x > 0.0 { x } else { alpha.0 * x.exp_m1() })?
            }
            Op::Dropout { .. } | Op::StopGradient | Op::OptimizationBarrier => self.first()?.copied()?,
        })
    }

    /// Where the op stands, for errors.
    fn place(&self) -> String {
        place(self.interpreter.graph, self.v)
    }

    /// The first argument.
    fn first(&self) -> Result<&Tensor, Error> {
        let missing = || Error::Argument {
            op: self.place(),
            index: 0,
            expected: "given".into(),
            found: "missing".into(),
        };
        self.args.first().copied().ok_or_else(missing)
    }

    /// The value of a dim.
    fn dim(&self, d: &Dim) -> Result<i64, Error> {
        self.interpreter.dims.eval(d, &|| self.place())
    }

    /// The value of a dim that counts something.
    fn count(&self, d: &Dim) -> Result<usize, Error> {
        Ok(self.interpreter.dims.shape(from_ref(d), &|| self.place())?[0])
    }

    /// The error of a dim that does not divide what it should divide.
    fn uneven(&self, d: &Dim) -> impl Fn(String) -> Error {
        let (dim, place) = (d.to_string(), self.place());
        move |why| Error::Dim { dim: dim.clone(), place: place.clone(), why }
    }

    fn slice(&self, axis: usize, (start, end): (&Dim, &Dim), step: &Dim) -> Result<Tensor, Error> {
        let range = (self.dim(start)?, self.dim(end)?);
        moves::slice(self.first()?, axis, range, self.count(step)?, self.out, &|| self.place())
    }

    fn attention(&self, op: &Op) -> Result<Tensor, Error> {
        let Op::Attention { heads, causal, window, mask, bias, scale, softcap } = op else {
            return Err(Error::Graph(format!("{} is no attention", self.place())));
        };
        let args = self.args;
        let n = self.count(heads)?;
        let rules = attention::Rules {
            causal: *causal,
            window: window.as_ref().map(|w| self.dim(w)).transpose()?,
            scale: scale.map(|s| s.0),
            softcap: softcap.map(|c| c.0),
            mask: mask.then(|| args[3]),
            bias: bias.then(|| args[args.len() - 1]),
        };
        attention::attention(n, [self.first()?, args[1], args[2]], &rules, self.uneven(heads))
    }

    fn rope(&self, op: &Op) -> Result<Tensor, Error> {
        let Op::Rope { freqs, positions, from, pairs, .. } = op else {
            return Err(Error::Graph(format!("{} is no rope", self.place())));
        };
        let x = self.first()?;
        let n = if *freqs { self.args[1].len() } else { x.shape()[3] / 2 };
        let (base, rotation) = Rotation::of(op, i64::try_from(n).unwrap_or(i64::MAX / 2))?;
        let (made, counted);
        let frequencies = if *freqs {
            f32s(self.args[1])
        } else {
            made = positions::frequencies(base, rotation, n)?;
            &made
        };
        let positions = if *positions {
            self.args.last().and_then(|p| p.as_i32()).unwrap_or_default()
        } else {
            counted = positions::arange(self.dim(from)?, &x.shape()[2..3])?;
            counted.as_i32().unwrap_or_default()
        };
        let amplitude = if let Rotation::Yarn { amplitude, .. } = rotation { amplitude } else { 1.0 };
        positions::rope(x, &positions::Turns { frequencies, positions, amplitude, pairs: *pairs })
    }

    /// A convolution of signals, as that of images of one row.
    fn conv1d(&self, bias: Option<&Tensor>, groups: &Dim) -> Result<Tensor, Error> {
        let out = self.out;
        let groups = self.count(groups)?;
        let one_row = |t: &Tensor| {
            let data = t.data().copied()?;
            Ok::<_, Error>(Tensor::from_parts(data, &[t.shape()[0], t.shape()[1], 1, t.shape()[2]]))
        };
        let (x, w, shape) = (one_row(self.first()?)?, one_row(self.args[1])?, [out[0], out[1], 1, out[2]]);
        let y = conv::conv2d(&x, &w, bias, &self.frame(Layout::Nchw)?, groups, &shape)?;
        Ok(Tensor::from_parts(y.into_data(), out))
    }

    /// How a transposed convolution spreads its filters.
    fn spread(&self, op: &Op) -> Result<transposed::Spread, Error> {
        let pair = |d: &[Dim; 2]| Ok::<_, Error>([self.count(&d[0])?, self.count(&d[1])?]);
        let of_one_row = |row: usize, d: &Dim| Ok::<_, Error>([row, self.count(d)?]);
        Ok(match op {
            Op::ConvTranspose2d { stride, pad, dilation, groups, .. } => transposed::Spread {
                stride: pair(stride)?,
                pad: pair(pad)?,
                dilation: pair(dilation)?,
                groups: self.count(groups)?,
            },
            Op::ConvTranspose1d { stride, pad, dilation, groups, .. } => transposed::Spread {
                stride: of_one_row(1, stride)?,
                pad: of_one_row(0, pad)?,
                dilation: of_one_row(1, dilation)?,
                groups: self.count(groups)?,
            },
            _ => return Err(Error::Graph(format!("{} is no transposed convolution", self.place()))),
        })
    }

    /// A window in numbers under the dims.
    fn frame(&self, layout: Layout) -> Result<conv::Frame, Error> {
        let (graph, dims) = (self.interpreter.graph, &self.interpreter.dims);
        let place = || self.place();
        let pair = |d: &[Dim; 2]| dims.shape(d, &place).map(|n| [n[0], n[1]]);
        let sight = window_fits(graph, self.v, &|d| dims.eval(d, &place), &place)?;
        let Sight { window, image, kernel } =
            sight.ok_or_else(|| Error::Graph(format!("{} has no window", place())))?;
        let fault = |e: DimError| Error::Graph(format!("{}: {e}", place()));
        let before =
            |axis: usize| window.around(axis, &image[axis], &kernel[axis]).map(|a| a.0).map_err(fault);
        let before = pair(&[before(0)?, before(1)?])?;
        Ok(conv::Frame {
            kernel: pair(&kernel)?,
            stride: pair(&window.stride)?,
            dilation: pair(&window.dilation)?,
            before,
            layout,
        })
    }
}
