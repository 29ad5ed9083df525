//! Expressions: operators, names, branches.

use super::options::OptionGiven;
use super::scope::{Body, Meaning, Number, Shaped, Tensor};
use crate::ast::{Arg as AstArg, BinOp, Block, Cond, Expr, ExprKind};
use crate::errors::{Message, Place};
use crate::messages;
use crate::plan::{self, StepKind, Test};
use proc_macro2::Ident;
use tancho_ir::bind::is_open;
use tancho_ir::builder::OptionValue;
use tancho_ir::infer::{Arg, At, infer, known_when_compiled};
use tancho_ir::table::{Attr, Call, CallError, OPS, make};
use tancho_ir::{DType, Dim, Type};

/// What is expected of a value: its types where the user wrote them, and its name.
#[derive(Clone, Copy, Default)]
pub struct Hint<'a> {
    /// The types of an annotation, of the assigned variable, or of the promise.
    pub types: Option<&'a [Type]>,
    /// The name the value is given.
    pub name: Option<&'a Ident>,
}

impl Body<'_> {
    /// The value of an expression; its steps are added.
    pub fn eval(&mut self, e: &Expr, hint: Hint<'_>) -> Shaped {
        match &e.kind {
            ExprKind::Poison => Shaped::Poison,
            ExprKind::Name(name) => self.name(&name.to_string(), e),
            ExprKind::Number(_, Some(i)) => Shaped::Number(Number::Literal(OptionValue::Int(*i))),
            ExprKind::Number(x, None) => Shaped::Number(Number::Literal(OptionValue::Float(*x))),
            ExprKind::Bool(b) => Shaped::Number(Number::Literal(OptionValue::Bool(*b))),
            ExprKind::Neg(x) => self.neg(e, x),
            ExprKind::Binary(op, a, b) => self.binary(e, *op, a, b),
            ExprKind::Transpose(x) => self.transpose(e, x),
            ExprKind::Method(x, name, args) => self.method(e, x, name, args),
            ExprKind::Index(x, list) => self.index(e, x, list),
            ExprKind::Call(callee, args) => self.call(e, callee, args, hint),
            ExprKind::Residual(x, body) => self.residual(e, x, body),
            ExprKind::If(conds, then, otherwise) => self.branches(e, conds, then, otherwise, hint),
            ExprKind::Rearrange(x, left, right, sizes) => self.rearrange(e, x, left, right, sizes),
            ExprKind::Tuple(parts) => {
                Shaped::Tuple(parts.iter().map(|p| self.eval(p, Hint::default())).collect())
            }
            ExprKind::List(_) | ExprKind::Leading => {
                self.fail(e.place, messages::list_as_value(&e.text));
                Shaped::Poison
            }
        }
    }

    fn name(&mut self, name: &str, e: &Expr) -> Shaped {
        let message = match self.lookup(name) {
            Some(Meaning::Poison) => return Shaped::Poison,
            Some(Meaning::Value(v)) => return self.alike(v),
            Some(Meaning::Param(t)) => return self.alike(Shaped::Tensor(t)),
            Some(Meaning::State(i)) => match self.states.get(i) {
                Some(s) => {
                    let t = s.tensor.clone();
                    let out = self.fresh();
                    self.step(e.place, &e.text, StepKind::Read { out, from: t.val });
                    return self.alike(Shaped::Tensor(Tensor { val: out, ..t }));
                }
                None => return Shaped::Poison,
            },
            Some(Meaning::Slot(t, _)) => {
                // A later assignment must not change what this use has seen.
                let out = self.fresh();
                self.step(e.place, &e.text, StepKind::Read { out, from: t.val });
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
        self.fail(e.place, message);
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
    fn method(&mut self, e: &Expr, x: &Expr, name: &Ident, args: &[AstArg]) -> Shaped {
        let binding = match &x.kind {
            ExprKind::Name(n) => self.lookup(&n.to_string()),
            _ => None,
        };
        match binding {
            Some(Meaning::State(i)) if name == "push" => self.push(e, i, args),
            Some(Meaning::Net(i)) => self.call_entry_of(e, i, name, args),
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
        messages::unknown_value(name, values.chain(dims).chain(options))
    }

    fn neg(&mut self, e: &Expr, x: &Expr) -> Shaped {
        let v = self.eval(x, Hint::default());
        if let Shaped::Number(Number::Literal(n)) = v {
            return match n {
                OptionValue::Int(i) => Shaped::Number(Number::Literal(OptionValue::Int(i.saturating_neg()))),
                OptionValue::Float(f) => Shaped::Number(Number::Literal(OptionValue::Float(-f))),
                OptionValue::Bool(_) => {
                    self.fail(e.place, messages::scalar_type(&e.text, "negative"));
                    Shaped::Poison
                }
            };
        }
        let Some(t) = self.tensor(v, x, DType::F32) else { return Shaped::Poison };
        self.op("neg", &[("x", &t, x.place)], Vec::new(), e.place, &e.text)
    }

    fn binary(&mut self, e: &Expr, op: BinOp, a: &Expr, b: &Expr) -> Shaped {
        let (x, y) = (self.eval(a, Hint::default()), self.eval(b, Hint::default()));
        let dtype = |v: &Shaped| if let Shaped::Tensor(t) = v { Some(t.ty.dtype) } else { None };
        let common = dtype(&x).or(dtype(&y)).unwrap_or(DType::F32);
        let (Some(x), Some(y)) = (self.tensor(x, a, common), self.tensor(y, b, common)) else {
            return Shaped::Poison;
        };
        match op {
            BinOp::Matmul => self.matmul(e, (&x, a), (&y, b)),
            BinOp::Add => self.add(e, (&x, a), (&y, b)),
            BinOp::Sub => {
                self.op("sub", &[("a", &x, a.place), ("b", &y, b.place)], Vec::new(), e.place, &e.text)
            }
            BinOp::Mul => {
                let help = gain_of_norm(a, &x, b, &y).or_else(|| gain_of_norm(b, &y, a, &x));
                self.op_with_help(
                    "mul",
                    &[("a", &x, a.place), ("b", &y, b.place)],
                    Vec::new(),
                    e.place,
                    &e.text,
                    help,
                )
            }
            BinOp::Div => {
                self.op("div", &[("a", &x, a.place), ("b", &y, b.place)], Vec::new(), e.place, &e.text)
            }
        }
    }

    /// N01: a sum whose one side is made from the other is a residual, and its repair is said as one.
    fn add(&mut self, e: &Expr, (x, a): (&Tensor, &Expr), (y, b): (&Tensor, &Expr)) -> Shaped {
        let stream = match (&a.kind, &b.kind) {
            (ExprKind::Name(n), _) if mentions(&b.text, &n.to_string()) => Some(x),
            (_, ExprKind::Name(n)) if mentions(&a.text, &n.to_string()) => Some(y),
            _ => None,
        };
        let help = stream.filter(|_| x.ty.rank() == y.ty.rank()).map(|s| messages::residual_help(&s.ty));
        self.op_with_help("add", &[("a", x, a.place), ("b", y, b.place)], Vec::new(), e.place, &e.text, help)
    }

    fn matmul(&mut self, e: &Expr, (x, a): (&Tensor, &Expr), (y, b): (&Tensor, &Expr)) -> Shaped {
        let column = x.ty.rank() == 2
            && y.ty.rank() == 1
            && x.ty.shape.last() == y.ty.shape.first()
            && !is_open(&y.ty)
            && !is_open(&x.ty);
        if !column {
            return self.op("matmul", &[("a", x, a.place), ("b", y, b.place)], Vec::new(), e.place, &e.text);
        }
        // `w @ x` of one vector: the vector stands as a column, and the result loses the axis again.
        let mut to_column = y.ty.shape.clone();
        to_column.push(Dim::constant(1));
        let rows: Vec<Dim> = x.ty.shape.iter().take(1).cloned().collect();
        let y = self.reshape(y, to_column, b.place, e);
        let product = y.and_then(|y| self.one(&[("a", x, a.place), ("b", &y, b.place)], "matmul", e));
        product.and_then(|p| self.reshape(&p, rows, e.place, e)).map_or(Shaped::Poison, Shaped::Tensor)
    }

    fn one(
        &mut self,
        args: &[(&'static str, &Tensor, Place)],
        name: &'static str,
        e: &Expr,
    ) -> Option<Tensor> {
        match self.op(name, args, Vec::new(), e.place, &e.text) {
            Shaped::Tensor(t) => Some(t),
            _ => None,
        }
    }

    /// A reshape the language's own lowering needs.
    pub fn reshape(&mut self, t: &Tensor, shape: Vec<Dim>, place: Place, e: &Expr) -> Option<Tensor> {
        let option = OptionGiven::fixed("shape", Attr::Dims(shape), place);
        match self.op("reshape", &[("x", t, place)], vec![option], e.place, &e.text) {
            Shaped::Tensor(t) => Some(t),
            _ => None,
        }
    }

    fn transpose(&mut self, e: &Expr, x: &Expr) -> Shaped {
        let v = self.eval(x, Hint::default());
        let Some(t) = self.tensor(v, x, DType::F32) else { return Shaped::Poison };
        let rank = t.ty.rank();
        if rank < 2 + usize::from(is_open(&t.ty)) {
            self.fail(e.place, messages::not_a_matrix(&t.name, &t.ty, &self.facts));
            return Shaped::Poison;
        }
        let axes = (0..rank - 2).chain([rank - 1, rank - 2]).collect();
        let option = OptionGiven::permutation(&t, axes, e.place);
        self.op("transpose", &[("x", &t, x.place)], vec![option], e.place, &e.text)
    }

    /// An op of the table on given tensors.
    pub fn op(
        &mut self,
        name: &'static str,
        args: &[(&'static str, &Tensor, Place)],
        options: Vec<OptionGiven>,
        place: Place,
        text: &str,
    ) -> Shaped {
        self.op_with_help(name, args, options, place, text, None)
    }

    fn op_with_help(
        &mut self,
        name: &'static str,
        args: &[(&'static str, &Tensor, Place)],
        options: Vec<OptionGiven>,
        place: Place,
        text: &str,
        help: Option<String>,
    ) -> Shaped {
        let call = Call {
            given: args.iter().map(|(n, ..)| *n).collect(),
            options: options.iter().map(|o| (o.name, o.attr.clone())).collect(),
        };
        let op = match make(name, &call) {
            Ok(op) => op,
            Err(e) => {
                let at = |n: &str| options.iter().find(|o| o.name == n).map_or(place, |o| o.place);
                let public = public_name(name);
                match e {
                    CallError::Missing(n) => {
                        self.fail(place, messages::missing_argument(public, n, &super::calls::usage(name)))
                    }
                    CallError::BadValue { option, expected } => {
                        self.fail(at(option), messages::wrong_option_value(option, &expected))
                    }
                    e => self.fail(place, Message::new(e.to_string())),
                }
                return Shaped::Poison;
            }
        };
        let inferred: Vec<Arg<'_>> = args.iter().map(|(_, t, _)| Arg { ty: &t.ty, name: &t.name }).collect();
        let ty = infer(&op, &inferred, &self.facts)
            .and_then(|ty| known_when_compiled(&op, &inferred, &self.facts).map(|()| ty));
        match ty {
            Ok(ty) => {
                let out = self.fresh();
                let args = args.iter().map(|(n, t, _)| (*n, t.val)).collect();
                let options = options.into_iter().map(|o| (o.name, o.text)).collect();
                self.step(place, text, StepKind::Op { out, name, args, options });
                Shaped::Tensor(Tensor { ty, val: out, name: text.into() })
            }
            Err(e) => {
                let at = match e.at {
                    At::Call => place,
                    At::Arg(i) => args.get(i).map_or(place, |a| a.2),
                    At::Option(n) => options.iter().find(|o| o.name == n).map_or(place, |o| o.place),
                };
                let mut m = messages::shape(&e);
                if help.is_some() && e.at == At::Call {
                    m.help = help;
                }
                self.fail(at, m);
                Shaped::Poison
            }
        }
    }

    /// Both branches are checked; their types must agree where the condition's equalities hold.
    fn branches(
        &mut self,
        e: &Expr,
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
        let (then_steps, a) = self.branch(e, then, hint);
        (self.assumed, self.facts.equal) = (around.clone(), outside);
        let changed = self.rewind(&before);
        self.assumed = self.assume(&tests, false);
        let (else_steps, b) = self.branch(e, otherwise, hint);
        self.assumed = around;
        self.same_changes(&changed, e.place);
        let (Some(a), Some(b), Some(tests)) = (a, b, tests.into_iter().collect::<Option<Vec<Test>>>()) else {
            return Shaped::Poison;
        };
        let types = |all: &[Tensor]| all.iter().map(|t| t.ty.clone()).collect::<Vec<_>>();
        let (ta, tb) = (types(&a), types(&b));
        if self.equal_under(&ta, &tests) != self.equal_under(&tb, &tests) {
            self.fail(e.place, messages::branches(&ta, &tb, &self.facts));
            return Shaped::Poison;
        }
        let outs: Vec<usize> = b.iter().map(|_| self.fresh()).collect();
        let block =
            |steps, all: &[Tensor]| plan::Block { steps, results: all.iter().map(|t| t.val).collect() };
        let (then, otherwise) = (block(then_steps, &a), block(else_steps, &b));
        self.step(e.place, &e.text, StepKind::If { tests, then, otherwise, outs: outs.clone() });
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

    fn branch(&mut self, e: &Expr, b: &Block, hint: Hint<'_>) -> (Vec<plan::Step>, Option<Vec<Tensor>>) {
        let (mut steps, value) = self.collect(|me| me.block(b, hint, true));
        let Some((value, tail)) = value.zip(b.tail.as_deref()) else {
            self.fail(b.end.map_or(e.place, Place::of), messages::empty_block());
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

/// The repair of `layer_norm(x, over = C) * gain` with a gain along `C`, which the article's own module
/// writes.
fn gain_of_norm(norm: &Expr, x: &Tensor, gain: &Expr, g: &Tensor) -> Option<String> {
    let ExprKind::Call(callee, args) = &norm.kind else { return None };
    let (options, tensors): (Vec<&AstArg>, Vec<&AstArg>) = args.iter().partition(|a| a.name.is_some());
    let ([input], [d]) = (tensors.as_slice(), g.ty.shape.as_slice()) else { return None };
    let named = |a: &&AstArg, name: &str| a.name.as_ref().is_some_and(|n| n == name);
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

/// How users write an op: the reductions `max` and `min` have longer names inside.
pub fn public_name(name: &str) -> &str {
    name.strip_prefix("reduce_").unwrap_or(name)
}
