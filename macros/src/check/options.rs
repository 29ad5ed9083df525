//! Values of an op's options: axes by name, dims, shapes, numbers, words.

use super::checker::Checker;
use super::scope::{OptionGiven, Tensor};
use super::sig::literal;
use crate::ast::{BinOp, Expr, ExprKind};
use crate::errors::Place;
use crate::messages;
use crate::plan::{Axis, OptionPlan};
use crate::walk;
use tancho_ir::bind::is_open;
use tancho_ir::builder::{OptionValue, evaluate};
use tancho_ir::table::{Attr, Kind, OptionDef};
use tancho_ir::{DType, Dim, ElementType};

/// Whether a length is written as a negative number.
fn is_negative(e: &Expr) -> bool {
    matches!(literal(e), Some(OptionValue::Int(..0)))
}

/// Axes of the first argument as the emitted code counts them.
pub fn emitted_axes(tensor: &Tensor, axes: Vec<usize>) -> OptionPlan {
    let from_end = |axes: &[usize]| axes.iter().map(|a| tensor.ty.rank().saturating_sub(*a)).collect();
    match axes.as_slice() {
        _ if !is_open(&tensor.ty) => OptionPlan::Fixed(Attr::Axes(axes)),
        // Only a permutation has the leading axes in it.
        [0, others @ ..] => OptionPlan::Permuted(from_end(others)),
        all => OptionPlan::AxesFromEnd(from_end(all)),
    }
}

/// The axis as the emitted code counts it.
pub fn emitted_axis(tensor: &Tensor, axis: usize) -> Axis {
    if is_open(&tensor.ty) { Axis::FromEnd(tensor.ty.rank().saturating_sub(axis)) } else { Axis::At(axis) }
}

