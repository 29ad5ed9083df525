//! What may be chosen for a training run.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::run::session::Session;

/// Options of a training run.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TrainOptions {
    threads: Option<usize>,
}

impl TrainOptions {
    /// As `compile_train` has it: all cores.
    pub fn new() -> TrainOptions {
        TrainOptions::default()
    }

    /// Divides steps among so many threads. The results are the same to the last bit for any number.
    pub fn threads(mut self, threads: usize) -> TrainOptions {
        self.threads = Some(threads);
        self
    }

    /// Buffers for steps.
    pub(super) fn session(&self, compiled: &Compiled) -> Result<Session, Error> {
        match self.threads {
            Some(threads) => compiled.session_with_threads(threads),
            None => Ok(compiled.session()),
        }
    }
}
