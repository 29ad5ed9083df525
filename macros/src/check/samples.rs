//! Numbers for the dims of a network, for the calls that are compared by numbers where the callee is known.
//!
//! Two polynomials that agree at a few choices of large, unlike values are the same. The values obey what the
//! network promises, `where D % HEADS == 0`, and what holds in the branches around the call.

use super::checker::Checker;
use super::scope::Assumed;
use crate::plan::Test;
use std::collections::BTreeMap;
use tancho_ir::graph::{Constraint, Relation};
use tancho_ir::{Dim, Type};

/// What a number that is not known is written as.
const UNKNOWN: i64 = -1;

/// All values of a sample are multiples of such a number, so that quotients of the callee are exact
/// in one sample at least, and odd values tell one rounding from another in others.
const FACTORS: [i64; 4] = [40320, 24, 1, 1];

/// Values above this are not made: products of them would not fit.
const LARGEST: i64 = 1 << 40;

/// Values of the dims, and what `..` stands for.
pub struct Sample {
    values: BTreeMap<String, i64>,
    leading: Vec<i64>,
}

impl Sample {
    /// The number of a dim; -1 where it is not known.
    pub fn dim(&self, d: &Dim) -> i64 {
        d.eval(&|s| self.values.get(s).copied()).ok().filter(|n| *n >= 0).unwrap_or(UNKNOWN)
    }

    /// The numbers of the axes of a type.
    pub fn axes(&self, t: &Type) -> Vec<i64> {
        let mut out = Vec::new();
        for d in &t.shape {
            match d.as_sym() {
                Some("..") => out.extend(&self.leading),
                _ => out.push(self.dim(d)),
            }
        }
        out
    }
}

impl Checker<'_> {
    /// The same inside of a branch with these tests, or of the other one.
    pub fn assume(&self, tests: &[Option<Test>], then: bool) -> Assumed {
        let mut out = self.assumed.clone();
        let equalities = || {
            tests
                .iter()
                .map(|t| if let Some(Test::Equal(a, b)) = t { Some((a.clone(), b.clone())) } else { None })
        };
        let holds = |(a, b): &(Dim, Dim)| self.facts.value(a).zip(self.facts.value(b)).map(|(a, b)| a == b);
        if then {
            out.equal.extend(equalities().flatten());
            out.never_by_default |= equalities().flatten().any(|e| holds(&e) != Some(true));
        } else {
            out.never_by_default |= equalities().all(|e| e.is_some_and(|e| holds(&e) == Some(true)));
        }
        out
    }

    /// The default numbers, then values of which nothing is known but the promises.
    pub fn samples(&self) -> Vec<Sample> {
        let defaults =
            if self.assumed.never_by_default { BTreeMap::new() } else { self.facts.values.clone() };
        let mut out = vec![Sample { values: defaults, leading: vec![UNKNOWN] }];
        let mut promises = Promises { equal: self.assumed.equal.clone(), divides: Vec::new() };
        for Constraint { left, relation, right } in &self.sig.declared.wheres {
            let sides = || (left.clone(), right.clone());
            match relation {
                Relation::Equal => promises.equal.push(sides()),
                Relation::Multiple => promises.divides.push(sides()),
                Relation::AtMost | Relation::Less => {}
            }
        }
        for (k, factor) in FACTORS.into_iter().enumerate() {
            let names = self.sig.declared.dims.iter().map(|d| d.name.as_str());
            if let Some(values) = promises.kept(promises.start(names, k)) {
                // Leading axes may be none, one or several.
                let leading = (0..[1, 0, 2].get(k).copied().unwrap_or(1))
                    .map(|i| factor * unlike(k, 1000 + i))
                    .collect();
                out.push(Sample { values, leading });
            }
        }
        out
    }
}

