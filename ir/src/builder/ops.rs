//! The ops of a body.

use super::*;

impl Scope<'_> {
    /// Adds an op. `args` are parameter names with values, `options` the text form's, `"over = (1,), eps =
    /// 1e-5"`.
    pub fn op(&mut self, name: &str, args: &[(&str, Value)], options: &str) -> Result<Value> {
        let parsed = text::parse_options(name, options).map_err(|e| self.fail(BuildError::new(e)))?;
        let mut call = Call { given: args.iter().map(|(n, _)| *n).collect(), options: Vec::new() };
        for (n, a) in &parsed {
            call.options.push((n, self.subst_attr(a)?));
        }
        let op = make(name, &call).map_err(|e| self.fail(e))?;
        let args: Vec<Value> = args.iter().map(|(_, v)| *v).collect();
        self.graph.push(op, &args, self.source.clone()).map_err(|e| self.fail(e))
    }

    fn subst_attr(&self, a: &Attr) -> Result<Attr> {
        Ok(match a {
            Attr::Dim(d) => Attr::Dim(self.value_of(d)?),
            Attr::Dims(dims) => Attr::Dims(self.shape(dims)?),
            other => other.clone(),
        })
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
