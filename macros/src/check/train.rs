//! `train fn`: what is minimised, by which optimiser.

use super::checker::Checker;
use super::scope::{Hint, Number, Shaped};
use crate::ast::{Entry, Minimize};
use crate::errors::Place;
use crate::messages;
use crate::plan::Body;
use tancho_ir::DType;

/// An optimiser and its settings; all but `lr` have a default.
struct Optimiser {
    name: &'static str,
    settings: &'static [&'static str],
}

const OPTIMISERS: [Optimiser; 3] = [
    Optimiser { name: "sgd", settings: &["lr", "momentum", "weight_decay"] },
    Optimiser { name: "adam", settings: &["lr", "beta1", "beta2", "eps"] },
    Optimiser { name: "adamw", settings: &["lr", "beta1", "beta2", "eps", "weight_decay"] },
];

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
        self.optimiser(minimize);
        if let Some(t) = &loss
            && (t.ty.rank() != 0 || t.ty.dtype != DType::F32)
        {
            self.fail(minimize.loss.place, messages::loss_is_scalar(&t.name, &t.ty, &self.facts));
        }
        if !self.minimised.is_empty() {
            self.fail(minimize.place, messages::minimize_twice());
        }
        let good = self.errors.count() == before;
        self.minimised.push((minimize.loss.place, loss.filter(|_| good).map(|t| t.val)));
    }

    fn optimiser(&mut self, minimize: &Minimize) {
        let name = minimize.optimiser.text.as_str();
        let Some(o) = OPTIMISERS.iter().find(|o| o.name == name) else {
            return self.fail(
                minimize.optimiser.place,
                messages::unknown_optimiser(name, OPTIMISERS.map(|o| o.name)),
            );
        };
        let mut given: Vec<String> = Vec::new();
        for a in &minimize.args {
            let Some(n) = a.name.as_ref().map(ToString::to_string) else {
                self.fail(a.place, messages::setting_needs_name(name));
                continue;
            };
            if !o.settings.contains(&n.as_str()) {
                self.fail(a.place, messages::no_such_argument(name, &n, &[], o.settings));
            } else if given.contains(&n) {
                self.fail(a.place, messages::given_twice(&n));
            }
            match self.eval(&a.value, Hint::default()) {
                Shaped::Poison | Shaped::Number(Number::Literal(_) | Number::Of(..)) => {}
                v => {
                    if let Some(t) = self.tensor(v, &a.value, DType::F32)
                        && (t.ty.rank() != 0 || t.ty.dtype != DType::F32)
                    {
                        self.fail(
                            a.value.place,
                            messages::setting_is_scalar(&n, &t.name, &t.ty, &self.facts),
                        );
                    }
                }
            }
            given.push(n);
        }
        if minimize.args.iter().all(|a| a.name.is_some()) && !given.iter().any(|g| g == "lr") {
            self.fail(
                minimize.optimiser.place,
                messages::missing_argument(name, "lr", &format!("{name}(lr = 1e-3)")),
            );
        }
    }

    /// At the end: a `train fn` minimises something that its weights can be learned by.
    pub fn settle_training(&mut self, entry: &Entry, block: &Body) {
        if !self.train {
            return;
        }
        match self.minimised.first().copied() {
            None => {
                self.fail(Place::of(entry.name.span()), messages::nothing_minimised(&entry.name.to_string()))
            }
            Some((place, Some(loss))) => self.gradient(block, loss, place),
            Some((_, None)) => {}
        }
    }
}
