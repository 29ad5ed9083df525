//! The graph of a network that is used on its own.

use super::calls::{bind_given, bind_options, constant};
use super::*;
use crate::training::{Minimize, Objective};

/// Builds the graph of a network. `statics` and `options` override the defaults.
///
/// # Errors
/// An unknown or missing dim or option, a `where` clause that does not hold, or a shape that does not fit.
pub fn graph_of<N: Network>(statics: &[(&str, i64)], options: &[(&str, OptionValue)]) -> Result<Graph> {
    built::<N>(statics, options).map(|(graph, _)| graph)
}

/// The same of a `train fn`, with what it minimises.
///
/// # Errors
/// As [`graph_of`], or a setting of the optimiser is out of its range.
pub fn objective_of<N: Network>(
    statics: &[(&str, i64)],
    options: &[(&str, OptionValue)],
) -> Result<Objective> {
    let (graph, minimize) = built::<N>(statics, options)?;
    let minimize = minimize.ok_or_else(|| BuildError::new(format!("`{}` minimises nothing", N::SIG.name)))?;
    Ok(Objective { graph, minimize })
}

fn built<N: Network>(
    statics: &[(&str, i64)],
    options: &[(&str, OptionValue)],
) -> Result<(Graph, Option<Minimize>)> {
    let sig = N::SIG;
    let mut graph = Graph {
        name: sig.name.into(),
        entry: sig.entry.into(),
        unused_weights: sig.unused_weights.iter().map(|s| s.to_string()).collect(),
        ..Graph::default()
    };
    let read = sig.read()?;
    let given: Vec<(String, Dim)> = statics.iter().map(|(n, v)| (n.to_string(), Dim::constant(*v))).collect();
    let mut binding = bind_given(&read, &given)?;
    declare_dims(&read, &mut binding, &mut graph)?;
    let leading = leading_axes(&read, &mut graph);
    let options = bind_options(&read, &options.iter().map(|(n, v)| (n.to_string(), *v)).collect::<Vec<_>>())?;
    let mut known = Known::default();
    let mut scope = Scope {
        graph: &mut graph,
        known: &mut known,
        file: "",
        path: String::new(),
        dims: binding.dims,
        options,
        leading,
        source: Source::default(),
        storage: Storage::default(),
        loops: Vec::new(),
        depth: 0,
    };
    scope.check_wheres(&read)?;
    let args = scope.declare_inputs(&sig)?;
    graph.outputs = N::build(&mut scope, &args)?;
    graph.share_with_bodies();
    crate::verify::interface(&graph).map_err(|e| BuildError::new(format!("`{}`: {e}", sig.name)))?;
    check_dims(&graph, &sig)?;
    Ok((graph, known.minimize))
}

/// Makes the run-time dims those of the graph, where each stands for itself.
fn declare_dims(sig: &Signature, binding: &mut Binding<'_>, graph: &mut Graph) -> Result<()> {
    let equal = sig.equalities();
    // A dim that a `where` clause equates with another has no length of its own.
    for d in sig.dims.iter().filter(|d| equal.iter().all(|(name, _)| *name != d.name)) {
        if binding.dims.contains_key(&d.name) && !d.is_static() {
            return Err(BuildError::new(format!(
                "dim `{}` of `{}` is taken from its inputs",
                d.name, sig.name
            )));
        }
        let bound = match &d.kind {
            DimKind::Run => None,
            DimKind::Bounded(bound) => Some(constant(binding, sig, &d.name, bound)?),
            DimKind::Static(_) | DimKind::Required => continue,
        };
        if let Some(bound) = bound.filter(|b| *b < 0) {
            return Err(BuildError::new(format!(
                "dim `{}` of `{}` cannot be at most {bound}",
                d.name, sig.name
            )));
        }
        graph.dims.push(RunDim { name: d.name.clone(), bound });
        binding.dims.insert(d.name.clone(), Dim::sym(&d.name));
    }
    Ok(binding.add_equal()?)
}

/// Leading axes `..` of a network used on its own are one run-time axis.
fn leading_axes(sig: &Signature, graph: &mut Graph) -> Vec<Dim> {
    if !sig.inputs.iter().any(|(_, ty)| is_open(ty)) {
        return Vec::new();
    }
    let name = free_name("N", |name| sig.dim(name).is_some());
    let leading = vec![Dim::sym(&name)];
    graph.dims.push(RunDim { name, bound: None });
    leading
}

/// Checks that every run-time dim follows from an input or from a state, and that no axis of a state changes
/// but the one that grows.
fn check_dims(graph: &Graph, sig: &Sig) -> Result<()> {
    if let Some((state, dim)) = graph.moving_state() {
        return Err(BuildError::new(format!(
            "the state `{state}` of `{}` would change its shape from call to call: states grow along `{dim}`",
            sig.name
        )));
    }
    match graph.unbound_dims().find(|(_, d)| d.bound.is_none()) {
        Some((_, d)) => Err(BuildError::new(format!(
            "dim `{}` of `{}` follows from none of its inputs; a network that uses `{1}` must hand it on",
            d.name, sig.name
        ))),
        None => Ok(()),
    }
}

impl Scope<'_> {
    fn declare_inputs(&mut self, sig: &Sig) -> Result<Vec<Value>> {
        let mut args = Vec::new();
        for (i, input) in sig.inputs.iter().enumerate() {
            let ty = self.ty(input.ty)?;
            let given = input.given.unwrap_or(ty.dtype.into());
            let written = match input.given {
                Some(given) => format!("{given}{}", input.ty.trim_start_matches(|c| c != '[')),
                None => input.ty.into(),
            };
            self.graph.inputs.push(InputDecl { given, ..InputDecl::new(input.name, ty) });
            let source = Source {
                text: format!("{}: {written}", input.name).into(),
                file: sig.file.into(),
                line: input.line,
                column: input.column,
                ..Source::default()
            };
            let v = self.graph.push(Op::Input(i), &[], source)?;
            self.name(v, input.name);
            args.push(v);
        }
        Ok(args)
    }
}
