//! Time and work of kernels, and what bounds them.

use std::fmt;

/// What a machine does at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roof {
    /// f32 operations of multiply-adds, 10^9 a second.
    pub gflops: f64,
    /// Bytes from or to memory, 10^9 a second.
    pub gbytes: f64,
}

/// What keeps a kernel from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Its multiply-adds.
    Compute,
    /// Its bytes.
    Memory,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Compute => "compute",
            Bound::Memory => "memory",
        })
    }
}

/// Time and work of something, summed over the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Nanoseconds, from the caller's side: waiting for other threads included.
    pub nanos: u64,
    /// Floating-point operations of matmuls. Attention counts the keys that queries see by their places.
    pub flops: f64,
    /// Bytes read and written, each counted once per kernel.
    pub bytes: f64,
}

impl Cost {
    /// Floating-point operations of matmuls, 10^9 a second.
    pub fn gflops(&self) -> f64 {
        ratio(self.flops, self.nanos as f64)
    }

    /// Bytes, 10^9 a second.
    pub fn gbytes(&self) -> f64 {
        ratio(self.bytes, self.nanos as f64)
    }

    /// What bounds it, and the share of that bound it reaches.
    pub fn bound(&self, roof: Roof) -> (Bound, f64) {
        let (compute, memory) = (ratio(self.flops, roof.gflops), ratio(self.bytes, roof.gbytes));
        let (bound, nanos) =
            if compute >= memory { (Bound::Compute, compute) } else { (Bound::Memory, memory) };
        (bound, ratio(nanos, self.nanos as f64))
    }

    pub(crate) fn add(&mut self, other: &Cost) {
        self.nanos += other.nanos;
        self.flops += other.flops;
        self.bytes += other.bytes;
    }
}

/// `a / b`, or 0 where there is nothing to divide by.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// When a thread worked on a step of a run, in nanoseconds from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The step.
    pub step: usize,
    /// The thread; 0 is the caller's.
    pub thread: usize,
    /// When it began.
    pub begin: u64,
    /// When it ended.
    pub end: u64,
}

/// What the runs of a session have cost.
#[derive(Clone, Debug)]
pub(crate) struct Costs {
    /// Number of runs.
    pub runs: u64,
    /// The cost of each step, summed over the runs.
    pub steps: Vec<Cost>,
    /// The spans of the last run.
    pub spans: Vec<Span>,
}

impl Costs {
    /// No runs yet of a network with this many steps.
    pub fn new(steps: usize) -> Costs {
        Costs { runs: 0, steps: vec![Cost::default(); steps], spans: Vec::new() }
    }

    /// Adds a run: floating-point operations and bytes of each step, and the nanoseconds of its stages by
    /// step.
    pub fn add_run(
        &mut self,
        work: impl Iterator<Item = (i64, i64)>,
        nanos: impl Iterator<Item = (usize, u64)>,
    ) {
        self.runs += 1;
        for (cost, (flops, bytes)) in self.steps.iter_mut().zip(work) {
            cost.flops += flops as f64;
            cost.bytes += bytes as f64;
        }
        for (step, nanos) in nanos {
            self.steps[step].nanos += nanos;
        }
    }
}
