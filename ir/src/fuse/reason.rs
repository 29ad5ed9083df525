//! Why ops are not fused.

use super::MAX_NODES;
use crate::dim::Dim;
use crate::types::Shape;
use std::fmt;

/// Why an op was not taken into the kernel of one of its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A convolution with groups computes a row in parts.
    GroupsOfChannels,
    /// Its other arguments are computed from the product.
    ArgumentsNeedProduct,
    /// Another kernel has it.
    ComputedAlready,
    /// The product is a result of the network before the op.
    ProductIsResult,
    /// It works on other numbers than f32 on the accumulators of a product.
    NotF32,
    /// Its result has another shape than the product.
    OtherShape {
        /// That of its result.
        of_result: Vec<Dim>,
        /// That of the product.
        of_product: Vec<Dim>,
    },
    /// It does not run over the rows of the kernel.
    OtherRows,
    /// It does not run over the rows of the kernel, or another kernel must run between them.
    OtherRowsOrWaits,
    /// The kernel has as many ops as it may have.
    Full,
    /// What it works on is stored, because other ops read it too or because it is a result.
    ArgumentIsStored,
}

impl Reason {
    /// The names of all reasons.
    pub const NAMES: [&str; 10] = [
        "groups of channels",
        "arguments need the product",
        "computed already",
        "product is a result",
        "not f32",
        "other shape",
        "other rows",
        "other rows, or waits",
        "full",
        "argument is stored",
    ];

    /// Its name among [`Reason::NAMES`].
    pub fn name(&self) -> &'static str {
        Reason::NAMES[match self {
            Reason::GroupsOfChannels => 0,
            Reason::ArgumentsNeedProduct => 1,
            Reason::ComputedAlready => 2,
            Reason::ProductIsResult => 3,
            Reason::NotF32 => 4,
            Reason::OtherShape { .. } => 5,
            Reason::OtherRows => 6,
            Reason::OtherRowsOrWaits => 7,
            Reason::Full => 8,
            Reason::ArgumentIsStored => 9,
        }]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::GroupsOfChannels => f.write_str("a row is computed in groups of channels"),
            Reason::ArgumentsNeedProduct => f.write_str("its other arguments need the product"),
            Reason::ComputedAlready => f.write_str("another kernel computes it already"),
            Reason::ProductIsResult => f.write_str("the product is itself a result"),
            Reason::NotF32 => f.write_str("an epilogue works in f32 only"),
            Reason::OtherShape { of_result, of_product } => {
                write!(f, "its result is {}, not {}", Shape(of_result), Shape(of_product))
            }
            Reason::OtherRows => f.write_str("it does not run over the same rows"),
            Reason::OtherRowsOrWaits => {
                f.write_str("it does not run over the same rows, or waits for another kernel")
            }
            Reason::Full => write!(f, "the kernel has {MAX_NODES} ops already"),
            Reason::ArgumentIsStored => {
                f.write_str("its argument is stored, because other ops read it too or it is a result")
            }
        }
    }
}
