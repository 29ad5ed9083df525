//! Steps as the page has them: what each reads and writes, its spec and its vector programs; and the
//! functions of machine code.

use crate::compile::Compilation;
use crate::error::Error;
use crate::inspect::code::{self, CodeLine, Dump};
use crate::inspect::stages::{division, uses};
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use tancho_jit::programs;
use tancho_jit::spec::KernelSpec;

/// The steps of a schedule, each with its operations, bytes and nanoseconds. What equal steps share is in the
/// first of them, whose number the others have.
pub fn steps(compilation: &Compilation) -> Json {
    let Compilation { schedule, target, .. } = compilation;
    let mut first: HashMap<&KernelSpec, usize> = HashMap::new();
    let mut texts: HashMap<&KernelSpec, String> = HashMap::new();
    let programs = programs(schedule, *target);
    for kernel in &programs.kernels {
        let all: Vec<String> = kernel.programs().map(|program| program.to_string()).collect();
        texts.insert(kernel.spec, all.join("\n"));
    }
    let mut all = Vec::new();
    for (i, step) in schedule.steps.iter().enumerate() {
        let known = step.spec.kernel().map_or(i, |spec| *first.entry(spec).or_insert(i));
        let own = known == i;
        let program = step.spec.kernel().filter(|_| own).and_then(|spec| texts.get(spec));
        all.push(json!({
            "name": step.name,
            "group": step.kernel,
            "main": step.origins.main.0,
            "uses": uses(compilation, i).collect::<Vec<_>>(),
            "threads": division(step),
            "spec": step.text(),
            "programs": program,
            "first": known,
        }));
    }
    Json::from(all)
}

/// The functions of machine code. Each line of Cranelift's IR and of machine code has the number of its
/// value, or none.
///
/// # Errors
/// The machine has no memory for the code.
pub fn functions(compilation: &Compilation) -> Result<Json, Error> {
    let lines = |lines: &[CodeLine]| {
        lines.iter().map(|line| json!([line.text, line.value.map(|v| v.0)])).collect::<Vec<_>>()
    };
    let function =
        |f: &Dump| json!({ "name": f.name, "steps": f.steps, "clif": lines(&f.clif), "asm": lines(&f.asm) });
    Ok(Json::from(code::functions(compilation, None)?.iter().map(function).collect::<Vec<_>>()))
}
