//! `experts[ids](x)`: each row goes through the nets of an array that its ids name, and through no others.

use super::checker::Checker;
use super::scope::{Hint, NetUse, Resolved, Shaped, Tensor};
use crate::ast::{Arg, Expr};
use crate::errors::Place;
use crate::messages;
use crate::plan::{ExpertsPlan, Home, Sig, StepKind};
use tancho_ir::bind::is_open;
use tancho_ir::{DType, Dim, Type};

/// What the number of rows of an expert is called in types. No dim of a user has spaces in its name.
const ROWS: &str = "rows of the expert";

impl Checker<'_> {
    /// A call of the nets of an array by ids.
    pub fn experts(&mut self, expr: &Expr, name: &str, array: &NetUse, index: &Expr, args: &[Arg]) -> Shaped {
        let ids = self.eval(index, Hint::default());
        let ids = self.tensor(ids, index, DType::I32);
        let sig = match &array.target {
            Resolved::Known(sig) => sig.clone(),
            target => {
                for a in args {
                    self.eval(&a.value, Hint::default());
                }
                return match target {
                    Resolved::Foreign => {
                        self.refuse(expr.place, messages::foreign_experts(name, &array.text))
                    }
                    _ => Shaped::Poison,
                };
            }
        };
        let Some(inputs) = self.inputs(expr, &sig, &array.text, args) else { return Shaped::Poison };
        let (Some(ids), Some(count)) = (ids, array.count.clone()) else { return Shaped::Poison };
        if ids.ty.dtype != DType::I32 {
            return self.refuse(index.place, messages::expert_ids(&ids.name, &ids.ty, &self.facts));
        }
        if array.by_iteration {
            return self.refuse(expr.place, messages::unlike_experts(name));
        }
        if self.keeps_states(&array.text, &mut Vec::new()) {
            return self.refuse(expr.place, messages::states_in_experts(&array.text));
        }
        let Some(ranks) = row_ranks(&sig) else {
            return self.refuse(expr.place, messages::expert_without_rows(&array.text));
        };
        let Some(leading) = self.leading(&ids, &inputs, &ranks, index.place) else { return Shaped::Poison };
        let rows: Vec<(Tensor, Place)> =
            inputs.iter().map(|(t, place)| (rows_of(t, leading), *place)).collect();
        let home = Home::Net(array.plan.id);
        let Some(types) = self.accept(&sig.declared, array, &rows, (expr.place, home)) else {
            return Shaped::Poison;
        };
        let row = match types.as_slice() {
            [ty] if ty.shape.first() == Some(&Dim::sym(ROWS)) && !ty.shape[1..].iter().any(of_rows) => ty,
            _ => return self.refuse(expr.place, messages::expert_results(&array.text, &types, &self.facts)),
        };
        let shape = ids.ty.shape.iter().chain(&row.shape[1..]).cloned().collect();
        let ty = self.facts.reduce_type(Type::new(row.dtype, shape));
        let out = self.fresh();
        let plan = ExpertsPlan {
            out,
            ids: ids.val,
            args: inputs.iter().map(|(t, _)| t.val).zip(ranks).collect(),
            net: array.plan.clone(),
            count,
            path: array.path.clone(),
        };
        self.step(expr.place, &expr.text, StepKind::Experts(Box::new(plan)));
        Shaped::Tensor(Tensor { ty, val: out, name: expr.text.clone() })
    }

    /// How many leading axes the ids and the inputs have in common. The ids may have one more.
    fn leading(&self, ids: &Tensor, inputs: &[(Tensor, Place)], ranks: &[usize], at: Place) -> Option<usize> {
        let mut all = inputs.iter().zip(ranks);
        let ((first, _), own) = all.next()?;
        let leading = first.ty.rank().checked_sub(*own).filter(|n| *n > 0);
        let Some(leading) = leading.filter(|n| [*n, n + 1].contains(&ids.ty.rank())) else {
            let (ids, x) = ((&*ids.name, &ids.ty), (&*first.name, &first.ty));
            self.fail(at, messages::expert_axes(ids, x, *own, &self.facts));
            return None;
        };
        for ((t, place), own) in inputs.iter().zip(ranks) {
            let same = t.ty.rank() == leading + own
                && t.ty.shape.iter().take(leading).eq(ids.ty.shape.iter().take(leading));
            if !same {
                let (ids, x) = ((&*ids.name, &ids.ty), (&*t.name, &t.ty));
                self.fail(*place, messages::expert_axes(ids, x, *own, &self.facts));
                return None;
            }
        }
        Some(leading)
    }
}

/// How many axes a row of each input has: those behind `..`, or behind the first. None if an input has no
/// axis that rows could stand along.
fn row_ranks(sig: &Sig) -> Option<Vec<usize>> {
    let inputs = &sig.declared.inputs;
    let ranks: Option<Vec<usize>> = inputs.iter().map(|(_, ty)| ty.rank().checked_sub(1)).collect();
    // The rows are one axis: of inputs with `..`, that is what `..` stands for.
    ranks.filter(|ranks| {
        !ranks.is_empty() && inputs.iter().all(|(_, ty)| is_open(ty) || ty.shape[0].as_sym().is_some())
    })
}

/// The value as one expert is given it.
fn rows_of(t: &Tensor, leading: usize) -> Tensor {
    let shape = std::iter::once(Dim::sym(ROWS)).chain(t.ty.shape.iter().skip(leading).cloned()).collect();
    Tensor { ty: Type::new(t.ty.dtype, shape), ..t.clone() }
}

fn of_rows(d: &Dim) -> bool {
    d.syms().iter().any(|s| s == ROWS)
}
