//! The texts of generated functions, while they are collected.

use crate::FunctionText;
use cranelift_module::FuncId;

/// A function with the kernels that call it.
struct Collected {
    function: FuncId,
    /// The numbers of the kernels, in ascending order.
    kernels: Vec<usize>,
    text: FunctionText,
}

/// The functions in the order in which they were defined.
#[derive(Default)]
pub struct Texts(Vec<Collected>);

impl Texts {
    /// Adds the texts of a function that a kernel calls, or that is the kernel itself.
    pub fn add(&mut self, function: FuncId, kernel: usize, name: String, clif: String, asm: String) {
        let text = FunctionText { name, steps: Vec::new(), clif, asm };
        self.0.push(Collected { function, kernels: vec![kernel], text });
    }

    /// Says that another kernel calls a function too.
    pub fn shared(&mut self, function: FuncId, kernel: usize) {
        let known = self.0.iter_mut().find(|known| known.function == function);
        if let Some(known) = known.filter(|known| !known.kernels.contains(&kernel)) {
            known.kernels.push(kernel);
        }
    }

    /// The texts, given the steps that run each kernel.
    pub fn of_steps(self, steps: &[Vec<usize>]) -> Vec<FunctionText> {
        let with_steps = |Collected { kernels, text, .. }: Collected| {
            let mut all: Vec<usize> =
                kernels.iter().flat_map(|kernel| steps.get(*kernel)).flatten().copied().collect();
            all.sort_unstable();
            FunctionText { steps: all, ..text }
        };
        self.0.into_iter().map(with_steps).collect()
    }
}
