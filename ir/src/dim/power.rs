//! Powers of dims.

use super::{Atom, Dim, DimError, MAX_DEPTH, Result, Term};
use std::sync::Arc;

impl Dim {
    /// `self^exponent`. A number as the exponent is a product; of another one, what it adds is multiplied:
    /// `2^(i + 1)` is `2*2^i`. An exponent that subtracts stays as it is.
    ///
    /// # Errors
    /// The exponent is negative, the base is a number below 1, or the result is too large.
    pub fn power(&self, exponent: &Dim) -> Result<Dim> {
        if let Some(n) = exponent.as_const() {
            return self.to_the(n);
        }
        match self.as_const() {
            Some(n) if n < 1 => return Err(self.bad_power(exponent)),
            Some(1) => return Ok(Dim::constant(1)),
            _ => {}
        }
        let depth = |d: &Dim| d.depth() + 1;
        if depth(self).max(depth(exponent)) > MAX_DEPTH {
            return Err(DimError::TooComplex);
        }
        let atom = |e: Dim| Dim::atom(Atom::Pow(Box::new(self.clone()), Box::new(e)));
        if exponent.terms.iter().any(|t| t.coef < 0) {
            return Ok(atom(exponent.clone()));
        }
        exponent.terms.iter().try_fold(Dim::constant(1), |product, t| {
            let factor = match t.atoms.is_empty() {
                true => self.to_the(t.coef)?,
                false => atom(Dim { terms: Arc::new([Term { coef: 1, ..t.clone() }]) }).to_the(t.coef)?,
            };
            product.times(&factor)
        })
    }

    fn to_the(&self, n: i64) -> Result<Dim> {
        let bad = || self.bad_power(&Dim::constant(n));
        if let Some(base) = self.as_const() {
            return power_of(base, n)
                .map(Dim::constant)
                .ok_or_else(|| if n < 0 { bad() } else { DimError::Overflow });
        }
        let times = usize::try_from(n).map_err(|_| bad())?;
        if times > MAX_DEPTH {
            return Err(DimError::TooComplex);
        }
        (0..times).try_fold(Dim::constant(1), |product, _| product.times(self))
    }

    fn bad_power(&self, exponent: &Dim) -> DimError {
        DimError::BadPower(format!("({self})^({exponent})"))
    }
}

/// The number, if it is one and fits.
pub(super) fn power_of(base: i64, exponent: i64) -> Option<i64> {
    match (base, exponent) {
        (_, ..0) => None,
        (1, _) => Some(1),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}
