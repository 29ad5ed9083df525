//! Signatures: dims in any order, options, types of inputs and results, `where` clauses.

use super::dims::Dims;
use super::entry_dims::Seen;
use crate::ast::{self, Entry, Expr, ExprKind, Network, Ty};
use crate::errors::{Errors, Place};
use crate::messages;
use crate::plan::{OF_ALL_ENTRIES, Sig};
use proc_macro2::Ident;
use std::collections::BTreeMap;
use tancho_ir::bind::{DimDecl, DimKind, Signature};
use tancho_ir::builder::OptionValue;
use tancho_ir::graph::{Constraint, Relation};
use tancho_ir::{DType, Dim, ElementType, Facts, MAX_RANK, Type};

/// The signatures of a network's entry points. With an error they are marked as broken and hold what could be
/// read; a network whose header does not parse has one of its own name.
pub fn resolve(network: &Network, errors: &Errors) -> Vec<Sig> {
    let before = errors.count();
    unique_names(network, errors);
    let items = network.entries.iter().map(|e| e.body.items.len()).sum::<usize>() + network.items.len();
    let mut sig = Sig { has_items: items > 0, ..Sig::default() };
    sig.declared.name = network.name.to_string();
    let dim = |d: &ast::DimDecl| DimDecl { name: d.name.to_string(), kind: placeholder(d) };
    sig.declared.dims = network.dims.iter().map(dim).collect();
    let options: Vec<String> = network.options.iter().map(|o| o.name.to_string()).collect();
    let other = |name: &str| -> Option<&'static str> {
        let input = network.entries.iter().flat_map(|e| &e.inputs).any(|i| i.name == name);
        if options.iter().any(|o| o == name) { Some("an option") } else { input.then_some("an input") }
    };

    // Allowed divisions first: defaults and types may use them.
    let mut facts = Facts::default();
    for w in &network.wheres {
        let dims = Dims { known: &sig.declared.dims, facts: &facts, errors, other: &other };
        if let (Some(l), Some(r)) = (dims.poly(&w.left), dims.poly(&w.right)) {
            if w.relation == Relation::Multiple {
                facts.divides.push((l.clone(), r.clone()));
            }
            sig.declared.wheres.push(Constraint { left: l, relation: w.relation, right: r });
        }
    }
    let kinds: Vec<DimKind<Dim>> = network
        .dims
        .iter()
        .map(|d| kind(d, &Dims { known: &sig.declared.dims, facts: &facts, errors, other: &other }))
        .collect();
    for (info, kind) in sig.declared.dims.iter_mut().zip(kinds) {
        info.kind = kind;
    }
    super::defaults::settle(network, &mut sig, errors);
    facts.values = sig.numbers.clone();
    facts.equal = sig.declared.equalities();

    for o in &network.options {
        match literal(&o.default) {
            Some(v) => sig.declared.options.push((o.name.to_string(), v)),
            None if matches!(o.default.kind, ExprKind::Poison) => {}
            None => errors.push(o.default.place, messages::option_default(&o.name.to_string())),
        }
    }
    let mut all: Vec<Sig> = (network.entries.iter())
        .map(|e| Sig { declared: of_entry(network, e, &sig, &facts, errors, &other), ..sig.clone() })
        .collect();
    if errors.count() == before && !network.broken_header {
        for (sig, entry) in all.iter().zip(&network.entries) {
            few_axes(entry, sig, errors);
        }
        super::entry_dims::all_follow(network, &all, errors);
        hold_by_default(network, &sig, errors);
    }
    if all.is_empty() {
        all.push(sig);
    }
    let broken = network.broken_header || errors.count() > before;
    all.iter_mut().for_each(|s| s.broken = broken);
    all
}

/// What a signature promises: exact divisions, and the default numbers. The numbers of a
/// clause that fails by default are left out, so that its failure is reported once.
pub fn facts(sig: &Sig) -> Facts {
    let run_time = sig.declared.dims.iter().filter(|d| !d.is_static()).map(|d| d.name.clone()).collect();
    let equal = sig.declared.equalities();
    let mut f = Facts { divides: Vec::new(), values: sig.numbers.clone(), equal, run_time };
    for Constraint { left, relation, right } in &sig.declared.wheres {
        if *relation == Relation::Multiple {
            f.divides.push((left.clone(), right.clone()));
        }
        if fails(*relation, f.value(left), f.value(right)) {
            for s in left.syms().iter().chain(&right.syms()) {
                f.values.remove(s);
            }
        }
    }
    f
}

/// Whether a relation is known not to hold.
pub fn fails(relation: Relation, left: Option<i64>, right: Option<i64>) -> bool {
    left.zip(right).is_some_and(|(l, r)| !relation.holds(l, r))
}

fn placeholder(decl: &ast::DimDecl) -> DimKind<Dim> {
    match decl.kind {
        DimKind::Run | DimKind::Bounded(_) => DimKind::Run,
        DimKind::Static(_) | DimKind::Required => DimKind::Required,
    }
}

