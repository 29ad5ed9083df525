//! Networks as Rust: what `network!` emits, and how a declaration becomes a [`Graph`].
//!
//! A network is a type with a signature and a `build` function that adds its
//! body to a graph. Calling another network, in this crate or another, is calling
//! its `build` with a child [`Scope`].

mod bind;
mod calls;
mod sig;

use crate::dim::{Dim, DimError};
use crate::graph::*;
use crate::infer::ShapeError;
use crate::op::{Op, Scalar};
use crate::table::{Call, CallError, make};
use crate::text;
use crate::types::{DType, Shape, Type};
use crate::weights::Storage;
pub use crate::weights::{Attributes, share_weights};
use bind::{bind_given, bind_options, constant, follow};
pub use sig::*;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

type Result<T, E = BuildError> = std::result::Result<T, E>;

/// A graph with more ops is refused: nothing that large was meant, and memory would end before the build
/// does.
const MOST_OPS: usize = 1 << 20;

/// A `net` item: where its weights live and what was fixed for it.
#[derive(Clone, Debug, Default)]
pub struct Net {
    path: String,
    dims: Vec<(String, Dim)>,
    options: Vec<(String, OptionValue)>,
    storage: Storage,
}

/// The weights and states of a graph by their names: their numbers, and the values they are.
#[derive(Debug, Default)]
struct Known {
    weights: HashMap<String, (usize, Value)>,
    states: HashMap<String, (usize, Value)>,
}

/// The place a body is built in: the graph, the values of its dims and options, and the path of its weights.
#[derive(Debug)]
pub struct Scope<'g> {
    graph: &'g mut Graph,
    known: &'g mut Known,
    file: &'static str,
    path: String,
    dims: BTreeMap<String, Dim>,
    options: BTreeMap<String, OptionValue>,
    leading: Vec<Dim>,
    source: Source,
    storage: Storage,
    /// The loops around, innermost last: what paths call the turn, and its number.
    turns: Vec<(&'static str, usize)>,
    /// How many networks it is inside of.
    depth: usize,
}

/// Builds the graph of a network. `statics` and `options` override the defaults.
///
/// # Errors
/// An unknown or missing dim or option, a `where` clause that does not hold, or a shape that does not fit.
pub fn graph_of<N: Network>(statics: &[(&str, i64)], options: &[(&str, OptionValue)]) -> Result<Graph> {
    let sig = N::SIG;
    let mut graph = Graph {
        name: sig.name.into(),
        entry: sig.entry.into(),
        unused_weights: sig.unused_weights.iter().map(|s| s.to_string()).collect(),
        ..Graph::default()
    };
    let given: Vec<(String, Dim)> = statics.iter().map(|(n, v)| (n.to_string(), Dim::constant(*v))).collect();
    let mut dims = bind_given(&sig, &given)?;
    let equal = sig.equalities()?;
    for d in sig.dims {
        // What a `where` clause says is another dim has no length of its own.
        if equal.iter().any(|(name, _)| name == d.name) {
            continue;
        }
        if dims.contains_key(d.name) && !d.is_static() {
            return Err(BuildError::new(format!(
                "dim `{}` of `{}` is taken from its inputs",
                d.name, sig.name
            )));
        }
        match d.kind {
            DimKind::Run => graph.dims.push(RunDim { name: d.name.into(), bound: None }),
            DimKind::Bounded(text) => {
                let bound = constant(&sig, d.name, &Dim::parse(text)?, &dims)?;
                if bound < 0 {
                    return Err(BuildError::new(format!(
                        "dim `{}` of `{}` cannot be at most {bound}",
                        d.name, sig.name
                    )));
                }
                graph.dims.push(RunDim { name: d.name.into(), bound: Some(bound) });
            }
            DimKind::Static(_) | DimKind::Required => continue,
        }
        dims.insert(d.name.into(), Dim::sym(d.name));
    }
    follow(&equal, &mut dims)?;
    // Leading axes `..` of a network used on its own are one run-time axis.
    let mut leading = Vec::new();
    if sig.inputs.iter().any(|i| i.ty.contains("..")) {
        graph.dims.push(RunDim { name: "N".into(), bound: None });
        leading.push(Dim::sym("N"));
    }
    let options = bind_options(&sig, &options.iter().map(|(n, v)| (n.to_string(), *v)).collect::<Vec<_>>())?;
    let mut known = Known::default();
    let mut scope = Scope {
        graph: &mut graph,
        known: &mut known,
        file: "",
        path: String::new(),
        dims,
        options,
        leading,
        source: Source::default(),
        storage: Storage::default(),
        turns: Vec::new(),
        depth: 0,
    };
    scope.check_wheres(&sig)?;
    let mut args = Vec::new();
    for (i, input) in sig.inputs.iter().enumerate() {
        let ty = scope.ty(input.ty)?;
        scope.graph.inputs.push(InputDecl { name: input.name.into(), ty });
        let text = format!("{}: {}", input.name, input.ty);
        let source = Source {
            text: text.into(),
            file: sig.file.into(),
            line: input.line,
            column: input.column,
            scope: "".into(),
        };
        let v = scope.graph.push(Op::Input(i), &[], source)?;
        scope.name(v, input.name);
        args.push(v);
    }
    let outputs = N::build(&mut scope, &args)?;
    graph.outputs = outputs;
    crate::verify::interface(&graph).map_err(|e| BuildError::new(format!("`{}`: {e}", sig.name)))?;
    if let Some((state, dim)) = graph.moving_state() {
        return Err(BuildError::new(format!(
            "the state `{state}` of `{}` would change its shape from call to call: states grow along `{dim}`",
            sig.name
        )));
    }
    let grown = |d: &RunDim| graph.states.iter().any(|s| s.grown_dim() == Some(&d.name));
    let bound = |d: &RunDim| {
        grown(d) || graph.inputs.iter().any(|i| i.ty.shape.iter().any(|x| x.as_sym() == Some(&d.name)))
    };
    match graph.dims.iter().find(|d| !bound(d)) {
        Some(d) => {
            let m = format!(
                "dim `{}` of `{}` follows from none of its inputs; a network that uses `{1}` must hand it on",
                d.name, sig.name
            );
            Err(BuildError::new(m))
        }
        None => Ok(graph),
    }
}

