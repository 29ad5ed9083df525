//! Dimensions: polynomials over named symbols, in canonical form.
//!
//! A [`Dim`] is a sum of terms, each an integer coefficient times a product of
//! atoms. An atom is a symbol (`D`), a floored quotient (`floor(H / 2)`), an
//! exact quotient (`D / HEADS`) or a power (`2^i`). Two dims are equal exactly when
//! their canonical forms are, so equality is a comparison and never a search.
//!
//! ```
//! use tancho_ir::Dim;
//! let a = Dim::parse("4*D + D").unwrap();
//! let b = Dim::parse("5*D").unwrap();
//! assert_eq!(a, b);
//! assert_eq!(a.to_string(), "5*D");
//! let conv = Dim::parse("floor((H + 2 - 3) / 2) + 1").unwrap();
//! assert_eq!(conv, Dim::parse("ceil(H / 2)").unwrap());
//! ```

mod divide;
mod eval;
mod parse;
mod power;
mod print;
mod promise;
#[cfg(test)]
mod tests;

use divide::cancel_quotient;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// More terms than this in one dim is an error: canonical forms stay small, so
/// every operation on them is bounded.
const MAX_TERMS: usize = 256;
/// Atoms multiplied in one term, and nesting of quotients and parentheses.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Atom {
    Sym(Arc<str>),
    Floor(Box<Dim>, Box<Dim>),
    Quot(Box<Dim>, Box<Dim>),
    Pow(Box<Dim>, Box<Dim>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Term {
    /// Sorted; an atom is repeated as often as its power.
    atoms: Vec<Atom>,
    coef: i64,
}

/// A dimension: a polynomial in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Dim {
    /// Sorted by atoms, no zero coefficient, no two terms with equal atoms. Shared: graphs hold thousands of
    /// equal dims.
    terms: Arc<[Term]>,
}

/// Why a dim could not be built, read or evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DimError {
    /// A coefficient or value does not fit into 64 bits.
    Overflow,
    /// The polynomial has too many terms, too high a power or is nested too deep.
    TooComplex,
    /// A divisor is neither a positive constant nor a product of dims.
    BadDivisor(String),
    /// `p / c` is written as exact, but `c` does not divide `p`.
    NotExact(String, String),
    /// A power has a negative exponent, or a base below 1 and an exponent that is no number.
    BadPower(String),
    /// A symbol has no value.
    Unbound(String),
    /// The text is no polynomial; the message states what was expected, and where.
    Syntax(String),
}

impl fmt::Display for DimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DimError::Overflow => write!(f, "the value does not fit into 64 bits"),
            DimError::TooComplex => write!(
                f,
                "the expression is too large: at most {MAX_TERMS} terms, powers and nesting to {MAX_DEPTH}"
            ),
            DimError::BadDivisor(d) => {
                write!(f, "cannot divide by `{d}`: a divisor is a positive constant or a product of dims")
            }
            DimError::BadPower(p) => {
                write!(f, "`{p}` is no power: a base is at least 1, and an exponent at least 0")
            }
            DimError::NotExact(p, c) => write!(f, "`{p}` is not divisible by `{c}`"),
            DimError::Unbound(s) => write!(f, "unknown dimension `{s}`"),
            DimError::Syntax(m) => write!(f, "{m}"),
        }
    }
}

impl std::error::Error for DimError {}

type Result<T> = std::result::Result<T, DimError>;

impl Dim {
    /// The constant `n`.
    pub fn constant(n: i64) -> Dim {
        if n == 0 {
            return Dim::default();
        }
        Dim { terms: Arc::new([Term { atoms: Vec::new(), coef: n }]) }
    }

    /// The symbol `name`.
    pub fn sym(name: &str) -> Dim {
        Dim::atom(Atom::Sym(name.into()))
    }

    fn atom(a: Atom) -> Dim {
        Dim { terms: Arc::new([Term { atoms: vec![a], coef: 1 }]) }
    }

    /// The value, if the dim is a constant.
    pub fn as_const(&self) -> Option<i64> {
        match &*self.terms {
            [] => Some(0),
            [t] if t.atoms.is_empty() => Some(t.coef),
            _ => None,
        }
    }

