//! Targets as text, whether or not this machine has the level of their vectors.

use crate::error::Error;
use tancho_jit::{Format, Isa, Precision, Target};

/// What a [`Target`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub isa: Isa,
    checked: bool,
    precision: Precision,
    weights: Format,
    bf16_states: bool,
}

impl From<Target> for Settings {
    fn from(target: Target) -> Settings {
        Settings {
            isa: target.isa(),
            checked: target.is_checked(),
            precision: target.precision(),
            weights: target.weight_format(),
            bf16_states: target.bf16_states(),
        }
    }
}

impl Settings {
    /// The target with vectors of that level.
    ///
    /// # Errors
    /// This machine does not have the level.
    pub fn on(self, isa: Isa) -> Result<Target, Error> {
        let target = Target::host().with_isa(isa)?.with_checked(self.checked).with_precision(self.precision);
        Ok(target.with_weight_format(self.weights).with_bf16_states(self.bf16_states))
    }

    /// Names and values.
    pub fn written(self) -> [(&'static str, String); 5] {
        [
            ("isa", self.isa.to_string()),
            ("checked", self.checked.to_string()),
            ("precision", self.precision.to_string()),
            ("weight_format", self.weights.to_string()),
            ("bf16_states", self.bf16_states.to_string()),
        ]
    }

    /// The settings with these values.
    ///
    /// # Errors
    /// In words: a value is missing or unknown.
    pub fn read<'a>(value: impl Fn(&str) -> Result<&'a str, String>) -> Result<Settings, String> {
        Ok(Settings {
            isa: one_of("isa", &value, &Isa::ALL)?,
            checked: one_of("checked", &value, &[false, true])?,
            precision: one_of("precision", &value, &Precision::ALL)?,
            weights: one_of("weight_format", &value, &Format::ALL)?,
            bf16_states: one_of("bf16_states", &value, &[false, true])?,
        })
    }
}

/// The one of these that a value names.
fn one_of<'a, T: Copy + ToString>(
    name: &str,
    value: &impl Fn(&str) -> Result<&'a str, String>,
    all: &[T],
) -> Result<T, String> {
    let text = value(name)?;
    let known = || all.iter().map(T::to_string).collect::<Vec<_>>().join(", ");
    let found = all.iter().copied().find(|one| one.to_string() == text);
    found.ok_or_else(|| format!("its `{name}` is `{text}`, which is none of {}", known()))
}
