//! Dims under the promise that something divides a name.

use super::{Atom, Dim, Result};

impl Dim {
    /// The dim where `name` is a multiple of `by`: what is rounded in it is exact where that follows, and
    /// quotients by a part of a number are written as multiples of the quotient by the whole: under
    /// `H % 4 == 0`, `floor(H / 4)` is `H / 4`, and `floor(H / 2)` and `H / 2` are `2*(H / 4)`.
    ///
    /// # Errors
    /// The result is too large.
    pub fn with_multiple(&self, name: &str, by: &Dim) -> Result<Dim> {
        if by.syms().contains(name) || !self.divides_name(name, by) {
            return Ok(self.clone());
        }
        // No name of a network has a space.
        let part = format!("{name} ");
        let whole = by.times(&Dim::sym(&part))?;
        let parts = self.subst(&|s| (s == name).then(|| whole.clone()))?;
        let quotient = Dim::sym(name).exact_div(by)?;
        parts.subst(&|s| (s == part).then(|| quotient.clone()))
    }

    /// Whether the name is rounded in the dim, or divided by a part of the number `by`.
    fn divides_name(&self, name: &str, by: &Dim) -> bool {
        self.terms.iter().flat_map(|t| &t.atoms).any(|a| match a {
            Atom::Sym(_) => false,
            Atom::Floor(p, c) => p.syms().contains(name) || c.divides_name(name, by),
            Atom::Quot(p, c) => {
                let part =
                    matches!((by.as_const(), c.as_const()), (Some(n), Some(c)) if n != c && n % c == 0);
                part && p.as_sym() == Some(name) || p.divides_name(name, by) || c.divides_name(name, by)
            }
            Atom::Pow(p, n) => p.divides_name(name, by) || n.divides_name(name, by),
        })
    }
}