/// A number from 40 on that has nothing to do with its neighbours.
fn unlike(sample: usize, number: usize) -> i64 {
    let mut x = (sample as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (number as u64 + 1).wrapping_mul(0xd1b5_4a32_d192_ed03);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    40 + ((x >> 33) % 960) as i64
}

struct Promises {
    equal: Vec<(Dim, Dim)>,
    divides: Vec<(Dim, Dim)>,
}

impl Promises {
    /// Values to begin with. What others are divided by is small, so that their multiples fit.
    fn start<'a>(&self, names: impl Iterator<Item = &'a str>, sample: usize) -> BTreeMap<String, i64> {
        let factor = FACTORS.get(sample).copied().unwrap_or(1);
        let value =
            |i, n| if self.is_divisor(n) { 2 + unlike(sample, i) % 50 } else { factor * unlike(sample, i) };
        names.enumerate().map(|(i, n)| (n.to_string(), value(i, n))).collect()
    }

    fn is_divisor(&self, name: &str) -> bool {
        self.divides.iter().any(|(_, c)| c.syms().contains(name))
    }

    /// The values, changed until they keep all promises; nothing if that does not succeed.
    fn kept(&self, mut values: BTreeMap<String, i64>) -> Option<BTreeMap<String, i64>> {
        for _ in 0..16 {
            let value = |d: &Dim| d.eval(&|s| values.get(s).copied()).ok();
            let broken = self.divides.iter().find_map(|(p, c)| {
                let (n, by) = value(p).zip(value(c))?;
                (by > 0 && n % by != 0).then(|| (p, by / gcd(n, by)))
            });
            let unequal = self.equal.iter().find(|(a, b)| value(a) != value(b));
            match (unequal, broken) {
                (None, None) => {
                    let known =
                        self.divides.iter().all(|(p, c)| value(p).zip(value(c)).is_some_and(|(_, c)| c > 0));
                    return known.then_some(values);
                }
                (Some((a, b)), _) => {
                    let (name, n) = match (a.as_sym(), b.as_sym()) {
                        // The later change wins where both are names: the other may follow from more.
                        (Some(s), _) => (s, value(b)?),
                        (None, Some(s)) => (s, value(a)?),
                        (None, None) => return None,
                    };
                    values.insert(name.into(), n);
                }
                (None, Some((p, by))) => {
                    // A divisor stays where it can: `D / HEADS` grows by `D` alone.
                    let (divisors, mut grow): (Vec<String>, Vec<String>) =
                        p.syms().into_iter().partition(|s| self.is_divisor(s));
                    if grow.is_empty() {
                        grow = divisors;
                    }
                    // What is equal to something else grows with that.
                    let others = self.equal.iter().filter_map(|(a, b)| match (a.as_sym(), b.as_sym()) {
                        (Some(s), _) => Some((s, b)),
                        (None, s) => Some((s?, a)),
                    });
                    let more =
                        others.filter(|(s, _)| grow.iter().any(|g| g == s)).flat_map(|(_, d)| d.syms());
                    let more: Vec<String> = more.collect();
                    grow.extend(more);
                    for s in grow {
                        let v = values.get_mut(&s)?;
                        *v = v.checked_mul(by).filter(|v| *v <= LARGEST)?;
                    }
                }
            }
        }
        None
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Dim {
        Dim::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn values_keep_the_promises() {
        for (equal, divides) in [
            (vec![], vec![("D", "HEADS")]),
            (vec![], vec![("D", "HEADS"), ("HEADS", "G"), ("D", "12")]),
            (vec![], vec![("D", "2*HEADS"), ("D / (2*HEADS)", "G")]),
            (vec![("STRIDE", "1"), ("D", "C")], vec![("D", "HEADS")]),
            (vec![("4*D", "H")], vec![("H", "HEADS")]),
            (vec![], vec![("D*G", "HEADS"), ("D + C", "7")]),
        ] {
            let read = |all: &[(&str, &str)]| all.iter().map(|(a, b)| (d(a), d(b))).collect::<Vec<_>>();
            let p = Promises { equal: read(&equal), divides: read(&divides) };
            for k in 0..FACTORS.len() {
                let names = ["D", "HEADS", "G", "C", "H", "STRIDE"];
                let values = p
                    .kept(p.start(names.into_iter(), k))
                    .unwrap_or_else(|| panic!("{equal:?} {divides:?} at {k}"));
                let value = |x: &Dim| x.eval(&|s| values.get(s).copied());
                assert!(
                    p.equal.iter().all(|(a, b)| value(a).is_ok() && value(a) == value(b)),
                    "{equal:?} at {k}: {values:?}"
                );
                assert!(
                    p.divides.iter().all(|(a, b)| value(a).unwrap() % value(b).unwrap() == 0),
                    "{divides:?} at {k}: {values:?}"
                );
            }
        }
        // Promises that nothing keeps: no sample, rather than a wrong one.
        let p = Promises { equal: vec![(d("D"), d("D + 1"))], divides: Vec::new() };
        assert_eq!(p.kept([("D".to_string(), 40)].into()), None);
    }

    #[test]
    fn values_are_unlike() {
        let all: std::collections::BTreeSet<i64> =
            (0..5).flat_map(|k| (0..20).map(move |i| unlike(k, i))).collect();
        assert!(all.len() > 85 && all.iter().all(|n| (40..1000).contains(n)), "{}", all.len());
    }
}
