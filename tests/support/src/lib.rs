//! What the tests share.
//!
//! * [`Rng`]: random numbers and tensors of a seed; [`sample`]: numbers without one.
//! * [`levels`], [`targets`]: every ISA level of this machine.
//! * [`run!`], [`tensors!`]: a declared network, compiled in checked mode and compared with the interpreter.
//! * [`compile`], [`compile_for`], [`run_on`], [`run_views_on`], [`check`]: the same for a graph.
//! * [`Given`]: a value in an element type that inputs alone are given in.
//! * [`graphs`]: random graphs; [`holds`]: everything that must hold of one; [`shapes`]: large graphs.
//! * [`alone`]: tests that need a process of their own.
//! * [`models`]: tests of models that have to be fetched; [`example`]: the built examples.

pub mod alone;
pub mod example;
mod given;
pub mod graphs;
pub mod holds;
mod layers;
pub mod models;
mod rng;
mod run;
pub mod shapes;
mod targets;
mod tensors;

pub use given::Given;
pub use layers::{BERT_LAYER, GPT2_BLOCK};
pub use rng::Rng;
pub use run::{Own, check, compile, compile_for, results, run_on, run_views_on};
pub use targets::{levels, targets};
pub use tensors::{same_bits, sample, views};
