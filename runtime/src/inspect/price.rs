//! What a run would cost, before it is run.

use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::cost::{Cost, Roof, ratio};
use crate::inspect::numbers::count;
use crate::inspect::profile::{KernelCost, LineCost, by_line, kernel_costs, total_of};
use crate::run::bind::Env;
use crate::run::bound::{Bound, Division};
use crate::run::buffers::Buffers;
use crate::run::pool::MOST_THREADS;
use std::collections::BTreeSet;
use std::fmt;

/// The price of a run with given run-time dims: operations, bytes, memory, and a bound on its time.
///
/// The time of its costs is 0: nothing was run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Price {
    /// The kernels in the order they run.
    pub kernels: Vec<KernelCost>,
    /// Threads of the run.
    pub threads: usize,
    /// Bytes of what lies between steps, at its peak, with the working memory of all threads.
    pub memory: usize,
    /// Bytes of working memory of one thread, of the step that needs the most.
    pub scratch: usize,
    /// Bytes of results.
    pub results: usize,
    /// Bytes of states.
    pub states: usize,
    /// Bytes of packed weights, which all sessions share.
    pub packed: usize,
}

impl Price {
    /// All kernels together.
    pub fn total(&self) -> Cost {
        total_of(&self.kernels)
    }

    /// Operations and bytes by line of the source.
    pub fn lines(&self) -> Vec<LineCost> {
        by_line(&self.kernels)
    }

    /// The time that a run takes at least, in nanoseconds: each kernel one after another, bounded by what the
    /// machine computes or moves (Williams, Waterman and Patterson 2009).
    pub fn nanos(&self, roof: Roof) -> f64 {
        self.kernels.iter().map(|k| nanos(&k.cost, roof)).sum()
    }

    /// The price as a table, by line of the source, with the bound on the time of each.
    pub fn table(&self, roof: Roof) -> String {
        let (micros, threads) = (self.nanos(roof) / 1e3, count(self.threads as u64, "thread"));
        let mut s =
            format!("at least {micros:.1} us on {threads}\n{self}      us   Mflop     MB   bound  line\n");
        for l in self.lines().iter().filter(|l| l.kernels > 0) {
            let (bound, _) = l.cost.bound(roof);
            s += &format!(
                "{:8.1} {:7.2} {:6.2} {:>7}  {}\n",
                nanos(&l.cost, roof) / 1e3,
                l.cost.flops / 1e6,
                l.cost.bytes / 1e6,
                bound.to_string(),
                l.source
            );
        }
        s
    }
}

/// The time of a cost at the limits of a machine.
fn nanos(cost: &Cost, roof: Roof) -> f64 {
    ratio(cost.flops, roof.gflops).max(ratio(cost.bytes, roof.gbytes))
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        writeln!(f, "{:.3} Mflop, {:.3} MB read and written", total.flops / 1e6, total.bytes / 1e6)?;
        writeln!(
            f,
            "memory: {} bytes between steps ({} of them working memory of a thread), {} of results, {} of states, {} of packed weights",
            self.memory, self.scratch, self.results, self.states, self.packed
        )
    }
}

impl Compiled {
    /// What a run with these run-time dims on so many threads would cost. Its memory is reserved to see how
    /// much it is, and freed.
    ///
    /// ```
    /// use tancho_runtime::{Model, Target, inspect::profile::Roof};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 64]\nweight \"w\": f32[32, 64] = xavier\n%0: f32[B, 64] = input(index = 0)\n\
    ///      %1: f32[32, 64] = weight(index = 0)\n%2: f32[B, 32] = linear(%0, %1)\nreturn %2").unwrap();
    /// let compiled = Model::from_graph(graph, 1).unwrap().compile(Target::host()).unwrap();
    /// let price = compiled.price(&[("B", 8)], 1).unwrap();
    /// assert_eq!(price.total().flops, 2.0 * 8.0 * 32.0 * 64.0);
    /// assert_eq!(price.results, 8 * 32 * 4);
    /// println!("{}", price.table(Roof { gflops: 100.0, gbytes: 20.0 }));
    /// ```
    ///
    /// # Errors
    /// A dim is missing, unknown or given twice, beyond its bound or against a `where` clause; there are no
    /// threads; or memory is short.
    pub fn price(&self, dims: &[(&str, usize)], threads: usize) -> Result<Price, Error> {
        let values = self.dim_values(dims)?;
        if threads == 0 {
            return Err(Error::Threads { asked: 0, most: MOST_THREADS });
        }
        Ok(LaidOut::new(self, &values, threads)?.price(self))
    }

