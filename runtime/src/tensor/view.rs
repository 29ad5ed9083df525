//! Borrowed tensors: a slice with a shape, and axis names where the caller gives them.

use crate::reserve::copied;
use crate::tensor::Tensor;
use crate::tensor::element::Element;
use half::bf16;
use std::fmt;
use tancho_ir::DType;

/// The most axes a view has.
pub const MAX_RANK: usize = tancho_ir::MAX_RANK;

/// Why a slice cannot be seen under a shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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

/// A slice seen as a tensor: row-major, at most [`MAX_RANK`] axes, no allocation.
///
/// ```
/// use tancho_runtime::AsView;
/// let data = vec![0.0f32; 6];
/// let x = data.view([2, 3]);
/// assert_eq!(x.shape(), [2, 3]);
/// ```
#[derive(Clone, Copy)]
pub struct View<'a, T: Element> {
    data: &'a [T],
    shape: [usize; MAX_RANK],
    /// As asked for; beyond [`MAX_RANK`] only [`check`](View::check) speaks of it.
    rank: usize,
    names: [&'a str; MAX_RANK],
    named: bool,
}

impl<'a, T: Element> View<'a, T> {
    /// A view of `data` under `shape`.
    ///
    /// # Errors
    /// The number of elements differs, or there are too many axes.
    pub fn new(data: &'a [T], shape: &[usize]) -> Result<View<'a, T>, ViewError> {
        let v = View::unchecked(data, shape);
        v.check().map(|()| v)
    }

    /// A view of `data` with a name per axis, outermost first. A session compares the names with the declared
    /// axes.
    ///
    /// # Errors
    /// The number of elements differs, or there are too many axes.
    pub fn named(data: &'a [T], axes: &[(&'a str, usize)]) -> Result<View<'a, T>, ViewError> {
        if axes.len() > MAX_RANK {
            return Err(ViewError::Rank { rank: axes.len() });
        }
        let shape: Vec<usize> = axes.iter().map(|a| a.1).collect();
        let mut v = View::new(data, &shape)?;
        for (to, from) in v.names.iter_mut().zip(axes) {
            *to = from.0;
        }
        v.named = true;
        Ok(v)
    }

    /// A view whose fit nobody has checked yet.
    pub(crate) fn unchecked(data: &'a [T], shape: &[usize]) -> View<'a, T> {
        let mut dims = [0; MAX_RANK];
        for (to, from) in dims.iter_mut().zip(shape) {
            *to = *from;
        }
        View { data, shape: dims, rank: shape.len(), names: [""; MAX_RANK], named: false }
    }

    /// Whether the slice fits the shape. Views made by [`AsView::view`] are not checked before they are used.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), ViewError> {
        if self.rank > MAX_RANK {
            return Err(ViewError::Rank { rank: self.rank });
        }
        match element_count(self.shape()) {
            Some(n) if n == self.data.len() => Ok(()),
            Some(n) => {
                Err(ViewError::Length { shape: self.shape().to_vec(), expected: n, found: self.data.len() })
            }
            None => Err(ViewError::Overflow { shape: self.shape().to_vec() }),
        }
    }

    /// Length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.rank.min(MAX_RANK)]
    }

    /// The elements in row-major order.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The axes' names, if the view has them.
    pub fn names(&self) -> Option<&[&'a str]> {
        self.named.then(|| &self.names[..self.rank.min(MAX_RANK)])
    }

    /// A copy of the elements.
    pub fn to_vec(&self) -> Vec<T> {
        self.data.to_vec()
    }
}

impl<T: Element> fmt::Display for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        write!(f, "{}[", T::DTYPE)?;
        for (i, n) in self.shape().iter().enumerate() {
            let sep = if i > 0 { ", " } else { "" };
            match self.names() {
                Some(names) => write!(f, "{sep}{} = {n}", names[i])?,
                None => write!(f, "{sep}{n}")?,
            }
        }
        write!(f, "] {{")?;
        for (i, x) in self.data.iter().take(SHOWN).enumerate() {
            write!(f, "{}{x:?}", if i > 0 { ", " } else { "" })?;
        }
        write!(f, "{}}}", if self.data.len() > SHOWN { ", .." } else { "" })
    }
}

impl<T: Element> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Views of slices, arrays and `Vec`s by method call.
pub trait AsView {
    /// The element type.
    type Element: Element;

