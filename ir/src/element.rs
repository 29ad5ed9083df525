//! The element types that inputs may be given in, which are more than those that values inside of a network
//! have.

use crate::types::DType;
use std::fmt;

/// The element type of an input as its caller has it: that of a value, or one that a session converts where
/// the input enters. The enum is exhaustive on purpose, as [`DType`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElementType {
    /// IEEE binary32.
    F32,
    /// bfloat16.
    Bf16,
    /// 32-bit signed integer.
    I32,
    /// One byte, 0 or 1.
    Bool,
    /// A byte, as images have: i32 inside.
    U8,
    /// 32-bit unsigned integer, as tokenizers give ids: i32 inside.
    U32,
    /// 64-bit signed integer, as PyTorch and ONNX have ids: i32 inside.
    I64,
    /// IEEE binary16, half precision: f32 inside.
    F16,
}

impl ElementType {
    /// All of them.
    pub const ALL: [ElementType; 8] = [
        ElementType::F32,
        ElementType::Bf16,
        ElementType::I32,
        ElementType::Bool,
        ElementType::U8,
        ElementType::U32,
        ElementType::I64,
        ElementType::F16,
    ];

    /// The element type that the input's value has inside of the network.
    pub const fn dtype(self) -> DType {
        match self {
            ElementType::F32 | ElementType::F16 => DType::F32,
            ElementType::Bf16 => DType::Bf16,
            ElementType::I32 | ElementType::U8 | ElementType::U32 | ElementType::I64 => DType::I32,
            ElementType::Bool => DType::Bool,
        }
    }

    /// Whether it is no type of values, but is converted to one.
    pub fn is_converted(self) -> bool {
        self != ElementType::from(self.dtype())
    }

    /// The name in the language and in the text form.
    pub const fn name(self) -> &'static str {
        match self {
            ElementType::U8 => "u8",
            ElementType::U32 => "u32",
            ElementType::I64 => "i64",
            ElementType::F16 => "f16",
            ElementType::F32 | ElementType::Bf16 | ElementType::I32 | ElementType::Bool => {
                self.dtype().name()
            }
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<ElementType> {
        ElementType::ALL.into_iter().find(|e| e.name() == name)
    }
}

impl From<DType> for ElementType {
    fn from(dtype: DType) -> ElementType {
        match dtype {
            DType::F32 => ElementType::F32,
            DType::Bf16 => ElementType::Bf16,
            DType::I32 => ElementType::I32,
            DType::Bool => ElementType::Bool,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_values_are_element_types_of_their_name() {
        for dtype in DType::ALL {
            let element = ElementType::from(dtype);
            assert_eq!((element.dtype(), element.name()), (dtype, dtype.name()));
            assert!(!element.is_converted());
        }
        let converted = ElementType::ALL.into_iter().filter(|e| e.is_converted());
        let words: Vec<String> = converted.map(|e| format!("{e} {}", e.dtype())).collect();
        assert_eq!(words, ["u8 i32", "u32 i32", "i64 i32", "f16 f32"]);
        assert!(ElementType::ALL.iter().all(|e| ElementType::from_name(e.name()) == Some(*e)));
        assert_eq!(ElementType::from_name("f64"), None);
    }
}