    /// The name, if the dim is one symbol alone.
    pub fn as_sym(&self) -> Option<&str> {
        match &*self.terms {
            [Term { atoms, coef: 1 }] => match atoms.as_slice() {
                [Atom::Sym(s)] => Some(s),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the dim is the constant `n`.
    pub fn is(&self, n: i64) -> bool {
        self.as_const() == Some(n)
    }

    /// Every symbol that occurs, sorted.
    pub fn syms(&self) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        self.collect_syms(&mut out);
        out
    }

    fn collect_syms(&self, out: &mut BTreeSet<String>) {
        for atom in self.terms.iter().flat_map(|t| &t.atoms) {
            match atom {
                Atom::Sym(s) => {
                    out.insert(s.to_string());
                }
                Atom::Floor(p, c) | Atom::Quot(p, c) | Atom::Pow(p, c) => {
                    p.collect_syms(out);
                    c.collect_syms(out);
                }
            }
        }
    }

    /// `self + other`.
    pub fn plus(&self, other: &Dim) -> Result<Dim> {
        // Most dims of a network with static shapes are constants.
        match (self.as_const(), other.as_const()) {
            (Some(a), Some(b)) => return a.checked_add(b).map(Dim::constant).ok_or(DimError::Overflow),
            (Some(0), _) => return Ok(other.clone()),
            (_, Some(0)) => return Ok(self.clone()),
            _ => {}
        }
        Dim::normal(self.terms.iter().chain(&*other.terms).cloned().collect())
    }

    /// `self - other`.
    pub fn minus(&self, other: &Dim) -> Result<Dim> {
        self.plus(&other.times(&Dim::constant(-1))?)
    }

    /// `self * other`.
    pub fn times(&self, other: &Dim) -> Result<Dim> {
        match (self.as_const(), other.as_const()) {
            (Some(a), Some(b)) => return a.checked_mul(b).map(Dim::constant).ok_or(DimError::Overflow),
            (Some(1), _) => return Ok(other.clone()),
            (_, Some(1)) => return Ok(self.clone()),
            _ => {}
        }
        if self.terms.len() * other.terms.len() > MAX_TERMS {
            return Err(DimError::TooComplex);
        }
        let mut out = Vec::new();
        for a in &*self.terms {
            for b in &*other.terms {
                let coef = a.coef.checked_mul(b.coef).ok_or(DimError::Overflow)?;
                let mut atoms = a.atoms.clone();
                atoms.extend(b.atoms.iter().cloned());
                out.push(Term { atoms, coef });
            }
        }
        Dim::normal(out)
    }

    /// The product of several dims; 1 for none.
    pub fn product<'a>(dims: impl IntoIterator<Item = &'a Dim>) -> Result<Dim> {
        dims.into_iter().try_fold(Dim::constant(1), |acc, d| acc.times(d))
    }

    /// The canonical form: equal terms added, then quotients cancelled until none can be.
    fn normal(terms: Vec<Term>) -> Result<Dim> {
        let mut out = Dim::merge(terms)?;
        let cancelled = |t: &Term| cancel_quotient(t).transpose();
        while let Some((i, new)) = out.iter().enumerate().find_map(|(i, t)| Some((i, cancelled(t)?))) {
            out.remove(i);
            out.extend(new?);
            out = Dim::merge(out)?;
        }
        Ok(Dim { terms: out.into() })
    }

    fn merge(mut terms: Vec<Term>) -> Result<Vec<Term>> {
        for t in &mut terms {
            t.atoms.sort();
            if t.atoms.len() > MAX_DEPTH {
                return Err(DimError::TooComplex);
            }
        }
        // Higher powers first, so that constants are printed last.
        terms.sort_by(|a, b| (b.atoms.len().cmp(&a.atoms.len())).then_with(|| a.atoms.cmp(&b.atoms)));
        let mut out: Vec<Term> = Vec::with_capacity(terms.len());
        for t in terms {
            match out.last_mut() {
                Some(last) if last.atoms == t.atoms => {
                    last.coef = last.coef.checked_add(t.coef).ok_or(DimError::Overflow)?;
                }
                _ => out.push(t),
            }
        }
        out.retain(|t| t.coef != 0);
        if out.len() > MAX_TERMS {
            return Err(DimError::TooComplex);
        }
        Ok(out)
    }
}

impl From<i64> for Dim {
    fn from(n: i64) -> Dim {
        Dim::constant(n)
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Dim {
        Dim::constant(i64::try_from(n).unwrap_or(i64::MAX))
    }
}