    /// The elements under this shape.
    ///
    /// A wrong shape is no panic and no `Result` here: the view keeps it, and whoever
    /// uses the view (a session, or [`View::check`]) returns the [`ViewError`].
    fn view<const R: usize>(&self, shape: [usize; R]) -> View<'_, Self::Element>;

    /// The elements with a name per axis: `x.view_named([("B", 32), ("D", 768)])?`.
    ///
    /// # Errors
    /// The number of elements differs, or there are too many axes.
    fn view_named<'a, const R: usize>(
        &'a self,
        axes: [(&'a str, usize); R],
    ) -> Result<View<'a, Self::Element>, ViewError>;
}

impl<T: Element> AsView for [T] {
    type Element = T;

    fn view<const R: usize>(&self, shape: [usize; R]) -> View<'_, T> {
        View::unchecked(self, &shape)
    }

    fn view_named<'a, const R: usize>(
        &'a self,
        axes: [(&'a str, usize); R],
    ) -> Result<View<'a, T>, ViewError> {
        View::named(self, &axes)
    }
}

/// A view of any element type.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum AnyView<'a> {
    F32(View<'a, f32>),
    I32(View<'a, i32>),
    Bool(View<'a, bool>),
    Bf16(View<'a, bf16>),
}

impl<'a> AnyView<'a> {
    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            AnyView::F32(_) => DType::F32,
            AnyView::I32(_) => DType::I32,
            AnyView::Bool(_) => DType::Bool,
            AnyView::Bf16(_) => DType::Bf16,
        }
    }

    /// Length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        match self {
            AnyView::F32(v) => v.shape(),
            AnyView::I32(v) => v.shape(),
            AnyView::Bool(v) => v.shape(),
            AnyView::Bf16(v) => v.shape(),
        }
    }

    /// The axes' names, if the view has them.
    pub fn names(&self) -> Option<&[&'a str]> {
        match self {
            AnyView::F32(v) => v.names(),
            AnyView::I32(v) => v.names(),
            AnyView::Bool(v) => v.names(),
            AnyView::Bf16(v) => v.names(),
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            AnyView::F32(v) => v.len(),
            AnyView::I32(v) => v.len(),
            AnyView::Bool(v) => v.len(),
            AnyView::Bf16(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as bytes, in the machine's byte order.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            AnyView::F32(v) => bytemuck::cast_slice(v.data()),
            AnyView::I32(v) => bytemuck::cast_slice(v.data()),
            AnyView::Bool(v) => bytemuck::cast_slice(v.data()),
            AnyView::Bf16(v) => bytemuck::cast_slice(v.data()),
        }
    }

    /// Whether the slice fits the shape.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), ViewError> {
        match self {
            AnyView::F32(v) => v.check(),
            AnyView::I32(v) => v.check(),
            AnyView::Bool(v) => v.check(),
            AnyView::Bf16(v) => v.check(),
        }
    }

    /// An owned copy.
    ///
    /// # Errors
    /// The slice does not fit the shape, or there is no memory for a copy.
    pub fn to_tensor(&self) -> Result<Tensor, ViewError> {
        fn owned<T: Element>(v: &View<'_, T>) -> Result<Tensor, ViewError> {
            let shape = v.shape().to_vec();
            match copied(v.data()) {
                Ok(data) => Tensor::new(data, shape),
                Err(_) => Err(ViewError::Overflow { shape }),
            }
        }
        self.check()?;
        match self {
            AnyView::F32(v) => owned(v),
            AnyView::I32(v) => owned(v),
            AnyView::Bool(v) => owned(v),
            AnyView::Bf16(v) => owned(v),
        }
    }
}

impl fmt::Display for AnyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AnyView::F32(v) => write!(f, "{v}"),
            AnyView::I32(v) => write!(f, "{v}"),
            AnyView::Bool(v) => write!(f, "{v}"),
            AnyView::Bf16(v) => write!(f, "{v}"),
        }
    }
}

