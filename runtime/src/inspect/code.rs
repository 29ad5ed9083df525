//! The generated functions of a network, line by line: Cranelift's IR and machine code, each line with the op
//! that it computes.

use crate::compile::Compilation;
use crate::compiled::Compiled;
use crate::error::Error;
use std::fmt::Write;
use tancho_ir::graph::Source;
use tancho_ir::table::name_of;
use tancho_ir::{Graph, Value};
use tancho_jit::{Step, TextLine, generate, programs};

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
    /// The op that the instruction computes or stores, as a value of the graph after all passes. What reads
    /// a kept value again belongs to the op that computed the value. Products, loops and addresses belong to
    /// the op that they are made for, or that the kernel was grown around. Lines that are no instruction have
    /// none.
    pub value: Option<Value>,
    /// Where that was written.
    pub source: Source,
}

impl Compiled {
    /// Cranelift's IR and the machine code of every function, made anew for this call.
    ///
    /// ```
    /// use tancho_runtime::{Model, Target};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 4]\n%0: f32[B, 4] = input(index = 0)\n\
    ///      %1: f32[B, 4] = relu(%0) // \"relu(x)\" \"net.rs\":5:9\nreturn %1",
    /// ).unwrap();
    /// let code = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
    /// let dumps = code.dump().unwrap();
    /// assert!(dumps.iter().flat_map(|dump| &dump.asm).any(|line| line.source.line == 5));
    /// ```
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
    let source_of = |v: Option<Value>| v.map_or_else(Source::default, |v| fused.graph.node(v).source.clone());
    let line =
        |line: TextLine| CodeLine { source: source_of(line.value), text: line.text, value: line.value };
    let all = texts.into_iter().map(|function| {
        let step = function.steps.first().map(|first| &schedule.steps[*first]);
        let value = step.map(|step| step.origins.main);
        Dump {
            name: function.name,
            body,
            kernel: step.map_or_else(String::new, |step| step.name.clone()),
            steps: function.steps,
            value,
            source: source_of(value),
            clif: function.clif.into_iter().map(line).collect(),
            asm: function.asm.into_iter().map(line).collect(),
        }
    });
    Ok(all.collect())
}

/// The column that sources are written in, if the line is not longer.
const COLUMN: usize = 56;

/// The most characters of a source's text.
const MOST_TEXT: usize = 40;

/// Writes the functions of a network as text, as IR or as machine code: each instruction with its source,
/// each function with its kernel and the steps that run it.
pub(crate) fn write_functions(compilation: &Compilation, clif: bool, out: &mut String) -> Result<(), Error> {
    let (graph, steps) = (&compilation.fused.graph, &compilation.schedule.steps);
    for dump in functions(compilation, None)? {
        heading(&dump, graph, steps, out);
        if clif && dump.clif.is_empty() {
            out.push_str("    the x86 emitter makes it without Cranelift's IR\n");
        }
        for CodeLine { text, value, .. } in if clif { &dump.clif } else { &dump.asm } {
            // Writing to a string cannot fail.
            let _ = match value {
                Some(v) => writeln!(out, "{text:COLUMN$} ; {}", place(graph, *v)),
                None => writeln!(out, "{}", text.trim_end()),
            };
        }
        out.push('\n');
    }
    Ok(())
}

/// The lines before a function: its kernel, then the other steps that run it, by what they compute.
fn heading(dump: &Dump, graph: &Graph, steps: &[Step], out: &mut String) {
    let (Some(first), Some(v)) = (dump.steps.first(), dump.value) else { return };
    let head = format!("function {} of step {first} {}", dump.name, dump.kernel);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{head:COLUMN$} ; {}", place(graph, v));
    let mut others: Vec<(String, Vec<usize>)> = Vec::new();
    for step in dump.steps.iter().skip(1) {
        let place = place(graph, steps[*step].origins.main);
        match others.iter_mut().find(|(known, _)| *known == place) {
            Some((_, steps)) => steps.push(*step),
            None => others.push((place, vec![*step])),
        }
    }
    for (place, steps) in others {
        let numbers: Vec<String> = steps.iter().map(ToString::to_string).collect();
        let also = format!("  also of step {}", numbers.join(", "));
        let _ = writeln!(out, "{also:COLUMN$} ; {place}");
    }
}

/// Where a node was written: `net.rs:12 norm(h)`. A graph without sources has its op there.
fn place(graph: &Graph, v: Value) -> String {
    let node = graph.node(v);
    let Source { text, file, line, .. } = &node.source;
    if *line == 0 && text.is_empty() {
        return format!("{v} {}", name_of(&node.op));
    }
    let file = file.rsplit(['/', '\\']).next().unwrap_or_default();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short = match words.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => format!("{}..", &words[..at]),
        None => words,
    };
    if *line == 0 { short } else { format!("{file}:{line} {short}") }
}
