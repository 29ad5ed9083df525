//! What sort of work an op is, which is what passes, fusion and lowering ask.
//!
//! The class of an op stands in its declaration. What follows from the class is a match on it without a `_`
//! arm. What differs from op to op within a class is tested for every op in `table/tests.rs`.

use super::{Op, Unary};
use crate::table::row_of;
use crate::types::DType;
use std::slice::from_ref;

/// What sort of work an op is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing to compute: an input, a weight, a state, a constant or a dim.
    Source,
    /// Numbers made from their index, without arguments.
    Generator,
    /// One element from one element of each argument.
    Elementwise,
    /// Row work that makes one number of a row.
    Reduction,
    /// Row work that makes a row of a row.
    Norm,
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
    /// Sums of rows by ids.
    Scatter,
    /// Sums of rows, taken while a kernel has them at hand.
    RowSums,
    /// Sums that go on along an axis.
    Cumulative,
    /// A loop with a body of its own.
    Scan,
    /// Rows that go through the body of an expert.
    Experts,
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
    pub fn class(&self) -> Class {
        row_of(self).class
    }

    /// Whether other ops define it.
    pub fn is_composite(&self) -> bool {
        row_of(self).composite
    }

    /// Whether kernels are made of it as it is.
    pub fn has_kernel(&self) -> bool {
        self.class() != Class::Lowered
    }

    /// Whether it runs a graph of its own.
    pub fn has_body(&self) -> bool {
        matches!(self.class(), Class::Scan | Class::Experts)
    }

    /// Whether it works element by element.
    pub fn is_elementwise(&self) -> bool {
        self.class() == Class::Elementwise
    }

    /// Whether it is row work: it needs whole rows of its first argument.
    pub fn is_row_work(&self) -> bool {
        matches!(self.class(), Class::Reduction | Class::Norm)
    }

    /// Whether it only looks at its argument under another shape.
    pub fn is_view(&self) -> bool {
        self.class() == Class::View
    }

    /// Whether its result stays the same under small changes of its arguments, so that it has no gradient.
    pub fn is_flat(&self) -> bool {
        match (self, self.class()) {
            (Op::Argmax { .. } | Op::TopK { indices: true, .. }, _) => true,
            (Op::Unary(Unary::Floor | Unary::Round | Unary::Sign), _) => true,
            (Op::Unary(function), _) => function.is_logical(),
            (Op::Binary(function), _) => function.is_logical() || function.is_comparison(),
            (Op::Cast(to), _) => matches!(to, DType::I32 | DType::Bool),
            (_, Class::Source | Class::Generator | Class::Elementwise | Class::View | Class::Gather) => false,
            (_, Class::Reduction | Class::Norm | Class::Matmul | Class::Window | Class::Attention) => false,
            (_, Class::Concat | Class::Push | Class::Scatter | Class::RowSums | Class::Cumulative) => false,
            (_, Class::Scan | Class::Experts | Class::Lowered) => false,
        }
    }

    /// The axes it works over: row work has some, and no other op.
    pub fn axes(&self) -> Option<&[usize]> {
        match self {
            Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => Some(axes),
            Op::Argmax { axis, .. } | Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => {
                Some(from_ref(axis))
            }
            other => {
                assert!(!other.is_row_work(), "row work over no axes: {other:?}");
                None
            }
        }
    }

    /// The same op over this axis alone. It is row work.
    #[must_use]
    pub fn over(&self, one: usize) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => {
                *axes = vec![one];
            }
            Op::Argmax { axis, .. } | Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => *axis = one,
            other => panic!("no row work: {other:?}"),
        }
        op
    }

    /// The same op over the axes behind these, where an axis was put before all others. It is row work.
    #[must_use]
    pub fn one_axis_later(&self) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Reduce { axes, .. } | Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. } => {
                axes.iter_mut().for_each(|axis| *axis += 1);
            }
            Op::Argmax { axis, .. } | Op::Softmax { axis, .. } | Op::L2Normalize { axis, .. } => *axis += 1,
            other => panic!("no row work: {other:?}"),
        }
        op
    }

    /// How parts of its result follow from parts of its arguments.
    pub fn parts(&self) -> Parts<'_> {
        match (self, self.class()) {
            (Op::Transpose(order), _) => Parts::Permuted(order),
            (Op::LayerNorm { axes, .. } | Op::RmsNorm { axes, .. }, _) => Parts::Outside(axes),
            (Op::Attention { causal, window, mask: false, bias: false, .. }, _) => {
                Parts::Queries { ordered: *causal || window.is_some() }
            }
            (_, Class::Elementwise) => Parts::Elementwise,
            (_, Class::Matmul) => Parts::Rows,
            (_, Class::Source | Class::Generator | Class::View | Class::Gather) => Parts::Whole,
            (_, Class::Reduction | Class::Norm | Class::Window | Class::Attention) => Parts::Whole,
            (_, Class::Concat | Class::Push | Class::Scatter | Class::RowSums) => Parts::Whole,
            (_, Class::Cumulative | Class::Scan | Class::Experts | Class::Lowered) => Parts::Whole,
        }
    }
}