    /// The values of the run-time dims in the order of their declaration.
    ///
    /// # Errors
    /// A dim is missing or unknown, beyond its bound or against a `where` clause.
    pub(crate) fn dim_values(&self, dims: &[(&str, usize)]) -> Result<Vec<i64>, Error> {
        let graph = self.graph();
        let known = || graph.dims.iter().map(|d| d.name.as_str()).collect::<Vec<_>>().join(", ");
        let wrong =
            |dim: &str, why: String| Error::Dim { dim: dim.into(), place: format!("`{}`", graph.name), why };
        if let Some((name, _)) = dims.iter().find(|(name, _)| graph.dims.iter().all(|d| d.name != *name)) {
            return Err(wrong(name, format!("it is no run-time dim; there are {}", known())));
        }
        let twice = |(i, (name, _)): &(usize, &(&str, usize))| dims[..*i].iter().any(|(n, _)| n == name);
        if let Some((_, (name, _))) = dims.iter().enumerate().find(twice) {
            return Err(wrong(name, "it is given twice".into()));
        }
        // What states would grow along that are not in this graph has no rows, and need not be given.
        let empty: BTreeSet<usize> = graph.empty_dims().collect();
        let mut values = Vec::new();
        for (i, d) in graph.dims.iter().enumerate() {
            let given = dims.iter().find(|(name, _)| *name == d.name).map(|(_, n)| *n);
            let given = given.or(empty.contains(&i).then_some(0));
            let n = given.ok_or_else(|| wrong(&d.name, "it is not given".into()))?;
            values.push(i64::try_from(n).map_err(|_| Error::Memory { bytes: n as u128 })?);
        }
        Env { graph, dims: &values }.check_clauses()?;
        Ok(values)
    }
}

/// A network laid out for a run that may never be.
pub(crate) struct LaidOut {
    pub bound: Bound,
    buffers: Buffers,
    threads: usize,
}

impl LaidOut {
    /// Reserves the memory for these values of the run-time dims.
    ///
    /// # Errors
    /// A window or a slice does not hold, or memory is short.
    pub fn new(compiled: &Compiled, dims: &[i64], threads: usize) -> Result<LaidOut, Error> {
        let (graph, threads) = (compiled.graph(), threads.max(1));
        let mut buffers = Buffers::new(graph, &compiled.inner().compilation.plan, graph.outputs.len());
        let bound = Bound::default().lay_out(compiled.inner(), dims, Division::new(threads), &mut buffers)?;
        Ok(LaidOut { bound, buffers, threads })
    }

    /// What a run would cost.
    pub fn price(&self, compiled: &Compiled) -> Price {
        let LaidOut { bound, buffers, threads } = self;
        let (inner, graph) = (compiled.inner(), compiled.graph());
        let cost = |call: &crate::run::region::Call| Cost {
            nanos: 0,
            flops: call.work.flops as f64,
            bytes: call.work.bytes as f64,
        };
        let costs: Vec<Cost> = bound.calls.iter().map(cost).collect();
        let sizes = graph.outputs.iter().map(|v| graph.ty(*v).dtype.size());
        let results = buffers.outputs.iter().zip(sizes).map(|(o, size)| o.len * size).sum();
        Price {
            kernels: kernel_costs(&inner.compilation, &costs),
            threads: *threads,
            memory: buffers.arena.bytes().len() + bound.memory_bytes(),
            scratch: bound.calls.iter().map(|call| call.scratch as usize).max().unwrap_or_default(),
            results,
            states: buffers.states.bytes(),
            packed: compiled.packed_bytes(),
        }
    }
}
