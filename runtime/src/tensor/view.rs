//! Borrowed tensors: a slice with a shape, and axis names where the caller gives them.

use crate::tensor::input::{Elements, InputElement};
use crate::tensor::shape::{MAX_RANK, TensorType, ViewError, element_count};
use crate::tensor::{bf16, f16};
use std::fmt;
use tancho_ir::ElementType;

/// A slice seen as a tensor: row-major, at most 8 axes, no allocation.
///
/// ```
/// use tancho_runtime::AsView;
/// let data = vec![0.0f32; 6];
/// let x = data.view([2, 3]);
/// assert_eq!(x.shape(), [2, 3]);
/// ```
#[derive(Clone, Copy)]
pub struct View<'a, T: InputElement> {
    data: &'a [T],
    shape: [usize; MAX_RANK],
    /// As asked for; beyond [`MAX_RANK`] only [`check`](View::check) speaks of it.
    rank: usize,
    names: [&'a str; MAX_RANK],
    named: bool,
}

impl<'a, T: InputElement> View<'a, T> {
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

    /// A view that has not been checked yet.
    pub(crate) fn unchecked(data: &'a [T], shape: &[usize]) -> View<'a, T> {
        let mut dims = [0; MAX_RANK];
        for (to, from) in dims.iter_mut().zip(shape) {
            *to = *from;
        }
        View { data, shape: dims, rank: shape.len(), names: [""; MAX_RANK], named: false }
    }

    /// Other elements under the same shape and names.
    fn with_data<U: InputElement>(self, data: &'a [U]) -> View<'a, U> {
        let View { shape, rank, names, named, .. } = self;
        View { data, shape, rank, names, named }
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

    /// Element type and shape.
    pub fn ty(&self) -> TensorType<'_> {
        TensorType { element: T::ELEMENT_TYPE, shape: self.shape() }
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

impl<T: InputElement> fmt::Display for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 6;
        write!(f, "{}[", T::ELEMENT_TYPE)?;
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

impl<T: InputElement> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Views of slices, arrays and `Vec`s by method call.
pub trait AsView {
    /// The element type.
    type Element;

    /// The elements under this shape.
    ///
    /// A wrong shape is no panic and no `Result` here. The view keeps it, and the session that uses the view,
    /// or [`View::check`], returns the [`ViewError`].
    fn view<const R: usize>(&self, shape: [usize; R]) -> View<'_, Self::Element>
    where
        Self::Element: InputElement;

    /// The elements with a name per axis: `x.view_named([("B", 32), ("D", 768)])?`.
    ///
    /// # Errors
    /// The number of elements differs, or there are too many axes.
    fn view_named<'a, const R: usize>(
        &'a self,
        axes: [(&'a str, usize); R],
    ) -> Result<View<'a, Self::Element>, ViewError>
    where
        Self::Element: InputElement;
}

// For all types, so that a wrong one is told by what `InputElement` says of it.
impl<T> AsView for [T] {
    type Element = T;

    fn view<const R: usize>(&self, shape: [usize; R]) -> View<'_, T>
    where
        T: InputElement,
    {
        View::unchecked(self, &shape)
    }

    fn view_named<'a, const R: usize>(&'a self, axes: [(&'a str, usize); R]) -> Result<View<'a, T>, ViewError>
    where
        T: InputElement,
    {
        View::named(self, &axes)
    }
}

/// A view of any element type: a variant for each [`ElementType`], and so as exhaustive.
#[derive(Clone, Copy)]
#[allow(missing_docs)]
pub enum AnyView<'a> {
    F32(View<'a, f32>),
    I32(View<'a, i32>),
    Bool(View<'a, bool>),
    Bf16(View<'a, bf16>),
    U8(View<'a, u8>),
    U32(View<'a, u32>),
    I64(View<'a, i64>),
    F16(View<'a, f16>),
}

/// The same of a view whatever its elements are.
macro_rules! of_any {
    ($any:expr, $view:ident => $what:expr) => {
        match $any {
            AnyView::F32($view) => $what,
            AnyView::I32($view) => $what,
            AnyView::Bool($view) => $what,
            AnyView::Bf16($view) => $what,
            AnyView::U8($view) => $what,
            AnyView::U32($view) => $what,
            AnyView::I64($view) => $what,
            AnyView::F16($view) => $what,
        }
    };
}

impl<'a> AnyView<'a> {
    /// The element type.
    pub fn element_type(&self) -> ElementType {
        self.ty().element
    }

    /// Length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        of_any!(self, v => v.shape())
    }

    /// Element type and shape.
    pub fn ty(&self) -> TensorType<'_> {
        of_any!(self, v => v.ty())
    }

    /// The axes' names, if the view has them.
    pub fn names(&self) -> Option<&[&'a str]> {
        of_any!(self, v => v.names())
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        of_any!(self, v => v.len())
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements as bytes, in the machine's byte order.
    pub fn bytes(&self) -> &'a [u8] {
        of_any!(self, v => bytemuck::cast_slice(v.data()))
    }

    /// Whether the slice fits the shape.
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self) -> Result<(), ViewError> {
        of_any!(self, v => v.check())
    }
}

impl fmt::Display for AnyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        of_any!(self, v => fmt::Display::fmt(v, f))
    }
}

impl fmt::Debug for AnyView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'a, T: InputElement> From<View<'a, T>> for AnyView<'a> {
    fn from(v: View<'a, T>) -> AnyView<'a> {
        match T::borrowed(v.data) {
            Elements::F32(data) => AnyView::F32(v.with_data(data)),
            Elements::I32(data) => AnyView::I32(v.with_data(data)),
            Elements::Bool(data) => AnyView::Bool(v.with_data(data)),
            Elements::Bf16(data) => AnyView::Bf16(v.with_data(data)),
            Elements::U8(data) => AnyView::U8(v.with_data(data)),
            Elements::U32(data) => AnyView::U32(v.with_data(data)),
            Elements::I64(data) => AnyView::I64(v.with_data(data)),
            Elements::F16(data) => AnyView::F16(v.with_data(data)),
        }
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
}
