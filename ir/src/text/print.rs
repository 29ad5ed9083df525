//! Printing.

use crate::graph::{Graph, Node, Source, Value};
use crate::op::Op;
use crate::table::{attrs_of, name_of, present_params, row_of};
use std::fmt;

/// Prints an op with its arguments, without the value it defines.
pub fn print_op(f: &mut dyn fmt::Write, op: &Op, args: &[Value]) -> fmt::Result {
    let row = row_of(op);
    write!(f, "{}(", name_of(op))?;
    let mut sep = "";
    for (name, v) in present_params(op, args.len()).iter().zip(args) {
        let positional = row.variadic || row.params.iter().any(|p| p.name == *name && !p.optional);
        if positional {
            write!(f, "{sep}{v}")?
        } else {
            write!(f, "{sep}{name} = {v}")?
        }
        sep = ", ";
    }
    for (name, a) in attrs_of(op) {
        write!(f, "{sep}{name} = {a}")?;
        sep = ", ";
    }
    write!(f, ")")
}

/// Prints one node's line without its source.
pub fn print_definition(f: &mut dyn fmt::Write, v: Value, n: &Node) -> fmt::Result {
    write!(f, "{v}: {} = ", n.ty)?;
    print_op(f, &n.op, &n.args)?;
    match &n.name {
        Some(name) => write!(f, " as {name:?}"),
        None => Ok(()),
    }
}

/// Prints one node's line.
pub fn print_node(f: &mut dyn fmt::Write, v: Value, n: &Node) -> fmt::Result {
    print_definition(f, v, n)?;
    if n.source != Source::default() {
        let s = &n.source;
        write!(f, " // {:?} {:?}:{}:{}", s.text, s.file, s.line, s.column)?;
        if !s.scope.is_empty() {
            write!(f, " {:?}", s.scope)?;
        }
        if let Some(word) = s.phase.word() {
            write!(f, " {word}")?;
        }
    }
    Ok(())
}

/// Bodies of loops, nodes and results.
fn print_body(f: &mut fmt::Formatter<'_>, g: &Graph) -> fmt::Result {
    for (i, body) in g.bodies.iter().enumerate() {
        let rows = body.rows.as_ref().map(|rows| format!("<{rows}>")).unwrap_or_default();
        writeln!(f, "body {i}{rows} {{")?;
        print_inputs(f, body)?;
        print_body(f, body)?;
        writeln!(f, "}}")?;
    }
    for v in g.values() {
        print_node(f, v, g.node(v))?;
        writeln!(f)?;
    }
    let outputs: Vec<String> = g.outputs.iter().map(Value::to_string).collect();
    writeln!(f, "return {}", outputs.join(", "))
}

fn print_inputs(f: &mut fmt::Formatter<'_>, g: &Graph) -> fmt::Result {
    g.inputs.iter().try_for_each(|i| writeln!(f, "input {i}"))
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self
            .dims
            .iter()
            .map(|d| match d.bound {
                Some(b) => format!("{} <= {b}", d.name),
                None => d.name.clone(),
            })
            .collect();
        let dot = if self.entry.is_empty() { "" } else { "." };
        writeln!(f, "network {}{dot}{}<{}>", self.name, self.entry, dims.join(", "))?;
        for c in &self.constraints {
            writeln!(f, "where {c}")?;
        }
        for u in &self.unused_weights {
            writeln!(f, "unused {u:?}")?;
        }
        print_inputs(f, self)?;
        for w in &self.weights {
            if w.is_constant() {
                writeln!(f, "constant {:?}: {} = {}", w.name, w.ty, w.init)?;
                continue;
            }
            write!(f, "weight {:?}: {} = {}", w.name, w.ty, w.init)?;
            let m = &w.marks;
            for (set, word) in [(m.buffer, "buffer"), (m.frozen, "frozen"), (m.no_decay, "no_decay")] {
                if set {
                    write!(f, ", {word}")?;
                }
            }
            if let Some(p) = &m.part {
                write!(f, ", part {p}")?;
            }
            writeln!(f)?;
        }
        for s in &self.states {
            write!(f, "state {:?}: {}", s.name, s.ty)?;
            if let Some(axis) = s.grows {
                write!(f, " {} axis {axis}", if s.keeps_last { "last" } else { "grow" })?;
            }
            if let Some(next) = s.next {
                write!(f, " = {next}")?;
            }
            writeln!(f)?;
        }
        print_body(f, self)
    }
}
