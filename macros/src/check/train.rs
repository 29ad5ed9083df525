//! `train fn`: what is minimised, by which optimiser.

use super::checker::Checker;
use super::scope::{Hint, Number, Shaped};
use crate::ast::{Entry, Expr, Minimize};
use crate::errors::Place;
use crate::messages;
use crate::plan::{Given, StepKind, Val};
use tancho_ir::DType;
use tancho_ir::builder::scalar_for;
use tancho_ir::op::Scalar;
use tancho_ir::training::settings::{OPTIMIZERS, Setting};

/// The learning rate among the settings of an optimiser: the only one that may differ from step to step.
const RATE: &str = "lr";

/// An optimiser, the learning rate, and the other settings that are given.
type Chosen = (&'static str, Val, Vec<(&'static str, Given)>);

impl Checker<'_> {
    /// `minimize loss with adamw(lr = lr);`
    pub fn minimize(&mut self, minimize: &Minimize) {
        let before = self.errors.count();
        let v = self.eval(&minimize.loss, Hint::default());
        let loss = self.tensor(v, &minimize.loss, DType::F32);
        if !self.train {
            return self.fail(minimize.place, messages::minimize_outside());
        }
        if !self.loops.is_empty() {
            self.fail(minimize.place, messages::minimize_in_loop());
        }
        let optimizer = self.optimiser(minimize);
        if let Some(t) = &loss
            && (t.ty.rank() != 0 || t.ty.dtype != DType::F32)
        {
            self.fail(minimize.loss.place, messages::loss_is_scalar(&t.name, &t.ty, &self.facts));
        }
        if self.minimised {
            self.fail(minimize.place, messages::minimize_twice());
        }
        let good = self.errors.count() == before;
        let loss = loss.filter(|_| good).map(|t| t.val);
        self.minimised = true;
        if let (Some(loss), Some((optimizer, rate, settings))) = (loss, optimizer) {
            let kind = StepKind::Minimize { loss, rate, optimizer, settings };
            self.step(minimize.loss.place, &minimize.loss.text, kind);
        }
    }

    /// The optimiser: its name, the learning rate, and the other settings.
    fn optimiser(&mut self, minimize: &Minimize) -> Option<Chosen> {
        let name = minimize.optimiser.text.as_str();
        let Some(o) = OPTIMIZERS.iter().find(|o| o.name == name) else {
            self.fail(
                minimize.optimiser.place,
                messages::unknown_optimiser(name, OPTIMIZERS.each_ref().map(|o| o.name)),
            );
            return None;
        };
        let known: Vec<&str> = [RATE].into_iter().chain(o.settings.iter().map(|s| s.name)).collect();
        let (mut given, mut rate, mut settings) = (Vec::new(), None, Vec::new());
        for a in &minimize.args {
            let Some(n) = a.name.as_ref().map(ToString::to_string) else {
                self.fail(a.place, messages::setting_needs_name(name));
                continue;
            };
            if !known.contains(&n.as_str()) {
                self.fail(a.place, messages::no_such_argument(name, &n, &[], &known));
            } else if given.contains(&n) {
                self.fail(a.place, messages::given_twice(&n));
            }
            let value = self.eval(&a.value, Hint::default());
            match o.settings.iter().find(|s| s.name == n) {
                Some(setting) => settings.extend(self.setting(setting, value, &a.value)),
                None if n == RATE => rate = self.rate(value, &a.value),
                None => {}
            }
            given.push(n);
        }
        if minimize.args.iter().all(|a| a.name.is_some()) && !given.iter().any(|g| g == RATE) {
            self.fail(
                minimize.optimiser.place,
                messages::missing_argument(name, RATE, &format!("{name}(lr = 1e-3)")),
            );
        }
        Some((o.name, rate?, settings))
    }

    /// The learning rate: a scalar of the step, or a number.
    fn rate(&mut self, value: Shaped, expr: &Expr) -> Option<Val> {
        let tensor = self.tensor(value, expr, DType::F32)?;
        if tensor.ty.rank() == 0 && tensor.ty.dtype == DType::F32 {
            return Some(tensor.val);
        }
        self.fail(expr.place, messages::setting_is_scalar(RATE, &tensor.name, &tensor.ty, &self.facts));
        None
    }

    /// Another setting: a number, or an option of the network.
    fn setting(&mut self, setting: &Setting, v: Shaped, expr: &Expr) -> Option<(&'static str, Given)> {
        let (value, given) = match v {
            Shaped::Poison => return None,
            Shaped::Number(Number::Literal(v)) => (v, Given::Value(v)),
            Shaped::Number(Number::Of(name, v)) => (v, Given::Of(name)),
            _ => {
                self.fail(expr.place, messages::setting_is_number(setting.name, &expr.text));
                return None;
            }
        };
        let Some(Scalar::F32(x)) = scalar_for(DType::F32, value) else {
            self.fail(expr.place, messages::setting_is_number(setting.name, &expr.text));
            return None;
        };
        if let Some(must) = setting.refuses(x.0) {
            self.fail(expr.place, messages::setting_out_of_range(setting.name, must, &expr.text));
            return None;
        }
        Some((setting.name, given))
    }

    /// At the end: a `train fn` minimises something.
    pub fn settle_training(&mut self, entry: &Entry) {
        if self.train && !self.minimised {
            self.fail(Place::of(entry.name.span()), messages::nothing_minimised(&entry.name.to_string()))
        }
    }
}
