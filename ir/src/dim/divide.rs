//! Quotients of dims: floored and exact.

use super::{Atom, Dim, DimError, MAX_DEPTH, Result, Term};
use std::sync::Arc;

impl Dim {
    /// A divisor must be one term with a positive coefficient.
    fn divisor(c: &Dim) -> Result<&Term> {
        match &*c.terms {
            [t] if t.coef > 0 => Ok(t),
            _ => Err(DimError::BadDivisor(c.to_string())),
        }
    }

    /// Splits into two sums: the quotients of the terms that `c` divides, and the remaining terms.
    fn split_multiples(&self, c: &Term) -> (Vec<Term>, Vec<Term>) {
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for t in &*self.terms {
            match divide_term(t, c) {
                Some(q) => whole.push(q),
                None => rest.push(t.clone()),
            }
        }
        (whole, rest)
    }

    pub(super) fn depth(&self) -> usize {
        let atoms = self.terms.iter().flat_map(|t| &t.atoms);
        atoms
            .map(|a| {
                if let Atom::Floor(p, c) | Atom::Quot(p, c) | Atom::Pow(p, c) = a {
                    1 + p.depth().max(c.depth())
                } else {
                    0
                }
            })
            .max()
            .unwrap_or(0)
    }

    /// `floor(self / c)`; `c` is a positive constant or a product of dims.
    pub fn floor_div(&self, c: &Dim) -> Result<Dim> {
        let ct = Dim::divisor(c)?;
        if let (Some(p), Some(c)) = (self.as_const(), c.as_const()) {
            return Ok(Dim::constant(p.div_euclid(c)));
        }
        // floor((p + n*c) / c) = n + floor(p / c)
        let (whole, rest) = self.split_multiples(ct);
        let whole = Dim::normal(whole)?;
        let mut rest = Dim::normal(rest)?;
        if rest.terms.is_empty() {
            return Ok(whole);
        }
        // A constant of c or more holds whole multiples of c.
        let mut carried = 0;
        if let Some(cc) = c.as_const()
            && let Some(last) = rest.terms.iter().find(|t| t.atoms.is_empty()).map(|t| t.coef)
        {
            carried = last.div_euclid(cc);
            let less = carried.checked_mul(cc).ok_or(DimError::Overflow)?;
            rest = rest.minus(&Dim::constant(less))?;
        }
        let whole = whole.plus(&Dim::constant(carried))?;
        if rest.terms.is_empty() {
            return Ok(whole);
        }
        if let Some(r) = rest.as_const()
            && let Some(cc) = c.as_const()
        {
            return whole.plus(&Dim::constant(r.div_euclid(cc)));
        }
        // floor((g*p + r) / (g*c)) = floor((p + floor(r / g)) / c)
        let (number, others): (Vec<&Term>, Vec<&Term>) = rest.terms.iter().partition(|t| t.atoms.is_empty());
        let g = others.iter().fold(ct.coef, |g, t| gcd(g, t.coef));
        if g > 1 {
            let smaller = |t: &Term| Term { atoms: t.atoms.clone(), coef: t.coef.div_euclid(g) };
            let p = Dim {
                terms: others.into_iter().chain(number).map(smaller).filter(|t| t.coef != 0).collect(),
            };
            return whole.plus(&p.floor_div(&Dim { terms: Arc::new([smaller(ct)]) })?);
        }
        // floor((floor(p / a) + n) / b) = floor((p + n*a) / (a*b))
        let (floors, others): (Vec<&Term>, Vec<&Term>) =
            rest.terms.iter().partition(|t| matches!((t.coef, t.atoms.as_slice()), (1, [Atom::Floor(..)])));
        if let [t] = floors.as_slice()
            && others.iter().all(|t| t.atoms.is_empty())
            && let [Atom::Floor(p, a)] = t.atoms.as_slice()
        {
            let n = Dim::constant(others.first().map_or(0, |t| t.coef));
            let inner = p.plus(&n.times(a)?)?.floor_div(&a.times(c)?)?;
            return whole.plus(&inner);
        }
        if rest.depth() + 1 > MAX_DEPTH {
            return Err(DimError::TooComplex);
        }
        whole.plus(&Dim::atom(Atom::Floor(Box::new(rest), Box::new(c.clone()))))
    }

