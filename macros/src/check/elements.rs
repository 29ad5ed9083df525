//! One net of an array: `layers[0](x)`. With values as its number, it is a [mixture](super::experts).

use super::checker::Checker;
use super::scope::{Hint, Meaning, NetUse, Shaped};
use crate::ast::{Arg, Expr};
use crate::errors::Place;
use crate::messages;
use crate::plan::StepKind;
use proc_macro2::Ident;
use tancho_ir::Dim;
use tancho_ir::path::with_numbers;

impl Checker<'_> {
    /// A call of one net of an array by its number.
    pub fn element(
        &mut self,
        expr: &Expr,
        name: &Ident,
        index: &Expr,
        args: &[Arg],
        hint: Hint<'_>,
    ) -> Shaped {
        let (text, place) = (name.to_string(), Place::of(name.span()));
        let array = match self.lookup(&text) {
            Some(Meaning::Array(i)) => self.nets.get(i).cloned(),
            Some(Meaning::Poison) => None,
            Some(Meaning::Net(_)) => return self.refuse(place, messages::not_an_array(&text)),
            Some(_) => return self.refuse(place, messages::not_callable(&text)),
            None => return self.refuse(place, self.unknown(&text)),
        };
        if let Some(array) = array.as_ref().filter(|_| self.is_tensor(index)) {
            return self.experts(expr, &text, array, index, args);
        }
        let at = self.fixed(index, "the number of a net");
        let (Some(array), Some(at)) = (array, at) else {
            for a in args {
                self.eval(&a.value, Hint::default());
            }
            return Shaped::Poison;
        };
        let Some(count) = array.count.clone() else { return Shaped::Poison };
        let (number, all) = (self.facts.value(&at), self.facts.value(&count));
        if number.is_some_and(|n| n < 0) || number.zip(all).is_some_and(|(n, all)| n >= all) {
            return self.refuse(index.place, messages::no_such_net(&text, &at, &count, &self.facts));
        }
        self.step(index.place, &expr.text, StepKind::Within { array: text, index: at.clone(), count });
        let Some(net) = self.nth(array, &at, index) else { return Shaped::Poison };
        self.step(place, &expr.text, StepKind::Net(net.plan.clone()));
        self.nets.push(net);
        self.call_net(expr, self.nets.len() - 1, args, hint)
    }

    /// The net with that number: its path and dims have the number in place of `i`.
    fn nth(&self, array: NetUse, at: &Dim, index: &Expr) -> Option<NetUse> {
        let numbered = |d: &Dim| d.subst(&|s| (s == "i").then(|| at.clone()));
        let by_iteration = array.by_iteration;
        let mut net = NetUse { count: None, by_iteration: false, ..array };
        net.plan.id = self.nets.len();
        net.plan.path = with_numbers(&net.plan.path, &|d| {
            let d = numbered(d).ok()?;
            Some(d.as_const().map_or(format!("{{{d}}}"), |n| n.to_string()))
        });
        if by_iteration {
            let dims = net.plan.dims.iter_mut().map(|(_, d)| d).chain(net.statics.values_mut());
            for d in dims {
                match numbered(d) {
                    Ok(new) => *d = new,
                    Err(e) => {
                        self.fail(index.place, messages::dim_error(&index.text, &e));
                        return None;
                    }
                }
            }
        }
        if let (true, Some(foreign)) = (by_iteration, &mut net.plan.foreign) {
            let number = self.first_sample();
            for ((given, _), (_, d)) in foreign.dims.iter_mut().zip(&net.plan.dims) {
                *given = number(d);
            }
        }
        Some(net)
    }
}
