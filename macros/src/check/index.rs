//! `x[..]`: rows by ids, an index, ranges, by position or by axis name.

use super::checker::Checker;
use super::dims::looks_like_poly;
use super::ops::options_of;
use super::options::emitted_axis;
use super::scope::{Hint, Meaning, Shaped, Tensor};
use crate::ast::{Expr, ExprKind, Index};
use crate::messages;
use crate::plan::StepKind;
use tancho_ir::bind::is_open;
use tancho_ir::op::Op;
use tancho_ir::{DType, Dim, Type};

/// `..` alone.
pub fn is_bare(i: &Index) -> bool {
    i.range && i.axis.is_none() && i.start.is_none() && i.end.is_none() && i.step.is_none()
}

impl Checker<'_> {
    /// The value of `x[..]`.
    pub fn index(&mut self, expr: &Expr, x: &Expr, list: &[Index]) -> Shaped {
        let v = self.eval(x, Hint::default());
        if let (Shaped::Tuple(parts), [Index { axis: None, start: Some(i), range: false, .. }]) = (&v, list)
            && let ExprKind::Number(_, Some(n)) = i.kind
        {
            let part = usize::try_from(n).ok().and_then(|n| parts.get(n)).cloned();
            return part
                .unwrap_or_else(|| self.refuse(i.place, messages::part_outside(&expr.text, parts.len())));
        }
        let Some(t) = self.tensor(v, x, DType::F32) else { return Shaped::Poison };
        if let [Index { axis: None, start: Some(ids), range: false, .. }] = list
            && self.is_tensor(ids)
        {
            let v = self.eval(ids, Hint::default());
            let Some(i) = self.tensor(v, ids, DType::I32) else { return Shaped::Poison };
            return self.apply(Op::Gather, &[(&t, x.place), (&i, ids.place)], expr);
        }
        // `..` in front stands for all axes that the indices after it leave.
        let leading = list.first().is_some_and(is_bare);
        if !leading && let Some(i) = self.open_middle(list, &t) {
            return self.refuse(i.place, messages::whole_axis_between(&t.name, &t.ty, &self.facts));
        }
        let left = if leading { t.ty.rank().saturating_sub(list.len()) } else { 0 };
        let mut cuts: Vec<(usize, &Index)> = Vec::new();
        for (position, i) in list.iter().enumerate().skip(usize::from(leading)) {
            let position = position + left;
            let Some(axis) = self.axis_of_index(position, i, &t, leading) else { return Shaped::Poison };
            if cuts.iter().any(|(a, _)| *a == axis) {
                return self.refuse(
                    i.place,
                    messages::given_twice(&i.axis.as_ref().map_or(axis.to_string(), ToString::to_string)),
                );
            }
            cuts.push((axis, i));
        }
        // From the last axis on: an index takes its axis away, and the earlier ones keep their place.
        cuts.sort_by_key(|(a, _)| std::cmp::Reverse(*a));
        let mut value = t;
        for (axis, i) in cuts {
            let Some(next) = self.cut(expr, &value, axis, i) else { return Shaped::Poison };
            value = next;
        }
        value.name = expr.text.clone();
        Shaped::Tensor(value)
    }

    /// Whether an index is an expression of ids: something in it is no dim and no integer.
    pub fn is_tensor(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(n) => {
                matches!(
                    self.peek(&n.to_string()),
                    Some(
                        Meaning::Value(_)
                            | Meaning::Slot(..)
                            | Meaning::Param(_)
                            | Meaning::Const(_)
                            | Meaning::Poison
                    )
                )
            }
            ExprKind::Neg(x) => self.is_tensor(x),
            ExprKind::Binary(_, a, b) | ExprKind::Power(a, b) => self.is_tensor(a) || self.is_tensor(b),
            _ => !looks_like_poly(expr),
        }
    }

    /// The index between others that is a whole axis, where more axes are left than that.
    fn open_middle<'i>(&self, list: &'i [Index], tensor: &Tensor) -> Option<&'i Index> {
        let more = list.len() < tensor.ty.rank() && list.iter().all(|i| i.axis.is_none());
        let (_, before) = list.split_last()?;
        before.iter().find(|i| more && is_bare(i))
    }

    fn axis_of_index(&self, position: usize, i: &Index, tensor: &Tensor, leading: bool) -> Option<usize> {
        match &i.axis {
            Some(name) => {
                let text = name.to_string();
                let place = crate::errors::Place::of(name.span());
                if !self.is_dim(&text) {
                    self.fail(
                        place,
                        messages::unknown_dim(&text, self.sig.declared.dims.iter().map(|d| d.name.as_str())),
                    );
                    return None;
                }
                self.axis_of("an index", &Dim::sym(&text), &text, tensor, place)
            }
            None if is_open(&tensor.ty) && (!leading || position == 0 || position >= tensor.ty.rank()) => {
                self.fail(i.place, messages::axis_from_the_end(&tensor.name, &tensor.ty, &self.facts));
                None
            }
            None if position < tensor.ty.rank() => Some(position),
            None => {
                self.fail(
                    i.place,
                    messages::index_count(position + 1, &tensor.name, &tensor.ty, &self.facts),
                );
                None
            }
        }
    }

    fn cut(&mut self, expr: &Expr, tensor: &Tensor, axis: usize, i: &Index) -> Option<Tensor> {
        let len = tensor.ty.shape.get(axis)?.clone();
        for part in [&i.start, &i.end, &i.step].into_iter().flatten() {
            if !looks_like_poly(part) {
                self.fail(part.place, messages::bad_index(&part.text));
                return None;
            }
        }
        let start = i.start.as_ref().map_or(Some(Dim::constant(0)), |s| self.poly(s));
        let end = i.end.as_ref().map_or(Some(len.clone()), |s| self.poly(s));
        let (start, end) = (start?, end?);
        if i.range {
            let from_end =
                |d: Dim| if d.as_const().is_some_and(|n| n < 0) { len.plus(&d).unwrap_or(d) } else { d };
            return self.slice(expr, tensor, axis, from_end(start), from_end(end), i);
        }
        if let Some(length) = self.length_as_index(i) {
            self.fail(i.place, messages::length_as_index(&tensor.name, &length, &len));
            return None;
        }
        let outside = |n: i64| self.facts.value(&len).is_some_and(|l| n >= l || n < l.saturating_neg());
        if self.facts.value(&start).is_some_and(outside) {
            self.fail(i.place, messages::index_outside(&start.to_string(), &tensor.name, &len, &self.facts));
            return None;
        }
        let out = self.fresh();
        self.step(
            expr.place,
            &expr.text,
            StepKind::Pick { out, from: tensor.val, axis: emitted_axis(tensor, axis), index: start },
        );
        let mut shape = tensor.ty.shape.clone();
        shape.remove(axis);
        self.removed.push((len, expr.text.clone()));
        Some(Tensor { ty: Type::new(tensor.ty.dtype, shape), val: out, name: tensor.name.clone() })
    }

    /// `pos[S]`, where `pos[0..S]` is meant: one row, and its number is the length of an input. By the name
    /// of the axis it is written on purpose.
    fn length_as_index(&self, i: &Index) -> Option<String> {
        let (None, Some(Expr { kind: ExprKind::Name(n), .. })) = (&i.axis, &i.start) else { return None };
        let name = n.to_string();
        let runs = self.known.iter().any(|d| d.name == name && !d.is_static());
        let is_length = |t: &Type| t.shape.iter().any(|d| d.as_sym() == Some(&name));
        (runs && self.sig.declared.inputs.iter().any(|(_, t)| is_length(t))).then_some(name)
    }

    fn slice(
        &mut self,
        expr: &Expr,
        tensor: &Tensor,
        axis: usize,
        start: Dim,
        end: Dim,
        i: &Index,
    ) -> Option<Tensor> {
        let step = match &i.step {
            Some(step) => self.poly(step)?,
            None => Dim::constant(1),
        };
        let of_length = |d: &Dim| tensor.ty.shape[axis].syms().iter().any(|s| d.syms().contains(s));
        if !of_length(&start) && self.no_place(&start, i.place) {
            return None;
        }
        let op = Op::Slice { axis, start, end, step };
        let mut options = options_of(&op, Some(tensor), i.place);
        for (option, step) in options.iter_mut().filter(|o| o.name == "step").zip(&i.step) {
            option.place = step.place;
        }
        match self.add_op(op, &[(tensor, i.place)], options, expr, None) {
            Shaped::Tensor(s) => Some(Tensor { name: tensor.name.clone(), ..s }),
            _ => None,
        }
    }
}