impl fmt::Debug for AnyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a, T: Element> From<View<'a, T>> for AnyView<'a> {
    fn from(v: View<'a, T>) -> AnyView<'a> {
        T::any(v)
    }
}

impl<'a> From<&'a Tensor> for AnyView<'a> {
    fn from(t: &'a Tensor) -> AnyView<'a> {
        t.any_view()
    }
}

/// A buffer of the caller's that takes a result.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum OutputMut<'a> {
    F32(&'a mut [f32]),
    I32(&'a mut [i32]),
    Bool(&'a mut [bool]),
    Bf16(&'a mut [bf16]),
}

impl OutputMut<'_> {
    /// First byte and number of bytes, for kernels.
    pub(crate) fn raw(&mut self) -> (*mut u8, usize) {
        match self {
            OutputMut::F32(d) => (d.as_mut_ptr().cast(), d.len() * 4),
            OutputMut::I32(d) => (d.as_mut_ptr().cast(), d.len() * 4),
            OutputMut::Bool(d) => (d.as_mut_ptr().cast(), d.len()),
            OutputMut::Bf16(d) => (d.as_mut_ptr().cast(), d.len() * 2),
        }
    }

    /// Copies from a buffer of the same type and size.
    pub(crate) fn copy_from(&mut self, other: &OutputMut<'_>) {
        match (self, other) {
            (OutputMut::F32(a), OutputMut::F32(b)) => a.copy_from_slice(b),
            (OutputMut::I32(a), OutputMut::I32(b)) => a.copy_from_slice(b),
            (OutputMut::Bool(a), OutputMut::Bool(b)) => a.copy_from_slice(b),
            (OutputMut::Bf16(a), OutputMut::Bf16(b)) => a.copy_from_slice(b),
            _ => {}
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        match self {
            OutputMut::F32(_) => DType::F32,
            OutputMut::I32(_) => DType::I32,
            OutputMut::Bool(_) => DType::Bool,
            OutputMut::Bf16(_) => DType::Bf16,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            OutputMut::F32(v) => v.len(),
            OutputMut::I32(v) => v.len(),
            OutputMut::Bool(v) => v.len(),
            OutputMut::Bf16(v) => v.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a, T: Element> From<&'a mut [T]> for OutputMut<'a> {
    fn from(data: &'a mut [T]) -> OutputMut<'a> {
        T::output(data)
    }
}

impl<'a, T: Element> From<&'a mut Vec<T>> for OutputMut<'a> {
    fn from(data: &'a mut Vec<T>) -> OutputMut<'a> {
        T::output(data)
    }
}

impl<'a, T: Element, const N: usize> From<&'a mut [T; N]> for OutputMut<'a> {
    fn from(data: &'a mut [T; N]) -> OutputMut<'a> {
        T::output(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_keeps_a_wrong_shape_until_it_is_checked() {
        let data = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(data.view([2, 3]).check(), Ok(()));
        assert_eq!(
            data.view([2, 2]).check(),
            Err(ViewError::Length { shape: vec![2, 2], expected: 4, found: 6 })
        );
        assert_eq!(data.view([1; 9]).check(), Err(ViewError::Rank { rank: 9 }));
        assert_eq!(
            data.view([usize::MAX, usize::MAX]).check(),
            Err(ViewError::Overflow { shape: vec![usize::MAX, usize::MAX] })
        );
        let none: [i32; 0] = [];
        assert_eq!(none.view([i64::MAX as usize, 0, 9]).check(), Ok(()));
        assert_eq!(
            none.view([usize::MAX, 0, 9]).check(),
            Err(ViewError::Overflow { shape: vec![usize::MAX, 0, 9] })
        );
        assert!(AnyView::from(data.view([7])).to_tensor().is_err());
    }

    #[test]
    fn names_travel_and_are_shown() {
        let data = [true, false, true, true];
        let name = String::from("B");
        let v = data.view_named([(&name, 2), ("D", 2)]).expect("fits");
        assert_eq!(v.names(), Some(&["B", "D"][..]));
        assert_eq!(v.to_string(), "bool[B = 2, D = 2] {true, false, true, true}");
        assert!(data.view_named([("B", 3)]).is_err());
        assert_eq!(AnyView::from(v).bytes(), [1, 0, 1, 1]);
        assert_eq!([0.5f32; 9].view([9]).to_string(), "f32[9] {0.5, 0.5, 0.5, 0.5, 0.5, 0.5, ..}");
    }

    #[test]
    fn outputs_are_taken_from_slices_vecs_and_arrays() {
        let mut v = vec![0i32; 3];
        assert_eq!((OutputMut::from(&mut v).len(), OutputMut::from(&mut v[1..]).len()), (3, 2));
        assert_eq!(OutputMut::from(&mut [bf16::ZERO; 2]).dtype(), DType::Bf16);
    }
}
