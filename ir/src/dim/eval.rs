//! Values of dims, and dims with symbols replaced.

use super::power::power_of;
use super::{Atom, Dim, DimError, Result};

impl Dim {
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
                    Atom::Pow(p, n) => {
                        let (base, exponent) = (p.eval(env)?, n.eval(env)?);
                        if base < 1 || exponent < 0 {
                            return Err(DimError::BadPower(format!("{base}^{exponent}")));
                        }
                        power_of(base, exponent).ok_or(DimError::Overflow)?
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
                    Atom::Pow(p, n) => p.subst(env)?.power(&n.subst(env)?)?,
                    Atom::Quot(p, c) => p.subst(env)?.exact_div(&c.subst(env)?)?,
                };
                v = v.times(&x)?;
            }
            sum = sum.plus(&v)?;
        }
        Ok(sum)
    }
}