    /// `ceil(self / c)`, which is `floor((self + c - 1) / c)`.
    pub fn ceil_div(&self, c: &Dim) -> Result<Dim> {
        self.plus(c)?.minus(&Dim::constant(1))?.floor_div(c)
    }

    /// The exact quotient `self / c`. Where `c` does not visibly divide, an atom
    /// whose only rule is `c * (self / c) = self`; the caller has checked
    /// that the quotient is allowed (`where D % HEADS == 0`).
    pub fn exact_div(&self, c: &Dim) -> Result<Dim> {
        let ct = Dim::divisor(c)?;
        if let Some(q) = self.over_quotient(c)? {
            return Ok(q);
        }
        let (whole, rest) = self.split_multiples(ct);
        let (whole, rest) = (Dim::normal(whole)?, Dim::normal(rest)?);
        if rest.terms.is_empty() {
            return Ok(whole);
        }
        if rest.as_const().is_some() && c.as_const().is_some() {
            return Err(DimError::NotExact(self.to_string(), c.to_string()));
        }
        if rest.depth() + 1 > MAX_DEPTH {
            return Err(DimError::TooComplex);
        }
        whole.plus(&Dim::atom(Atom::Quot(Box::new(rest), Box::new(c.clone()))))
    }

    /// `x*p / (p / d) = x*d`, where the divisor is such a quotient.
    fn over_quotient(&self, c: &Dim) -> Result<Option<Dim>> {
        match &*c.terms {
            [Term { atoms, coef: 1 }] => match atoms.as_slice() {
                [Atom::Quot(p, d)] if self == &**p => Ok(Some((**d).clone())),
                [Atom::Quot(p, d)] if self.divisible_by(p) => self.exact_div(p)?.times(d).map(Some),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The terms of the dim that are no multiples of `c`, which is one term.
    ///
    /// # Errors
    /// `c` has several terms.
    pub fn without_multiples(&self, c: &Dim) -> Result<Dim> {
        Dim::normal(self.split_multiples(Dim::divisor(c)?).1)
    }

    /// Whether `c` visibly divides the dim: every term is a multiple of it.
    pub fn divisible_by(&self, c: &Dim) -> bool {
        let each = Dim::divisor(c).is_ok_and(|ct| self.split_multiples(ct).1.is_empty());
        each || matches!(self.over_quotient(c), Ok(Some(_)))
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b).saturating_abs() }
}

/// `t / c` if every atom and the coefficient of `c` divide `t`.
fn divide_term(t: &Term, c: &Term) -> Option<Term> {
    if t.coef % c.coef != 0 {
        return None;
    }
    let mut atoms = t.atoms.clone();
    for a in &c.atoms {
        let at = atoms.iter().position(|b| a == b)?;
        atoms.remove(at);
    }
    Some(Term { atoms, coef: t.coef / c.coef })
}

/// Applies `c * (p / c) = p` in one term; nothing if it does not fit. Of `n * (p / c)` with a
/// constant `c` only the remainder `0 <= n < c` stays, so that sums are the same in every order.
pub(super) fn cancel_quotient(t: &Term) -> Result<Option<Vec<Term>>> {
    for (i, a) in t.atoms.iter().enumerate() {
        let Atom::Quot(p, c) = a else { continue };
        let c = Dim::divisor(c)?;
        let (times, rest) = (t.coef.div_euclid(c.coef), t.coef.rem_euclid(c.coef));
        let mut others = Term { atoms: t.atoms.clone(), coef: 1 };
        others.atoms.remove(i);
        let unit = Term { atoms: c.atoms.clone(), coef: 1 };
        if let (Some(left), true) = (divide_term(&others, &unit), times != 0) {
            let mut out = p.times(&Dim { terms: Arc::new([Term { coef: times, ..left }]) })?.terms.to_vec();
            out.push(Term { coef: rest, ..t.clone() });
            return Ok(Some(out));
        }
    }
    Ok(None)
}
