//! Values of the run-time dims.

use crate::error::Error;
use crate::tensor::Tensor;
use crate::tensor::shape::element_count;
use std::collections::BTreeMap;
use tancho_ir::{Dim, Graph};

/// The values of the run-time dims in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dims {
    values: BTreeMap<String, i64>,
}

impl<S: Into<String>> FromIterator<(S, i64)> for Dims {
    fn from_iter<I: IntoIterator<Item = (S, i64)>>(values: I) -> Dims {
        Dims { values: values.into_iter().map(|(n, v)| (n.into(), v)).collect() }
    }
}

impl Dims {
    /// The dims that these values of inputs have: an axis declared as one symbol gives its value, the others
    /// must agree.
    ///
    /// # Errors
    /// The number of inputs, an element type, a rank or an axis does not fit the declaration.
    pub fn of_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<Dims, Error> {
        Dims::default().with_inputs(graph, inputs)
    }

    /// The same with one dim more.
    pub(crate) fn with(mut self, name: &str, value: i64) -> Dims {
        self.values.insert(name.into(), value);
        self
    }

    fn with_inputs(mut self, graph: &Graph, inputs: &[Tensor]) -> Result<Dims, Error> {
        let dims = &mut self;
        if inputs.len() != graph.inputs.len() {
            return Err(Error::InputCount { expected: graph.inputs.len(), found: inputs.len() });
        }
        let pairs = || graph.inputs.iter().zip(inputs);
        let wrong = |i: usize, why: String| Error::Input {
            name: graph.inputs[i].name.clone(),
            expected: graph.written_type(i),
            found: inputs[i].ty().to_string(),
            why,
        };
        for (i, (decl, t)) in pairs().enumerate() {
            if decl.ty.dtype != t.dtype() || decl.ty.rank() != t.shape().len() {
                let of_value = format!("the interpreter takes its value, which is {}", decl.ty.dtype);
                return Err(wrong(i, if decl.given.is_converted() { of_value } else { String::new() }));
            }
            for (axis, (d, &n)) in decl.ty.shape.iter().zip(t.shape()).enumerate() {
                let n = i64::try_from(n)
                    .map_err(|_| wrong(i, format!("axis {axis} is {n}, which is more than dims can be")))?;
                if let Some(s) = d.as_sym() {
                    dims.values.entry(s.into()).or_insert(n);
                }
            }
        }
        for (i, (decl, t)) in pairs().enumerate() {
            for (axis, (d, &n)) in decl.ty.shape.iter().zip(t.shape()).enumerate() {
                let want = dims.eval(d, &|| format!("input `{}`", decl.name))?;
                if usize::try_from(want) != Ok(n) {
                    let d = graph.written_axis(i, axis);
                    return Err(wrong(i, format!("axis {axis} is {n}, but `{d}` is {want} in this call")));
                }
            }
        }
        Ok(self)
    }

    /// The same with what states hold, or nothing for one that no run had: the dims that they grow along have
    /// as many rows as they have, and dims that follow from states alone have the lengths of their axes.
    ///
    /// # Errors
    /// As [`Dims::of_inputs`], a state has another rank than it is declared with, or a dim follows from a
    /// state that no run had.
    pub fn of_call(graph: &Graph, inputs: &[Tensor], states: &[Option<Tensor>]) -> Result<Dims, Error> {
        let length = |i: usize, axis: usize| -> Result<Option<i64>, Error> {
            let Some(t) = states.get(i).and_then(Option::as_ref) else { return Ok(None) };
            let s = &graph.states[i];
            let length = t.shape().get(axis).ok_or_else(|| Error::Argument {
                op: format!("state `{}`", s.name),
                index: i,
                expected: s.ty.to_string(),
                found: t.ty().to_string(),
            })?;
            Ok(Some(i64::try_from(*length).unwrap_or(i64::MAX)))
        };
        let mut known = Dims::default();
        for dim in graph.empty_dims() {
            known.values.insert(graph.dims[dim].name.clone(), 0);
        }
        for (i, s) in graph.states.iter().enumerate() {
            let Some((dim, axis)) = s.grown_dim().zip(s.grows) else { continue };
            let rows = length(i, axis)?.unwrap_or(0);
            // States that grow along one dim have equally many rows, but for those that no run had.
            let most = known.values.entry(dim.into()).or_insert(rows);
            *most = rows.max(*most);
        }
        for (dim, places) in graph.held_dims() {
            let dim = &graph.dims[dim].name;
            let lengths = places.iter().map(|(i, axis)| length(*i, *axis)).collect::<Result<Vec<_>, _>>()?;
            match (lengths.into_iter().flatten().next(), places.first()) {
                (Some(n), _) => drop(known.values.insert(dim.clone(), n)),
                (None, Some((i, _))) => {
                    let state = graph.states[*i].name.clone();
                    return Err(Error::StateUnset { state, dim: dim.clone() });
                }
                (None, None) => {}
            }
        }
        known.with_inputs(graph, inputs)
    }

    /// The value of one dim.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.values.get(name).copied()
    }

    /// Bounds and `where` clauses of the graph.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self, graph: &Graph) -> Result<(), Error> {
        for d in &graph.dims {
            let value = self.eval(&Dim::sym(&d.name), &|| format!("network `{}`", graph.name))?;
            if value < 0 {
                let why = format!("it cannot be {value}");
                return Err(Error::Dim {
                    dim: d.name.clone(),
                    place: format!("network `{}`", graph.name),
                    why,
                });
            }
            if let Some(bound) = d.bound.filter(|b| value > *b) {
                return Err(Error::Bound { dim: d.name.clone(), value, bound });
            }
        }
        for c in &graph.constraints {
            let clause = || format!("`where {c}`");
            let (left, right) = (self.eval(&c.left, &clause)?, self.eval(&c.right, &clause)?);
            if !c.holds(left, right) {
                return Err(Error::Constraint { clause: c.to_string(), left, right });
            }
        }
        Ok(())
    }

    /// The value of a polynomial; `place` names it in errors.
    pub(crate) fn eval(&self, d: &Dim, place: &dyn Fn() -> String) -> Result<i64, Error> {
        d.eval(&|s| self.get(s)).map_err(|e| Error::Dim {
            dim: d.to_string(),
            place: place(),
            why: e.to_string(),
        })
    }

    /// The values of a shape's axes.
    pub(crate) fn shape(&self, shape: &[Dim], place: &dyn Fn() -> String) -> Result<Vec<usize>, Error> {
        let axis = |d: &Dim| {
            let n = self.eval(d, place)?;
            usize::try_from(n).map_err(|_| Error::Dim {
                dim: d.to_string(),
                place: place(),
                why: format!("an axis cannot have length {n}"),
            })
        };
        let shape: Vec<usize> = shape.iter().map(axis).collect::<Result<_, _>>()?;
        match element_count(&shape) {
            Some(_) => Ok(shape),
            None => Err(Error::Memory {
                bytes: shape.iter().try_fold(4u128, |b, &n| b.checked_mul(n as u128)).unwrap_or(u128::MAX),
            }),
        }
    }
}
