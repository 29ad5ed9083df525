//! Running a compiled network: what a session binds, the memory it lays out, and the threads that share its
//! stages.

pub(crate) mod bind;
mod body;
pub(crate) mod bound;
pub(crate) mod buffers;
mod experts;
pub(crate) mod gathered;
pub(crate) mod ids;
pub(crate) mod inputs;
pub(crate) mod layout;
mod live;
pub(crate) mod memory;
mod nested;
pub(crate) mod pool;
pub(crate) mod region;
mod scan;
pub mod session;
mod stages;
pub(crate) mod state;
mod steps;
mod store;