fn kind(decl: &ast::DimDecl, dims: &Dims<'_>) -> DimKind<Dim> {
    let fixed = |e: &Expr, what: &str| {
        let p = dims.poly(e)?;
        match dims.run_time(&p) {
            Some(run) => {
                dims.errors.push(e.place, messages::not_static(what, &p, run));
                None
            }
            None => Some(p),
        }
    };
    match &decl.kind {
        DimKind::Run => DimKind::Run,
        DimKind::Required => DimKind::Required,
        DimKind::Bounded(e) => {
            let bound = fixed(e, "a bound");
            if let Some(n) = bound.as_ref().and_then(Dim::as_const).filter(|n| *n < 0) {
                dims.errors.push(e.place, messages::negative_dim(&e.text, n));
            }
            bound.map_or(DimKind::Run, DimKind::Bounded)
        }
        DimKind::Static(e) => fixed(e, "a default").map_or(DimKind::Required, DimKind::Static),
    }
}

/// Dims, options, inputs and items share one namespace.
fn unique_names(network: &Network, errors: &Errors) {
    let mut seen: BTreeMap<String, &'static str> = BTreeMap::new();
    let dims = network.dims.iter().map(|d| (&d.name, "dimension"));
    let options = network.options.iter().map(|o| (&o.name, "option"));
    let articles = |what: &str| match what {
        "dimension" => "a dimension",
        "option" => "an option",
        "item" => "an item",
        "entry point" => "an entry point",
        _ => "an input",
    };
    let note = |seen: &mut BTreeMap<String, &'static str>, name: &Ident, what: &'static str| {
        if let Some(earlier) = seen.insert(name.to_string(), what) {
            errors.push(
                Place::of(name.span()),
                messages::duplicate(&name.to_string(), articles(what), articles(earlier)),
            );
        }
    };
    for (name, what) in dims.chain(options) {
        note(&mut seen, name, what);
    }
    for e in &network.entries {
        let mut seen = seen.clone();
        e.dims.iter().for_each(|d| note(&mut seen, &d.name, "dimension"));
        e.inputs.iter().for_each(|i| note(&mut seen, &i.name, "input"));
    }
    if network.short {
        return;
    }
    let items = network.items.iter().map(|i| &i.name);
    for name in items {
        // An item's own clash with a dim is found where it is declared.
        seen.entry(name.to_string()).or_insert("item");
    }
    for e in &network.entries {
        note(&mut seen, &e.name, "entry point");
    }
    // Every entry point gives methods their names.
    let methods = |e: &Entry| {
        ["into", "trace", "check", "interpret"]
            .map(|m| if m == "into" { format!("{}_into", e.name) } else { format!("{m}_{}", e.name) })
    };
    for e in &network.entries {
        let name = e.name.to_string();
        let several = network.entries.len() > 1 && OF_ALL_ENTRIES.contains(&name.as_str());
        let taken = several
            || ["session", "session_with_threads", "fork", "reset"].contains(&name.as_str())
            || network.entries.iter().flat_map(methods).any(|m| m == name);
        if taken {
            errors.push(Place::of(e.name.span()), messages::entry_is_method(&name));
        }
    }
}

/// The type of a value with its dims resolved. `what` names something that has no leading axes `..`.
pub fn ty(t: &Ty, dims: &Dims<'_>, what: Option<&str>) -> Option<Type> {
    let shape = shape(t, dims, what);
    match (t.element(), &t.dtype) {
        (Some(element), Some(word)) if element.is_converted() => {
            dims.errors.push(Place::of(word.span()), messages::type_of_inputs_alone(element));
            None
        }
        _ => Some(Type::new(dtype(t, dims)?, shape?)),
    }
}

/// The type that the value of an input has.
fn input_ty(t: &Ty, dims: &Dims<'_>) -> Option<Type> {
    let dtype = dtype(t, dims);
    Some(Type::new(dtype?, shape(t, dims, None)?))
}

/// The element type that a value of that type has.
fn dtype(t: &Ty, dims: &Dims<'_>) -> Option<DType> {
    if let (None, Some(word)) = (t.element(), &t.dtype) {
        dims.errors.push(Place::of(word.span()), messages::unknown_dtype(&word.to_string()));
    }
    t.element().map(ElementType::dtype)
}

fn shape(t: &Ty, dims: &Dims<'_>, what: Option<&str>) -> Option<Vec<Dim>> {
    let mut bad = false;
    let mut shape = Vec::new();
    if t.open {
        if let Some(w) = what {
            dims.errors.push(t.place, messages::open_axes_here(w));
            bad = true;
        }
        shape.push(Dim::sym(".."));
    }
    for a in &t.axes {
        match dims.poly(a) {
            Some(d) if d.as_const().is_some_and(|n| n < 0) => {
                dims.errors.push(a.place, messages::negative_dim(&a.text, d.as_const().unwrap_or(0)));
                bad = true;
            }
            Some(d) => shape.push(d),
            None => bad = true,
        }
    }
    (!bad).then_some(shape)
}

