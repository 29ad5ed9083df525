//! The programs in `examples` and `scripts`.
//!
//! * `bench`: the benchmark's arguments and cases
//! * `chat`: how the chat chooses tokens, and what it says
//! * `chat_model`: the chat's special tokens, and damaged models
//! * `scripts`: the scripts in `scripts`
//! * `streams`: every example at a closed pipe, at a full disk, and with arguments that are not text

mod bench;
mod chat;
mod chat_model;
mod scripts;
#[cfg(unix)]
mod streams;
