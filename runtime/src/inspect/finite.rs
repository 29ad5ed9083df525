//! Where a NaN or an infinity comes from.

use crate::error::Error;
use crate::inspect::numbers::element;
use crate::run::inputs::values;
use crate::run::session::Session;
use crate::tensor::Tensor;
use crate::tensor::view::AnyView;
use std::fmt;
use tancho_ir::graph::Source;
use tancho_ir::op::Op;
use tancho_ir::table::name_of;
use tancho_ir::{Graph, Value};

/// The first element that is NaN or infinite though all that it was computed from is finite.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NotFinite {
    /// The op; of what was given `input`, `weight` or `state`.
    pub op: String,
    /// How the user calls the value.
    pub label: String,
    /// Where it was written.
    pub source: Source,
    /// The element, one number an axis.
    pub index: Vec<usize>,
    /// It: NaN or an infinity.
    pub value: f64,
    /// Arguments of the op, as the user calls them, with the range of their elements.
    pub arguments: Vec<(String, f64, f64)>,
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.arguments.is_empty() {
            return write!(f, "the {} `{}` has {} at {:?}", self.op, self.label, self.value, self.index);
        }
        write!(f, "{} of {} gives {} at {:?}", self.op, self.source, self.value, self.index)?;
        for (name, least, most) in &self.arguments {
            write!(f, "\n  `{name}` is from {} to {}", element(*least), element(*most))?;
        }
        Ok(())
    }
}

impl Session {
    /// Runs the network once with every value kept, and gives the first that is not finite though its
    /// arguments are. If there is none, but a result is not finite, it gives the first input, weight or state
    /// that is not: it was given so. `None` if all results are finite, or follow from infinite constants such
    /// as those of masks. States keep what they hold.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B]\n%0: f32[B] = input(index = 0)\n%1: f32[B] = log(%0)\n%2: f32[B] = mul(%1, %1)\nreturn %2",
    /// ).unwrap();
    /// let session = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap().session();
    /// let found = session.first_not_finite(&[[1.0f32, -1.0, 2.0].view([3]).into()]).unwrap().unwrap();
    /// assert_eq!((found.op.as_str(), found.index), ("log", vec![1]));
    /// ```
    ///
    /// # Errors
    /// As [`Session::run_inputs`].
    pub fn first_not_finite(&self, inputs: &[AnyView<'_>]) -> Result<Option<NotFinite>, Error> {
        let compiled = self.compiled();
        let g = compiled.graph();
        let is_given = |v: &Value| matches!(g.node(*v).op, Op::Input(_) | Op::Weight(_) | Op::State(_));
        let kept: Vec<Value> = g.values().filter(|v| !is_given(v)).collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let mut session = compiled.with_outputs(kept.clone())?.session();
        session.adopt(self.forked_states()?);
        let held = self.held();
        session.run_inputs(inputs)?;
        let given = values(g, inputs)?;
        // The least and the largest element of each value, and the first that is not finite.
        let mut seen: Vec<Seen> = Vec::with_capacity(g.nodes.len());
        let mut as_given = None;
        for v in g.values() {
            let found = match g.node(v).op {
                Op::Input(i) => Seen::of(&given[i]),
                Op::Weight(i) => Seen::of(&compiled.inner().weight(i)?.to_tensor()?),
                Op::State(i) => held.get(i).and_then(Option::as_ref).map_or_else(Seen::default, Seen::of),
                _ => Seen::of(&session.tensor(kept.binary_search(&v).unwrap_or_default())?),
            };
            if let Some((at, value)) = found.first
                && !is_given(&v)
                && !g.node(v).args.is_empty()
                && g.node(v).args.iter().all(|a| seen[a.index()].first.is_none())
            {
                let shape = session.tensor(kept.binary_search(&v).unwrap_or_default())?.shape().to_vec();
                return Ok(Some(report(g, v, &seen, index_of(at, &shape), value)));
            }
            if let (Some((at, value)), true, None) = (found.first, is_given(&v), &as_given) {
                as_given = Some((v, at, value));
            }
            seen.push(found);
        }
        let is_wrong = |v: Value| seen[v.index()].first.is_some();
        let Some((v, at, value)) = as_given.filter(|_| g.results().any(is_wrong)) else { return Ok(None) };
        let shape = match g.node(v).op {
            Op::Input(i) => given[i].shape().to_vec(),
            Op::Weight(i) => compiled.inner().weight(i)?.to_tensor()?.shape().to_vec(),
            Op::State(i) => {
                held.get(i).and_then(Option::as_ref).map_or_else(Vec::new, |t| t.shape().to_vec())
            }
            _ => Vec::new(),
        };
        Ok(Some(report(g, v, &seen, index_of(at, &shape), value)))
    }
}

/// The elements of a value.
#[derive(Clone, Copy, Debug)]
struct Seen {
    least: f64,
    most: f64,
    /// The first that is not finite.
    first: Option<(usize, f64)>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { least: 0.0, most: 0.0, first: None }
    }
}

impl Seen {
    /// Those of a tensor; integers and bools are finite.
    fn of(t: &Tensor) -> Seen {
        let mut seen = Seen { least: f64::INFINITY, most: f64::NEG_INFINITY, first: None };
        let mut add = |i: usize, x: f64| {
            (seen.least, seen.most) = (seen.least.min(x), seen.most.max(x));
            if !x.is_finite() && seen.first.is_none() {
                seen.first = Some((i, x));
            }
        };
        for (i, x) in t.as_slice::<f32>().unwrap_or_default().iter().enumerate() {
            add(i, f64::from(*x));
        }
        for (i, x) in t.as_slice::<crate::bf16>().unwrap_or_default().iter().enumerate() {
            add(i, f64::from(x.to_f32()));
        }
        for (i, x) in t.as_slice::<i32>().unwrap_or_default().iter().enumerate() {
            add(i, f64::from(*x));
        }
        if seen.least > seen.most { Seen { first: seen.first, ..Seen::default() } } else { seen }
    }
}

fn report(g: &Graph, v: Value, seen: &[Seen], index: Vec<usize>, value: f64) -> NotFinite {
    let node = g.node(v);
    let argument = |a: &Value| (g.label(*a), seen[a.index()].least, seen[a.index()].most);
    NotFinite {
        op: name_of(&node.op).into(),
        label: g.label(v),
        source: node.source.clone(),
        index,
        value,
        arguments: node.args.iter().map(argument).collect(),
    }
}

/// The index of an element, one number an axis.
fn index_of(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, n) in index.iter_mut().zip(shape).rev() {
        (*i, at) = (at % n, at / n);
    }
    index
}
