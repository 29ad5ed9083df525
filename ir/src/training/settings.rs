//! The optimisers by name, with their settings: what `minimize loss with adamw(lr = lr)` may say.

use super::Optimizer;

/// An optimiser as it is called in `network!`.
#[derive(Debug)]
pub struct NamedOptimizer {
    /// Its name.
    pub name: &'static str,
    /// Its settings besides the learning rate `lr`, which every step is given.
    pub settings: &'static [Setting],
    make: fn(&[f64]) -> Optimizer,
}

/// A setting of an optimiser: a number that stays the same.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Its value where none is given.
    default: Option<f64>,
    range: Range,
}

#[derive(Clone, Copy, Debug)]
enum Range {
    /// From 0, below 1.
    Share,
    NotNegative,
    Positive,
}

impl Setting {
    const fn new(name: &'static str, default: f64, range: Range) -> Setting {
        Setting { name, default: Some(default), range }
    }

    /// Why a number cannot be its value: what it must be. `None` if it can.
    pub fn refuses(&self, value: f64) -> Option<&'static str> {
        let fits = match self.range {
            Range::Share => (0.0..1.0).contains(&value),
            Range::NotNegative => value >= 0.0 && value.is_finite(),
            Range::Positive => value > 0.0 && value.is_finite(),
        };
        let must = match self.range {
            Range::Share => "from 0 to below 1",
            Range::NotNegative => "0 or more",
            Range::Positive => "above 0",
        };
        (!fits).then_some(must)
    }
}

const MOMENTUM: Setting = Setting::new("momentum", 0.0, Range::Share);
const HEAVY: Setting = Setting::new("momentum", 0.9, Range::Share);
const BETA1: Setting = Setting::new("beta1", 0.9, Range::Share);
const BETA2: Setting = Setting::new("beta2", 0.999, Range::Share);
const LION_BETA2: Setting = Setting::new("beta2", 0.99, Range::Share);
const EPS: Setting = Setting::new("eps", 1e-8, Range::Positive);
const NO_DECAY: Setting = Setting::new("weight_decay", 0.0, Range::NotNegative);
const DECAY: Setting = Setting::new("weight_decay", 0.01, Range::NotNegative);
const CLIP: Setting = Setting { name: "clip_norm", default: None, range: Range::Positive };

/// All optimisers. The defaults are those of PyTorch, and for Lion those of its paper. Every optimiser has
/// `clip_norm`: gradients whose norm together is larger are made as much smaller.
pub const OPTIMIZERS: [NamedOptimizer; 5] = [
    NamedOptimizer {
        name: "sgd",
        settings: &[MOMENTUM, NO_DECAY, CLIP],
        make: |s| Optimizer::Sgd { momentum: s[0], weight_decay: s[1] },
    },
    NamedOptimizer {
        name: "momentum",
        settings: &[HEAVY, NO_DECAY, CLIP],
        make: |s| Optimizer::Sgd { momentum: s[0], weight_decay: s[1] },
    },
    NamedOptimizer {
        name: "adam",
        settings: &[BETA1, BETA2, EPS, CLIP],
        make: |s| Optimizer::Adam { beta1: s[0], beta2: s[1], eps: s[2] },
    },
    NamedOptimizer {
        name: "adamw",
        settings: &[BETA1, BETA2, EPS, DECAY, CLIP],
        make: |s| Optimizer::AdamW { beta1: s[0], beta2: s[1], eps: s[2], weight_decay: s[3] },
    },
    NamedOptimizer {
        name: "lion",
        settings: &[BETA1, LION_BETA2, NO_DECAY, CLIP],
        make: |s| Optimizer::Lion { beta1: s[0], beta2: s[1], weight_decay: s[2] },
    },
];

/// The optimiser of a name with these settings, and what the norm of gradients is clipped to.
///
/// # Errors
/// There is no such optimiser or setting, or a value is out of its range. The error says which.
pub fn optimizer(name: &str, given: &[(&str, f64)]) -> Result<(Optimizer, Option<f64>), String> {
    let found = OPTIMIZERS.iter().find(|o| o.name == name);
    let found = found.ok_or_else(|| format!("there is no optimiser `{name}`"))?;
    if let Some((unknown, _)) = given.iter().find(|(n, _)| found.settings.iter().all(|s| s.name != *n)) {
        return Err(format!("`{name}` has no setting `{unknown}`"));
    }
    let mut values = Vec::with_capacity(found.settings.len());
    let mut clip = None;
    for setting in found.settings {
        let given = given.iter().find(|(n, _)| *n == setting.name).map(|(_, value)| *value);
        if let Some((value, must)) = given.and_then(|value| Some((value, setting.refuses(value)?))) {
            return Err(format!("`{}` of `{name}` must be {must}, but is {value}", setting.name));
        }
        match setting.default {
            Some(default) => values.push(given.unwrap_or(default)),
            None => clip = given,
        }
    }
    Ok(((found.make)(&values), clip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_defaults_of_pytorch_and_their_ranges() {
        let defaults = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 };
        assert_eq!(optimizer("adamw", &[]), Ok((defaults, None)));
        let (sgd, clip) = optimizer("sgd", &[("clip_norm", 1.0), ("momentum", 0.5)]).unwrap();
        assert_eq!((sgd, clip), (Optimizer::Sgd { momentum: 0.5, weight_decay: 0.0 }, Some(1.0)));
        assert_eq!(
            optimizer("momentum", &[]).unwrap().0,
            Optimizer::Sgd { momentum: 0.9, weight_decay: 0.0 }
        );
        let wrong = |name, setting, value| optimizer(name, &[(setting, value)]).unwrap_err();
        assert_eq!(wrong("adam", "beta2", 1.0), "`beta2` of `adam` must be from 0 to below 1, but is 1");
        assert_eq!(wrong("lion", "clip_norm", 0.0), "`clip_norm` of `lion` must be above 0, but is 0");
        assert_eq!(
            wrong("adamw", "weight_decay", f64::NAN),
            "`weight_decay` of `adamw` must be 0 or more, but is NaN"
        );
        assert_eq!(wrong("adam", "weight_decay", 0.1), "`adam` has no setting `weight_decay`");
        assert_eq!(optimizer("adagrad", &[]).unwrap_err(), "there is no optimiser `adagrad`");
    }
}
