//! Lengths of a kernel as dims and numbers. How much work a kernel has is a dim over its parameters, since
//! one kernel stands for several steps; binding puts in what a step's parameters are.

use crate::lanes::Len;
use tancho_ir::{Dim, DimError};

/// The symbol that stands for a kernel's parameter. No network has a dim of that name.
fn symbol(param: u16) -> String {
    format!("#{param}")
}

/// The parameter that a symbol of [`symbol`] stands for.
fn param(symbol: &str) -> Option<usize> {
    symbol.strip_prefix('#')?.parse().ok()
}

/// A dim over a kernel's parameters with these put in.
///
/// # Errors
/// The result is too large to write down.
pub fn bind(dim: &Dim, params: &[Dim]) -> Result<Dim, DimError> {
    dim.subst(&|name| params.get(param(name)?).cloned())
}

/// The product of lengths and a factor as a dim over the kernel's parameters; `None` where it is too large
/// to write down.
pub fn product(lens: impl IntoIterator<Item = Len>, factor: i64) -> Option<Dim> {
    lens.into_iter().try_fold(Dim::constant(factor), |product, len| product.times(&len.dim())).ok()
}

impl Len {
    /// The length as a dim over the kernel's parameters.
    pub fn dim(self) -> Dim {
        match self {
            Len::Const(n) => Dim::constant(n),
            Len::Arg(i) => Dim::sym(&symbol(i)),
            Len::Local(local) => local.unbound(),
        }
    }

    /// The length as a dim, with these as the kernel's parameters.
    pub fn bind(self, params: &[Dim]) -> Dim {
        match self {
            Len::Const(n) => Dim::constant(n),
            Len::Arg(i) => params[usize::from(i)].clone(),
            Len::Local(local) => local.unbound(),
        }
    }

    /// The length, with these as the kernel's parameters.
    pub fn value(self, params: &[i64]) -> i64 {
        match self {
            Len::Const(n) => n,
            Len::Arg(i) => params[usize::from(i)],
            Len::Local(local) => local.unbound(),
        }
    }
}
