//! What a network makes of inputs that are given in other element types than its values have: u8, u32 and i64
//! become i32, f16 becomes f32. Nothing is lost: an integer that i32 cannot hold is an error.

use crate::error::Error;
use crate::reserve::zeros;
use crate::tensor::Tensor;
use crate::tensor::float16::f16;
use crate::tensor::view::AnyView;
use tancho_ir::ElementType;

/// An element that the type of values cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// Its place, axis by axis.
    pub position: Vec<usize>,
    /// The number.
    pub value: i64,
    /// The type it is given in.
    pub given: ElementType,
}

impl OutOfRange {
    /// The error of the input of that name.
    pub fn of_input(self, name: &str) -> Error {
        let OutOfRange { position, value, given } = self;
        Error::InputValue { name: name.into(), position, value, given }
    }
}

impl AnyView<'_> {
    /// Writes what a network makes of the elements, one after the other, into memory that is as large and
    /// aligned for them. Elements that are values already are not written.
    pub(crate) fn convert_into(&self, to: &mut [u8]) -> Result<(), OutOfRange> {
        match self {
            AnyView::F32(_) | AnyView::I32(_) | AnyView::Bool(_) | AnyView::Bf16(_) => Ok(()),
            AnyView::U8(v) => self.found(integers(v.data(), bytemuck::cast_slice_mut(to))),
            AnyView::U32(v) => self.found(integers(v.data(), bytemuck::cast_slice_mut(to))),
            AnyView::I64(v) => self.found(integers(v.data(), bytemuck::cast_slice_mut(to))),
            AnyView::F16(v) => {
                floats(v.data(), bytemuck::cast_slice_mut(to));
                Ok(())
            }
        }
    }

    /// An owned copy, with the elements that a network makes of those of input `name`.
    ///
    /// # Errors
    /// The slice does not fit the shape, an element is out of range, or there is no memory for a copy.
    pub(crate) fn value_of_input(&self, name: &str) -> Result<Tensor, Error> {
        self.check()?;
        let wrong = |e: OutOfRange| e.of_input(name);
        match self {
            AnyView::F32(_) | AnyView::I32(_) | AnyView::Bool(_) | AnyView::Bf16(_) => Ok(self.to_tensor()?),
            AnyView::U8(_) | AnyView::U32(_) | AnyView::I64(_) => {
                let mut data: Vec<i32> = zeros(self.len())?;
                self.convert_into(bytemuck::cast_slice_mut(&mut data)).map_err(wrong)?;
                Ok(Tensor::from_parts(data, self.shape()))
            }
            AnyView::F16(_) => {
                let mut data: Vec<f32> = zeros(self.len())?;
                self.convert_into(bytemuck::cast_slice_mut(&mut data)).map_err(wrong)?;
                Ok(Tensor::from_parts(data, self.shape()))
            }
        }
    }

    /// The error of the element of that number, if there is one.
    fn found(&self, bad: Option<(usize, i64)>) -> Result<(), OutOfRange> {
        let Some((mut at, value)) = bad else { return Ok(()) };
        let mut position = vec![0; self.shape().len()];
        for (place, n) in position.iter_mut().zip(self.shape()).rev() {
            *place = at % n;
            at /= n;
        }
        Err(OutOfRange { position, value, given: self.element_type() })
    }
}

/// Converts integers; the first that i32 cannot hold, with its number.
fn integers<T: Copy + Into<i64>>(from: &[T], to: &mut [i32]) -> Option<(usize, i64)> {
    let is_lost = |x: i64, as_i32: i32| i64::from(as_i32) != x;
    // Without a way out of the loop, so that it takes several elements at a time.
    let mut any_lost = false;
    for (to, x) in to.iter_mut().zip(from) {
        let x: i64 = (*x).into();
        *to = x as i32;
        any_lost |= is_lost(x, *to);
    }
    let mut all = from.iter().map(|x| (*x).into()).enumerate();
    if any_lost { all.find(|(_, x)| is_lost(*x, *x as i32)) } else { None }
}

fn floats(from: &[f16], to: &mut [f32]) {
    for (to, x) in to.iter_mut().zip(from) {
        *to = x.to_f32();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::view::AsView;

    fn value<'a>(view: impl Into<AnyView<'a>>) -> Result<Tensor, Error> {
        view.into().value_of_input("x")
    }

    #[test]
    fn every_byte_and_every_half_is_kept() {
        let bytes: Vec<u8> = (0..=255).collect();
        let want: Vec<i32> = (0..=255).collect();
        assert_eq!(value(bytes.view([16, 16])).unwrap(), Tensor::new(want, [16, 16]).unwrap());
        let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        let made = value(halves.view([1 << 16])).unwrap();
        let made = made.as_f32().unwrap();
        assert_eq!(made.len(), halves.len());
        for (a, b) in made.iter().zip(&halves) {
            let b = half::f16::from_bits(b.to_bits()).to_f32();
            assert!(a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()), "{a}, not {b}");
        }
    }

    #[test]
    fn integers_up_to_the_ends_of_i32_are_kept_and_the_first_beyond_is_named() {
        let ends = [i64::from(i32::MIN), -1, 0, i64::from(i32::MAX)];
        let want = Tensor::new(vec![i32::MIN, -1, 0, i32::MAX], [2, 2]).unwrap();
        assert_eq!(value(ends.view([2, 2])).unwrap(), want);
        let most = [0u32, i32::MAX as u32];
        assert_eq!(value(most.view([2])).unwrap().as_i32(), Some(&[0, i32::MAX][..]));
        for bad in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1, i64::MAX, i64::MIN, 1 << 32] {
            let mut data = vec![7i64; 2 * 3 * 5];
            (data[23], data[29]) = (bad, i64::MIN);
            match value(data.view([2, 3, 5])) {
                Err(Error::InputValue { name, position, value, given }) => {
                    assert_eq!((name.as_str(), value, given), ("x", bad, ElementType::I64));
                    assert_eq!(position, [1, 1, 3]);
                }
                other => panic!("{bad}: {other:?}"),
            }
        }
        let e = value([1u32, u32::MAX].view([2])).unwrap_err().to_string();
        assert!(e.contains("4294967295 at position [1]") && e.contains("u32"), "{e}");
    }

    #[test]
    fn no_elements_are_no_error() {
        let none: [i64; 0] = [];
        assert_eq!(value(none.view([0, 3])).unwrap().shape(), [0, 3]);
        let halves: [f16; 0] = [];
        assert_eq!(value(halves.view([2, 0])).unwrap(), Tensor::new(Vec::<f32>::new(), [2, 0]).unwrap());
        assert!(value([1u8].view([2])).is_err());
    }
}
