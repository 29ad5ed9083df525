//! What a kernel is called with in a network.

use crate::lanes::Len;
use std::collections::HashMap;
use tancho_ir::{Dim, Value};

/// What a kernel's buffer is when the network runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// A value of the graph.
    Value(Value),
    /// An input or weight as it came in, where the value itself is copied out.
    Source(Value),
    /// A packed right operand made by the kernel before.
    Packed(Value),
    /// A weight packed when the network is compiled, by its number.
    PackedWeight(usize),
    /// Working memory of one call. Each thread has a part of its own.
    Scratch,
}

/// What a kernel is called with: its buffers and the dims behind its parameters.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    /// The buffers in the order of the spec's numbers.
    pub buffers: Vec<Buffer>,
    /// The dims behind the parameters.
    pub params: Vec<Dim>,
    known: HashMap<Dim, u16>,
}

impl Binding {
    /// A dim as constant or parameter.
    pub fn len(&mut self, dim: &Dim) -> Len {
        if let Some(n) = dim.as_const() {
            return Len::Const(n);
        }
        let next = self.params.len() as u16;
        let i = *self.known.entry(dim.clone()).or_insert(next);
        if i == next {
            self.params.push(dim.clone());
        }
        Len::Arg(i)
    }

    /// Several dims.
    pub fn lens(&mut self, dims: &[Dim]) -> Vec<Len> {
        dims.iter().map(|dim| self.len(dim)).collect()
    }

    /// The number of a buffer.
    pub fn buffer(&mut self, buffer: Buffer) -> u16 {
        match self.buffers.iter().position(|other| *other == buffer) {
            Some(i) => i as u16,
            None => {
                self.buffers.push(buffer);
                (self.buffers.len() - 1) as u16
            }
        }
    }
}