impl Checker<'_> {
    /// Reads an option by its kind; `x` is the tensor its axes belong to.
    pub fn option_value(
        &mut self,
        op: &str,
        def: &OptionDef,
        e: &Expr,
        x: Option<&Tensor>,
        place: Place,
    ) -> Option<OptionGiven> {
        let attr = match def.kind {
            Kind::Perm | Kind::Axis | Kind::Axes => {
                let x = x?;
                let mut axes = self.axes(op, e, x, place)?;
                if def.kind == Kind::Perm && is_open(&x.ty) {
                    axes.insert(0, 0);
                }
                let plan = emitted_axes(x, axes.clone());
                return Some(OptionGiven { name: def.name, attr: Attr::Axes(axes), plan, place });
            }
            Kind::Dim => Attr::Dim(self.poly(e)?),
            Kind::Shape => {
                let ExprKind::List(list) = &e.kind else { return self.wrong_kind(def, e) };
                if let Some(open) = list.iter().find(|e| is_negative(e)) {
                    let rest = x.and_then(|x| self.length_left(list, x));
                    self.fail(open.place, messages::unknown_length(&open.text, rest.as_ref()));
                    return None;
                }
                let dims: Vec<Option<Dim>> = list.iter().map(|e| self.dim_of_shape(e)).collect();
                Attr::Dims(dims.into_iter().collect::<Option<_>>()?)
            }
            Kind::Pad | Kind::Ends if matches!(&e.kind, ExprKind::Name(n) if n == "same") => {
                Attr::Word("same".into())
            }
            Kind::Pair | Kind::Pad | Kind::Ends => {
                let parts = match &e.kind {
                    ExprKind::Tuple(parts) => parts.as_slice(),
                    _ => std::slice::from_ref(e),
                };
                let most = if def.kind == Kind::Pad { 4 } else { 2 };
                if !matches!(parts.len(), 1 | 2) && parts.len() != most
                    || !parts.iter().all(super::dims::looks_like_poly)
                {
                    return self.wrong_kind(def, e);
                }
                let dims: Vec<Option<Dim>> = parts.iter().map(|p| self.poly(p)).collect();
                Attr::Dims(dims.into_iter().collect::<Option<_>>()?)
            }
            Kind::Float | Kind::Int | Kind::Bool => return self.scalar_option(def, e, place),
            Kind::Word(words) => match &e.kind {
                ExprKind::Name(n) if words.contains(&n.to_string().as_str()) => Attr::Word(n.to_string()),
                _ => return self.wrong_kind(def, e),
            },
        };
        Some(OptionGiven::fixed(def.name, attr, place))
    }

    /// A dim of a shape, or its leading axes.
    fn dim_of_shape(&self, expr: &Expr) -> Option<Dim> {
        if !matches!(expr.kind, ExprKind::Leading) {
            return self.poly(expr);
        }
        if !self.sig.declared.inputs.iter().any(|(_, t)| is_open(t)) {
            self.fail(expr.place, messages::no_leading_axes());
            return None;
        }
        Some(Dim::sym(".."))
    }

    /// What `-1` would be in a shape: the elements of `x` over all other axes.
    fn length_left(&self, list: &[Expr], x: &Tensor) -> Option<Dim> {
        let others: Option<Vec<Dim>> =
            list.iter().filter(|e| !is_negative(e)).map(|e| self.dim_of_shape(e)).collect();
        let (all, others) = (Dim::product(&x.ty.shape).ok()?, Dim::product(&others?).ok()?);
        all.divisible_by(&others).then(|| all.exact_div(&others).ok()).flatten()
    }

    fn wrong_kind<T>(&self, def: &OptionDef, expr: &Expr) -> Option<T> {
        match &expr.kind {
            ExprKind::Poison => {}
            ExprKind::Name(n)
                if def.kind == Kind::Word(DType::WORDS)
                    && let Some(element) = ElementType::from_name(&n.to_string()) =>
            {
                self.fail(expr.place, messages::type_of_inputs_alone(element));
            }
            _ => {
                let takes = def.kind.describe();
                self.fail(expr.place, messages::wrong_option_value(def.name, &takes, &expr.text));
            }
        }
        None
    }

    /// A literal, the value of the network's own option, or a number made of static dims.
    fn scalar_option(&self, def: &OptionDef, expr: &Expr, place: Place) -> Option<OptionGiven> {
        if let (Kind::Float, Some(run)) = (def.kind, self.run_time_name(expr)) {
            self.fail(expr.place, messages::run_time_number(def.name, &run));
            return None;
        }
        if let (Kind::Float, None, Some(postfix)) = (def.kind, literal(expr), self.formula(expr)) {
            let value = |name: &str| self.facts.value(&Dim::sym(name)).map(|n| n as f64);
            // A dim that each use gives has no value yet: the number is checked when the graph is built.
            let attr = Attr::Float(evaluate(&postfix, &value).unwrap_or(1.0));
            return Some(OptionGiven { name: def.name, attr, plan: OptionPlan::Formula(postfix), place });
        }
        let (value, of) = match &expr.kind {
            ExprKind::Name(n) => match self.option(&n.to_string()) {
                Some(v) => (v, Some(n.to_string())),
                None => return self.wrong_kind(def, expr),
            },
            _ => match literal(expr) {
                Some(v) => (v, None),
                None => return self.wrong_kind(def, expr),
            },
        };
        let attr = match (def.kind, value) {
            (Kind::Float, OptionValue::Float(x)) => Attr::Float(x),
            (Kind::Float, OptionValue::Int(i)) => Attr::Float(i as f64),
            (Kind::Bool, OptionValue::Bool(b)) => Attr::Bool(b),
            (Kind::Int, OptionValue::Int(i)) => match i32::try_from(i) {
                Ok(i) => Attr::Int(i),
                Err(_) => return self.wrong_kind(def, expr),
            },
            _ => return self.wrong_kind(def, expr),
        };
        let plan = of.map_or_else(|| OptionPlan::Fixed(attr.clone()), OptionPlan::Of);
        Some(OptionGiven { name: def.name, attr, plan, place })
    }

    /// A run-time dim in an expression.
    fn run_time_name(&self, expr: &Expr) -> Option<String> {
        let mut found = None;
        walk::expr(expr, &mut |e| {
            if let ExprKind::Name(n) = &e.kind {
                let name = n.to_string();
                let runs = self.is_dim_here(&name) && self.facts.is_run_time(&Dim::sym(&name));
                found = found.take().or(runs.then_some(name));
            }
        });
        found
    }

    /// A number made of static dims by arithmetic, powers and `sqrt`, in postfix form:
    /// `1 3 D HEADS / * sqrt /`.
    pub fn formula(&self, expr: &Expr) -> Option<String> {
        Some(match &expr.kind {
            ExprKind::Number(x, None) => format!("{x:?}"),
            ExprKind::Number(_, Some(i)) => i.to_string(),
            ExprKind::Name(n) => {
                let name = n.to_string();
                let is_static = self.is_dim_here(&name) && !self.facts.is_run_time(&Dim::sym(&name));
                is_static.then_some(name)?
            }
            ExprKind::Neg(x) => format!("{} neg", self.formula(x)?),
            ExprKind::Binary(op, a, b) => {
                let sign = match op {
                    BinOp::Add => '+',
                    BinOp::Sub => '-',
                    BinOp::Mul => '*',
                    BinOp::Div => '/',
                    BinOp::Matmul => return None,
                };
                format!("{} {} {sign}", self.formula(a)?, self.formula(b)?)
            }
            ExprKind::Power(a, b) => format!("{} {} ^", self.formula(a)?, self.formula(b)?),
            ExprKind::Call(callee, args) if callee.text == "sqrt" => match args.as_slice() {
                [x] if x.name.is_none() => format!("{} sqrt", self.formula(&x.value)?),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// One axis or a tuple of them.
    pub fn axes(&mut self, op: &str, expr: &Expr, x: &Tensor, place: Place) -> Option<Vec<usize>> {
        match &expr.kind {
            ExprKind::Tuple(parts) => {
                let all: Vec<Option<usize>> = parts.iter().map(|p| self.axis(op, p, x)).collect();
                let mut seen: Vec<usize> = Vec::new();
                for (a, p) in all.iter().zip(parts) {
                    let Some(a) = a else { continue };
                    if seen.contains(a) {
                        self.fail(p.place, messages::given_twice(&p.text));
                        return None;
                    }
                    seen.push(*a);
                }
                all.into_iter().collect()
            }
            // N08 underlines `over = H`, not `H` alone.
            _ => Some(vec![self.axis_at(op, expr, x, place)?]),
        }
    }

    /// An axis by its dim or by an integer that counts from either end.
    pub fn axis(&mut self, op: &str, expr: &Expr, x: &Tensor) -> Option<usize> {
        self.axis_at(op, expr, x, expr.place)
    }

    fn axis_at(&mut self, op: &str, expr: &Expr, x: &Tensor, place: Place) -> Option<usize> {
        if matches!(expr.kind, ExprKind::Poison) {
            return None;
        }
        if let Some(OptionValue::Int(n)) = literal(expr) {
            let rank = i64::try_from(x.ty.rank()).unwrap_or(0);
            if is_open(&x.ty) && n >= 0 {
                self.fail(expr.place, messages::axis_from_the_end(&x.name, &x.ty, &self.facts));
                return None;
            }
            let at = if n < 0 { n.saturating_add(rank) } else { n };
            let at = usize::try_from(at).ok().filter(|a| *a < x.ty.rank() && !(is_open(&x.ty) && *a == 0));
            if at.is_none() {
                self.fail(expr.place, messages::axis_out_of_range(n, &x.name, &x.ty, &self.facts));
            }
            return at;
        }
        if !super::dims::looks_like_poly(expr) {
            self.fail(expr.place, messages::axis_expected(&expr.text));
            return None;
        }
        let d = self.poly(expr)?;
        self.axis_of(op, &d, &expr.text, x, place)
    }

    /// The one axis of `x` that is `d`.
    pub fn axis_of(&self, op: &str, d: &Dim, text: &str, x: &Tensor, place: Place) -> Option<usize> {
        let mut found = x.ty.shape.iter().enumerate().filter(|(_, s)| *s == d).map(|(i, _)| i);
        match (found.next(), found.next()) {
            (Some(i), None) => Some(i),
            (Some(_), Some(_)) => {
                self.fail(place, messages::ambiguous_axis(text, &x.name, &x.ty, &self.facts));
                None
            }
            (None, _) => {
                self.fail(place, messages::no_axis(op, text, &x.name, &x.ty, &self.facts));
                None
            }
        }
    }
}