/// What `network!` emits calls to. Texts of dims, types and options are those of the text form.
impl<'g> Scope<'g> {
    /// Says which file the body is written in.
    pub fn file(&mut self, file: &'static str) {
        self.file = file;
    }

    /// Sets the place of the ops that follow.
    pub fn at(&mut self, text: &str, line: u32, column: u32) {
        self.source = Source {
            text: text.into(),
            file: self.file.into(),
            line,
            column,
            scope: self.path.trim_end_matches('.').into(),
        };
    }

    fn fail(&self, e: impl Into<BuildError>) -> BuildError {
        let mut e = e.into();
        if e.source.line == 0 {
            e.source = Box::new(self.source.clone());
        }
        e
    }

    /// A dim of this scope from its text.
    pub fn dim(&self, text: &str) -> Result<Dim> {
        Dim::parse(text).and_then(|d| d.subst(&|s| self.dims.get(s).cloned())).map_err(|e| self.fail(e))
    }

    /// A static dim as a number: the parts of a split, an end of a loop.
    pub fn count(&self, text: &str) -> Result<usize> {
        let d = self.dim(text)?;
        d.as_const()
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| self.fail(BuildError::new(format!("`{text}` must be static here, but is {d}"))))
    }

    /// The turns of a loop.
    pub fn turns(&self, from: &str, to: &str) -> Result<std::ops::Range<usize>> {
        let (from, to) = (self.count(from)?, self.count(to)?);
        if to.saturating_sub(from) > MOST_OPS {
            return Err(self.fail(BuildError::new(format!(
                "{} turns: loops are unrolled, {MOST_OPS} is the most",
                to - from
            ))));
        }
        if from > to {
            return Err(
                self.fail(BuildError::new(format!("the loop from {from} to {to} ends before it begins")))
            );
        }
        Ok(from..to)
    }

    /// Begins a turn: `{name}` in paths is its number, and so is the dim `name` if it is one.
    pub fn begin_turn(&mut self, name: &'static str, number: usize, is_dim: bool) {
        if is_dim {
            self.dims.insert(name.into(), Dim::from(number));
        }
        self.turns.push((name, number));
    }

    /// Ends it.
    pub fn end_turn(&mut self) {
        if let Some((name, _)) = self.turns.pop() {
            self.dims.remove(name);
        }
    }

    /// A path with the turns' numbers in it.
    fn numbered(&self, path: &str) -> String {
        self.turns
            .iter()
            .rev()
            .fold(path.to_string(), |p, (name, n)| p.replace(&format!("{{{name}}}"), &n.to_string()))
    }

    /// The value of an option of this network.
    pub fn option(&self, name: &str) -> Result<OptionValue> {
        self.options
            .get(name)
            .copied()
            .ok_or_else(|| self.fail(BuildError::new(format!("there is no option `{name}`"))))
    }

    /// Whether a flag of this network is set.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.option(name)? == OptionValue::Bool(true))
    }

    /// A type of this scope from its text, `i32[B, 4*D]`; `..` stands for the leading axes.
    pub fn ty(&self, text: &str) -> Result<Type> {
        let (dtype, dims) =
            text::split_type(text).ok_or_else(|| BuildError::new(format!("`{text}` is no type")))?;
        let mut shape = Vec::new();
        for d in dims {
            if d == ".." {
                shape.extend(self.leading.iter().cloned());
            } else {
                shape.push(self.dim(d)?);
            }
        }
        Ok(Type { dtype, shape })
    }

    /// Declares a weight, or finds it again: one name in one graph is one weight.
    pub fn param(
        &mut self,
        name: &str,
        path: &str,
        ty: &str,
        init: Init,
        attributes: &Attributes<'_>,
    ) -> Result<Value> {
        let storage = self.storage.with(attributes, |t| self.count(t))?;
        let ty = self.ty(ty)?;
        if let Some(d) = ty.shape.iter().find(|d| d.as_const().is_none()) {
            return Err(
                self.fail(BuildError::new(format!("weight `{}{path}` has the run-time dim {d}", self.path)))
            );
        }
        let decl = storage
            .decl(format!("{}{}", self.path, self.numbered(path)), ty, init)
            .map_err(|e| self.fail(e))?;
        let v = match self.known.weights.get(&decl.name) {
            Some(&(i, _)) if self.graph.weights[i].ty != decl.ty => {
                let old = &self.graph.weights[i].ty;
                return Err(self.fail(BuildError::new(format!(
                    "weight `{}` is declared twice, as {old} and as {}",
                    decl.name, decl.ty
                ))));
            }
            Some(&(_, v)) => v,
            None => {
                let (i, full) = (self.graph.weights.len(), decl.name.clone());
                self.graph.weights.push(decl);
                let v = self.graph.push(Op::Weight(i), &[], self.source.clone()).map_err(|e| self.fail(e))?;
                self.known.weights.insert(full, (i, v));
                self.name(v, name);
                v
            }
        };
        if storage.transposed && self.graph.ty(v).rank() == 2 {
            return self
                .graph
                .push(Op::Transpose(vec![1, 0]), &[v], self.source.clone())
                .map_err(|e| self.fail(e));
        }
        Ok(v)
    }

    /// Declares a state; gives what it is before the run, and what it is now: a net that is called again goes
    /// on with what the call before left.
    pub fn state(&mut self, path: &str, ty: &str, grows: Option<usize>) -> Result<(Value, Value)> {
        let name = format!("{}{}", self.path, self.numbered(path));
        let ty = self.ty(ty)?;
        if let Some(&(i, v)) = self.known.states.get(&name) {
            return match grows {
                None if self.graph.states[i].ty == ty => Ok((v, self.graph.states[i].next.unwrap_or(v))),
                _ => Err(self.fail(BuildError::new(format!(
                    "the state `{name}` would be pushed to twice in one run: its net is called twice, declare one for each call"
                )))),
            };
        }
        if let Some(axis) = grows {
            let grown = ty.shape.get(axis).map(Dim::to_string).unwrap_or_default();
            let bound = ty
                .shape
                .get(axis)
                .and_then(Dim::as_sym)
                .and_then(|s| self.graph.dims.iter().find(|d| d.name == s)?.bound);
            if let Some(bound) = bound.filter(|b| *b < 1) {
                return Err(self.fail(BuildError::new(format!(
                    "the state `{name}` grows along `{grown}`, which is at most {bound}: there is no room for a row"
                ))));
            }
            if bound.is_none() {
                return Err(self.fail(BuildError::new(format!(
                    "the state `{name}` grows along `{grown}`, which has no bound in `{}`: declare it there as `P: ..=T` and hand it on, `P = P`",
                    self.graph.name
                ))));
            }
        }
        let i = self.graph.states.len();
        self.graph.states.push(StateDecl { name: name.clone(), ty, grows, next: None });
        let v = self.graph.push(Op::State(i), &[], self.source.clone()).map_err(|e| self.fail(e))?;
        self.known.states.insert(name, (i, v));
        self.name(v, path);
        Ok((v, v))
    }

    /// Adds rows to a growing state, and gives it with them.
    pub fn push(&mut self, state: Value, rows: Value) -> Result<Value> {
        let Op::State(i) = self.graph.node(state).op else {
            return Err(self.fail(BuildError::new("rows are pushed to no state")));
        };
        let axis = self.graph.states[i].grows.unwrap_or_default();
        let v = self
            .graph
            .push(Op::Push { axis }, &[state, rows], self.source.clone())
            .map_err(|e| self.fail(e))?;
        self.graph.states[i].next = Some(v);
        Ok(v)
    }

    /// Gives a state that does not grow another value.
    pub fn keep(&mut self, state: Value, value: Value) -> Result<()> {
        let Op::State(i) = self.graph.node(state).op else {
            return Err(self.fail(BuildError::new("a value is kept in no state")));
        };
        self.graph.states[i].next = Some(value);
        Ok(())
    }

    /// Declares a net: its weights live under `path`. A dim with an empty name is given by position.
    pub fn net(
        &self,
        path: &str,
        dims: &[(&str, &str)],
        options: &[(&str, OptionValue)],
        attributes: &Attributes<'_>,
    ) -> Result<Net> {
        let dims = dims.iter().map(|(n, t)| Ok((n.to_string(), self.dim(t)?))).collect::<Result<Vec<_>>>()?;
        let dot = if path.is_empty() { "" } else { "." };
        Ok(Net {
            path: format!("{}{}{dot}", self.path, self.numbered(path)),
            dims,
            options: options.iter().map(|(n, v)| (n.to_string(), *v)).collect(),
            storage: self.storage.with(attributes, |t| self.count(t))?,
        })
    }

    /// This network itself, for calls of its other entry points: its static dims, its options and its
    /// weights.
    pub fn here(&self) -> Net {
        let turn = |name: &String| self.turns.iter().any(|(t, _)| t == name);
        let fixed = self.dims.iter().filter(|(n, d)| d.as_const().is_some() && !turn(n));
        let dims = fixed.map(|(n, d)| (n.clone(), d.clone())).collect();
        let options = self.options.iter().map(|(n, v)| (n.clone(), *v)).collect();
        Net { path: self.path.clone(), dims, options, storage: self.storage.clone() }
    }

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

    fn subst_attr(&self, a: &crate::table::Attr) -> Result<crate::table::Attr> {
        use crate::table::Attr;
        let sub = |d: &Dim| d.subst(&|s| self.dims.get(s).cloned()).map_err(|e| self.fail(e));
        Ok(match a {
            Attr::Dim(d) => Attr::Dim(sub(d)?),
            Attr::Dims(dims) => {
                let mut shape = Vec::new();
                for d in dims {
                    if d.as_sym() == Some("..") {
                        shape.extend(self.leading.iter().cloned());
                    } else {
                        shape.push(sub(d)?);
                    }
                }
                Attr::Dims(shape)
            }
            other => other.clone(),
        })
    }

    /// A scalar constant.
    pub fn constant(&mut self, c: Scalar) -> Result<Value> {
        self.graph.push(Op::Const(c), &[], self.source.clone()).map_err(|e| self.fail(e))
    }

    /// Gives a value the user's name for it. The first name stays.
    pub fn name(&mut self, v: Value, name: &str) {
        let scope = self.path.clone();
        let node = &mut self.graph.nodes[v.index()];
        if node.name.is_none() {
            node.name = Some(format!("{scope}{name}"));
        }
    }

    /// The type of a value.
    pub fn type_of(&self, v: Value) -> &Type {
        self.graph.ty(v)
    }

    /// The numbers of all axes of a value but the last `fixed`, as the beginning of a list: `0, 1, `.
    pub fn leading_axes(&self, v: Value, fixed: usize) -> String {
        (0..self.graph.ty(v).rank().saturating_sub(fixed)).map(|a| format!("{a}, ")).collect()
    }

    /// Checks a value against the type the user wrote for it.
    pub fn expect(&self, v: Value, ty: &str) -> Result<()> {
        let want = self.ty(ty)?;
        let have = self.graph.ty(v);
        if *have == want {
            return Ok(());
        }
        Err(self.fail(BuildError::new(format!("expected {want}, but it is {have}"))))
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
