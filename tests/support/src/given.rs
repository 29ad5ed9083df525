//! Values as inputs are given that a session converts.

use tancho::{AnyView, ElementType, Tensor, View, f16};

/// A value in the element type that an input is declared with.
pub struct Given {
    data: Data,
    shape: Vec<usize>,
}

enum Data {
    Value(Tensor),
    U8(Vec<u8>),
    U32(Vec<u32>),
    I64(Vec<i64>),
    F16(Vec<f16>),
}

impl Given {
    /// The value in that type. Integers that it cannot hold become others; floats are rounded.
    pub fn new(value: &Tensor, given: ElementType) -> Given {
        let integers = value.as_i32().unwrap_or_default().iter();
        let data = match given {
            ElementType::F32 | ElementType::Bf16 | ElementType::I32 | ElementType::Bool => {
                Data::Value(value.clone())
            }
            ElementType::U8 => Data::U8(integers.map(|x| *x as u8).collect()),
            ElementType::U32 => Data::U32(integers.map(|x| *x as u32).collect()),
            ElementType::I64 => Data::I64(integers.map(|x| i64::from(*x)).collect()),
            ElementType::F16 => {
                Data::F16(value.as_f32().unwrap_or_default().iter().map(|x| f16::from_f32(*x)).collect())
            }
        };
        Given { data, shape: value.shape().to_vec() }
    }

    /// It as a run takes it.
    pub fn view(&self) -> AnyView<'_> {
        let fits = "the data has the size of the value's shape";
        match &self.data {
            Data::Value(t) => t.into(),
            Data::U8(v) => View::new(v, &self.shape).expect(fits).into(),
            Data::U32(v) => View::new(v, &self.shape).expect(fits).into(),
            Data::I64(v) => View::new(v, &self.shape).expect(fits).into(),
            Data::F16(v) => View::new(v, &self.shape).expect(fits).into(),
        }
    }
}
