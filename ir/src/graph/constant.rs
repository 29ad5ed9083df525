//! Constants: weights that are in no file and never learned. Their values are in the declaration, or given
//! when the network is made.

use super::{Init, Marks, WeightDecl};
use crate::dim::Dim;
use crate::op::Number;
use crate::types::{DType, Type};
use std::fmt;
use std::sync::Arc;

/// The values of a constant, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Table(Arc<[Number]>);

impl Table {
    /// A table of these numbers.
    pub fn new(numbers: impl IntoIterator<Item = f64>) -> Table {
        Table(numbers.into_iter().map(Number).collect())
    }

    /// The numbers.
    pub fn numbers(&self) -> impl Iterator<Item = f64> {
        self.0.iter().map(|n| n.0)
    }

    /// Why the numbers cannot be elements of that type and of as many; `None` where they can.
    pub(crate) fn fault(&self, ty: &Type) -> Option<String> {
        let elements = Dim::product(&ty.shape).ok().and_then(|n| n.as_const());
        if elements != i64::try_from(self.0.len()).ok() {
            return Some(format!(
                "{ty} has another number of elements than its table, which has {}",
                self.0.len()
            ));
        }
        self.numbers().find(|n| !fits(*n, ty.dtype)).map(|n| format!("{n:?} is no {}", ty.dtype))
    }
}

/// Whether a number of a table can be an element of that type.
pub fn fits(number: f64, dtype: DType) -> bool {
    match dtype {
        DType::F32 => number.is_finite() && (number as f32).is_finite(),
        DType::I32 => number.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number),
        DType::Bool | DType::Bf16 => false,
    }
}

impl fmt::Display for Table {
    /// Whole numbers are written without a point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[")?;
        for (i, n) in self.numbers().enumerate() {
            let sep = if i > 0 { ", " } else { "" };
            let whole = n.fract() == 0.0 && n.abs() < 1e15 && !(n == 0.0 && n.is_sign_negative());
            if whole { write!(f, "{sep}{}", n as i64)? } else { write!(f, "{sep}{n:?}")? }
        }
        write!(f, "]")
    }
}

impl WeightDecl {
    /// A constant: `values` are [`Init::Table`] or [`Init::Given`].
    pub fn constant(name: impl Into<String>, ty: Type, values: Init) -> WeightDecl {
        WeightDecl { name: name.into(), ty, init: values, marks: Marks { frozen: true, ..Marks::default() } }
    }

    /// Whether it is a constant and no weight: it is neither loaded nor saved.
    pub fn is_constant(&self) -> bool {
        matches!(self.init, Init::Table(_) | Init::Given)
    }

    /// Whether it may be declared again as `other`: with the same type and, of constants, the same values.
    pub(crate) fn agrees(&self, other: &WeightDecl) -> bool {
        let constants = self.is_constant() || other.is_constant();
        self.ty == other.ty && (!constants || self == other)
    }
}
