//! Expressions: operators, names, branches.

use super::checker::Checker;
use super::scope::{Hint, Meaning, Number, Shaped, Tensor};
use crate::ast::{Arg, BinOp, Expr, ExprKind};
use crate::errors::{Message, Place};
use crate::messages;
use crate::plan::StepKind;
use proc_macro2::Ident;
use tancho_ir::bind::is_open;
use tancho_ir::builder::OptionValue;
use tancho_ir::op::{Binary, Op, Unary};
use tancho_ir::table::OPS;
use tancho_ir::{DType, Dim};

impl Checker<'_> {
    /// The value of an expression; its steps are added.
    pub fn eval(&mut self, expr: &Expr, hint: Hint<'_>) -> Shaped {
        match &expr.kind {
            ExprKind::Poison => Shaped::Poison,
            ExprKind::Name(name) => self.name(&name.to_string(), expr),
            ExprKind::Number(_, Some(i)) => Shaped::Number(Number::Literal(OptionValue::Int(*i))),
            ExprKind::Number(x, None) => Shaped::Number(Number::Literal(OptionValue::Float(*x))),
            ExprKind::Bool(b) => Shaped::Number(Number::Literal(OptionValue::Bool(*b))),
            ExprKind::Neg(x) => self.neg(expr, x),
            ExprKind::Not(x) => self.not(expr, x),
            ExprKind::Binary(op, a, b) => self.binary(expr, *op, a, b),
            ExprKind::Logic(op, a, b) => self.logic(expr, *op, a, b),
            ExprKind::Power(base, exponent) => self.power(expr, base, exponent),
            ExprKind::Transpose(x) => self.transpose(expr, x),
            ExprKind::Method(x, name, args) => self.method(expr, x, name, args),
            ExprKind::Index(x, list) => self.index(expr, x, list),
            ExprKind::Call(callee, args) => self.call(expr, callee, args, hint),
            ExprKind::Element(name, index, args) => self.element(expr, name, index, args, hint),
            ExprKind::Residual(x, body) => self.residual(expr, x, body),
            ExprKind::Scan(scan) => self.scan(scan),
            ExprKind::If(conds, then, otherwise) => self.branches(expr, conds, then, otherwise, hint),
            ExprKind::Rearrange(x, left, right, sizes) => self.rearrange(expr, x, left, right, sizes),
            ExprKind::Tuple(parts) => {
                Shaped::Tuple(parts.iter().map(|p| self.eval(p, Hint::default())).collect())
            }
            ExprKind::List(_) | ExprKind::Leading => {
                self.fail(expr.place, messages::list_as_value(&expr.text));
                Shaped::Poison
            }
        }
    }

    fn name(&mut self, name: &str, expr: &Expr) -> Shaped {
        let message = match self.lookup(name) {
            Some(Meaning::Poison) => return Shaped::Poison,
            Some(Meaning::Value(v)) => return self.alike(v),
            Some(Meaning::Param(t) | Meaning::Const(t)) => return self.alike(Shaped::Tensor(t)),
            Some(Meaning::State(i)) => match self.states.get(i) {
                Some(s) => {
                    let t = s.tensor.clone();
                    let out = self.fresh();
                    self.step(expr.place, &expr.text, StepKind::Read { out, from: t.val });
                    return self.alike(Shaped::Tensor(Tensor { val: out, ..t }));
                }
                None => return Shaped::Poison,
            },
            Some(Meaning::Slot(t, _)) => {
                // A later assignment must not change what this use has seen.
                let out = self.fresh();
                self.step(expr.place, &expr.text, StepKind::Read { out, from: t.val });
                return self.alike(Shaped::Tensor(Tensor { val: out, ..t }));
            }
            Some(Meaning::Net(_)) => messages::is_a_net(name),
            Some(Meaning::Array(_)) => messages::is_an_array(name),
            None => {
                if let Some(v) = self.option(name) {
                    return Shaped::Number(Number::Of(name.into(), v));
                }
                if self.is_dim(name) {
                    return Shaped::Number(Number::Dim(Dim::sym(name)));
                }
                if OPS.iter().any(|o| o.callable && o.name == name) {
                    messages::is_an_op(name)
                } else {
                    self.unknown(name)
                }
            }
        };
        self.fail(expr.place, message);
        Shaped::Poison
    }

    /// A value with its shape written as the branch around it allows: where `A == B`, both are one name.
    pub fn alike(&self, v: Shaped) -> Shaped {
        match v {
            Shaped::Tensor(mut t) => {
                for d in &mut t.ty.shape {
                    if let Ok(new) = self.facts.reduce(d) {
                        *d = new;
                    }
                }
                Shaped::Tensor(t)
            }
            Shaped::Tuple(parts) => Shaped::Tuple(parts.into_iter().map(|p| self.alike(p)).collect()),
            other => other,
        }
    }

    /// `keys.push(v)` of a state, or `classifier.encode(x)` of a net.
    fn method(&mut self, expr: &Expr, x: &Expr, name: &Ident, args: &[Arg]) -> Shaped {
        let binding = match &x.kind {
            ExprKind::Name(n) => self.lookup(&n.to_string()),
            _ => None,
        };
        match binding {
            Some(Meaning::State(i)) if name == "push" => self.push(expr, i, args),
            Some(Meaning::Net(i)) => self.call_entry_of(expr, i, name, args),
            _ => {
                let v = self.eval(x, Hint::default());
                if !matches!(v, Shaped::Poison) {
                    let message = if name == "push" {
                        messages::push_of_no_state(&x.text)
                    } else {
                        messages::no_method(&name.to_string(), &x.text)
                    };
                    self.fail(Place::of(name.span()), message);
                }
                Shaped::Poison
            }
        }
    }

    /// "unknown value", with the nearest of all that could stand there.
    pub fn unknown(&self, name: &str) -> Message {
        let values = self.scopes.iter().flat_map(|s| s.keys().map(String::as_str));
        let dims = self.sig.declared.dims.iter().map(|d| d.name.as_str());
        let options = self.sig.declared.options.iter().map(|(n, _)| n.as_str());
        let unknown = messages::unknown_value(name, values.chain(dims).chain(options));
        // `i` is what paths call the iteration of a `for`.
        let counts = unknown.help.is_none() && self.loops.iter().any(|l| l == name);
        if counts { messages::number_of_iteration(unknown, name) } else { unknown }
    }

    fn neg(&mut self, expr: &Expr, x: &Expr) -> Shaped {
        let v = self.eval(x, Hint::default());
        if let Shaped::Number(Number::Literal(n)) = v {
            return match n {
                OptionValue::Int(i) => Shaped::Number(Number::Literal(OptionValue::Int(i.saturating_neg()))),
                OptionValue::Float(f) => Shaped::Number(Number::Literal(OptionValue::Float(-f))),
                OptionValue::Bool(_) => {
                    self.fail(expr.place, messages::scalar_type(&expr.text, "negative"));
                    Shaped::Poison
                }
            };
        }
        let Some(t) = self.tensor(v, x, DType::F32) else { return Shaped::Poison };
        self.apply(Op::Unary(Unary::Neg), &[(&t, x.place)], expr)
    }

    /// Both sides of an operator: a number takes the element type of the other side.
    pub fn sides(&mut self, a: &Expr, b: &Expr) -> Option<(Tensor, Tensor)> {
        let (x, y) = (self.eval(a, Hint::default()), self.eval(b, Hint::default()));
        self.alike_sides((x, a), (y, b))
    }

    fn alike_sides(&mut self, (x, a): (Shaped, &Expr), (y, b): (Shaped, &Expr)) -> Option<(Tensor, Tensor)> {
        let dtype = |v: &Shaped| if let Shaped::Tensor(t) = v { Some(t.ty.dtype) } else { None };
        let common = dtype(&x).or(dtype(&y)).unwrap_or(DType::F32);
        let (x, y) = (self.tensor(x, a, common), self.tensor(y, b, common));
        Some((x?, y?))
    }

    fn binary(&mut self, expr: &Expr, op: BinOp, a: &Expr, b: &Expr) -> Shaped {
        let (x, y) = (self.eval(a, Hint::default()), self.eval(b, Hint::default()));
        if let Some(d) = self.whole(op, &x, &y) {
            let literal = d.as_const().map(|n| Number::Literal(OptionValue::Int(n)));
            return Shaped::Number(literal.unwrap_or(Number::Dim(d)));
        }
        let Some((x, y)) = self.alike_sides((x, a), (y, b)) else { return Shaped::Poison };
        let sides = [(&x, a.place), (&y, b.place)];
        match op {
            BinOp::Matmul => self.matmul(expr, (&x, a), (&y, b)),
            BinOp::Add => self.add(expr, (&x, a), (&y, b)),
            BinOp::Sub => self.apply(Op::Binary(Binary::Sub), &sides, expr),
            BinOp::Mul => {
                let help = gain_of_norm(a, &x, b, &y).or_else(|| gain_of_norm(b, &y, a, &x));
                self.apply_with_help(Op::Binary(Binary::Mul), &sides, expr, help)
            }
            BinOp::Div => self.apply(Op::Binary(Binary::Div), &sides, expr),
        }
    }

    /// Arithmetic with dims stays a whole number, which is i32 or f32 as what it meets. A quotient that no
    /// promise makes whole is f32.
    fn whole(&self, op: BinOp, x: &Shaped, y: &Shaped) -> Option<Dim> {
        let whole = |v: &Shaped| match v {
            Shaped::Number(Number::Dim(d)) => Some(d.clone()),
            Shaped::Number(Number::Literal(OptionValue::Int(i))) => Some(Dim::constant(*i)),
            _ => None,
        };
        let (x, y) = (whole(x)?, whole(y)?);
        let d = match op {
            BinOp::Add => x.plus(&y),
            BinOp::Sub => x.minus(&y),
            BinOp::Mul => x.times(&y),
            BinOp::Div => x.exact_div(&y).ok().filter(|_| self.facts.divides(&x, &y)).map(Ok)?,
            BinOp::Matmul => return None,
        };
        self.facts.reduce(&d.ok()?).ok()
    }

    /// N01: a sum whose one side is made from the other is a residual, and its repair is worded as one.
    fn add(&mut self, expr: &Expr, (x, a): (&Tensor, &Expr), (y, b): (&Tensor, &Expr)) -> Shaped {
        let stream = match (&a.kind, &b.kind) {
            (ExprKind::Name(n), _) if mentions(&b.text, &n.to_string()) => Some(x),
            (_, ExprKind::Name(n)) if mentions(&a.text, &n.to_string()) => Some(y),
            _ => None,
        };
        let help = stream.filter(|_| x.ty.rank() == y.ty.rank()).map(|s| messages::residual_help(&s.ty));
        self.apply_with_help(Op::Binary(Binary::Add), &[(x, a.place), (y, b.place)], expr, help)
    }

    fn matmul(&mut self, expr: &Expr, (x, a): (&Tensor, &Expr), (y, b): (&Tensor, &Expr)) -> Shaped {
        let column = x.ty.rank() == 2
            && y.ty.rank() == 1
            && x.ty.shape.last() == y.ty.shape.first()
            && !is_open(&y.ty)
            && !is_open(&x.ty);
        if !column {
            // `w @ x` of a weight `[OUT, IN]`, as in a textbook, where rows are `x @ w.t`.
            let is_weight = |e: &Expr| match &e.kind {
                ExprKind::Name(n) => matches!(self.peek(&n.to_string()), Some(Meaning::Param(_))),
                _ => false,
            };
            let rows = x.ty.rank() == 2 && y.ty.rank() >= 2 && x.ty.shape.last() == y.ty.shape.last();
            let help =
                (rows && is_weight(a) && !is_weight(b)).then(|| messages::rows_by_weight(&b.text, &a.text));
            return self.apply_with_help(Op::Matmul, &[(x, a.place), (y, b.place)], expr, help);
        }
        // `w @ x` of one vector: the vector stands as a column, and the result loses the axis again.
        let mut to_column = y.ty.shape.clone();
        to_column.push(Dim::constant(1));
        let rows: Vec<Dim> = x.ty.shape.iter().take(1).cloned().collect();
        let Some(y) = self.reshape(y, to_column, b.place, expr) else { return Shaped::Poison };
        let Shaped::Tensor(product) = self.apply(Op::Matmul, &[(x, a.place), (&y, b.place)], expr) else {
            return Shaped::Poison;
        };
        self.reshape(&product, rows, expr.place, expr).map_or(Shaped::Poison, Shaped::Tensor)
    }

    fn transpose(&mut self, expr: &Expr, x: &Expr) -> Shaped {
        let v = self.eval(x, Hint::default());
        let Some(t) = self.tensor(v, x, DType::F32) else { return Shaped::Poison };
        let rank = t.ty.rank();
        if rank < 2 + usize::from(is_open(&t.ty)) {
            self.fail(expr.place, messages::not_a_matrix(&t.name, &t.ty, &self.facts));
            return Shaped::Poison;
        }
        let axes = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        self.apply(Op::Transpose(axes), &[(&t, x.place)], expr)
    }
}

/// The repair of `layer_norm(x, over = C) * gain` with a gain along `C`, which the article's own module
/// writes.
fn gain_of_norm(norm: &Expr, x: &Tensor, gain: &Expr, g: &Tensor) -> Option<String> {
    let ExprKind::Call(callee, args) = &norm.kind else { return None };
    let (options, tensors): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|a| a.name.is_some());
    let ([input], [d]) = (tensors.as_slice(), g.ty.shape.as_slice()) else { return None };
    let named = |a: &&Arg, name: &str| a.name.as_ref().is_some_and(|n| n == name);
    let over = options.iter().any(|a| named(a, "over") && a.value.text == d.to_string());
    let is_norm = matches!(callee.text.as_str(), "layer_norm" | "rms_norm");
    if !is_norm || !over || options.iter().any(|a| named(a, "gain")) || x.ty.shape.last() == Some(d) {
        return None;
    }
    let rest: Vec<String> = options
        .iter()
        .map(|a| {
            format!("{} = {}", a.name.as_ref().map(ToString::to_string).unwrap_or_default(), a.value.text)
        })
        .collect();
    Some(messages::gain_help(&callee.text, &input.value.text, &rest.join(", "), &gain.text))
}

/// Whether a name stands in a text as a word.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == name)
}
