//! Names of kernels, and the text form of a fused graph.

use super::{Fused, Kernel, Kind};
use crate::graph::{Graph, Value};
use crate::op::{Binary, Op};
use crate::text::print_node;
use crate::types::Shape;
use std::fmt;

impl Kernel {
    /// A short name: the kind and what is fused into it, `matmul+gelu`.
    pub fn name(&self, g: &Graph) -> String {
        let op = |v: Value| match &g.node(v).op {
            Op::Binary(Binary::Add) if g.node(v).source.text.starts_with("residual") => "residual",
            op => crate::table::name_of(op),
        };
        let joined = |vs: &[Value]| vs.iter().map(|v| format!("+{}", op(*v))).collect::<String>();
        match &self.kind {
            Kind::Matmul { matmul, epilogue, rows } => {
                let kind = if g.node(*matmul).op == Op::Matmul { "matmul" } else { "conv" };
                format!("{kind}{}{}", joined(epilogue), joined(rows))
            }
            Kind::Attention(_) => "attention".into(),
            Kind::Rows => format!("row{}", joined(&self.nodes)),
            Kind::Concat(_) => "concat".into(),
            Kind::Push(_) => "push".into(),
            Kind::Move(v) => format!("move+{}", op(*v)),
        }
    }
}

impl fmt::Display for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.kernels.len();
        writeln!(f, "network {} in {n} kernel{}", self.graph.name, if n == 1 { "" } else { "s" })?;
        for (i, k) in self.kernels.iter().enumerate() {
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
