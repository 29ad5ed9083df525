//! The generated functions of a network, line by line: Cranelift's IR and machine code, each line with the op
//! that it computes.

use crate::compile::Compilation;
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::profile::main_op;
use std::fmt::Write;
use tancho_ir::Value;
use tancho_ir::graph::Source;
use tancho_jit::{generate, programs};

/// A generated function: a kernel, or a vector program that kernels call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// Its name.
    pub name: String,
    /// The graph that it belongs to: the network's if there is none, else that of a loop's or an expert's
    /// body, which are numbered as in the text of [`Stage::Asm`](crate::inspect::stages::Stage::Asm).
    pub body: Option<usize>,
    /// The kernel that it is a part of, as profiles call it: that of the first step.
    pub kernel: String,
    /// The steps of a run that use it, in ascending order. Equal kernels and programs share their functions.
    /// Values and sources are those of the first step.
    pub steps: Vec<usize>,
    /// The op that the kernel was grown around, as a value of the graph after all passes.
    pub value: Option<Value>,
    /// Where that was written.
    pub source: Source,
    /// Cranelift's IR. Programs that the x86 emitter makes have none.
    pub clif: Vec<CodeLine>,
    /// The machine code, disassembled.
    pub asm: Vec<CodeLine>,
}

/// A line of a generated function.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CodeLine {
    /// The instruction, or what the text of the function has between its instructions.
    pub text: String,
    /// The op that the instruction computes or stores, as a value of the graph after all passes. Lines that
    /// are no instruction have none.
    pub value: Option<Value>,
    /// Where that was written.
    pub source: Source,
}

impl Dump {
    /// The text of its IR, or of its machine code.
    pub(crate) fn text(&self, clif: bool) -> String {
        let mut out = format!("function {}\n", self.name);
        for line in if clif { &self.clif } else { &self.asm } {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}", line.text);
        }
        out
    }
}

impl Compiled {
    /// Cranelift's IR and the machine code of every function, made anew for this call.
    ///
    /// # Errors
    /// The machine has no memory for it.
    pub fn dump(&self) -> Result<Vec<Dump>, Error> {
        let mut all = Vec::new();
        for (i, inner) in self.inner().all().into_iter().enumerate() {
            all.extend(functions(&inner.compilation, i.checked_sub(1))?);
        }
        Ok(all)
    }
}

/// The functions of a network or of one of its bodies.
pub(crate) fn functions(compilation: &Compilation, body: Option<usize>) -> Result<Vec<Dump>, Error> {
    let Compilation { schedule, target, fused, .. } = compilation;
    let texts = generate(schedule, programs(schedule, *target), *target, true)?.texts;
    let all = texts.into_iter().map(|function| {
        let step = function.steps.first().map(|first| &schedule.steps[*first]);
        let value = step.and_then(|step| main_op(&fused.groups[step.kernel]));
        let source = value.map_or_else(Source::default, |v| fused.graph.node(v).source.clone());
        let line = |text: &str| {
            let (value, source) =
                if text.trim().is_empty() { (None, Source::default()) } else { (value, source.clone()) };
            CodeLine { text: text.into(), value, source }
        };
        Dump {
            name: function.name,
            body,
            kernel: step.map_or_else(String::new, |step| step.name.clone()),
            steps: function.steps,
            value,
            clif: function.clif.trim_end().lines().map(line).collect(),
            asm: function.asm.trim_end().lines().map(line).collect(),
            source: source.clone(),
        }
    });
    Ok(all.collect())
}
