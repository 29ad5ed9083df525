//! Printing a polynomial so that it reads back as itself.

use super::{Atom, Dim, Term};
use std::fmt;

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Sym(s) => write!(f, "{s}"),
            Atom::Floor(p, c) => write!(f, "floor({} / {})", Operand(p), Operand(c)),
            Atom::Quot(p, c) => write!(f, "({} / {})", Operand(p), Operand(c)),
            Atom::Pow(p, n) => write!(f, "{}^{}", Operand(p), Operand(n)),
        }
    }
}

/// A dim as operand of `/` or `^`: in parentheses unless it is one atom or a constant.
struct Operand<'a>(&'a Dim);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simple = self.0.as_sym().is_some() || self.0.as_const().is_some_and(|n| n >= 0);
        if simple { write!(f, "{}", self.0) } else { write!(f, "({})", self.0) }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return write!(f, "0");
        }
        // A quotient alone needs no parentheses around it.
        if let [Term { atoms, coef: 1 }] = &*self.terms
            && let [Atom::Quot(p, c)] = atoms.as_slice()
        {
            return write!(f, "{} / {}", Operand(p), Operand(c));
        }
        // Positive terms first: `S - 1`, not `-1 + S`; the order within each kind is the canonical one.
        let (pos, neg): (Vec<&Term>, Vec<&Term>) = self.terms.iter().partition(|t| t.coef > 0);
        for (i, t) in pos.iter().chain(&neg).enumerate() {
            match (i, t.coef < 0) {
                (0, false) => {}
                (0, true) => write!(f, "-")?,
                (_, false) => write!(f, " + ")?,
                (_, true) => write!(f, " - ")?,
            }
            let size = t.coef.unsigned_abs();
            let mut first = true;
            if size != 1 || t.atoms.is_empty() {
                write!(f, "{size}")?;
                first = false;
            }
            for a in &t.atoms {
                if !first {
                    write!(f, "*")?;
                }
                first = false;
                write!(f, "{a}")?;
            }
        }
        Ok(())
    }
}
