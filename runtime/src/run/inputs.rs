//! The inputs of a run as kernels read them: where the caller has them, or converted, in memory of the
//! session.

use crate::error::Error;
use crate::run::memory::Lines;
use crate::tensor::Tensor;
use crate::tensor::view::AnyView;
use tancho_ir::Graph;

/// What inputs become that are given in other element types than their values have. The memory grows as calls
/// need it and never shrinks.
#[derive(Debug)]
pub struct Converted {
    /// One for each input, empty where the elements are values as they are given.
    inputs: Vec<Lines>,
}

impl Converted {
    /// No memory yet.
    pub fn new(graph: &Graph) -> Converted {
        Converted { inputs: graph.inputs.iter().map(|_| Lines::default()).collect() }
    }

    /// Converts inputs that fit their declarations.
    ///
    /// # Errors
    /// An element is out of range, or memory is short.
    pub fn fill(&mut self, graph: &Graph, inputs: &[AnyView<'_>]) -> Result<(), Error> {
        for ((decl, x), lines) in graph.inputs.iter().zip(inputs).zip(&mut self.inputs) {
            if !decl.given.is_converted() {
                continue;
            }
            let bytes = value_bytes(x);
            if !lines.reserve(bytes) {
                return Err(Error::Memory { bytes: bytes as u128 });
            }
            x.convert_into(&mut lines.bytes_mut()[..bytes]).map_err(|e| e.of_input(&decl.name))?;
        }
        Ok(())
    }

    /// The bytes of an input's value, after the inputs of this run were converted.
    pub fn bytes<'a>(&'a self, input: usize, given: &AnyView<'a>) -> &'a [u8] {
        match given.element_type().is_converted() {
            true => &self.inputs[input].bytes()[..value_bytes(given)],
            false => given.bytes(),
        }
    }

    /// Bytes of memory held now.
    pub fn memory_bytes(&self) -> usize {
        self.inputs.iter().map(|lines| lines.bytes().len()).sum()
    }
}

/// Bytes of what a network makes of a view.
fn value_bytes(given: &AnyView<'_>) -> usize {
    given.len().saturating_mul(given.element_type().dtype().size())
}

/// The inputs as tensors of the values that the network has of them.
///
/// # Errors
/// An input is given in another element type than it is declared with, an element is out of range, or memory
/// is short.
pub fn values(graph: &Graph, inputs: &[AnyView<'_>]) -> Result<Vec<Tensor>, Error> {
    if inputs.len() != graph.inputs.len() {
        return Err(Error::InputCount { expected: graph.inputs.len(), found: inputs.len() });
    }
    let value = |(i, x): (usize, &AnyView<'_>)| {
        x.check()?;
        let decl = &graph.inputs[i];
        if decl.given != x.element_type() {
            return Err(Error::Input {
                name: decl.name.clone(),
                expected: graph.written_type(i),
                found: x.ty().to_string(),
                why: String::new(),
            });
        }
        x.value_of_input(&decl.name)
    };
    inputs.iter().enumerate().map(value).collect()
}
