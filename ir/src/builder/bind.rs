//! The dims and options of a network by name: those given, then the defaults.

use super::*;

pub(super) fn constant(sig: &Sig, name: &str, d: &Dim, env: &BTreeMap<String, Dim>) -> Result<i64> {
    let d = d.subst(&|s| env.get(s).cloned())?;
    d.as_const().ok_or_else(|| {
        BuildError::new(format!("dim `{name}` of `{}` is not static: it depends on {d}", sig.name))
    })
}

/// Adds the dims that a `where` clause says are others, once those are known.
pub(super) fn follow(equal: &[(String, Dim)], dims: &mut BTreeMap<String, Dim>) -> Result<()> {
    for (name, d) in equal {
        if !dims.contains_key(name) && d.syms().iter().all(|s| dims.contains_key(s)) {
            dims.insert(name.clone(), d.subst(&|s| dims.get(s).cloned())?);
        }
    }
    Ok(())
}

impl DimSig {
    /// Whether its number is known when the network is built.
    pub(super) fn is_static(&self) -> bool {
        matches!(self.kind, DimKind::Static(_) | DimKind::Required)
    }
}

impl Sig {
    /// What the `==` of `where` clauses lets dims be written as; the macro writes shapes by the same rule.
    pub(super) fn equalities(&self) -> Result<Vec<(String, Dim)>> {
        let run = |name: &str| self.dims.iter().any(|d| d.name == name && !d.is_static());
        let mut facts = crate::types::Facts::default();
        for (l, _, r) in self.wheres.iter().filter(|(_, relation, _)| *relation == Relation::Equal) {
            facts.equate(&Dim::parse(l)?, &Dim::parse(r)?, &run);
        }
        Ok(facts.equal)
    }
}

/// Dims by name: those given, then the defaults of static ones, which may use each other in any order.
pub(super) fn bind_given(sig: &Sig, given: &[(String, Dim)]) -> Result<BTreeMap<String, Dim>> {
    let mut env = BTreeMap::new();
    let mut position = 0;
    for (name, d) in given {
        let name = if name.is_empty() {
            position += 1;
            let Some(at) = sig.static_dim(position - 1) else {
                return Err(BuildError::new(format!("`{}` is given more dimensions than it has", sig.name)));
            };
            sig.dims[at].name
        } else {
            name
        };
        if sig.dims.iter().all(|s| s.name != name) {
            return Err(BuildError::new(format!("`{}` has no dim `{name}`", sig.name)));
        }
        if d.as_const().is_some_and(|n| n < 0) {
            return Err(BuildError::new(format!("dim `{name}` of `{}` cannot be {d}", sig.name)));
        }
        if env.insert(name.to_string(), d.clone()).is_some() {
            return Err(BuildError::new(format!("dim `{name}` of `{}` is given twice", sig.name)));
        }
    }
    for _ in 0..=sig.dims.len() {
        let before = env.len();
        for s in sig.dims {
            if let (DimKind::Static(text), false) = (s.kind, env.contains_key(s.name)) {
                let d = Dim::parse(text)?;
                if d.syms().iter().all(|x| env.contains_key(x)) {
                    env.insert(s.name.into(), d.subst(&|x| env.get(x).cloned())?);
                }
            }
        }
        if env.len() == before {
            break;
        }
    }
    let missing = sig.dims.iter().find(|s| s.is_static() && !env.contains_key(s.name));
    match missing {
        Some(s) => Err(BuildError::new(format!("dim `{}` of `{}` must be given", s.name, sig.name))),
        None => Ok(env),
    }
}

pub(super) fn bind_options(
    sig: &Sig,
    given: &[(String, OptionValue)],
) -> Result<BTreeMap<String, OptionValue>> {
    let mut env: BTreeMap<String, OptionValue> =
        sig.options.iter().map(|o| (o.name.to_string(), o.default)).collect();
    for (name, v) in given {
        match env.get_mut(name) {
            Some(slot) => match (crate::const_check::refused(*slot, *v), *slot, *v) {
                (Some(takes), ..) => {
                    return Err(BuildError::new(format!("`{name}` of `{}` takes {takes}", sig.name)));
                }
                // An integer is a number.
                (None, OptionValue::Float(_), OptionValue::Int(i)) => *slot = OptionValue::Float(i as f64),
                (None, _, v) => *slot = v,
            },
            None => return Err(BuildError::new(format!("`{}` has no option `{name}`", sig.name))),
        }
    }
    Ok(env)
}
