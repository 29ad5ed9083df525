//! Where the time of a run goes: per kernel, and per line of the source.
//!
//! Each kernel is set against the roofline of the machine (Williams, Waterman and Patterson 2009): what its
//! multiply-adds or its bytes take at the least, whichever is longer.

use crate::compile::Compilation;
pub use crate::inspect::cost::{Bound, Cost, Roof, Span};
use crate::inspect::cost::{Costs, ratio};
use crate::inspect::numbers::count;
use crate::run::session::Session;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tancho_ir::graph::Source;

/// One kernel of the network.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelCost {
    /// Its step of the run.
    pub step: usize,
    /// What is fused in it.
    pub name: String,
    /// The op it was grown around, as written.
    pub source: Source,
    /// The other ops in it, as written.
    pub fused: Vec<Source>,
    /// Times and work.
    pub cost: Cost,
}

/// One line of the source.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LineCost {
    /// The op with the longest text that is written there; without a path if nets of several have it.
    pub source: Source,
    /// Kernels grown around an op of this line.
    pub kernels: usize,
    /// Kernels of other lines that ops of this line are fused into: their time counts there.
    pub fused_into: usize,
    /// Times and work of its own kernels.
    pub cost: Cost,
}

/// What a session's runs cost since it began to count.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Profile {
    /// Number of runs.
    pub runs: u64,
    /// Threads of the session.
    pub threads: usize,
    /// The kernels in the order they run.
    pub kernels: Vec<KernelCost>,
    /// When each thread worked on which kernel in the last run.
    pub spans: Vec<Span>,
}

impl Profile {
    /// All kernels together.
    pub fn total(&self) -> Cost {
        total_of(&self.kernels)
    }

    /// The same by line of the source. A network that is used many times has each of its lines once.
    pub fn lines(&self) -> Vec<LineCost> {
        by_line(&self.kernels)
    }

    /// The profile as a table, each row against the limits of the machine.
    pub fn table(&self, roof: Roof) -> String {
        self.text(Some(roof))
    }

    fn text(&self, roof: Option<Roof>) -> String {
        let total = self.total();
        let (runs, threads) = (count(self.runs, "run"), count(self.threads as u64, "thread"));
        let mut s = format!("{runs} on {threads}, {:.1} us each\n", self.per_run(&total));
        s += &self.heading("kernel", roof);
        for k in &self.kernels {
            let what = format!("{:3} {} | {}", k.step, k.name, k.source);
            s += &self.row(&k.cost, &total, roof, &what);
        }
        s.push('\n');
        s += &self.heading("line", roof);
        for l in self.lines() {
            let what = match l.fused_into {
                0 => l.source.to_string(),
                n => format!("{} (fused into {} of other lines)", l.source, count(n as u64, "kernel")),
            };
            s += &self.row(&l.cost, &total, roof, &what);
        }
        s
    }

    fn per_run(&self, c: &Cost) -> f64 {
        ratio(c.nanos as f64 / 1e3, self.runs as f64)
    }

    fn heading(&self, what: &str, roof: Option<Roof>) -> String {
        let bound = if roof.is_some() { "   bound  of bound" } else { "" };
        format!("      us  share  GFLOP/s     GB/s{bound}  {what}\n")
    }

    fn row(&self, c: &Cost, total: &Cost, roof: Option<Roof>, what: &str) -> String {
        if c.nanos == 0 && c.bytes == 0.0 {
            let bound = if roof.is_some() { "       -           " } else { "" };
            return format!("{:>8}    -          -        -{bound}  {what}\n", "-");
        }
        let share = 100.0 * ratio(c.nanos as f64, total.nanos as f64);
        let bound = roof.map_or(String::new(), |r| {
            let (bound, reached) = c.bound(r);
            format!(" {:>7}  {:6.1} %", bound.to_string(), 100.0 * reached)
        });
        format!(
            "{:8.1} {share:4.1} % {:8.1} {:8.1}{bound}  {what}\n",
            self.per_run(c),
            c.gflops(),
            c.gbytes()
        )
    }
}

/// The costs of all kernels together.
pub(crate) fn total_of(kernels: &[KernelCost]) -> Cost {
    let mut total = Cost::default();
    kernels.iter().for_each(|k| total.add(&k.cost));
    total
}

