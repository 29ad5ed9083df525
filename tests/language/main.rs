//! What `network!` takes and refuses.
//!
//! Modules with declarations are public, so that lints see what the macro emits as users have it.
//!
//! * `activations`: activations, whole numbers and remainders, by values
//! * `by_path`: networks of other modules, macro calls and crates
//! * `constants`: tables, and values that Rust gives with the dims
//! * `designed_programs`: the programs the language was designed with
//! * `expressions`: options, branches, views and arithmetic, by values
//! * `items`: loops, entry points, storage of weights, buffers and `where`, by values
//! * `mistakes`: every case of `tests/ui` gives the text beside it
//! * `ops`: the ops of the language, by values
//! * `positions`: ranges of numbers and what is found by them, by values
//! * `promises`: what `where A % B == 0` makes exact, by values
//! * `repairs`: the repaired twin of every case of `tests/ui` compiles and runs
//! * `resampling`: images and signals that get another size, by values
//! * `experts`: mixtures of experts, by values
//! * `scans`: loops along an axis, by values
//! * `scores`: how the scores of attention are scaled and bounded

pub mod activations;
pub mod by_path;
pub mod constants;
pub mod designed_programs;
pub mod experts;
pub mod expressions;
pub mod items;
mod mistakes;
pub mod ops;
pub mod positions;
pub mod promises;
mod repairs;
pub mod resampling;
pub mod scans;
pub mod scores;
