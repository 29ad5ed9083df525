//! `rearrange(x, [b, s, (three h d)] -> [three, b, h, s, d], three = 3, h = HEADS)`:
//! a reshape that opens the groups, a transpose, a reshape that closes the new ones.

use super::checker::Checker;
use super::scope::{Hint, Shaped, Tensor};
use crate::ast::{Arg, Axis, Expr};
use crate::errors::Place;
use crate::messages;
use std::collections::BTreeMap;
use tancho_ir::bind::is_open;
use tancho_ir::op::Op;
use tancho_ir::{DType, Dim};

impl Checker<'_> {
    /// The value of a `rearrange`.
    pub fn rearrange(
        &mut self,
        expr: &Expr,
        x: &Expr,
        left: &[Axis],
        right: &[Axis],
        sizes: &[Arg],
    ) -> Shaped {
        let v = self.eval(x, Hint::default());
        let given = self.sizes(left, sizes);
        let Some(t) = self.tensor(v, x, DType::F32) else { return Shaped::Poison };
        let open = is_open(&t.ty);
        let leads = |side: &[Axis]| side.first().is_some_and(|a| a.leading);
        if leads(left) != open || leads(right) != open {
            let odd = if leads(left) == open { right } else { left };
            let place = odd.first().map_or(expr.place, |a| a.place);
            return self.refuse(place, messages::pattern_leading(&t.name, &t.ty, open, &self.facts));
        }
        // The pattern does not name the leading axes: they stay.
        let skip = usize::from(open);
        let (left, right) = (left.get(skip..).unwrap_or_default(), right.get(skip..).unwrap_or_default());
        if !self.both_sides(left, right, &t) {
            return Shaped::Poison;
        }
        if left.len() + skip != t.ty.rank() {
            let place = left.first().zip(left.last()).map_or(expr.place, |(a, b)| a.place.to(b.place));
            return self
                .refuse(place, messages::pattern_rank(left.len() + skip, &t.name, &t.ty, &self.facts));
        }
        let Some(mut lengths) = given else { return Shaped::Poison };
        for (axis, d) in left.iter().zip(t.ty.shape.iter().skip(skip)) {
            if !self.open_group(axis, d, &mut lengths) {
                return Shaped::Poison;
            }
        }
        self.lower(expr, &t, left, right, &lengths).map_or(Shaped::Poison, |mut out| {
            out.name = expr.text.clone();
            Shaped::Tensor(out)
        })
    }

    fn sizes(&mut self, left: &[Axis], sizes: &[Arg]) -> Option<BTreeMap<String, Dim>> {
        let mut given = BTreeMap::new();
        let mut ok = true;
        for a in sizes {
            let Some(name) = &a.name else {
                self.fail(a.place, messages::expected("`name = length`", Some(&a.value.text)));
                ok = false;
                continue;
            };
            let text = name.to_string();
            if !left.iter().flat_map(|x| &x.names).any(|n| *n == text) {
                self.fail(Place::of(name.span()), messages::no_such_axis(&text));
                ok = false;
            }
            match self.poly(&a.value) {
                Some(d) => {
                    if given.insert(text.clone(), d).is_some() {
                        self.fail(a.place, messages::given_twice(&text));
                        ok = false;
                    }
                }
                None => ok = false,
            }
        }
        ok.then_some(given)
    }

    /// Every name stands once on each side.
    fn both_sides(&self, left: &[Axis], right: &[Axis], tensor: &Tensor) -> bool {
        let mut ok = true;
        for (side, other, on_right) in [(left, right, false), (right, left, true)] {
            let mut seen: Vec<String> = Vec::new();
            for name in side.iter().flat_map(|a| &a.names) {
                let text = name.to_string();
                let place = Place::of(name.span());
                if seen.contains(&text) {
                    self.fail(place, messages::axis_named_twice(&text));
                    ok = false;
                } else if !other.iter().flat_map(|a| &a.names).any(|n| *n == text) {
                    self.fail(
                        place,
                        messages::axis_on_one_side(&text, on_right, &tensor.name, &tensor.ty, &self.facts),
                    );
                    // The other side of the same slip is not another error.
                    return false;
                }
                seen.push(text);
            }
        }
        ok
    }

    /// The lengths of the names in one axis: all are given, or one follows from the rest.
    fn open_group(&self, axis: &Axis, d: &Dim, lengths: &mut BTreeMap<String, Dim>) -> bool {
        let names: Vec<String> = axis.names.iter().map(ToString::to_string).collect();
        let unknown: Vec<&str> =
            names.iter().filter(|n| !lengths.contains_key(*n)).map(String::as_str).collect();
        let known: Vec<Dim> = names.iter().filter_map(|n| lengths.get(n)).cloned().collect();
        match unknown.as_slice() {
            [] => {
                let product = Dim::product(&known).unwrap_or_default();
                if product != *d {
                    let pattern = format!("({})", names.join(" "));
                    let pattern = if names.is_empty() { "1".into() } else { pattern };
                    self.fail(axis.place, messages::lengths_differ(&pattern, &product, d, &self.facts));
                    return false;
                }
            }
            [one] => {
                let Some(rest) = self.divided(axis, d, known) else { return false };
                lengths.insert(one.to_string(), rest);
            }
            several => {
                self.fail(axis.place, messages::unknown_lengths(several, d, &self.facts));
                return false;
            }
        }
        true
    }

    /// `d` divided by the known lengths one by one, numbers first: `3*D / 3 / HEADS` is `D / HEADS`.
    fn divided(&self, axis: &Axis, d: &Dim, mut known: Vec<Dim>) -> Option<Dim> {
        known.sort_by_key(|k| k.as_const().is_none());
        let mut rest = d.clone();
        for k in known {
            rest = match rest.exact_div(&k) {
                Ok(q) if self.facts.divides(&rest, &k) => q,
                Ok(_) => {
                    self.fail(axis.place, messages::no_licence(&rest, &k, &self.facts));
                    return None;
                }
                Err(err) => {
                    self.fail(axis.place, messages::dim_error(&format!("{rest} / {k}"), &err));
                    return None;
                }
            };
        }
        Some(rest)
    }

    fn lower(
        &mut self,
        expr: &Expr,
        tensor: &Tensor,
        left: &[Axis],
        right: &[Axis],
        lengths: &BTreeMap<String, Dim>,
    ) -> Option<Tensor> {
        let names = |side: &[Axis]| {
            side.iter().flat_map(|a| &a.names).map(ToString::to_string).collect::<Vec<String>>()
        };
        let (from, to) = (names(left), names(right));
        let length = |n: &String| lengths.get(n).cloned();
        let leading: Vec<Dim> =
            tensor.ty.shape.iter().take(usize::from(is_open(&tensor.ty))).cloned().collect();
        let shape = |dims: Vec<Dim>| leading.iter().cloned().chain(dims).collect::<Vec<Dim>>();
        let mut value = tensor.clone();
        if left.iter().any(|a| a.names.len() != 1) {
            let open: Vec<Dim> = from.iter().map(length).collect::<Option<_>>()?;
            value = self.reshape(&value, shape(open), expr.place, expr)?;
        }
        if from != to {
            let moved: Vec<usize> =
                to.iter().map(|n| from.iter().position(|f| f == n)).collect::<Option<_>>()?;
            let order = (0..leading.len()).chain(moved.iter().map(|a| a + leading.len())).collect();
            let Shaped::Tensor(moved) = self.apply(Op::Transpose(order), &[(&value, expr.place)], expr)
            else {
                return None;
            };
            value = moved;
        }
        if right.iter().any(|a| a.names.len() != 1) {
            let groups: Vec<Option<Dim>> = right
                .iter()
                .map(|a| {
                    let parts: Vec<Dim> =
                        a.names.iter().map(|n| length(&n.to_string())).collect::<Option<_>>()?;
                    Dim::product(&parts).ok()
                })
                .collect();
            let closed: Vec<Dim> = groups.into_iter().collect::<Option<_>>()?;
            value = self.reshape(&value, shape(closed), expr.place, expr)?;
        }
        Some(value)
    }
}
