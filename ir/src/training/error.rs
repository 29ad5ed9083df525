//! Why there is no training step.

use crate::differentiate::NoGradient;
use crate::graph::Source;
use crate::infer::ShapeError;
use crate::types::Type;
use std::fmt;

/// Why there is no training step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NoStep {
    /// The loss has no gradient.
    Gradient(NoGradient),
    /// No path leads from weights that are to be learned to a loss.
    NoPath {
        /// The weights.
        weights: Vec<String>,
    },
    /// A weight decay for a weight whose optimiser has none.
    NoDecay {
        /// The weight.
        weight: String,
    },
    /// The network has no weight that is learned.
    NothingLearned,
    /// A dropout is in the body of a loop or of experts.
    Dropout {
        /// Its result, as the user calls it.
        label: String,
        /// Where it is written.
        place: Source,
    },
    /// The learning rate is no f32 scalar.
    Rate {
        /// Its type.
        found: Type,
    },
}

impl fmt::Display for NoStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoStep::Gradient(error) => error.fmt(f),
            NoStep::NoPath { weights } => {
                let all: Vec<String> = weights.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "no path leads to the loss from {}, so nothing would be learned there; if that is meant, mark what holds it `#[frozen]`, or freeze it by the options of the training",
                    all.join(", ")
                )
            }
            NoStep::NoDecay { weight } => {
                write!(f, "`{weight}` is given a weight decay, which `adam` does not have; `adamw` does")
            }
            NoStep::Dropout { label, place } => write!(
                f,
                "`dropout` in a loop or an expert would have one mask for all of its runs, and has none: `{label}`, {place}; drop what goes in or comes out"
            ),
            NoStep::NothingLearned => f.write_str("the network has no weight that is learned"),
            NoStep::Rate { found } => write!(f, "the learning rate is {found}, and must be one f32 number"),
        }
    }
}

impl std::error::Error for NoStep {}

impl From<NoGradient> for NoStep {
    fn from(error: NoGradient) -> NoStep {
        NoStep::Gradient(error)
    }
}

impl From<ShapeError> for NoStep {
    fn from(error: ShapeError) -> NoStep {
        NoStep::Gradient(NoGradient::Shape(error))
    }
}
