//! Networks as Rust: what `network!` emits, and how a declaration becomes a [`Graph`].
//!
//! A network is a type with a signature and a `build` function that adds its
//! body to a graph. Calling another network, in this crate or another, is calling
//! its `build` with a child [`Scope`].

use crate::dim::{Dim, DimError};
use crate::graph::*;
use crate::infer::ShapeError;
use crate::op::{Op, Scalar};
use crate::storage::Storage;
pub use crate::storage::{Attributes, share_weights};
use crate::table::{Call, CallError, make};
use crate::text;
use crate::types::{DType, Shape, Type};
use std::collections::BTreeMap;
use std::fmt;

/// A dim of a network's signature.
#[derive(Clone, Copy, Debug)]
pub struct DimSig {
    /// Its name.
    pub name: &'static str,
    /// Run-time, bounded or static.
    pub kind: DimKind,
}

/// What kind of dim it is; the texts are polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DimKind {
    /// Taken from the inputs at each call.
    Run,
    /// The same with an upper bound.
    Bounded(&'static str),
    /// A number fixed when the network is built, with its default.
    Static(&'static str),
    /// A number that every use must give.
    Required,
}

impl DimKind {
    /// Whether its number is known when the network is built.
    pub const fn is_static(&self) -> bool {
        matches!(self, DimKind::Static(_) | DimKind::Required)
    }
}

/// An option of a network's signature.
#[derive(Clone, Copy, Debug)]
pub struct OptionSig {
    /// Its name.
    pub name: &'static str,
    /// Its default.
    pub default: OptionValue,
}

/// An input of a network's signature.
#[derive(Clone, Copy, Debug)]
pub struct InputSig {
    /// Its name.
    pub name: &'static str,
    /// Its type as text, `i32[B, S]`.
    pub ty: &'static str,
    /// Line of its declaration, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

/// The value of an option: no shape, known when the network is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptionValue {
    /// A flag.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionValue::Bool(b) => write!(f, "{b}"),
            OptionValue::Int(i) => write!(f, "{i}"),
            OptionValue::Float(x) => write!(f, "{x:?}"),
        }
    }
}

/// The signature of a network, as constant data.
#[derive(Clone, Copy, Debug)]
pub struct Sig {
    /// Its name.
    pub name: &'static str,
    /// The entry point; empty in the short form, which has one.
    pub entry: &'static str,
    /// The file it is declared in.
    pub file: &'static str,
    /// Dims in the order of declaration.
    pub dims: &'static [DimSig],
    /// Options in order.
    pub options: &'static [OptionSig],
    /// Inputs in order.
    pub inputs: &'static [InputSig],
    /// Type texts of the results.
    pub outputs: &'static [&'static str],
    /// `where` clauses: left side, relation, right side.
    pub wheres: &'static [(&'static str, Relation, &'static str)],
    /// Patterns of `#[unused_weights(..)]`.
    pub unused_weights: &'static [&'static str],
    /// The declaration has an error: calls of it are not judged by `cargo check`.
    pub broken: bool,
}

/// A network declared by `network!`.
///
/// The macro implements it; there is no need to do so by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a network",
    label = "not declared by `network!`",
    note = "only items declared by `network!` (or types implementing `Network`) can be called in a network body"
)]
pub trait Network {
    /// The signature as declared.
    const SIG: Sig;

    /// Adds the body to a graph and returns the results.
    ///
    /// # Errors
    /// A shape does not fit; only possible where the macro could not see both sides.
    #[doc(hidden)]
    fn build(scope: &mut Scope<'_>, args: &[Value]) -> Result<Vec<Value>, BuildError>;
}

/// A network as a value: what the macro needs of one it knows by its path alone.
#[derive(Clone, Copy, Debug)]
pub struct Callee {
    /// Its signature.
    pub sig: &'static Sig,
    /// Its [`Network::build`].
    pub build: fn(&mut Scope<'_>, &[Value]) -> Result<Vec<Value>, BuildError>,
}

/// Why a network could not be built into a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// What is wrong.
    pub message: String,
    /// Where it was written.
    pub source: Box<Source>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if self.source.line > 0 || !self.source.text.is_empty() {
            write!(f, "\n  at {}", self.source)?;
        }
        Ok(())
    }
}

impl std::error::Error for BuildError {}

impl BuildError {
    pub(crate) fn new(message: impl Into<String>) -> BuildError {
        BuildError { message: message.into(), source: Box::default() }
    }
}

impl From<DimError> for BuildError {
    fn from(e: DimError) -> BuildError {
        BuildError::new(e.to_string())
    }
}

