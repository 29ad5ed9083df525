//! Names of groups, and the text form of a fused graph.

use super::{Fused, Group, Kind};
use crate::graph::{Graph, Value};
use crate::op::{Binary, Op};
use crate::text::print_node;
use crate::types::Shape;
use std::fmt;

impl Group {
    /// A short name: the kind and what is fused into it, `matmul+gelu`.
    pub fn name(&self, graph: &Graph) -> String {
        format!("{}{}", self.kind_name(graph), self.fused_name(graph))
    }

    /// The kind: `matmul`.
    fn kind_name(&self, graph: &Graph) -> &'static str {
        match &self.kind {
            Kind::Matmul { matmul, .. } if graph.node(*matmul).op == Op::Matmul => "matmul",
            Kind::Matmul { .. } => "conv",
            Kind::Attention(_) => "attention",
            Kind::Rows => "row",
            Kind::Concat(_) => "concat",
            Kind::Push(_) => "push",
            Kind::Cumulative(_) => "cumulative",
            Kind::Scatter(_) => "scatter",
            Kind::Scan(_) => "scan",
            Kind::Experts(_) => "experts",
            Kind::Move(_) => "move",
        }
    }

    /// What is fused into it: `+gelu`.
    pub fn fused_name(&self, graph: &Graph) -> String {
        let op = |v: &Value| match &graph.node(*v).op {
            Op::Binary(Binary::Add) if graph.node(*v).source.text.starts_with("residual") => "residual",
            op => crate::table::name_of(op),
        };
        let joined = |values: &[Value]| values.iter().map(|v| format!("+{}", op(v))).collect::<String>();
        match &self.kind {
            Kind::Matmul { epilogue, rows, .. } => joined(epilogue) + &joined(rows),
            Kind::Rows => joined(&self.nodes),
            Kind::Move(v) => joined(&[*v]),
            Kind::Attention(_) | Kind::Concat(_) | Kind::Push(_) | Kind::Cumulative(_) => String::new(),
            Kind::Scatter(_) | Kind::Scan(_) | Kind::Experts(_) => String::new(),
        }
    }
}

impl fmt::Display for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.groups.len();
        writeln!(f, "network {} in {n} kernel{}", self.graph.name, if n == 1 { "" } else { "s" })?;
        for (i, k) in self.groups.iter().enumerate() {
            let outs: Vec<String> = k.outputs.iter().map(Value::to_string).collect();
            writeln!(
                f,
                "kernel {i} {} over {} -> {} {{",
                k.name(&self.graph),
                Shape(&k.domain),
                outs.join(", ")
            )?;
            for v in &k.nodes {
                write!(f, "  ")?;
                print_node(f, *v, self.graph.node(*v))?;
                writeln!(f)?;
            }
            writeln!(f, "}}")?;
        }
        let outs: Vec<String> = self.graph.outputs.iter().map(Value::to_string).collect();
        writeln!(f, "return {}", outs.join(", "))?;
        for d in &self.declined {
            writeln!(
                f,
                "not fused: {} into the kernel of {}: {}",
                self.graph.label(d.consumer),
                self.graph.label(d.producer),
                d.reason
            )?;
        }
        Ok(())
    }
}
