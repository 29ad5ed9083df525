//! Ops on tensors: the type of the result, and the step.

use super::checker::Checker;
use super::options::emitted_axes;
use super::scope::{OptionGiven, Shaped, Tensor};
use crate::ast::Expr;
use crate::errors::{Message, Place};
use crate::messages;
use crate::plan::StepKind;
use tancho_ir::Dim;
use tancho_ir::infer::{Arg, At, infer, known_when_compiled};
use tancho_ir::op::Op;
use tancho_ir::table::{Attr, Call, CallError, OpDef, attrs_of, make, public_name, usage};

/// A tensor argument of an op: its parameter, its value, and where it stands.
pub type Operand = (&'static str, Tensor, Place);

impl Checker<'_> {
    /// A call of an op as the user wrote it.
    pub fn call_row(
        &mut self,
        row: &OpDef,
        args: &[Operand],
        options: Vec<OptionGiven>,
        expr: &Expr,
    ) -> Shaped {
        let call = Call {
            given: args.iter().map(|(n, ..)| *n).collect(),
            options: options.iter().map(|o| (o.name, o.attr.clone())).collect(),
        };
        let tensors: Vec<(&Tensor, Place)> = args.iter().map(|(_, t, place)| (t, *place)).collect();
        match make(row.name, &call) {
            Ok(op) => self.add_op(op, &tensors, options, expr, None),
            Err(CallError::Missing(n)) => self
                .refuse(expr.place, messages::missing_argument(public_name(row.name), n, &usage(row.name))),
            Err(CallError::BadValue { option, expected }) => self.refuse(
                place_of(option, &options).unwrap_or(expr.place),
                messages::wrong_option_value(option, &expected, ""),
            ),
            Err(error) => self.refuse(expr.place, Message::new(error.to_string())),
        }
    }

    /// An op that the language itself makes: of an operator, or of a form with its own syntax.
    pub fn apply(&mut self, op: Op, args: &[(&Tensor, Place)], expr: &Expr) -> Shaped {
        self.apply_with_help(op, args, expr, None)
    }

    /// The same with a repair of its own for arguments that do not fit together.
    pub fn apply_with_help(
        &mut self,
        op: Op,
        args: &[(&Tensor, Place)],
        expr: &Expr,
        help: Option<String>,
    ) -> Shaped {
        let options = options_of(&op, args.first().map(|(t, _)| *t), expr.place);
        self.add_op(op, args, options, expr, help)
    }

    /// Adds an op, with its options at their places.
    pub fn add_op(
        &mut self,
        op: Op,
        args: &[(&Tensor, Place)],
        options: Vec<OptionGiven>,
        expr: &Expr,
        help: Option<String>,
    ) -> Shaped {
        let inferred: Vec<Arg<'_>> = args.iter().map(|(t, _)| Arg { ty: &t.ty, name: &t.name }).collect();
        let ty = infer(&op, &inferred, &self.facts)
            .and_then(|ty| known_when_compiled(&op, &inferred, &self.facts).map(|()| ty))
            .map(|ty| self.facts.reduce_type(ty));
        match ty {
            Ok(ty) => {
                let out = self.fresh();
                let args = args.iter().map(|(t, _)| t.val).collect();
                let options = options.into_iter().map(|o| (o.name, o.plan)).collect();
                self.step(expr.place, &expr.text, StepKind::Op { out, op, args, options });
                Shaped::Tensor(Tensor { ty, val: out, name: expr.text.clone() })
            }
            Err(error) => {
                let at = match error.at {
                    At::Call => None,
                    At::Arg(i) => args.get(i).map(|(_, place)| *place),
                    At::Option(n) => place_of(n, &options),
                };
                let mut m = messages::shape(&error);
                if help.is_some() && error.at == At::Call {
                    m.help = help;
                }
                self.refuse(at.unwrap_or(expr.place), m)
            }
        }
    }

    /// A reshape the language's own lowering needs.
    pub fn reshape(&mut self, tensor: &Tensor, shape: Vec<Dim>, place: Place, expr: &Expr) -> Option<Tensor> {
        let op = Op::Reshape(shape);
        let options = options_of(&op, Some(tensor), place);
        match self.add_op(op, &[(tensor, place)], options, expr, None) {
            Shaped::Tensor(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// Reports an error; the value is poison.
    pub fn refuse(&self, place: Place, message: Message) -> Shaped {
        self.fail(place, message);
        Shaped::Poison
    }
}

/// The options of an op whose axes are those of its first argument.
pub fn options_of(op: &Op, first: Option<&Tensor>, place: Place) -> Vec<OptionGiven> {
    let given = |(name, attr): (&'static str, Attr)| match (&attr, first) {
        (Attr::Axes(axes), Some(t)) => {
            let plan = emitted_axes(t, axes.clone());
            OptionGiven { name, attr, plan, place }
        }
        _ => OptionGiven::fixed(name, attr, place),
    };
    attrs_of(op).into_iter().map(given).collect()
}

fn place_of(name: &str, options: &[OptionGiven]) -> Option<Place> {
    options.iter().find(|o| o.name == name).map(|o| o.place)
}