impl From<ShapeError> for BuildError {
    fn from(e: ShapeError) -> BuildError {
        BuildError::new(e.to_string())
    }
}

impl From<CallError> for BuildError {
    fn from(e: CallError) -> BuildError {
        BuildError::new(e.to_string())
    }
}

type Result<T, E = BuildError> = std::result::Result<T, E>;

/// A graph with more ops is refused: nothing that large was meant, and memory would end before the build does.
const MOST_OPS: usize = 1 << 20;
/// Networks inside of networks: each is a call of Rust, and the stack is finite.
const MOST_NETS: usize = 64;

/// A `net` item: where its weights live and what was fixed for it.
#[derive(Clone, Debug, Default)]
pub struct Net {
    path: String,
    dims: Vec<(String, Dim)>,
    options: Vec<(String, OptionValue)>,
    storage: Storage,
}

/// The place a body is built in: the graph, the values of its dims and options, and the path of its weights.
#[derive(Debug)]
pub struct Scope<'g> {
    graph: &'g mut Graph,
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
            return Err(BuildError::new(format!("dim `{}` of `{}` is taken from its inputs", d.name, sig.name)));
        }
        match d.kind {
            DimKind::Run => graph.dims.push(RunDim { name: d.name.into(), bound: None }),
            DimKind::Bounded(text) => {
                let bound = constant(&sig, d.name, &Dim::parse(text)?, &dims)?;
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
    let mut scope = Scope {
        graph: &mut graph,
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
        let source = Source { text, file: sig.file.into(), line: input.line, column: input.column, scope: String::new() };
        let v = scope.graph.push(Op::Input(i), &[], source)?;
        scope.name(v, input.name);
        args.push(v);
    }
    let outputs = N::build(&mut scope, &args)?;
    graph.outputs = outputs;
    let bound = |d: &RunDim| graph.inputs.iter().any(|i| i.ty.shape.iter().any(|x| x.as_sym() == Some(&d.name)));
    match graph.dims.iter().find(|d| !bound(d)) {
        Some(d) => {
            let m =
                format!("dim `{}` of `{}` follows from none of its inputs; a network that uses `{1}` must hand it on", d.name, sig.name);
            Err(BuildError::new(m))
        }
        None => Ok(graph),
    }
}

fn constant(sig: &Sig, name: &str, d: &Dim, env: &BTreeMap<String, Dim>) -> Result<i64> {
    let d = d.subst(&|s| env.get(s).cloned())?;
    d.as_const().ok_or_else(|| BuildError::new(format!("dim `{name}` of `{}` is not static: it depends on {d}", sig.name)))
}

/// Adds the dims that a `where` clause says are others, once those are known.
fn follow(equal: &[(String, Dim)], dims: &mut BTreeMap<String, Dim>) -> Result<()> {
    for (name, d) in equal {
        if !dims.contains_key(name) && d.syms().iter().all(|s| dims.contains_key(s)) {
            dims.insert(name.clone(), d.subst(&|s| dims.get(s).cloned())?);
        }
    }
    Ok(())
}

impl DimSig {
    /// Whether its number is known when the network is built.
    fn is_static(&self) -> bool {
        matches!(self.kind, DimKind::Static(_) | DimKind::Required)
    }
}

impl Sig {
    /// What the `==` of `where` clauses lets dims be written as; the macro writes shapes by the same rule.
    fn equalities(&self) -> Result<Vec<(String, Dim)>> {
        let run = |name: &str| self.dims.iter().any(|d| d.name == name && !d.is_static());
        let mut facts = crate::types::Facts::default();
        for (l, _, r) in self.wheres.iter().filter(|(_, relation, _)| *relation == Relation::Equal) {
            facts.equate(&Dim::parse(l)?, &Dim::parse(r)?, &run);
        }
        Ok(facts.equal)
    }
}

/// Dims by name: those given, then the defaults of static ones, which may use each other in any order.
fn bind_given(sig: &Sig, given: &[(String, Dim)]) -> Result<BTreeMap<String, Dim>> {
    let mut env = BTreeMap::new();
    let mut position = 0;
    for (name, d) in given {
        let name = if name.is_empty() {
            position += 1;
            let Some(at) = sig.static_dim(position - 1) else {
                return Err(BuildError::new(format!("`{}` is given more dimensions than it has", sig.name)));
            };
            sig.dims[at].name
        } else {
            name
        };
        if sig.dims.iter().all(|s| s.name != name) {
            return Err(BuildError::new(format!("`{}` has no dim `{name}`", sig.name)));
        }
        if d.as_const().is_some_and(|n| n < 0) {
            return Err(BuildError::new(format!("dim `{name}` of `{}` cannot be {d}", sig.name)));
        }
        if env.insert(name.to_string(), d.clone()).is_some() {
            return Err(BuildError::new(format!("dim `{name}` of `{}` is given twice", sig.name)));
        }
    }
    for _ in 0..=sig.dims.len() {
        let before = env.len();
        for s in sig.dims {
            if let (DimKind::Static(text), false) = (s.kind, env.contains_key(s.name)) {
                let d = Dim::parse(text)?;
                if d.syms().iter().all(|x| env.contains_key(x)) {
                    env.insert(s.name.into(), d.subst(&|x| env.get(x).cloned())?);
                }
            }
        }
        if env.len() == before {
            break;
        }
    }
    let missing = sig.dims.iter().find(|s| s.is_static() && !env.contains_key(s.name));
    match missing {
        Some(s) => Err(BuildError::new(format!("dim `{}` of `{}` must be given", s.name, sig.name))),
        None => Ok(env),
    }
}

fn bind_options(sig: &Sig, given: &[(String, OptionValue)]) -> Result<BTreeMap<String, OptionValue>> {
    let mut env: BTreeMap<String, OptionValue> = sig.options.iter().map(|o| (o.name.to_string(), o.default)).collect();
    for (name, v) in given {
        match env.get_mut(name) {
            Some(slot) => match (crate::contract::refused(*slot, *v), *slot, *v) {
                (Some(takes), ..) => return Err(BuildError::new(format!("`{name}` of `{}` takes {takes}", sig.name))),
                // An integer is a number.
                (None, OptionValue::Float(_), OptionValue::Int(i)) => *slot = OptionValue::Float(i as f64),
                (None, _, v) => *slot = v,
            },
            None => return Err(BuildError::new(format!("`{}` has no option `{name}`", sig.name))),
        }
    }
    Ok(env)
}

/// What `network!` emits calls to. Texts of dims, types and options are those of the text form.
impl<'g> Scope<'g> {
    /// Says which file the body is written in.
    pub fn file(&mut self, file: &'static str) {
        self.file = file;
    }

    /// Sets the place of the ops that follow.
    pub fn at(&mut self, text: &str, line: u32, column: u32) {
        self.source = Source { text: text.into(), file: self.file.into(), line, column, scope: self.path.trim_end_matches('.').into() };
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
            return Err(self.fail(BuildError::new(format!("{} turns: loops are unrolled, {MOST_OPS} is the most", to - from))));
        }
        if from > to {
            return Err(self.fail(BuildError::new(format!("the loop from {from} to {to} ends before it begins"))));
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
        self.turns.iter().rev().fold(path.to_string(), |p, (name, n)| p.replace(&format!("{{{name}}}"), &n.to_string()))
    }

    /// The value of an option of this network.
    pub fn option(&self, name: &str) -> Result<OptionValue> {
        self.options.get(name).copied().ok_or_else(|| self.fail(BuildError::new(format!("there is no option `{name}`"))))
    }

    /// Whether a flag of this network is set.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.option(name)? == OptionValue::Bool(true))
    }

    /// A type of this scope from its text, `i32[B, 4*D]`; `..` stands for the leading axes.
    pub fn ty(&self, text: &str) -> Result<Type> {
        let (dtype, dims) = text::split_type(text).ok_or_else(|| BuildError::new(format!("`{text}` is no type")))?;
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
    pub fn param(&mut self, name: &str, path: &str, ty: &str, init: Init, attributes: &Attributes<'_>) -> Result<Value> {
        let storage = self.storage.with(attributes, |t| self.count(t))?;
        let ty = self.ty(ty)?;
        if let Some(d) = ty.shape.iter().find(|d| d.as_const().is_none()) {
            return Err(self.fail(BuildError::new(format!("weight `{}{path}` has the run-time dim {d}", self.path))));
        }
        let decl = storage.decl(format!("{}{}", self.path, self.numbered(path)), ty, init).map_err(|e| self.fail(e))?;
        let known = self.graph.weights.iter().position(|w| w.name == decl.name);
        let i = match known {
            Some(i) if self.graph.weights[i].ty != decl.ty => {
                let old = &self.graph.weights[i].ty;
                return Err(self.fail(BuildError::new(format!("weight `{}` is declared twice, as {old} and as {}", decl.name, decl.ty))));
            }
            Some(i) => i,
            None => {
                self.graph.weights.push(decl);
                self.graph.weights.len() - 1
            }
        };
        let earlier = self.graph.nodes.iter().position(|n| n.op == Op::Weight(i));
        let v = match earlier {
            Some(at) => Value(at as u32),
            None => {
                let v = self.graph.push(Op::Weight(i), &[], self.source.clone()).map_err(|e| self.fail(e))?;
                self.name(v, name);
                v
            }
        };
        if storage.transposed && self.graph.ty(v).rank() == 2 {
            return self.graph.push(Op::Transpose(vec![1, 0]), &[v], self.source.clone()).map_err(|e| self.fail(e));
        }
        Ok(v)
    }

    /// Declares a net: its weights live under `path`. A dim with an empty name is given by position.
    pub fn net(&self, path: &str, dims: &[(&str, &str)], options: &[(&str, OptionValue)], attributes: &Attributes<'_>) -> Result<Net> {
        let dims = dims.iter().map(|(n, t)| Ok((n.to_string(), self.dim(t)?))).collect::<Result<Vec<_>>>()?;
        let dot = if path.is_empty() { "" } else { "." };
        Ok(Net {
            path: format!("{}{}{dot}", self.path, self.numbered(path)),
            dims,
            options: options.iter().map(|(n, v)| (n.to_string(), *v)).collect(),
            storage: self.storage.with(attributes, |t| self.count(t))?,
        })
    }

    /// This network itself, for calls of its other entry points: its static dims, its options and its weights.
    pub fn here(&self) -> Net {
        let turn = |name: &String| self.turns.iter().any(|(t, _)| t == name);
        let fixed = self.dims.iter().filter(|(n, d)| d.as_const().is_some() && !turn(n));
        let dims = fixed.map(|(n, d)| (n.clone(), d.clone())).collect();
        let options = self.options.iter().map(|(n, v)| (n.clone(), *v)).collect();
        Net { path: self.path.clone(), dims, options, storage: self.storage.clone() }
    }

    /// Calls a network through a net.
    pub fn call<N: Network>(&mut self, net: &Net, args: &[Value]) -> Result<Vec<Value>> {
        self.enter(&N::SIG, N::build, net, args)
    }

    /// Calls a network of which the macro saw no signature. Arguments are by position where their name is empty.
    pub fn call_foreign(&mut self, callee: &Callee, net: &Net, args: &[(&str, Value)]) -> Result<Vec<Value>> {
        let sig = callee.sig;
        let mut slots = vec![None; sig.inputs.len()];
        for (i, (name, v)) in args.iter().enumerate() {
            let at = if name.is_empty() { Some(i) } else { sig.inputs.iter().position(|input| input.name == *name) };
            match at.and_then(|i| slots.get_mut(i)) {
                Some(slot @ None) => *slot = Some(*v),
                Some(Some(_)) => return Err(self.fail(BuildError::new(format!("an input of `{}` is given twice", sig.name)))),
                None if name.is_empty() => return Err(self.wrong_count(sig, args.len())),
                None => return Err(self.fail(BuildError::new(format!("`{}` has no input `{name}`", sig.name)))),
            }
        }
        let ordered: Option<Vec<Value>> = slots.into_iter().collect();
        let ordered = ordered.ok_or_else(|| self.wrong_count(sig, args.len()))?;
        self.enter(sig, callee.build, net, &ordered)
    }

    fn wrong_count(&self, sig: &Sig, given: usize) -> BuildError {
        let n = sig.inputs.len();
        let inputs = if n == 1 { "input" } else { "inputs" };
        self.fail(BuildError::new(format!("`{}` takes {n} {inputs}, {given} given", sig.name)))
    }

    fn enter(
        &mut self,
        sig: &Sig,
        build: impl FnOnce(&mut Scope<'_>, &[Value]) -> Result<Vec<Value>>,
        net: &Net,
        args: &[Value],
    ) -> Result<Vec<Value>> {
        let run = |e: BuildError| self.fail(e);
        if self.graph.nodes.len() > MOST_OPS {
            return Err(run(BuildError::new(format!("the graph has more than {MOST_OPS} ops: nets and loops are unrolled"))));
        }
        // Networks of one macro call are seen not to contain each other; those of several are not.
        if self.depth >= MOST_NETS {
            return Err(run(BuildError::new(format!("`{}` stands inside of {MOST_NETS} networks: does it contain itself?", sig.name))));
        }
        let mut dims = bind_given(sig, &net.dims).map_err(run)?;
        let options = bind_options(sig, &net.options).map_err(run)?;
        let leading = self.bind_inputs(sig, args, &mut dims)?;
        for d in sig.dims {
            if let DimKind::Bounded(text) = d.kind {
                let bound = constant(sig, d.name, &Dim::parse(text)?, &dims).map_err(|e| self.fail(e))?;
                self.require(dims[d.name].clone(), Relation::AtMost, Dim::constant(bound), sig)?;
            }
        }
        // Until the callee says where it is, its ops are the call's.
        let here = Source { scope: net.path.trim_end_matches('.').into(), ..self.source.clone() };
        let (path, storage) = (net.path.clone(), net.storage.clone());
        let mut child = Scope {
            graph: self.graph,
            file: "",
            path,
            dims,
            options,
            leading,
            source: here,
            storage,
            turns: Vec::new(),
            depth: self.depth + 1,
        };
        child.check_wheres(sig)?;
        build(&mut child, args)
    }

    /// Binds the callee's run-time dims to the shapes it is given; returns what `..` stands for.
    fn bind_inputs(&self, sig: &Sig, args: &[Value], dims: &mut BTreeMap<String, Dim>) -> Result<Vec<Dim>> {
        if args.len() != sig.inputs.len() {
            return Err(self.wrong_count(sig, args.len()));
        }
        let mut leading: Option<Vec<Dim>> = None;
        let wrong = |i: usize, why: &str| {
            let InputSig { name, ty: text, .. } = sig.inputs[i];
            let m =
                format!("`{}` does not accept this for `{name}`: it takes {text} but is given {}{why}", sig.name, self.graph.ty(args[i]));
            self.fail(BuildError::new(m))
        };
        // Two rounds: axes that are one symbol bind it, then every axis is compared.
        for round in 0..2 {
            for (i, InputSig { ty: text, .. }) in sig.inputs.iter().enumerate() {
                let (dtype, axes) = text::split_type(text).ok_or_else(|| self.fail(BuildError::new(format!("`{text}` is no type"))))?;
                let ty = self.graph.ty(args[i]).clone();
                let fixed = axes.iter().filter(|a| **a != "..").count();
                let open = axes.contains(&"..");
                if dtype != ty.dtype || ty.rank() < fixed || (!open && ty.rank() != fixed) {
                    return Err(wrong(i, ""));
                }
                let (lead, rest) = ty.shape.split_at(ty.rank() - fixed);
                if open && leading.get_or_insert_with(|| lead.to_vec()).as_slice() != lead {
                    return Err(wrong(i, "; the leading axes `..` differ"));
                }
                for (axis, actual) in axes.iter().filter(|a| **a != "..").zip(rest) {
                    let d = Dim::parse(axis)?;
                    if round == 0 {
                        if let Some(s) = d.as_sym()
                            && !dims.contains_key(s)
                        {
                            dims.insert(s.into(), actual.clone());
                        }
                    } else {
                        let d = d.subst(&|s| dims.get(s).cloned())?;
                        if d != *actual {
                            return Err(wrong(i, &format!("; {axis} is {d} here, not {actual}")));
                        }
                    }
                }
            }
        }
        follow(&sig.equalities()?, dims)?;
        match sig.dims.iter().find(|d| !dims.contains_key(d.name)) {
            Some(d) => Err(self.fail(BuildError::new(format!("dim `{}` of `{}` follows from none of its inputs", d.name, sig.name)))),
            None => Ok(leading.unwrap_or_default()),
        }
    }

    fn check_wheres(&mut self, sig: &Sig) -> Result<()> {
        for (l, relation, r) in sig.wheres {
            let (l, r) = (self.dim(l)?, self.dim(r)?);
            self.require(l, *relation, r, sig)?;
        }
        Ok(())
    }

    /// Checks a relation now if both sides are known, else keeps it for bind time.
    fn require(&mut self, left: Dim, relation: Relation, right: Dim, sig: &Sig) -> Result<()> {
        let c = Constraint { left, relation, right };
        match (c.left.as_const(), c.right.as_const()) {
            (Some(l), Some(r)) if !c.holds(l, r) => {
                Err(self.fail(BuildError::new(format!("`{}` requires {c}, which does not hold", sig.name))))
            }
            (Some(_), Some(_)) => Ok(()),
            _ => {
                if !self.graph.constraints.contains(&c) {
                    self.graph.constraints.push(c);
                }
                Ok(())
            }
        }
    }

    /// Adds an op. `args` are parameter names with values, `options` the text form's, `"over = (1,), eps = 1e-5"`.
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
        let cut = self.graph.push(Op::Slice { axis, start, end }, &[v], self.source.clone()).map_err(|e| self.fail(e))?;
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
            let op = Op::Slice { axis, start: start.clone(), end: start.plus(&part)? };
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
