//! Calls of ops by the table.

use super::checker::Checker;
use super::ops::Operand;
use super::options::emitted_axis;
use super::scope::{Hint, Meaning, Number, OptionGiven, Shaped, Tensor};
use crate::ast::{Arg, Callee, Expr, ExprKind};
use crate::errors::{Message, Place};
use crate::forms::FORMS;
use crate::messages;
use crate::plan::StepKind;
use tancho_ir::bind::is_open;
use tancho_ir::builder::OptionValue;
use tancho_ir::op::{Binary, Op};
use tancho_ir::table::{Attr, Kind, OPS, OpDef, lookup, public_name, usage};
use tancho_ir::{DType, Dim, Type};

/// Ops of the language that are not implemented yet.
const LATER: &[&str] = &["random_uniform"];

/// A tensor argument before it is evaluated: its parameter, what is given for it, and where.
type Written<'e> = (&'static str, &'e Expr, Place);

/// What an argument of an op is for.
enum Slot {
    /// The tensor parameter of that name.
    Tensor(&'static str),
    /// The option of that number.
    Option(usize),
}

/// By name, or by position: tensors first, then options. `position` counts from 1.
fn slot(row: &'static OpDef, arg: &Arg, position: usize) -> Option<Slot> {
    if let Some(n) = &arg.name {
        let param = row.params.iter().find(|p| n == p.name).map(|p| Slot::Tensor(p.name));
        return param.or_else(|| row.options.iter().position(|o| n == o.name).map(Slot::Option));
    }
    let at = position.checked_sub(1)?;
    if let Some(p) = row.params.get(at) {
        return Some(Slot::Tensor(p.name));
    }
    if row.variadic {
        return Some(Slot::Tensor("b"));
    }
    let option = at.checked_sub(row.params.len())?;
    (option < row.options.len()).then_some(Slot::Option(option))
}

/// `reshape(x, B, S)`, whose shape is a list, and `concat([x, y])`, whose values are none.
fn in_brackets(row: &OpDef, args: &[Arg], call: Place) -> Option<(Place, Message)> {
    let public = public_name(row.name);
    let is_list = |a: &Arg| a.name.is_none() && matches!(a.value.kind, ExprKind::List(_));
    let text = |a: &Arg| match &a.name {
        Some(name) => format!("{name} = {}", a.value.text),
        None => a.value.text.clone(),
    };
    let (first, rest) = args.split_first()?;
    if row.variadic && is_list(first) {
        let more: Vec<String> = rest.iter().map(text).collect();
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        return Some((first.place, messages::list_of_values(public, &first.value.text, &more)));
    }
    let shaped = row.options.first().is_some_and(|o| o.kind == Kind::Shape) && row.params.len() == 1;
    let dims = |a: &Arg| a.name.is_none() && !is_list(a) && super::dims::looks_like_poly(&a.value);
    let lengths: Vec<&str> = rest.iter().filter(|a| dims(a)).map(|a| a.value.text.as_str()).collect();
    (shaped && !rest.is_empty() && lengths.len() == rest.len())
        .then(|| (call, messages::shape_in_pieces(public, &first.value.text, &lengths)))
}

/// A reduction without `over` is over all axes: `mean(loss)`.
fn all_axes(row: &OpDef, all: &[Operand], read: &mut Vec<OptionGiven>, place: Place) {
    let reduces = row.options.iter().any(|o| o.name == "over" && o.kind == Kind::Axes)
        && row.options.iter().any(|o| o.name == "keep");
    let Some((_, x, _)) = all.first().filter(|_| reduces && read.iter().all(|o| o.name != "over")) else {
        return;
    };
    if x.ty.rank() > 0 && !is_open(&x.ty) {
        let axes = (0..x.ty.rank()).collect();
        read.push(OptionGiven::fixed("over", Attr::Axes(axes), place));
    }
}

impl Checker<'_> {
    /// A call: a local name first, then an op, then a network.
    pub fn call(&mut self, expr: &Expr, callee: &Callee, args: &[Arg], hint: Hint<'_>) -> Shaped {
        let name = callee.text.as_str();
        let local = callee.name.is_some().then(|| self.lookup(name)).flatten();
        let refused = match local {
            Some(Meaning::Net(i)) => return self.call_net(expr, i, args, hint),
            Some(Meaning::Poison) => None,
            Some(Meaning::Array(_)) => Some(messages::is_an_array(name)),
            Some(_) => Some(messages::not_callable(name)),
            None => match callee.name.as_ref().and_then(|n| self.own_entry(n)) {
                Some(entry) => return self.call_own(expr, callee, entry, args),
                None => return self.call_op(expr, callee, args, hint),
            },
        };
        if let Some(m) = refused {
            self.fail(callee.place, m);
        }
        self.eval_all(args);
        Shaped::Poison
    }

