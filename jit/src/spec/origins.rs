//! Which node of the graph each part of a kernel's work comes from.

use crate::lanes::marks::{Mark, Origins};
use tancho_ir::Value;

/// What the functions of a kernel do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkPart {
    /// The loop nest.
    Nest,
    /// What comes before all other work: products, packing, windows, attention.
    Own,
    /// Tiles that end with the kernel's epilogue.
    Epilogue,
    /// The work on rows of that number; Winograd's kernels have one for each result of a tile, others one.
    Work(usize),
}

/// The nodes of the graph that a kernel computes, by the parts of its programs. It lies beside the spec, as
/// equal kernels of different nodes share their code.
#[derive(Clone, Debug)]
pub struct StepOrigins {
    /// The op that the kernel was grown around. All that is none of the work below belongs to it.
    pub main: Value,
    /// The op of what comes before all other work: a convolution or pooling in a kernel of row work, else the
    /// same.
    pub own: Value,
    /// The work on each accumulator of a tile, by the marks of a program of one tile.
    pub epilogue: Origins,
    /// The works on rows, each by the marks of its program.
    pub works: Vec<Origins>,
}

impl From<Value> for StepOrigins {
    /// All of a kernel is the work of one op.
    fn from(main: Value) -> StepOrigins {
        StepOrigins { main, own: main, epilogue: Vec::new(), works: Vec::new() }
    }
}

impl StepOrigins {
    /// The node that code with a mark computes, which was made of a program that does `part`. Code between
    /// statements has no mark.
    pub fn of(&self, part: WorkPart, mark: Option<Mark>) -> Value {
        let origins = match part {
            WorkPart::Nest => return self.main,
            WorkPart::Own => return self.own,
            WorkPart::Epilogue => Some(&self.epilogue),
            WorkPart::Work(i) => self.works.get(i),
        };
        let known = origins.zip(mark).and_then(|(origins, mark)| *origins.get(mark as usize)?);
        known.unwrap_or(self.main)
    }
}
