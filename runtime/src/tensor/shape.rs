//! Shapes of tensors: how many elements they have, how messages write them, and why data does not fit them.

use std::fmt;
use tancho_ir::ElementType;

/// The most axes a view has.
pub const MAX_RANK: usize = tancho_ir::MAX_RANK;

/// Why a slice cannot be seen under a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The number of elements differs.
    #[error(
        "a view of {shape:?} needs {expected} elements, but the slice has {found}; change the shape or the slice"
    )]
    Length {
        /// The shape asked for.
        shape: Vec<usize>,
        /// Its number of elements.
        expected: usize,
        /// The slice's number of elements.
        found: usize,
    },
    /// Too many axes.
    #[error("a view has at most {MAX_RANK} axes, {rank} given; join neighbouring axes")]
    Rank {
        /// The axes asked for.
        rank: usize,
    },
    /// A byte of a `bool` is neither 0 nor 1.
    #[error("an element of bool is neither 0 nor 1")]
    Flags,
    /// The elements are of a type that inputs alone are given in.
    #[error("a tensor has no elements of {given}: inputs alone are given so; convert them to {}", given.dtype())]
    Converted {
        /// The type of the elements.
        given: ElementType,
    },
    /// The number of elements, or the length of an axis, is more than memory can hold, or the memory cannot
    /// be had.
    #[error("the shape {shape:?} is larger than memory can hold")]
    Overflow {
        /// The shape asked for.
        shape: Vec<usize>,
    },
}

/// The number of elements of a shape, if memory could hold it. No axis is longer than `i64::MAX`, also where
/// there are no elements: dims are `i64`.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return shape.iter().all(|n| i64::try_from(*n).is_ok()).then_some(0);
    }
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|n| *n <= isize::MAX as usize / 8)
}

/// An element type with a shape, as messages write it: `f32[2, 3]`.
///
/// ```
/// use tancho_runtime::{AsView, TensorType};
/// let data = [0.0f32; 6];
/// assert_eq!(data.view([2, 3]).ty().to_string(), "f32[2, 3]");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorType<'a> {
    /// The element type.
    pub element: ElementType,
    /// Length of each axis, outermost first.
    pub shape: &'a [usize],
}

impl fmt::Display for TensorType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.element, self.shape)
    }
}
