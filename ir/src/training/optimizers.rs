//! What each optimiser makes of a weight.

use super::{NoStep, Optimizer, Result, Training, Weight};
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Unary};
use crate::types::{DType, Type};

/// What optimisers keep is called so, behind the name of its weight.
const MEAN: &str = "mean";
const SQUARES: &str = "squares";

impl Training {
    /// A weight after the step.
    pub(super) fn updated(
        &mut self,
        weight: &Weight,
        w: Value,
        gradient: Value,
        optimizer: Optimizer,
    ) -> Result<Value> {
        let decl = &self.graph.weights[weight.number];
        let (name, decays, given) = (decl.name.clone(), !decl.marks.no_decay, weight.adjustment.weight_decay);
        let name = name.as_str();
        if given.is_some() && matches!(optimizer, Optimizer::Adam { .. }) {
            return Err(NoStep::NoDecay { weight: name.into() });
        }
        // What says nothing itself decays as the optimiser says, unless it is declared not to.
        let of = |weight_decay: f64| given.unwrap_or(if decays { weight_decay } else { 0.0 });
        let rate = self.rate_times(weight.adjustment.rate)?;
        match optimizer {
            Optimizer::Sgd { momentum, weight_decay } => {
                let mut update = gradient;
                if of(weight_decay) != 0.0 {
                    update = self.plus(update, weight_decay, w)?;
                }
                if momentum != 0.0 {
                    update = self.kept(name, MEAN, |me, old| {
                        let kept = me.by(Binary::Mul, old, momentum)?;
                        me.binary_of(Binary::Add, kept, update)
                    })?;
                }
                let change = self.binary_of(Binary::Mul, update, rate)?;
                self.binary_of(Binary::Sub, w, change)
            }
            Optimizer::Adam { beta1, beta2, eps } => {
                self.adam(name, (w, gradient), rate, [beta1, beta2, eps])
            }
            Optimizer::AdamW { beta1, beta2, eps, weight_decay } => {
                let w = self.decayed(w, rate, of(weight_decay))?;
                self.adam(name, (w, gradient), rate, [beta1, beta2, eps])
            }
            Optimizer::Lion { beta1, beta2, weight_decay } => {
                let w = self.decayed(w, rate, of(weight_decay))?;
                let mut direction = gradient;
                self.kept(name, MEAN, |me, old| {
                    direction = me.mixed(beta1, old, gradient)?;
                    me.mixed(beta2, old, gradient)
                })?;
                let sign = self.unary_of(Unary::Sign, direction)?;
                let change = self.binary_of(Binary::Mul, sign, rate)?;
                self.binary_of(Binary::Sub, w, change)
            }
        }
    }

    /// The learning rate times a number.
    fn rate_times(&mut self, factor: f64) -> Result<Value> {
        if factor == 1.0 {
            return Ok(self.rate);
        }
        let name = format!("rate {factor}");
        if let Some(known) = self.known.get(&name) {
            return Ok(*known);
        }
        let rate = self.by(Binary::Mul, self.rate, factor)?;
        self.known.insert(name, rate);
        Ok(rate)
    }

    /// `w (1 - rate decay)`
    fn decayed(&mut self, w: Value, rate: Value, decay: f64) -> Result<Value> {
        if decay == 0.0 {
            return Ok(w);
        }
        let lost = self.by(Binary::Mul, rate, decay)?;
        let lost = self.binary_of(Binary::Mul, w, lost)?;
        self.binary_of(Binary::Sub, w, lost)
    }

    /// `w - rate (mean / c1) / (sqrt(squares / c2) + eps)`, where `c1` and `c2` are the weight that all
    /// gradients so far have in the means, which start as 0.
    fn adam(
        &mut self,
        name: &str,
        (w, gradient): (Value, Value),
        rate: Value,
        [beta1, beta2, eps]: [f64; 3],
    ) -> Result<Value> {
        let square = self.binary_of(Binary::Mul, gradient, gradient)?;
        let mean = self.kept(name, MEAN, |me, old| me.mixed(beta1, old, gradient))?;
        let squares = self.kept(name, SQUARES, |me, old| me.mixed(beta2, old, square))?;
        let (c1, c2) = (self.share(MEAN, beta1)?, self.share(SQUARES, beta2)?);
        let rate = self.binary_of(Binary::Div, rate, c1)?;
        let c2 = self.unary_of(Unary::Sqrt, c2)?;
        let root = self.unary_of(Unary::Sqrt, squares)?;
        let root = self.binary_of(Binary::Div, root, c2)?;
        let below = self.by(Binary::Add, root, eps)?;
        let change = self.binary_of(Binary::Div, mean, below)?;
        let change = self.binary_of(Binary::Mul, change, rate)?;
        self.binary_of(Binary::Sub, w, change)
    }

    /// What an optimiser keeps for a weight, after the step.
    fn kept(
        &mut self,
        name: &str,
        what: &'static str,
        step: impl FnOnce(&mut Training, Value) -> Result<Value>,
    ) -> Result<Value> {
        let weight = self.graph.states.iter().rfind(|s| s.name == name).map(|s| s.ty.clone());
        let ty = weight.unwrap_or_else(|| Type::new(DType::F32, Vec::new()));
        let (number, before) = self.state(format!("{}{name}.{what}", self.prefix), ty)?;
        let after = step(self, before)?;
        self.becomes(number, before, after)?;
        Ok(after)
    }

    /// `1 - beta^n` after `n` steps: `beta` times what it was, and `1 - beta`. Nothing cancels in it.
    fn share(&mut self, what: &'static str, beta: f64) -> Result<Value> {
        if let Some(after) = self.known.get(what) {
            return Ok(*after);
        }
        let (number, before) =
            self.state(format!("{}optimizer.{what}", self.prefix), Type::new(DType::F32, Vec::new()))?;
        let kept = self.by(Binary::Mul, before, beta)?;
        let after = self.by(Binary::Add, kept, 1.0 - beta)?;
        self.becomes(number, before, after)?;
        self.known.insert(what.into(), after);
        Ok(after)
    }
}
