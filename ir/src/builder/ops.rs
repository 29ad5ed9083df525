//! The ops of a body.

use super::*;
use crate::table::{Kind, lookup};

/// The value of an op's option as the emitted code gives it. Dims are texts of polynomials.
#[derive(Clone, Copy, Debug)]
pub enum AttrRef {
    /// Axes, from 0.
    Axes(&'static [usize]),
    /// Axes of the first argument from its end, from 1: after leading axes whose number is not known.
    AxesFromEnd(&'static [usize]),
    /// All axes of the first argument in a new order: the leading ones, then these from its end.
    Permuted(&'static [usize]),
    /// A dim.
    Dim(&'static str),
    /// Dims; `..` stands for the leading axes.
    Dims(&'static [&'static str]),
    /// A number.
    Float(f64),
    /// A number that follows from static dims, in [postfix form](evaluate).
    Formula(&'static str),
    /// An integer.
    Int(i32),
    /// A flag.
    Bool(bool),
    /// A word.
    Word(&'static str),
    /// The value of one of the network's own options.
    Of(OptionValue),
}

impl Scope<'_> {
    /// Adds an op. `args` are parameter names with values.
    pub fn op(
        &mut self,
        name: &str,
        args: &[(&str, Value)],
        options: &[(&'static str, AttrRef)],
    ) -> Result<Value> {
        let rank = args.first().map_or(0, |(_, v)| self.graph.ty(*v).rank());
        let mut call = Call { given: args.iter().map(|(n, _)| *n).collect(), options: Vec::new() };
        for (option, value) in options {
            call.options.push((option, self.attr(name, option, value, rank)?));
        }
        let op = make(name, &call).map_err(|e| self.fail(e))?;
        let args: Vec<Value> = args.iter().map(|(_, v)| *v).collect();
        self.graph.push(op, &args, self.source.clone()).map_err(|e| self.fail(e))
    }

    /// The value of an option here; `rank` is that of the op's first argument.
    fn attr(&self, op: &str, option: &str, value: &AttrRef, rank: usize) -> Result<Attr> {
        let from_end = |axes: &[usize]| axes.iter().map(|n| rank.saturating_sub(*n)).collect::<Vec<usize>>();
        Ok(match value {
            AttrRef::Axes(axes) => Attr::Axes(axes.to_vec()),
            AttrRef::AxesFromEnd(axes) => Attr::Axes(from_end(axes)),
            AttrRef::Permuted(axes) => {
                Attr::Axes((0..rank.saturating_sub(axes.len())).chain(from_end(axes)).collect())
            }
            AttrRef::Dim(text) => Attr::Dim(self.dim(text)?),
            AttrRef::Dims(texts) => {
                let axes: Result<Vec<Dim>, DimError> = texts.iter().map(|t| sig::read_axis(t)).collect();
                Attr::Dims(self.shape(&axes.map_err(|e| self.fail(e))?)?)
            }
            AttrRef::Float(x) => Attr::Float(*x),
            AttrRef::Formula(postfix) => Attr::Float(self.formula(option, postfix)?),
            AttrRef::Int(i) => Attr::Int(*i),
            AttrRef::Bool(b) => Attr::Bool(*b),
            AttrRef::Word(w) => Attr::Word(w.to_string()),
            AttrRef::Of(OptionValue::Bool(b)) => Attr::Bool(*b),
            AttrRef::Of(OptionValue::Float(x)) => Attr::Float(*x),
            AttrRef::Of(OptionValue::Int(i)) => return self.integer(op, option, *i),
        })
    }

    /// The value of a formula of static dims.
    fn formula(&self, option: &str, postfix: &str) -> Result<f64> {
        let value = |name: &str| self.dim(name).ok()?.as_const().map(|n| n as f64);
        let unknown = || self.fail(BuildError::new(format!("`{option}` must be made of static dims")));
        evaluate(postfix, &value).ok_or_else(unknown)
    }

    /// An integer as the op's option takes it, which may be a number of another kind.
    fn integer(&self, op: &str, option: &str, i: i64) -> Result<Attr> {
        let kind = lookup(op).and_then(|row| row.options.iter().find(|o| o.name == option)).map(|o| o.kind);
        if kind != Some(Kind::Int) {
            return Ok(Attr::Float(i as f64));
        }
        let wrong = || self.fail(BuildError::new(format!("`{option}` takes {}", Kind::Int.describe())));
        i32::try_from(i).map(Attr::Int).map_err(|_| wrong())
    }

    /// A scalar constant.
    pub fn constant(&mut self, c: Scalar) -> Result<Value> {
        self.graph.push(Op::Const(c), &[], self.source.clone()).map_err(|e| self.fail(e))
    }

    /// Takes row `index` of an axis away: a slice of length 1 and a reshape.
    pub fn pick(&mut self, v: Value, axis: usize, index: &str) -> Result<Value> {
        let mut shape: Vec<Dim> = self.graph.ty(v).shape.clone();
        let Some(len) = shape.get(axis).cloned() else {
            return Err(self.fail(BuildError::new(format!("there is no axis {axis} in {}", Shape(&shape)))));
        };
        let mut start = self.dim(index)?;
        if start.as_const().is_some_and(|n| n < 0) {
            start = len.plus(&start)?;
        }
        let end = start.plus(&Dim::constant(1))?;
        let cut = self
            .graph
            .push(Op::Slice { axis, start, end, step: Dim::constant(1) }, &[v], self.source.clone())
            .map_err(|e| self.fail(e))?;
        shape.remove(axis);
        self.graph.push(Op::Reshape(shape), &[cut], self.source.clone()).map_err(|e| self.fail(e))
    }

    /// Cuts an axis into equal parts.
    pub fn split(&mut self, v: Value, axis: usize, parts: &str) -> Result<Vec<Value>> {
        let n = self.count(parts)?;
        let len = self.graph.ty(v).shape.get(axis).cloned();
        let Some((len, true)) = len.map(|l| (l, n > 0)) else {
            return Err(self.fail(BuildError::new(format!("cannot split axis {axis} into {n} parts"))));
        };
        let part = len.exact_div(&Dim::from(n)).map_err(|e| self.fail(e))?;
        let mut out = Vec::new();
        for i in 0..n {
            let start = part.times(&Dim::from(i))?;
            let op =
                Op::Slice { axis, start: start.clone(), end: start.plus(&part)?, step: Dim::constant(1) };
            out.push(self.graph.push(op, &[v], self.source.clone()).map_err(|e| self.fail(e))?);
        }
        Ok(out)
    }
}

/// The scalar constant of a literal or option, as the type of the tensor it meets.
pub fn scalar_for(dtype: DType, v: OptionValue) -> Option<Scalar> {
    use crate::op::Number;
    Some(match (dtype, v) {
        (DType::F32, OptionValue::Float(x)) => Scalar::F32(Number(x)),
        (DType::F32, OptionValue::Int(i)) => Scalar::F32(Number(i as f64)),
        (DType::I32, OptionValue::Int(i)) => Scalar::I32(i32::try_from(i).ok()?),
        (DType::Bool, OptionValue::Bool(b)) => Scalar::Bool(b),
        _ => return None,
    })
}