    /// Arguments of a call that is not checked: only their own errors are reported.
    fn eval_all(&mut self, args: &[Arg]) {
        for a in args.iter().filter(|a| a.name.is_none()) {
            if !matches!(a.value.kind, ExprKind::List(_)) {
                self.eval(&a.value, Hint::default());
            }
        }
    }

    fn call_op(&mut self, expr: &Expr, callee: &Callee, args: &[Arg], hint: Hint<'_>) -> Shaped {
        let name = callee.text.as_str();
        // Of one tensor they are reductions, whichever of a reduction's arguments follow by name.
        let reduces = args.len() == 1
            || args
                .iter()
                .any(|a| a.name.as_ref().is_some_and(|n| ["over", "keep", "where"].iter().any(|w| n == w)));
        let row = match name {
            "max" if reduces => lookup("reduce_max"),
            "min" if reduces => lookup("reduce_min"),
            "embedding" => lookup("gather"),
            "clamp" => return self.clamp(expr, args),
            "split" => return self.split(expr, args),
            "topk" => return self.topk(expr, args),
            "arange" if args.get(1).is_some_and(|a| a.name.is_none()) => {
                let texts: Vec<&str> = args.iter().map(|a| a.value.text.as_str()).collect();
                return self.refuse(expr.place, messages::arange_by_position(&texts));
            }
            // A rounded quotient of dims as a scalar.
            "floor" | "ceil" if name == "ceil" || args.iter().all(|a| self.is_of_dims(&a.value)) => {
                return self.poly(expr).map_or(Shaped::Poison, |d| Shaped::Number(Number::Dim(d)));
            }
            _ => OPS.iter().find(|o| o.callable && o.name == name && !name.starts_with("reduce_")),
        };
        if let Some(row) = row {
            return self.table_op(expr, row, args);
        }
        if LATER.contains(&name) {
            self.fail(callee.place, messages::not_yet(&format!("`{name}`")));
            return Shaped::Poison;
        }
        if let Some(v) = self.call_directly(expr, callee, args, hint) {
            return v;
        }
        let ops = OPS.iter().filter(|o| o.callable && !o.name.starts_with("reduce_")).map(|o| o.name);
        let more = FORMS.iter().map(|(name, ..)| *name);
        let nets = self
            .scopes
            .iter()
            .flatten()
            .filter(|(_, b)| matches!(b.meaning, Meaning::Net(_)))
            .map(|(n, _)| n.as_str());
        let message = messages::unknown_op(name, ops.chain(more).chain(nets));
        self.fail(callee.place, message);
        // The arguments are values all the same: they are used, and may have errors of their own.
        self.eval_all(args);
        Shaped::Poison
    }

