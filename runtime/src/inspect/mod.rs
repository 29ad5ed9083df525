//! Looking at a network and its runs: comparison with the interpreter, traces, profiles, and what the machine
//! can do.

pub mod activations;
pub mod bisect;
pub(crate) mod changes;
pub mod code;
pub mod compare;
pub(crate) mod cost;
pub mod finite;
pub(crate) mod judge;
pub mod limits;
pub(crate) mod numbers;
pub mod perf;
pub mod price;
pub mod profile;
pub mod report;
pub mod reproduction;
pub(crate) mod search;
pub(crate) mod spread;
pub mod stages;
mod timeline;
pub mod trace;