/// A number, `true` or `false`.
pub fn literal(expr: &Expr) -> Option<OptionValue> {
    match &expr.kind {
        ExprKind::Bool(b) => Some(OptionValue::Bool(*b)),
        ExprKind::Number(_, Some(i)) => Some(OptionValue::Int(*i)),
        ExprKind::Number(x, None) => Some(OptionValue::Float(*x)),
        ExprKind::Neg(inner) => match literal(inner)? {
            OptionValue::Int(i) => Some(OptionValue::Int(i.checked_neg()?)),
            OptionValue::Float(x) => Some(OptionValue::Float(-x)),
            OptionValue::Bool(_) => None,
        },
        _ => None,
    }
}

/// The signature of an entry point: the dims that it has of the network, its own, and its types.
fn of_entry(
    network: &Network,
    entry: &Entry,
    sig: &Sig,
    facts: &Facts,
    errors: &Errors,
    other: &dyn Fn(&str) -> Option<&'static str>,
) -> Signature {
    let mut declared = Signature { entry: entry.name.to_string(), ..sig.declared.clone() };
    keep_own_dims(network, entry, &mut declared);
    let facts = Facts { equal: declared.equalities(), ..facts.clone() };
    for d in &entry.dims {
        let kind = kind(d, &Dims { known: &declared.dims, facts: &facts, errors, other });
        if matches!(d.kind, DimKind::Static(_) | DimKind::Required) {
            errors.push(Place::of(d.name.span()), messages::static_dim_of_entry(&d.name.to_string()));
        }
        declared.dims.push(DimDecl { name: d.name.to_string(), kind });
    }
    let dims = Dims { known: &declared.dims, facts: &facts, errors, other };
    // A type with an error keeps its element type, which callers' slices have.
    let whole = |read: Option<Type>, t: &Ty| {
        read.unwrap_or_else(|| Type::new(t.element().map_or(DType::F32, ElementType::dtype), Vec::new()))
    };
    let input = |t: &Ty| whole(input_ty(t, &dims), t);
    let inputs = entry.inputs.iter().map(|i| (i.name.to_string(), input(&i.ty))).collect();
    let outputs = entry.outputs.iter().map(|t| whole(ty(t, &dims, None), t)).collect();
    Signature { inputs, outputs, ..declared }
}

/// Leaves an entry point the dims that it has, and the clauses of those alone.
fn keep_own_dims(network: &Network, entry: &Entry, declared: &mut Signature) {
    let seen = Seen::new(network, entry);
    let mut decls = network.dims.iter();
    declared.dims.retain(|_| decls.next().is_none_or(|d| seen.has(d)));
    let dims = &declared.dims;
    let known = |d: &Dim| d.syms().iter().all(|s| dims.iter().any(|d| d.name == *s));
    declared.wheres.retain(|c| known(&c.left) && known(&c.right));
}

/// What a caller gives and is given has few axes.
fn few_axes(entry: &Entry, sig: &Sig, errors: &Errors) {
    let inputs =
        entry.inputs.iter().zip(&sig.declared.inputs).map(|(i, (_, t))| (i.name.to_string(), &i.ty, t));
    let outputs =
        entry.outputs.iter().zip(&sig.declared.outputs).map(|(o, t)| ("the result".to_string(), o, t));
    for (what, written, ty) in inputs.chain(outputs) {
        if ty.rank() > MAX_RANK {
            errors.push(written.place, messages::many_axes(&what, ty.rank()));
        }
    }
}

fn hold_by_default(network: &Network, sig: &Sig, errors: &Errors) {
    let numbers = Facts { values: sig.numbers.clone(), ..Facts::default() };
    for (clause, w) in sig.declared.wheres.iter().zip(&network.wheres) {
        let sides = [numbers.value(&clause.left), numbers.value(&clause.right)];
        if !fails(clause.relation, sides[0], sides[1]) {
            continue;
        }
        let remainder = sides[0].zip(sides[1]).filter(|_| clause.relation == Relation::Multiple);
        let names = names_in(&[&clause.left, &clause.right], &numbers);
        errors.push(w.place, messages::where_fails(&clause.to_string(), &names, remainder));
    }
}

/// The names in some dims with their numbers.
pub fn names_in(dims: &[&Dim], facts: &Facts) -> Vec<(String, i64)> {
    let mut names: Vec<String> = Vec::new();
    for s in dims.iter().flat_map(|d| d.syms()) {
        if !names.contains(&s) {
            names.push(s);
        }
    }
    names.into_iter().filter_map(|s| facts.values.get(&s).map(|v| (s.clone(), *v))).collect()
}
