//! The programs in `examples` and `scripts`.
//!
//! Tests of models that have to be fetched pass without them and print that they were skipped, unless
//! `TANCHO_MODELS_REQUIRED=1` is set.
//!
//! * `bench`: the benchmark's arguments and cases
//! * `chat`: how the chat chooses tokens, and what it says
//! * `chat_model`: the chat's special tokens, and damaged models
//! * `inspect`: networks as text, and reproductions of checks that fail
//! * `scripts`: the scripts in `scripts`
//! * `streams`: every example at a closed pipe, at a full disk, and with arguments that are not text
//! * `training`: the programs that train, stopped, killed and resumed

mod bench;
mod chat;
mod chat_model;
mod inspect;
mod scripts;
#[cfg(unix)]
mod streams;
#[cfg(unix)]
mod training;
