//! Machine code that bodies share: experts, and loops of equal blocks, differ in their weights alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;
use tancho_jit::spec::KernelSpec;
use tancho_jit::{Code, CompileError, Schedule};

/// The code of graphs by the kernels of their steps, for one target.
#[derive(Default)]
pub struct Codes(HashMap<Vec<Option<KernelSpec>>, Code>);

impl Codes {
    /// The code of a schedule; it is generated if no schedule before had the same kernels.
    ///
    /// # Errors
    /// As `generate`.
    pub fn get(
        &mut self,
        schedule: &Schedule,
        generate: impl FnOnce() -> Result<Code, CompileError>,
    ) -> Result<Code, CompileError> {
        let kernels = schedule.steps.iter().map(|step| step.spec.kernel().cloned()).collect();
        match self.0.entry(kernels) {
            // What was generated before counts once.
            Entry::Occupied(known) => Ok(Code {
                different_kernels: 0,
                programs: 0,
                bytes: 0,
                functions: Vec::new(),
                finalize: Duration::ZERO,
                ..known.get().clone()
            }),
            Entry::Vacant(new) => Ok(new.insert(generate()?).clone()),
        }
    }
}
