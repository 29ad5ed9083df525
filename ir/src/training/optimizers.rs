//! What each optimiser makes of a weight.

use super::{Optimizer, Result, Training};
use crate::emit::Emit;
use crate::graph::Value;
use crate::op::{Binary, Unary};
use crate::types::{DType, Type};

/// What optimisers keep is called so, behind the name of its weight.
const MEAN: &str = "mean";
const SQUARES: &str = "squares";

impl Training {
    /// A weight after the step; it decays if `decays`.
    pub(super) fn updated(
        &mut self,
        name: &str,
        w: Value,
        gradient: Value,
        optimizer: Optimizer,
        decays: bool,
    ) -> Result<Value> {
        let of = |weight_decay: f64| if decays { weight_decay } else { 0.0 };
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
                let change = self.binary_of(Binary::Mul, update, self.rate)?;
                self.binary_of(Binary::Sub, w, change)
            }
            Optimizer::Adam { beta1, beta2, eps } => self.adam(name, w, gradient, [beta1, beta2, eps]),
            Optimizer::AdamW { beta1, beta2, eps, weight_decay } => {
                let w = self.decayed(w, of(weight_decay))?;
                self.adam(name, w, gradient, [beta1, beta2, eps])
            }
            Optimizer::Lion { beta1, beta2, weight_decay } => {
                let w = self.decayed(w, of(weight_decay))?;
                let mut direction = gradient;
                self.kept(name, MEAN, |me, old| {
                    direction = me.mixed(beta1, old, gradient)?;
                    me.mixed(beta2, old, gradient)
                })?;
                let sign = self.unary_of(Unary::Sign, direction)?;
                let change = self.binary_of(Binary::Mul, sign, self.rate)?;
                self.binary_of(Binary::Sub, w, change)
            }
        }
    }

    /// `w (1 - rate decay)`
    fn decayed(&mut self, w: Value, decay: f64) -> Result<Value> {
        if decay == 0.0 {
            return Ok(w);
        }
        let lost = self.by(Binary::Mul, self.rate, decay)?;
        let lost = self.binary_of(Binary::Mul, w, lost)?;
        self.binary_of(Binary::Sub, w, lost)
    }

    /// `w - rate (mean / c1) / (sqrt(squares / c2) + eps)`, where `c1` and `c2` are the weight that all
    /// gradients so far have in the means, which start as 0.
    fn adam(
        &mut self,
        name: &str,
        w: Value,
        gradient: Value,
        [beta1, beta2, eps]: [f64; 3],
    ) -> Result<Value> {
        let square = self.binary_of(Binary::Mul, gradient, gradient)?;
        let mean = self.kept(name, MEAN, |me, old| me.mixed(beta1, old, gradient))?;
        let squares = self.kept(name, SQUARES, |me, old| me.mixed(beta2, old, square))?;
        let (c1, c2) = (self.share(MEAN, beta1)?, self.share(SQUARES, beta2)?);
        let rate = self.binary_of(Binary::Div, self.rate, c1)?;
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
        let (number, before) = self.state(format!("{name}.{what}"), ty)?;
        let after = step(self, before)?;
        self.becomes(number, before, after)?;
        Ok(after)
    }

    /// `1 - beta^n` after `n` steps: `beta` times what it was, and `1 - beta`. Nothing cancels in it.
    fn share(&mut self, what: &'static str, beta: f64) -> Result<Value> {
        if let Some(after) = self.known.get(what) {
            return Ok(*after);
        }
        let (number, before) = self.state(format!("optimizer.{what}"), Type::new(DType::F32, Vec::new()))?;
        let kept = self.by(Binary::Mul, before, beta)?;
        let after = self.by(Binary::Add, kept, 1.0 - beta)?;
        self.becomes(number, before, after)?;
        self.known.insert(what, after);
        Ok(after)
    }
}
