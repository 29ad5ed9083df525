//! What holds of every graph. Runs after each pass in debug builds and tests.
//!
//! 1. A node's arguments stand before it, and outputs are values of the graph.
//! 2. An op has the arguments that its row in the table lists, and its attributes are in range.
//! 3. Each node's type is what the shape rule infers from its arguments' types.
//! 4. An input or weight node names a declaration and has its type. An input is of the type that the elements
//!    it is given in become; those of a loop's body are values.
//! 5. Shapes, options and `where` clauses use only the declared run-time dims; weights use none. No axis is
//!    known to be shorter than 0.
//! 6. Names of inputs, weights and dims are each unique; those of dims and inputs are words, which dims are
//!    read as. No bound is below 0.
//! 7. There is at least one output.
//! 8. A growing state grows along a dim that has a bound of at least 1, stands alone on one of its axes and
//!    follows from no input. It stays as it is or becomes itself with new rows, and all that grow along one
//!    dim grow by as many. Other states keep their type. But for its own axis that grows, no state's shape
//!    follows from a dim that states grow along.
//!    States that grow along one dim all keep their last rows, or all of them all.
//! 9. Rows are pushed to a growing state alone, along its axis, once.
//! 10. The body of a loop is a sound graph with the dims and promises of its network, without weights and
//!     states of its own. One loop has it, whose nodes differ in the result alone. The same holds of the body
//!     of a mixture of experts, which has one dim more: the rows that an expert is given.
//! 11. Constants are f32 or i32. A table has as many numbers as the constant has elements.

use crate::dim::Dim;
use crate::fault::{Fault, Part};
use crate::graph::{Graph, Init, InputDecl, Node, Value, WeightDecl};
use crate::op::Op;
use crate::table::{Attr, attrs_of};
use crate::types::{DType, MAX_RANK};
use std::collections::{BTreeMap, BTreeSet};

/// Checks the invariants.
///
/// # Errors
/// The first that is broken, in words.
pub fn verify(graph: &Graph) -> Result<(), String> {
    find_fault(graph).map_err(|fault| fault.message)
}

/// The same, with the part of the graph that is wrong.
pub(crate) fn find_fault(graph: &Graph) -> Result<(), Fault> {
    unique("dim", graph.dims.iter().map(|d| d.name.as_str()), |_| Part::Whole)?;
    unique("input", graph.inputs.iter().map(|d| d.name.as_str()), Part::Input)?;
    unique("weight", graph.weights.iter().map(|d| d.name.as_str()), Part::Weight)?;
    unique("state", graph.states.iter().map(|d| d.name.as_str()), Part::State)?;
    let known = Known { dims: graph.dims.iter().map(|d| d.name.as_str()).collect() };
    declarations(graph, &known)?;
    crate::bodies::verify_bodies(graph)?;
    nodes(graph, &known)?;
    crate::bodies::verify_users(graph)?;
    states(graph)?;
    match graph.outputs.iter().find(|o| o.index() >= graph.nodes.len()) {
        Some(o) => Err(format!("the output {o} does not exist").into()),
        None if graph.outputs.is_empty() => Err("there is no output".to_string().into()),
        None => Ok(()),
    }
}

/// The dims of a graph.
struct Known<'g> {
    dims: BTreeSet<&'g str>,
}

impl Known<'_> {
    /// All dims that these are made of are dims of the network.
    fn all(&self, what: &str, of: &[Dim]) -> Result<(), String> {
        match of.iter().flat_map(|d| d.syms()).find(|s| !self.dims.contains(s.as_str())) {
            Some(s) => Err(format!("{what} uses `{s}`, which is no dim of the network")),
            None => Ok(()),
        }
    }

    /// So are those of a shape, and none is negative.
    fn shape(&self, what: &str, shape: &[Dim]) -> Result<(), String> {
        match shape.iter().find(|d| d.as_const().is_some_and(|n| n < 0)) {
            Some(d) => Err(format!("{what} has an axis of {d}: no axis is shorter than 0")),
            None => self.all(what, shape),
        }
    }
}

