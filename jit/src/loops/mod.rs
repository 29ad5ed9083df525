//! Loop nests in Cranelift IR, one file or folder for each kind of kernel. A nest walks over its units,
//! computes addresses and calls vector programs; it does no arithmetic on elements.

mod address;
mod attention;
mod columns;
mod conv;
mod convert;
mod cumulative;
mod matmul;
pub mod nest;
mod pack;
mod program;
mod row;
mod scatter;
mod sums;
mod tile;

use crate::code::FunctionCode;
use crate::machine::Machine;
use crate::spec::KernelSpec;
use nest::{Nest, Pool, Span};

/// A loop nest: a spec, with the programs that its code calls.
pub trait LoopNest {
    /// Emits the code over these units.
    fn build(&self, nest: &Nest, code: &mut FunctionCode<'_, '_>, units: Span);
}

/// The loop nest of a kernel. Its programs are added to the pool; tiles among them have the shapes that the
/// machine's width allows, or Cranelift's 128 bits if it has none.
pub fn loop_nest<'s>(spec: &'s KernelSpec, machine: Machine, pool: &mut Pool) -> Box<dyn LoopNest + 's> {
    match spec {
        KernelSpec::Row(spec) => Box::new(row::Rows::new(spec, pool)),
        KernelSpec::Matmul(spec) => Box::new(matmul::Matmul::new(spec, machine, pool)),
        KernelSpec::Winograd(spec) => Box::new(conv::winograd::Winograd::new(spec, machine, pool)),
        KernelSpec::Pack(spec) => Box::new(pack::Pack::new(spec, pool)),
        KernelSpec::Cumulative(spec) => Box::new(cumulative::Cumulative::new(spec, pool)),
        KernelSpec::Scatter(spec) => Box::new(scatter::Scatter::new(spec, pool)),
        KernelSpec::Attention(spec) => Box::new(attention::Attention::new(spec, machine, pool)),
    }
}
