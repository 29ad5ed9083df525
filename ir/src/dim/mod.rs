//! Dimensions: polynomials over named symbols, in canonical form.
//!
//! A [`Dim`] is a sum of terms, each an integer coefficient times a product of
//! atoms. An atom is a symbol (`D`), a floored quotient (`floor(H / 2)`) or an
//! exact quotient (`D / HEADS`). Two dims are equal exactly when their canonical
//! forms are, so equality is a comparison and never a search.
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

mod parse;
mod print;

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
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Term {
    /// Sorted; an atom stands as often as its power.
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
    /// A symbol has no value.
    Unbound(String),
    /// The text is no polynomial; the message says what was expected where.
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
                Atom::Floor(p, c) | Atom::Quot(p, c) => {
                    p.collect_syms(out);
                    c.collect_syms(out);
                }
            }
        }
    }

    /// `self + other`.
    pub fn plus(&self, other: &Dim) -> Result<Dim> {
        Dim::normal(self.terms.iter().chain(&*other.terms).cloned().collect())
    }

    /// `self - other`.
    pub fn minus(&self, other: &Dim) -> Result<Dim> {
        self.plus(&other.times(&Dim::constant(-1))?)
    }

    /// `self * other`.
    pub fn times(&self, other: &Dim) -> Result<Dim> {
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

    /// The canonical form: equal terms added, then quotients cancelled as often as that goes.
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

    /// A divisor must be one term with a positive coefficient.
    fn divisor(c: &Dim) -> Result<&Term> {
        match &*c.terms {
            [t] if t.coef > 0 => Ok(t),
            _ => Err(DimError::BadDivisor(c.to_string())),
        }
    }

    /// Splits into the part every term of which `c` divides, already divided, and the rest.
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

    fn depth(&self) -> usize {
        let atoms = self.terms.iter().flat_map(|t| &t.atoms);
        atoms
            .map(
                |a| {
                    if let Atom::Floor(p, c) | Atom::Quot(p, c) = a {
                        1 + p.depth().max(c.depth())
                    } else {
                        0
                    }
                },
            )
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
    /// whose only rule is `c * (self / c) = self`; the caller holds the licence
    /// (`where D % HEADS == 0`).
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

    /// Whether `c` visibly divides the dim: every term is a multiple of it.
    pub fn divisible_by(&self, c: &Dim) -> bool {
        let each = Dim::divisor(c).is_ok_and(|ct| self.split_multiples(ct).1.is_empty());
        each || matches!(self.over_quotient(c), Ok(Some(_)))
    }

    /// The value under `env`.
    pub fn eval(&self, env: &dyn Fn(&str) -> Option<i64>) -> Result<i64> {
        let mut sum = 0i64;
        for t in &*self.terms {
            let mut v = t.coef;
            for a in &t.atoms {
                let x = match a {
                    Atom::Sym(s) => env(s).ok_or_else(|| DimError::Unbound(s.to_string()))?,
                    Atom::Floor(p, c) | Atom::Quot(p, c) => {
                        let (pv, cv) = (p.eval(env)?, c.eval(env)?);
                        if cv <= 0 {
                            return Err(DimError::BadDivisor(format!("{c} = {cv}")));
                        }
                        if matches!(a, Atom::Quot(..)) && pv % cv != 0 {
                            let spelled = |d: &Dim, v: i64| {
                                if d.as_const().is_some() { v.to_string() } else { format!("{d} = {v}") }
                            };
                            return Err(DimError::NotExact(spelled(p, pv), spelled(c, cv)));
                        }
                        pv.div_euclid(cv)
                    }
                };
                v = v.checked_mul(x).ok_or(DimError::Overflow)?;
            }
            sum = sum.checked_add(v).ok_or(DimError::Overflow)?;
        }
        Ok(sum)
    }

    /// The dim with symbols replaced; symbols that `env` does not know stay.
    pub fn subst(&self, env: &dyn Fn(&str) -> Option<Dim>) -> Result<Dim> {
        let mut sum = Dim::default();
        for t in &*self.terms {
            let mut v = Dim::constant(t.coef);
            for a in &t.atoms {
                let x = match a {
                    Atom::Sym(s) => env(s).unwrap_or_else(|| Dim::sym(s)),
                    Atom::Floor(p, c) => p.subst(env)?.floor_div(&c.subst(env)?)?,
                    Atom::Quot(p, c) => p.subst(env)?.exact_div(&c.subst(env)?)?,
                };
                v = v.times(&x)?;
            }
            sum = sum.plus(&v)?;
        }
        Ok(sum)
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
/// constant `c` only the rest `0 <= n < c` stays, so that sums come out the same in every order.
fn cancel_quotient(t: &Term) -> Result<Option<Vec<Term>>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn d(s: &str) -> Dim {
        Dim::parse(s).unwrap_or_else(|e| panic!("{s}: {e}"))
    }

    #[test]
    fn canonical_forms_are_equal() {
        for (a, b) in [
            ("D + D", "2*D"),
            ("(A + B) * (A - B)", "A*A - B*B"),
            ("HEADS * (D / HEADS)", "D"),
            ("3 * (D / 3)", "D"),
            ("4*D / 2", "2*D"),
            ("floor((H + 4) / 2)", "floor(H / 2) + 2"),
            ("floor((H + 2 - 3) / STRIDE) + 1", "ceil(H / STRIDE)"),
            ("floor(floor(H / 2) / 3)", "floor(H / 6)"),
            ("floor((floor(H / 2) + 1) / 2)", "floor((H + 2) / 4)"),
            ("floor(H / 1)", "H"),
            ("floor(2*H / 4)", "floor(H / 2)"),
            ("floor((6*H - 5) / 4)", "floor((3*H + 1) / 2) - 2"),
            ("floor((4*H + 2*B + 3) / (6*S))", "floor((2*H + B + 1) / (3*S))"),
            ("B - B", "0"),
            ("B * (H / G) * G", "B * H"),
            ("D / 2 + D / 2", "D"),
            ("D / 3 + D / 3 + D / 3", "D"),
            ("D - D / 3 - D / 3", "D / 3"),
            ("4 * (D / 2)", "2*D"),
            ("2 * H * (D / (4*H)) + H * (D / (4*H)) + H * (D / (4*H))", "D"),
            ("B * (D / H) * H + B * (D / 2) + B * (D / 2)", "2*B*D"),
            ("D / 2 / 2 + D / 2 / 2 + D / 2", "D"),
            ("(D + 1) / 2 + (D + 1) / 2", "D + 1"),
            ("D / (D / HEADS)", "HEADS"),
            ("B*D / (D / HEADS)", "B*HEADS"),
        ] {
            assert_eq!(d(a), d(b), "{a} and {b}");
        }
        assert_ne!(d("4*D"), d("H"));
    }

    #[test]
    fn sums_are_equal_in_every_order() {
        let parts = ["D / 3", "5 * (D / 3)", "-(D / 3)", "D", "-2*D", "S / 2", "-(S / 2)", "D / 3 / 2", "7"];
        let sum = |order: &mut dyn Iterator<Item = usize>| {
            order.fold(Dim::default(), |sum, i| sum.plus(&d(parts[i])).unwrap())
        };
        let n = parts.len();
        let want = sum(&mut (0..n));
        let env = |s: &str| Some(if s == "D" { 18 } else { 4 });
        assert_eq!(want.eval(&env), Ok(6 + 30 - 6 + 18 - 36 + 3 + 7));
        for step in [1, 2, 4, 5, 7, 8] {
            for start in 0..n {
                assert_eq!(sum(&mut (0..n).map(|i| (start + i * step) % n)), want, "from {start} by {step}");
            }
        }
        assert_eq!(sum(&mut (0..n).rev()), want);
        // Sums of sums too.
        let (front, back) = (sum(&mut (0..4)), sum(&mut (4..n)));
        assert_eq!(back.plus(&front), Ok(want.clone()));
        assert_eq!(want.minus(&front), Ok(back));
    }

    #[test]
    fn prints_what_it_reads() {
        for s in [
            "4*D",
            "P + S",
            "S - 1",
            "floor((H - 1) / 2) + 1",
            "D / HEADS",
            "B*(D / HEADS)",
            "0",
            "-3",
            "-S + 2",
            "A*A - B",
        ] {
            assert_eq!(d(&d(s).to_string()), d(s), "{s}");
        }
        assert_eq!(d("1 - S").to_string(), "1 - S");
    }

    #[test]
    fn evaluates_and_rejects() {
        let env = |s: &str| (s == "D").then_some(770);
        assert_eq!(d("4*D").eval(&env), Ok(3080));
        assert_eq!(d("D / 12").eval(&env), Err(DimError::NotExact("D = 770".into(), "12".into())));
        assert_eq!(d("E").eval(&env), Err(DimError::Unbound("E".into())));
        assert_eq!(Dim::parse("9223372036854775807 + 1"), Err(DimError::Overflow));
        assert_eq!(Dim::parse("7 / 2"), Err(DimError::NotExact("7".into(), "2".into())));
        assert!(matches!(Dim::parse("D / (A + B)"), Err(DimError::BadDivisor(_))));
        assert!(matches!(Dim::parse("D / 0"), Err(DimError::BadDivisor(_))));
        assert!(matches!(Dim::parse(&"(".repeat(1000)), Err(DimError::TooComplex)));
        assert!(matches!(Dim::parse("4 *"), Err(DimError::Syntax(_))));
    }
}
