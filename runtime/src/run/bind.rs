//! Binding the run-time dims of a call, and what must hold of them.

use crate::error::Error;
use crate::tensor::view::AnyView;
use crate::window::window_fits;
use tancho_ir::op::Op;
use tancho_ir::{Dim, Graph, Value};

/// The values of the run-time dims by the shapes of the inputs, in the order of the declaration. `dims` has
/// those that follow from states, and -1 for others.
pub fn bind_inputs(graph: &Graph, inputs: &[AnyView<'_>], dims: &mut [i64]) -> Result<(), Error> {
    if inputs.len() != graph.inputs.len() {
        return Err(Error::InputCount { expected: graph.inputs.len(), found: inputs.len() });
    }
    let wrong = |i: usize, why: String| Error::Input {
        name: graph.inputs[i].name.clone(),
        expected: graph.written_type(i),
        found: inputs[i].ty().to_string(),
        why,
    };
    for (i, (decl, x)) in graph.inputs.iter().zip(inputs).enumerate() {
        x.check()?;
        if decl.given != x.element_type() || decl.ty.rank() != x.shape().len() {
            return Err(wrong(i, String::new()));
        }
        for (axis, (d, n)) in decl.ty.shape.iter().zip(x.shape()).enumerate() {
            if let Some(names) = x.names()
                && d.as_const().is_none()
                && names[axis] != d.to_string()
            {
                return Err(wrong(i, format!("axis {axis} is called `{}`, but it is `{d}`", names[axis])));
            }
            if let Some(at) = d.as_sym().and_then(|s| graph.dims.iter().position(|r| r.name == s))
                && dims[at] < 0
            {
                dims[at] = i64::try_from(*n)
                    .map_err(|_| wrong(i, format!("axis {axis} is longer than any axis can be")))?;
            }
        }
    }
    let env = Env { graph, dims };
    for (i, (decl, x)) in graph.inputs.iter().zip(inputs).enumerate() {
        for (axis, (d, n)) in decl.ty.shape.iter().zip(x.shape()).enumerate() {
            let want = env.value(d)?;
            if usize::try_from(want) != Ok(*n) {
                let d = graph.written_axis(i, axis);
                return Err(wrong(i, format!("axis {axis} is {n}, but `{d}` is {want} in this call")));
            }
        }
    }
    Ok(())
}

/// The graph under values of its dims.
pub struct Env<'a> {
    pub graph: &'a Graph,
    pub dims: &'a [i64],
}

impl Env<'_> {
    /// The value of a dim.
    pub fn value(&self, d: &Dim) -> Result<i64, Error> {
        let of = |s: &str| {
            self.graph.dims.iter().position(|r| r.name == s).map(|i| self.dims[i]).filter(|v| *v >= 0)
        };
        d.eval(&of).map_err(|e| Error::Dim {
            dim: d.to_string(),
            place: format!("network `{}`", self.graph.name),
            why: e.to_string(),
        })
    }

    /// The value of a dim that is a length.
    pub fn length(&self, d: &Dim) -> Result<usize, Error> {
        let n = self.value(d)?;
        usize::try_from(n).map_err(|_| Error::Dim {
            dim: d.to_string(),
            place: format!("network `{}`", self.graph.name),
            why: format!("a length cannot be {n}"),
        })
    }

    /// Bounds and `where` clauses.
    pub fn check_clauses(&self) -> Result<(), Error> {
        for (d, value) in self.graph.dims.iter().zip(self.dims) {
            if let Some(bound) = d.bound.filter(|b| value > b) {
                return Err(Error::Bound { dim: d.name.clone(), value: *value, bound });
            }
        }
        for c in &self.graph.constraints {
            let (left, right) = (self.value(&c.left)?, self.value(&c.right)?);
            if !c.holds(left, right) {
                return Err(Error::Constraint { clause: c.to_string(), left, right });
            }
        }
        Ok(())
    }

    /// Whether a node's slice or window fits.
    pub fn check_node(&self, v: Value) -> Result<(), Error> {
        let node = self.graph.node(v);
        window_fits(self.graph, v, &|d| self.value(d), &|| node.source.to_string())?;
        if let Op::Slice { axis, start, end, .. } = &node.op {
            let len = self.length(&self.graph.ty(node.args[0]).shape[*axis])?;
            let (start, end) = (self.value(start)?, self.value(end)?);
            if start < 0 || end < start || end > len as i64 {
                return Err(Error::Slice { op: node.source.to_string(), axis: *axis, start, end, len });
            }
        }
        Ok(())
    }
}