fn declarations(graph: &Graph, known: &Known<'_>) -> Result<(), Fault> {
    for d in &graph.dims {
        if !is_dim_name(&d.name) {
            let name = d.name.escape_debug();
            let rule = "letters, digits and `_`, and no digit first";
            return Err(format!("`{name}` is no name of a dim: {rule}").into());
        }
        if let Some(b) = d.bound.filter(|b| *b < 0) {
            return Err(format!("dim `{}` is at most {b}: no dim is below 0", d.name).into());
        }
    }
    for (i, c) in graph.constraints.iter().enumerate() {
        let sound = known.all(&format!("`where {c}`"), &[c.left.clone(), c.right.clone()]);
        sound.map_err(Fault::of(Part::Constraint(i)))?;
    }
    for (i, input) in graph.inputs.iter().enumerate() {
        self::input(input, known).map_err(Fault::of(Part::Input(i)))?;
    }
    for (i, w) in graph.weights.iter().enumerate() {
        weight(w, known).map_err(Fault::of(Part::Weight(i)))?;
    }
    for (i, s) in graph.states.iter().enumerate() {
        let sound = known.shape(&format!("state `{}`", s.name), &s.ty.shape);
        sound.map_err(Fault::of(Part::State(i)))?;
    }
    Ok(())
}

fn input(input: &InputDecl, known: &Known<'_>) -> Result<(), String> {
    let InputDecl { name, ty, given, .. } = input;
    if !is_word(name) {
        let name = name.escape_debug();
        return Err(format!("`{name}` is no name of an input: letters, digits and `_`"));
    }
    if given.dtype() != ty.dtype {
        return Err(format!("input `{name}` is {ty}, but {given} elements become {}", given.dtype()));
    }
    known.shape(&format!("input `{name}`"), &ty.shape)
}

fn weight(w: &WeightDecl, known: &Known<'_>) -> Result<(), String> {
    if w.ty.shape.iter().any(|d| d.as_const().is_none()) {
        return Err(format!("weight `{}` is {}: a weight has static dims", w.name, w.ty));
    }
    known.shape(&format!("weight `{}`", w.name), &w.ty.shape)?;
    let sound = match &w.init {
        Init::Normal(s) => (0.0..=f64::from(f32::MAX)).contains(s),
        Init::Uniform(a, b) => {
            a <= b && (b - a).is_finite() && [a, b].iter().all(|x| x.abs() <= f64::from(f32::MAX))
        }
        Init::Zeros | Init::Ones | Init::Xavier => true,
        Init::Table(_) | Init::Given => {
            constant(w)?;
            true
        }
    };
    if !sound {
        return Err(format!("weight `{}` starts as {}, which is no range of f32 numbers", w.name, w.init));
    }
    if let Some(p) = w.marks.part.as_ref().filter(|p| p.start > p.end) {
        return Err(format!("weight `{}` is the part {p}, which ends before it begins", w.name));
    }
    Ok(())
}

/// A constant is of f32 or i32 numbers, as many as it has elements, and nothing that a weight is.
fn constant(w: &WeightDecl) -> Result<(), String> {
    let what = || format!("constant `{}`", w.name);
    if !matches!(w.ty.dtype, DType::F32 | DType::I32) {
        return Err(format!("{} is {}: constants are f32 or i32", what(), w.ty));
    }
    if *w != WeightDecl::constant(w.name.clone(), w.ty.clone(), w.init.clone()) {
        return Err(format!("{} has an attribute of weights", what()));
    }
    let Init::Table(table) = &w.init else { return Ok(()) };
    table.fault(&w.ty).map_or(Ok(()), |why| Err(format!("{}: {why}", what())))
}

fn nodes(graph: &Graph, known: &Known<'_>) -> Result<(), Fault> {
    graph.values().try_for_each(|v| node(graph, v, known).map_err(Fault::of(Part::Node(v))))
}

fn node(graph: &Graph, v: Value, known: &Known<'_>) -> Result<(), String> {
    let n = graph.node(v);
    if let Some(a) = n.args.iter().find(|a| **a >= v) {
        return Err(format!("{v} uses {a}, which does not stand before it"));
    }
    let ty = graph.infer(&n.op, &n.args).map_err(|e| format!("{v}: {e}"))?;
    if ty != n.ty && ty != graph.facts().reduce_type(n.ty.clone()) {
        return Err(format!("{v} is stated to be {} but is {ty}", n.ty));
    }
    known.shape(&v.to_string(), &n.ty.shape)?;
    for (option, attr) in attrs_of(&n.op) {
        match attr {
            Attr::Dim(d) => known.all(&format!("`{option}` of {v}"), &[d])?,
            Attr::Dims(all) => known.all(&format!("`{option}` of {v}"), &all)?,
            _ => {}
        }
    }
    Ok(())
}

