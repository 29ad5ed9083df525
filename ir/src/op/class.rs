//! What sort of work each op is. Passes, fusion and lowering ask here, so a new op states it once.
//!
//! No match has a `_` arm: the compiler asks for every new op.

use super::{Op, Pooling, Reduction};
use std::slice::from_ref;

/// What sort of work an op is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class<'a> {
    /// Nothing to compute: an input, a weight, a state, a constant or a dim.
    Source,
    /// Numbers made from their index, without arguments.
    Generator,
    /// One element from one element of each argument.
    Elementwise,
    /// Row work over these axes that makes one number of a row.
    Reduction(&'a [usize]),
    /// Row work over these axes that makes a row of a row.
    Norm(&'a [usize]),
    /// The argument under another shape: addresses, not moves.
    View,
    /// A matmul.
    Matmul,
    /// A window that runs over an image.
    Window,
    /// Attention.
    Attention,
    /// The arguments one after another.
    Concat,
    /// New rows of a state.
    Push,
    /// Rows of a table.
    Gather,
    /// A composite that no kernel is made for: it becomes what it is defined by.
    Lowered,
}

/// How a part of an op's result along one axis follows from parts of its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts<'a> {
    /// From the same part of each argument that has the axis.
    Elementwise,
    /// From the part along the axis that stands here at its place.
    Permuted(&'a [usize]),
    /// From the same part of the first argument, along axes other than these.
    Outside(&'a [usize]),
    /// From the same part of the first argument, a matrix of rows, along axes other than the last.
    Rows,
    /// From the same part of the first argument, the queries. If they are `ordered`, their places are counted
    /// from the end of the keys, and a part must end where the queries do.
    Queries {
        /// Places count.
        ordered: bool,
    },
    /// From all of its arguments.
    Whole,
}

impl Op {
    /// What sort of work it is, in the form that it has when kernels are made.
    pub fn class(&self) -> Class<'_> {
        match self {
            Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => Class::Source,
            Op::Arange { .. } | Op::Powers { .. } => Class::Generator,
            Op::Unary(_) | Op::Binary(_) | Op::Pow(_) | Op::Select | Op::Cast(_) => Class::Elementwise,
            Op::Reduce { axes, .. } => Class::Reduction(axes),
            Op::Argmax { axis, .. } => Class::Reduction(from_ref(axis)),
            Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => Class::Norm(axes),
            Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => Class::Norm(from_ref(axis)),
            Op::Reshape(_) | Op::Transpose(_) | Op::Expand(_) | Op::Slice { .. } => Class::View,
            Op::Matmul | Op::Linear { .. } => Class::Matmul,
            Op::Conv2d { .. } | Op::Pool2d { kind: Pooling::Max | Pooling::Sum, .. } => Class::Window,
            Op::Attention { .. } => Class::Attention,
            Op::Concat { .. } => Class::Concat,
            Op::Push { .. } => Class::Push,
            Op::Gather => Class::Gather,
            Op::Pool2d { kind: Pooling::Avg, .. }
            | Op::GroupNorm { .. }
            | Op::Conv1d { .. }
            | Op::BatchNorm { .. }
            | Op::GlobalMean
            | Op::Flatten { .. }
            | Op::UpsampleNearest { .. }
            | Op::Rope { .. }
            | Op::Pad { .. }
            | Op::CrossEntropy { .. }
            | Op::Mse
            | Op::Dropout { .. }
            | Op::StopGradient => Class::Lowered,
        }
    }

    /// Whether other ops define it.
    pub fn is_composite(&self) -> bool {
        match self {
            Op::Unary(u) => u.is_composite(),
            Op::Binary(b) => b.is_composite(),
            Op::Reduce { kind, .. } => match kind {
                Reduction::Mean => true,
                Reduction::Sum | Reduction::Max | Reduction::Min => false,
            },
            Op::Pool2d { kind, .. } => match kind {
                Pooling::Avg => true,
                Pooling::Max | Pooling::Sum => false,
            },
            Op::Linear { .. } | Op::Attention { .. } | Op::Conv1d { .. } => true,
            Op::Softmax { .. } | Op::LayerNorm { .. } | Op::RmsNorm { .. } | Op::L2Normalize { .. } => true,
            Op::GroupNorm { .. } | Op::BatchNorm { .. } | Op::GlobalMean | Op::Flatten { .. } => true,
            Op::UpsampleNearest { .. } | Op::Rope { .. } | Op::Pad { .. } => true,
            Op::CrossEntropy { .. } | Op::Mse | Op::Dropout { .. } | Op::StopGradient => true,
            Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => false,
            Op::Arange { .. } | Op::Powers { .. } | Op::Pow(_) | Op::Select | Op::Cast(_) => false,
            Op::Argmax { .. } | Op::Matmul | Op::Conv2d { .. } | Op::Gather => false,
            Op::Reshape(_) | Op::Transpose(_) | Op::Expand(_) | Op::Slice { .. } => false,
            Op::Concat { .. } | Op::Push { .. } => false,
        }
    }

    /// Whether kernels are made of it as it is.
    pub fn has_kernel(&self) -> bool {
        self.class() != Class::Lowered
    }

    /// Whether it works element by element.
    pub fn is_elementwise(&self) -> bool {
        self.class() == Class::Elementwise
    }

    /// Whether it is row work: it needs whole rows of its first argument.
    pub fn is_row_work(&self) -> bool {
        self.axes().is_some()
    }

    /// Whether it only looks at its argument under another shape.
    pub fn is_view(&self) -> bool {
        self.class() == Class::View
    }

    /// The axes it works over, if it is row work.
    pub fn axes(&self) -> Option<&[usize]> {
        match self.class() {
            Class::Reduction(axes) | Class::Norm(axes) => Some(axes),
            Class::Source | Class::Generator | Class::Elementwise | Class::View => None,
            Class::Matmul | Class::Window | Class::Attention | Class::Lowered => None,
            Class::Concat | Class::Push | Class::Gather => None,
        }
    }

    /// The same op over this axis alone, if it is row work.
    #[must_use]
    pub fn over(&self, one: usize) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => {
                *axes = vec![one];
            }
            Op::Argmax { axis, .. } | Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => *axis = one,
            Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => {}
            Op::Arange { .. } | Op::Powers { .. } => {}
            Op::Unary(_) | Op::Binary(_) | Op::Pow(_) | Op::Select | Op::Cast(_) => {}
            Op::Reshape(_) | Op::Transpose(_) | Op::Expand(_) | Op::Slice { .. } => {}
            Op::Concat { .. } | Op::Push { .. } | Op::Gather | Op::Matmul | Op::Linear { .. } => {}
            Op::Attention { .. } | Op::Conv1d { .. } | Op::Conv2d { .. } | Op::Pool2d { .. } => {}
            Op::GroupNorm { .. } | Op::BatchNorm { .. } | Op::GlobalMean | Op::Flatten { .. } => {}
            Op::UpsampleNearest { .. } | Op::Rope { .. } | Op::Pad { .. } => {}
            Op::CrossEntropy { .. } | Op::Mse | Op::Dropout { .. } | Op::StopGradient => {}
        }
        op
    }

    /// How parts of its result follow from parts of its arguments.
    pub fn parts(&self) -> Parts<'_> {
        match self {
            Op::Unary(_) | Op::Binary(_) | Op::Pow(_) | Op::Select | Op::Cast(_) => Parts::Elementwise,
            Op::Transpose(order) => Parts::Permuted(order),
            Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => Parts::Outside(axes),
            Op::Linear { .. } | Op::Matmul => Parts::Rows,
            Op::Attention { causal, window, mask: false, bias: false, .. } => {
                Parts::Queries { ordered: *causal || window.is_some() }
            }
            Op::Attention { .. } => Parts::Whole,
            Op::Input(_) | Op::Weight(_) | Op::State(_) | Op::Const(_) | Op::DimValue(_) => Parts::Whole,
            Op::Arange { .. } | Op::Powers { .. } | Op::Concat { .. } | Op::Push { .. } => Parts::Whole,
            Op::Reduce { .. } | Op::Argmax { .. } => Parts::Whole,
            Op::Softmax { .. } | Op::L2Normalize { .. } => Parts::Whole,
            Op::Reshape(_) | Op::Expand(_) | Op::Slice { .. } | Op::Gather => Parts::Whole,
            Op::Conv1d { .. } | Op::Conv2d { .. } | Op::Pool2d { .. } => Parts::Whole,
            Op::GroupNorm { .. } | Op::BatchNorm { .. } | Op::GlobalMean | Op::Flatten { .. } => Parts::Whole,
            Op::UpsampleNearest { .. } | Op::Rope { .. } | Op::Pad { .. } => Parts::Whole,
            Op::CrossEntropy { .. } | Op::Mse | Op::Dropout { .. } | Op::StopGradient => Parts::Whole,
        }
    }
}