    /// Whether an expression names dims and numbers alone: its `floor` is that of a dim, not of a tensor.
    fn is_of_dims(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number(..) => true,
            ExprKind::Name(n) => self.is_dim_here(&n.to_string()),
            ExprKind::Neg(x) => self.is_of_dims(x),
            ExprKind::Binary(_, a, b) | ExprKind::Power(a, b) => self.is_of_dims(a) && self.is_of_dims(b),
            ExprKind::Call(callee, args) => {
                matches!(callee.text.as_str(), "floor" | "ceil")
                    && args.iter().all(|a| self.is_of_dims(&a.value))
            }
            _ => false,
        }
    }

    fn table_op(&mut self, expr: &Expr, row: &'static OpDef, args: &[Arg]) -> Shaped {
        let public = public_name(row.name);
        if let Some((place, m)) = in_brackets(row, args, expr.place) {
            return self.refuse(place, m);
        }
        let (mut tensors, mut options): (Vec<Written<'_>>, Vec<(usize, &Arg)>) = (Vec::new(), Vec::new());
        let (mut position, mut ok) = (0, true);
        for a in args {
            position += usize::from(a.name.is_none());
            match slot(row, a, position) {
                // An axis by position: PyTorch's `mean(x, dim)`.
                Some(Slot::Tensor(p)) if p != "x" && self.is_an_axis(row, a) => {
                    ok = false;
                    self.fail(a.place, messages::axis_needs_name(public, &a.value.text));
                }
                Some(Slot::Tensor(p)) if row.variadic || tensors.iter().all(|(n, ..)| *n != p) => {
                    tensors.push((p, &a.value, a.place))
                }
                Some(Slot::Option(o)) if options.iter().all(|(i, _)| *i != o) => options.push((o, a)),
                refused => {
                    ok = false;
                    self.refuse_argument(row, a, refused);
                }
            }
        }
        // In the order of the row: `layer_norm(x, bias = b, gain = g)` is one call however it is written.
        if !row.variadic {
            tensors.sort_by_key(|(n, ..)| row.params.iter().position(|p| p.name == *n));
        }
        let given = self.materialise(row, &tensors);
        let first = given.first().and_then(|(_, t, _)| t.clone());
        let mut read = Vec::new();
        for (i, a) in options {
            let value = row
                .options
                .get(i)
                .and_then(|def| self.option_value(public, def, &a.value, first.as_ref(), a.place));
            ok &= value.is_some();
            read.extend(value);
        }
        let all: Option<Vec<Operand>> = given.into_iter().map(|(n, t, p)| Some((n, t?, p))).collect();
        let (Some(all), true) = (all, ok) else { return Shaped::Poison };
        if let Some(m) = self.swapped(row, &all, &read) {
            return self.refuse(expr.place, m);
        }
        let places = read.iter().filter_map(|o| match &o.attr {
            Attr::Dim(d) if o.name == "from" => Some((d, o.place)),
            _ => None,
        });
        if places.into_iter().any(|(d, place)| self.no_place(d, place)) {
            return Shaped::Poison;
        }
        self.heads_of_four_axes(row, &all, &mut read, expr.place);
        all_axes(row, &all, &mut read, expr.place);
        self.note_removed(row, &all, &read, expr);
        self.note_heads(row, &all, &read);
        self.call_row(row, &all, read, expr)
    }

    /// Whether an argument by position is an axis, which has a name: a dim or an integer, of an op that works
    /// over one.
    fn is_an_axis(&self, row: &OpDef, arg: &Arg) -> bool {
        let dim = matches!(&arg.value.kind, ExprKind::Name(n) if self.is_dim(&n.to_string()))
            || matches!(super::sig::literal(&arg.value), Some(OptionValue::Int(_)));
        // `attention(q, k, v, HEADS)` gives the heads, where masks stand.
        let named = |name: &str| row.options.iter().any(|o| o.name == name);
        arg.name.is_none() && dim && (named("over") || named("heads"))
    }

    /// An argument that is given twice, or that the op does not have.
    fn refuse_argument(&self, row: &OpDef, arg: &Arg, slot: Option<Slot>) {
        let public = public_name(row.name);
        let message = match (slot, &arg.name) {
            (Some(Slot::Tensor(p)), _) => messages::given_twice(p),
            (Some(Slot::Option(o)), _) => messages::given_twice(row.options.get(o).map_or("", |o| o.name)),
            (None, None) => messages::too_many_arguments(public, &usage(row.name)),
            (None, Some(n)) => {
                let params: Vec<&str> = row.params.iter().map(|p| p.name).collect();
                let names: Vec<&str> = row.options.iter().map(|o| o.name).collect();
                messages::no_such_argument(public, &n.to_string(), &params, &names)
            }
        };
        self.fail(arg.place, message);
    }

    /// What `rope` turns, and how many heads `attention` has.
    fn note_heads(&mut self, row: &OpDef, all: &[Operand], read: &[OptionGiven]) {
        match row.name {
            "rope" => self.turned.extend(all.first().map(|(_, t, place)| (t.clone(), *place))),
            "attention" => self.heads.extend(read.iter().filter_map(|o| match &o.attr {
                Attr::Dim(d) if o.name == "heads" => Some(d.clone()),
                _ => None,
            })),
            _ => {}
        }
    }

    /// At the end: a `rope` whose positions are the heads of an `attention` has its axes swapped. Nothing
    /// else tells: a sequence may have any length, and any number of heads.
    pub fn settle_ropes(&self) {
        for (t, place) in &self.turned {
            let [_, heads, positions, _] = t.ty.shape.as_slice() else { continue };
            let is_heads = |d: &Dim| d.as_const().is_none() && self.heads.contains(d);
            if is_heads(positions) && !self.heads.contains(heads) {
                self.fail(*place, messages::rope_along_heads(&t.name, &t.ty, positions, &self.facts));
            }
        }
    }

    /// Arguments or axes in the order that another library has them in.
    fn swapped(&self, row: &OpDef, all: &[Operand], read: &[OptionGiven]) -> Option<Message> {
        match (row.name, all) {
            ("gather", [(_, ids, _), (_, table, _)])
                if ids.ty.dtype == DType::I32 && table.ty.dtype != DType::I32 =>
            {
                Some(messages::table_first(&table.name, &ids.name))
            }
            ("attention", [(_, q, _), ..]) => {
                let [_, second, third, _] = q.ty.shape.as_slice() else { return None };
                let given = read.iter().find(|o| o.name == "heads").map(|o| &o.attr);
                let run = |d: &Dim| self.dims(|k| k.run_time(d).is_some());
                let swapped = match given {
                    Some(Attr::Dim(heads)) => heads == third && heads != second,
                    _ => run(second) && !run(third),
                };
                swapped.then(|| messages::heads_second(&q.name, &q.ty, third, &self.facts))
            }
            _ => None,
        }
    }

    /// `[B, HEADS, S, HD]` has its heads in its shape.
    fn heads_of_four_axes(&self, row: &OpDef, all: &[Operand], read: &mut Vec<OptionGiven>, place: Place) {
        if row.name != "attention" || read.iter().any(|o| o.name == "heads") {
            return;
        }
        if let Some((_, q, _)) = all.first()
            && q.ty.rank() == 4
            && let Some(heads) = q.ty.shape.get(1)
        {
            read.push(OptionGiven::fixed("heads", Attr::Dim(heads.clone()), place));
        }
    }

    /// Evaluates tensor arguments; numbers among them take the type of the others.
    fn materialise(
        &mut self,
        row: &OpDef,
        args: &[Written<'_>],
    ) -> Vec<(&'static str, Option<Tensor>, Place)> {
        let values: Vec<Shaped> = args.iter().map(|(_, e, _)| self.eval(e, Hint::default())).collect();
        let counts =
            |name: &str| !(row.name == "select" && name == "cond") && name != "mask" && name != "where";
        let dtype = args.iter().zip(&values).find_map(|((n, ..), v)| match v {
            Shaped::Tensor(t) if counts(n) => Some(t.ty.dtype),
            _ => None,
        });
        let tensor = |me: &mut Self, v, e: &Expr| me.tensor(v, e, dtype.unwrap_or(DType::F32));
        args.iter().zip(values).map(|((n, e, p), v)| (*n, tensor(self, v, e), *p)).collect()
    }

    /// Remembers which axes a reduction takes away, for N07.
    fn note_removed(&mut self, row: &OpDef, args: &[Operand], options: &[OptionGiven], expr: &Expr) {
        let reduces = row.options.iter().any(|o| o.name == "keep");
        let kept = options.iter().any(|o| o.name == "keep" && o.attr == Attr::Bool(true));
        let (Some((_, x, _)), true) = (args.first(), reduces && !kept) else { return };
        for o in options {
            let Attr::Axes(axes) = &o.attr else { continue };
            let gone = axes.iter().filter_map(|a| x.ty.shape.get(*a)).map(|d| (d.clone(), expr.text.clone()));
            self.removed.extend(gone);
        }
    }

    /// `clamp(x, lo, hi)` is `min(max(x, lo), hi)`.
    fn clamp(&mut self, expr: &Expr, args: &[Arg]) -> Shaped {
        let by_name = |i: usize, name: &str| {
            let named = args.iter().find(|a| a.name.as_ref().is_some_and(|n| n == name));
            named.or_else(|| args.get(i).filter(|a| a.name.is_none()))
        };
        let (Some(x), Some(lo), Some(hi), 3) =
            (by_name(0, "x"), by_name(1, "lo"), by_name(2, "hi"), args.len())
        else {
            self.fail(expr.place, messages::missing_argument("clamp", "x, lo and hi", "clamp(x, lo, hi)"));
            return Shaped::Poison;
        };
        let v = self.eval(&x.value, Hint::default());
        let t = self.tensor(v, &x.value, DType::F32);
        let dtype = t.as_ref().map_or(DType::F32, |t| t.ty.dtype);
        let (lo_value, hi_value) =
            (self.eval(&lo.value, Hint::default()), self.eval(&hi.value, Hint::default()));
        let (low, high) = (self.tensor(lo_value, &lo.value, dtype), self.tensor(hi_value, &hi.value, dtype));
        let (Some(t), Some(low), Some(high)) = (t, low, high) else { return Shaped::Poison };
        let larger = Op::Binary(Binary::Max);
        let Shaped::Tensor(m) = self.apply(larger, &[(&t, x.place), (&low, lo.place)], expr) else {
            return Shaped::Poison;
        };
        self.apply(Op::Binary(Binary::Min), &[(&m, x.place), (&high, hi.place)], expr)
    }

    /// `topk(x, k = 2, over = D)`: two ops of the same argument, which find the elements once.
    fn topk(&mut self, expr: &Expr, args: &[Arg]) -> Shaped {
        let Some(row) = lookup("topk") else { return Shaped::Poison };
        let values = self.table_op(expr, row, args);
        let (Shaped::Tensor(found), Some(StepKind::Op { op: Op::TopK { k, axis, .. }, args, options, .. })) =
            (&values, self.last_step())
        else {
            return Shaped::Poison;
        };
        let (k, axis, args, options) = (k.clone(), *axis, args.clone(), options.clone());
        let (out, op) = (self.fresh(), Op::TopK { k, axis, indices: true });
        let ids =
            Tensor { ty: Type::new(DType::I32, found.ty.shape.clone()), val: out, name: expr.text.clone() };
        self.step(expr.place, &expr.text, StepKind::Op { out, op, args, options });
        Shaped::Tuple(vec![values, Shaped::Tensor(ids)])
    }

    /// `split(x, axis = D, parts = 3)`
    fn split(&mut self, expr: &Expr, args: &[Arg]) -> Shaped {
        const NAMES: [&str; 3] = ["x", "axis", "parts"];
        const USAGE: &str = "split(x, axis = D, parts = 2)";
        let mut slots: [Option<&Arg>; 3] = [None; 3];
        for (i, a) in args.iter().enumerate() {
            let at = a.name.as_ref().map_or(Some(i), |n| NAMES.iter().position(|s| n == s));
            match at.and_then(|i| slots.get_mut(i)) {
                Some(slot @ None) => *slot = Some(a),
                Some(Some(_)) => return self.refuse(a.place, messages::given_twice(&a.value.text)),
                None => return self.refuse(a.place, messages::too_many_arguments("split", USAGE)),
            }
        }
        let [Some(x), Some(axis), Some(parts)] = slots else {
            let missing = NAMES.iter().zip(slots).find(|(_, s)| s.is_none()).map_or("x", |(n, _)| n);
            return self.refuse(expr.place, messages::missing_argument("split", missing, USAGE));
        };
        let ExprKind::Number(_, Some(n @ 1..=4096)) = parts.value.kind else {
            return self.refuse(parts.place, messages::split_parts());
        };
        let v = self.eval(&x.value, Hint::default());
        let Some(t) = self.tensor(v, &x.value, DType::F32) else { return Shaped::Poison };
        let Some(at) = self.axis("split", &axis.value, &t) else { return Shaped::Poison };
        let Some(len) = t.ty.shape.get(at).cloned() else { return Shaped::Poison };
        let part = match len.exact_div(&Dim::constant(n)) {
            Ok(d) if self.facts.divides(&len, &Dim::constant(n)) => d,
            _ => return self.refuse(expr.place, messages::split_uneven(&t.name, n, &len, &self.facts)),
        };
        let mut shape = t.ty.shape.clone();
        if let Some(d) = shape.get_mut(at) {
            *d = part;
        }
        let parts = usize::try_from(n).unwrap_or(0);
        let outs: Vec<usize> = (0..parts).map(|_| self.fresh()).collect();
        let kind = StepKind::Split { outs: outs.clone(), from: t.val, axis: emitted_axis(&t, at), parts };
        self.step(expr.place, &expr.text, kind);
        let ty = Type::new(t.ty.dtype, shape);
        Shaped::Tuple(
            outs.into_iter()
                .map(|val| Shaped::Tensor(Tensor { ty: ty.clone(), val, name: expr.text.clone() }))
                .collect(),
        )
    }
}