/// Checks that inputs and results have at most [`MAX_RANK`] axes, as tensors of callers do. No pass depends
/// on it: inner values may have more axes.
///
/// # Errors
/// The first input or result with more, in words.
pub fn interface(graph: &Graph) -> Result<(), String> {
    let inputs = graph.inputs.iter().map(|i| (format!("input `{}`", i.name), &i.ty));
    let outputs = graph.outputs.iter().enumerate().map(|(i, o)| (format!("result {i}"), graph.ty(*o)));
    match inputs.chain(outputs).find(|(_, ty)| ty.rank() > MAX_RANK) {
        Some((what, ty)) => Err(format!(
            "{what} is {ty}, which has {} axes: inputs and results have at most {MAX_RANK}, join neighbouring ones with `reshape`",
            ty.rank()
        )),
        None => Ok(()),
    }
}

/// Whether a name is letters, digits and `_`.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether the text of a dim of that name is read back as the same dim: `floor` and `ceil` are read as names
/// where no parenthesis follows.
fn is_dim_name(name: &str) -> bool {
    is_word(name) && Dim::parse(name).is_ok_and(|d| d.as_sym() == Some(name))
}

/// By how many rows the first state of each dim grows, and whether it keeps the last ones.
type Grown<'g> = BTreeMap<&'g str, (Option<&'g Dim>, bool)>;

fn states(graph: &Graph) -> Result<(), Fault> {
    let mut grown = Grown::new();
    for i in 0..graph.states.len() {
        state(graph, i, &mut grown).map_err(Fault::of(Part::State(i)))?;
    }
    if let Some((state, dim)) = graph.moving_state() {
        return Err(format!("state `{state}` would change its shape as states grow along `{dim}`").into());
    }
    let becomes: BTreeSet<Value> = graph.states.iter().filter_map(|s| s.next).collect();
    for v in graph.values() {
        if let Op::Push { .. } = graph.node(v).op
            && !becomes.contains(&v)
        {
            let message = format!("{v} pushes to a state that does not become it");
            return Err(Fault::of(Part::Node(v))(message));
        }
    }
    Ok(())
}

fn state<'g>(graph: &'g Graph, i: usize, grown: &mut Grown<'g>) -> Result<(), String> {
    let s = &graph.states[i];
    let next = match s.next {
        Some(v) if v.index() >= graph.nodes.len() => {
            return Err(format!("state `{}` becomes {v}, which does not exist", s.name));
        }
        next => next.map(|v| graph.node(v)),
    };
    let Some(axis) = s.grows else {
        match next {
            _ if s.keeps_last => {
                return Err(format!("state `{}` keeps its last rows, but has none", s.name));
            }
            Some(n) if n.ty != s.ty => {
                return Err(format!("state `{}` is {} but becomes {}", s.name, s.ty, n.ty));
            }
            _ => return Ok(()),
        }
    };
    let (Some(dim), Some(_)) = (s.grown_dim(), graph.capacity(i)) else {
        return Err(format!("state `{}` grows along axis {axis}, which is no bounded dim", s.name));
    };
    if let Some(bound) = graph.dims.iter().find(|d| d.name == dim).and_then(|d| d.bound).filter(|b| *b < 1) {
        return Err(format!(
            "state `{}` grows along `{dim}`, which is at most {bound}, so it can hold no rows",
            s.name
        ));
    }
    if s.ty.shape.iter().filter(|d| d.syms().iter().any(|n| n == dim)).count() != 1 {
        return Err(format!(
            "state `{}` grows along `{dim}`, which stands on another of its axes as well",
            s.name
        ));
    }
    if graph.inputs.iter().flat_map(|i| &i.ty.shape).any(|d| d.as_sym() == Some(dim)) {
        return Err(format!("state `{}` grows along `{dim}`, which is taken from an input", s.name));
    }
    let rows = match next {
        Some(Node { op: Op::Push { axis: at }, args, .. })
            if *at == axis && graph.node(args[0]).op == Op::State(i) =>
        {
            Some(&graph.ty(args[1]).shape[axis])
        }
        None => None,
        _ => return Err(format!("state `{}` grows, but does not become itself with new rows", s.name)),
    };
    let (first, keeps_last) = *grown.entry(dim).or_insert((rows, s.keeps_last));
    if keeps_last != s.keeps_last {
        return Err(format!("of the states that grow along `{dim}`, some keep the last rows, some all"));
    }
    if first != rows {
        let by = |rows: Option<&Dim>| rows.map_or("no rows".into(), Dim::to_string);
        return Err(format!("states grow along `{dim}` by {} and by {}", by(first), by(rows)));
    }
    Ok(())
}

fn unique<'a>(
    what: &str,
    names: impl Iterator<Item = &'a str>,
    part: impl Fn(usize) -> Part,
) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for (i, n) in names.enumerate() {
        if !seen.insert(n) {
            return Err(Fault::of(part(i))(format!("two {what}s are called `{n}`")));
        }
    }
    Ok(())
}