/// The lines of a source by file, number, and the text of what has no place.
type Lines = BTreeMap<(Arc<str>, u32, Arc<str>), LineCost>;

/// Costs by line of the source.
pub(crate) fn by_line(kernels: &[KernelCost]) -> Vec<LineCost> {
    let mut lines = Lines::new();
    for k in kernels {
        let own = line_of(&mut lines, &k.source);
        own.kernels += 1;
        own.cost.add(&k.cost);
        for s in &k.fused {
            let elsewhere = (s.line, &s.file) != (k.source.line, &k.source.file);
            line_of(&mut lines, s).fused_into += usize::from(elsewhere);
        }
    }
    lines.into_values().collect()
}

/// The line that an op is written in, which may be new.
fn line_of<'l>(lines: &'l mut Lines, s: &Source) -> &'l mut LineCost {
    // Without a place the text stands for the line.
    let key = (s.file.clone(), s.line, if s.line == 0 { s.text.clone() } else { "".into() });
    let new = LineCost { source: s.clone(), kernels: 0, fused_into: 0, cost: Cost::default() };
    let line = lines.entry(key).or_insert(new);
    // A line is called by the largest of its ops, and by a path only if all of them are in it.
    if line.source.text.len() < s.text.len() {
        line.source = Source { scope: line.source.scope.clone(), ..s.clone() };
    }
    if line.source.scope != s.scope {
        line.source.scope = "".into();
    }
    line
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(None))
    }
}

impl Session {
    /// Begins (anew) or ends to measure the time of each kernel; two clock readings for each, some 50 ns.
    pub fn set_profiling(&mut self, on: bool) {
        self.costs = on.then(|| Costs::new(self.compiled().inner().compilation.schedule.steps.len()));
    }

    /// What the runs cost since [`Session::set_profiling`]; empty without it.
    ///
    /// ```
    /// use tancho_runtime::{AsView, Model, Target, inspect::profile::Roof};
    /// let graph = tancho_ir::Graph::parse(
    ///     "network N<B>\ninput x: f32[B, 64]\nweight \"w\": f32[32, 64] = xavier\n%0: f32[B, 64] = input(index = 0)\n\
    ///      %1: f32[32, 64] = weight(index = 0)\n%2: f32[B, 32] = linear(%0, %1)\nreturn %2").unwrap();
    /// let compiled = Model::from_graph(graph, 1).unwrap().compile(Target::host()).unwrap();
    /// let mut session = compiled.session();
    /// session.set_profiling(true);
    /// session.run_inputs(&[vec![1.0f32; 8 * 64].view([8, 64]).into()]).unwrap();
    /// let profile = session.profile();
    /// assert_eq!(profile.total().flops, 2.0 * 8.0 * 32.0 * 64.0);
    /// println!("{}", profile.table(Roof { gflops: 100.0, gbytes: 20.0 }));
    /// ```
    pub fn profile(&self) -> Profile {
        let compilation = &self.compiled().inner().compilation;
        let Some(Costs { runs, steps, spans }) = &self.costs else {
            return Profile { threads: self.threads(), ..Profile::default() };
        };
        Profile {
            runs: *runs,
            threads: self.threads(),
            kernels: kernel_costs(compilation, steps),
            spans: spans.clone(),
        }
    }
}

/// The kernels of a network with the cost of each.
pub(crate) fn kernel_costs(compilation: &Compilation, steps: &[Cost]) -> Vec<KernelCost> {
    let graph = &compilation.fused.graph;
    let kernel = |(step, cost): (usize, &Cost)| {
        let s = &compilation.schedule.steps[step];
        let k = &compilation.fused.groups[s.kernel];
        let main = s.origins.main;
        let source = graph.node(main).source.in_forward();
        let mut fused: Vec<Source> = Vec::new();
        for v in k.nodes.iter().filter(|v| **v != main) {
            let s = graph.node(*v).source.in_forward();
            if s != source && !fused.contains(&s) {
                fused.push(s);
            }
        }
        KernelCost { step, name: s.name.clone(), source, fused, cost: *cost }
    };
    steps.iter().enumerate().map(kernel).collect()
}
