//! The texts of generated functions, line by line with what each line computes, while they are collected.

pub mod clif;
pub mod machine;

use crate::lanes::marks::Mark;
use crate::spec::WorkPart;
use crate::{FunctionText, Step, TextLine};
use cranelift_module::FuncId;

/// What a line of a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// No instruction: a heading, a declaration, a constant.
    Layout,
    /// An instruction, with the mark of what it computes if it has one.
    Instruction(Option<Mark>),
}

/// A line of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct MarkedLine {
    pub text: String,
    pub kind: LineKind,
}

impl MarkedLine {
    pub fn layout(text: impl Into<String>) -> MarkedLine {
        MarkedLine { text: text.into(), kind: LineKind::Layout }
    }
}

/// A function, and where it was used first.
struct Collected {
    function: FuncId,
    name: String,
    /// The numbers of the kernels that use it, in ascending order.
    kernels: Vec<usize>,
    /// What it does in the first of them.
    part: WorkPart,
    clif: Vec<MarkedLine>,
    asm: Vec<MarkedLine>,
}

/// The functions in the order in which they were defined.
#[derive(Default)]
pub struct Texts(Vec<Collected>);

impl Texts {
    /// Adds a function that does a part of a kernel.
    pub fn add(
        &mut self,
        function: (FuncId, &str),
        (kernel, part): (usize, WorkPart),
        clif: Vec<MarkedLine>,
        asm: Vec<MarkedLine>,
    ) {
        let (function, name) = (function.0, function.1.to_string());
        self.0.push(Collected { function, name, kernels: vec![kernel], part, clif, asm });
    }

    /// Says that another kernel uses a function too.
    pub fn shared(&mut self, function: FuncId, kernel: usize) {
        let known = self.0.iter_mut().find(|known| known.function == function);
        if let Some(known) = known.filter(|known| !known.kernels.contains(&kernel)) {
            known.kernels.push(kernel);
        }
    }

    /// The texts, given the steps of a run and the numbers of those that run each kernel.
    pub fn of_steps(self, all: &[Step], of_kernels: &[Vec<usize>]) -> Vec<FunctionText> {
        let resolved = |Collected { name, kernels, part, clif, asm, .. }: Collected| {
            let mut steps: Vec<usize> =
                kernels.iter().flat_map(|kernel| of_kernels.get(*kernel)).flatten().copied().collect();
            steps.sort_unstable();
            let first = steps.first().map(|step| &all[*step].origins);
            let line = |MarkedLine { text, kind }: MarkedLine| {
                let value = match kind {
                    LineKind::Layout => None,
                    LineKind::Instruction(mark) => first.map(|origins| origins.of(part, mark)),
                };
                TextLine { text, value }
            };
            let lines = |lines: Vec<MarkedLine>| lines.into_iter().map(line).collect();
            FunctionText { name, clif: lines(clif), asm: lines(asm), steps }
        };
        self.0.into_iter().map(resolved).collect()
    }
}
