//! `if`: both branches, and what holds in each.

use super::checker::Checker;
use super::scope::{Hint, Shaped, Tensor};
use crate::ast::{Block, Cond, Expr};
use crate::errors::Place;
use crate::messages;
use crate::plan::{self, StepKind, Test};
use tancho_ir::builder::OptionValue;
use tancho_ir::{Dim, Type};

impl Checker<'_> {
    /// Both branches are checked; their types must agree where the condition's equalities hold.
    pub fn branches(
        &mut self,
        expr: &Expr,
        conds: &[Cond],
        then: &Block,
        otherwise: &Block,
        hint: Hint<'_>,
    ) -> Shaped {
        let tests: Vec<Option<Test>> = conds.iter().map(|c| self.test(c)).collect();
        let (around, outside) = (self.assumed.clone(), self.facts.equal.clone());
        let run = self.known.iter().filter(|d| !d.is_static()).map(|d| d.name.clone()).collect::<Vec<_>>();
        for t in tests.iter().flatten() {
            if let Test::Equal(a, b) = t {
                self.facts.equate(a, b, &|n| run.iter().any(|r| r == n));
            }
        }
        self.assumed = self.assume(&tests, true);
        let before = self.changes();
        let (then_steps, a) = self.branch(expr, then, hint);
        (self.assumed, self.facts.equal) = (around.clone(), outside);
        let changed = self.rewind(&before);
        self.assumed = self.assume(&tests, false);
        let (else_steps, b) = self.branch(expr, otherwise, hint);
        self.assumed = around;
        self.same_changes(&changed, expr.place);
        let (Some(a), Some(b), Some(tests)) = (a, b, tests.into_iter().collect::<Option<Vec<Test>>>()) else {
            return Shaped::Poison;
        };
        let types = |all: &[Tensor]| all.iter().map(|t| t.ty.clone()).collect::<Vec<_>>();
        let (ta, tb) = (types(&a), types(&b));
        if self.equal_under(&ta, &tests) != self.equal_under(&tb, &tests) {
            self.fail(expr.place, messages::branches(&ta, &tb, &self.facts));
            return Shaped::Poison;
        }
        let outs: Vec<usize> = b.iter().map(|_| self.fresh()).collect();
        let block =
            |steps, all: &[Tensor]| plan::Body { steps, results: all.iter().map(|t| t.val).collect() };
        let (then, otherwise) = (block(then_steps, &a), block(else_steps, &b));
        self.step(expr.place, &expr.text, StepKind::If { tests, then, otherwise, outs: outs.clone() });
        // The other branch's type is the one without the condition's equalities in it.
        let mut values: Vec<Shaped> = outs
            .into_iter()
            .zip(tb)
            .map(|(val, ty)| Shaped::Tensor(Tensor { ty, val, name: "if ..".into() }))
            .collect();
        match values.pop() {
            Some(one) if values.is_empty() => one,
            last => {
                values.extend(last);
                Shaped::Tuple(values)
            }
        }
    }

    fn branch(
        &mut self,
        expr: &Expr,
        block: &Block,
        hint: Hint<'_>,
    ) -> (Vec<plan::Step>, Option<Vec<Tensor>>) {
        let (mut steps, value) = self.collect(|me| me.block(block, hint, true));
        let Some((value, tail)) = value.zip(block.tail.as_deref()) else {
            self.fail(block.end.map_or(expr.place, Place::of), messages::empty_block());
            return (steps, None);
        };
        let (more, tensors) = self.collect(|me| me.tensors(value, tail));
        steps.extend(more);
        (steps, tensors)
    }

    /// Types with the equalities of a condition substituted.
    fn equal_under(&self, types: &[Type], tests: &[Test]) -> Vec<Type> {
        let mut facts = self.facts.clone();
        for t in tests {
            if let Test::Equal(a, b) = t {
                facts.equate(a, b, &|n| self.known.iter().any(|d| d.name == n && !d.is_static()));
            }
        }
        let reduced = |d: &Dim| facts.reduce(d).unwrap_or_else(|_| d.clone());
        types.iter().map(|t| Type::new(t.dtype, t.shape.iter().map(reduced).collect())).collect()
    }

    fn test(&mut self, c: &Cond) -> Option<Test> {
        match c {
            Cond::Flag(name, yes) => match self.option(&name.to_string()) {
                Some(OptionValue::Bool(_)) => Some(Test::Flag(name.to_string(), *yes)),
                _ => {
                    self.fail(Place::of(name.span()), messages::condition(&name.to_string()));
                    None
                }
            },
            Cond::Equal(sides) => {
                let (a, b) = &**sides;
                let (x, y) = (self.poly(a), self.poly(b));
                let (x, y) = (x?, y?);
                for (d, e) in [(&x, a), (&y, b)] {
                    if let Some(run) = self.dims(|k| k.run_time(d).map(str::to_string)) {
                        self.fail(e.place, messages::not_static("a condition", d, &run));
                        return None;
                    }
                }
                Some(Test::Equal(x, y))
            }
        }
    }
}
