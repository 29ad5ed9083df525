//! What a step costs, before one is made: its memory, what is kept for the backward pass, and what is
//! computed again for it.

use super::Trainer;
use super::part::Part;
use crate::compile::Compilation;
use crate::compiled::Compiled;
use crate::error::Error;
use crate::inspect::cost::{Cost, ratio};
use crate::inspect::numbers::count;
use crate::inspect::price::{LaidOut, Price};
use crate::inspect::stages::held;
use std::collections::BTreeSet;
use std::fmt;
use tancho_ir::{Phase, Source};
use tancho_jit::plan::Place;

/// Lines that a text of a price lists at most.
const LISTED: usize = 12;

/// What a step of training costs with given run-time dims.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StepPrice {
    /// The run that updates the weights: its kernels, operations and memory.
    pub run: Price,
    /// Bytes of memory of the runs before it, whose gradients wait for an update; 0 if each run is an update.
    pub waiting: usize,
    /// What the forward pass keeps for the backward pass, the largest first.
    pub kept: Vec<Kept>,
    /// What is computed again for the backward pass, the most multiply-adds first.
    pub recomputed: Vec<Recomputed>,
}

/// A value that the forward pass keeps for the backward pass.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Kept {
    /// What it is: its name, or its text.
    pub label: String,
    /// Where it is written, and in which net.
    pub source: Source,
    /// Its bytes.
    pub bytes: usize,
}

/// A kernel that computes again what the forward pass has computed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Recomputed {
    /// What it computes.
    pub source: Source,
    /// Operations and bytes; the time is 0, as nothing was run.
    pub cost: Cost,
}

impl StepPrice {
    /// Bytes of memory at the peak: what lies between ops, results, states, packed weights, and what the runs
    /// have whose gradients wait. Inputs are the caller's, and the network keeps the weights it had.
    pub fn peak(&self) -> usize {
        let Price { memory, results, states, packed, .. } = self.run;
        memory + results + states + packed + self.waiting
    }

    /// Bytes that the forward pass keeps for the backward pass.
    pub fn kept_bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.bytes).sum()
    }

    /// Multiply-adds that are made again, as a share of all multiply-adds of the step.
    pub fn recomputed_share(&self) -> f64 {
        let again = self.recomputed.iter().map(|r| r.cost.flops).sum();
        ratio(again, self.run.total().flops)
    }
}

impl Trainer {
    /// What a step of a `train fn` costs with these run-time dims, before one is made. Its memory is reserved
    /// to see how much it is, and freed.
    ///
    /// ```no_run
    /// # fn run(training: tancho_runtime::train::Trainer) -> Result<(), tancho_runtime::Error> {
    /// let price = training.price("step", &[("B", 32), ("S", 128)])?;
    /// println!("{price}");                        // peak, what is kept, what is computed again, by line
    /// assert!(price.peak() < 1 << 30);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// There is no `train fn` of that name, a dim does not fit ([`Compiled::price`]), or the machine has not
    /// the memory ([`Error::Memory`]).
    pub fn price(&self, entry: &str, dims: &[(&str, usize)]) -> Result<StepPrice, Error> {
        let Some(part) = self.parts.iter().find(|part| part.entry() == entry) else {
            let known: Vec<&str> = self.parts.iter().map(Part::entry).collect();
            return Err(Error::NoTrainFn { entry: entry.into(), known: known.join(", ") });
        };
        let (compiled, threads) = (part.session.compiled(), part.session.threads());
        let (laid_out, run) = laid_out(compiled, dims, threads)?;
        let compilation = &compiled.inner().compilation;
        let waiting = match &part.waiting {
            Some(session) => {
                let price = self::laid_out(session.compiled(), dims, threads)?.1;
                price.memory + price.results
            }
            None => 0,
        };
        let recomputed = recomputed(compilation, &run);
        Ok(StepPrice { kept: kept(compilation, &laid_out), recomputed, run, waiting })
    }
}

fn laid_out(compiled: &Compiled, dims: &[(&str, usize)], threads: usize) -> Result<(LaidOut, Price), Error> {
    let laid_out = LaidOut::new(compiled, &compiled.dim_values(dims)?, threads)?;
    let price = laid_out.price(compiled);
    Ok((laid_out, price))
}

/// Whether a kernel has work of one of these parts of a step.
fn has(compilation: &Compilation, step: usize, phases: &[Phase]) -> bool {
    let fused = &compilation.fused;
    let group = &fused.groups[compilation.schedule.steps[step].kernel];
    group.nodes.iter().any(|v| phases.contains(&fused.graph.node(*v).source.phase))
}

/// The blocks of memory that kernels of the forward pass write and those of the backward pass read. A kernel
/// with work of both belongs to the forward pass, in which it runs.
fn kept(compilation: &Compilation, laid_out: &LaidOut) -> Vec<Kept> {
    let Compilation { schedule, plan, fused, .. } = compilation;
    let is_forward: Vec<bool> =
        (0..schedule.steps.len()).map(|i| has(compilation, i, &[Phase::Forward])).collect();
    let goes_back =
        |i: usize| !is_forward[i] && has(compilation, i, &[Phase::Backward, Phase::Recomputation]);
    let mut read: BTreeSet<usize> = BTreeSet::new();
    for (_, places) in plan.places.iter().enumerate().filter(|(i, _)| goes_back(*i)) {
        read.extend(places.iter().filter_map(|p| if let Place::Block(n) = p { Some(*n) } else { None }));
    }
    let sizes: Vec<usize> = laid_out.bound.blocks().map(|(_, bytes)| bytes).collect();
    let mut all = Vec::new();
    for (n, values) in held(compilation).iter().enumerate() {
        let block = &plan.blocks[n];
        if block.per_thread || sizes[n] == 0 || !is_forward[block.first] || !read.contains(&n) {
            continue;
        }
        let Some(v) = values.first() else { continue };
        let (label, source) = (fused.graph.label(*v), fused.graph.node(*v).source.in_forward());
        all.push(Kept { label, source, bytes: sizes[n] });
    }
    all.sort_by_key(|kept| std::cmp::Reverse(kept.bytes));
    all
}

/// The kernels that compute something again.
fn recomputed(compilation: &Compilation, run: &Price) -> Vec<Recomputed> {
    let graph = &compilation.fused.graph;
    let is_again = |step: usize| {
        graph.node(compilation.schedule.steps[step].origins.main).source.phase == Phase::Recomputation
    };
    let again = run.kernels.iter().filter(|kernel| is_again(kernel.step));
    let mut all: Vec<Recomputed> =
        again.map(|kernel| Recomputed { source: kernel.source.clone(), cost: kernel.cost }).collect();
    all.sort_by(|a, b| {
        (b.cost.flops, b.cost.bytes)
            .partial_cmp(&(a.cost.flops, a.cost.bytes))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    all
}

/// What is written at one place, in nets of one kind: how often, in what nets, and how much it is together.
struct Line<'a> {
    source: &'a Source,
    scope: String,
    times: u64,
    amount: f64,
}

/// The same place in several nets as one line, the largest first.
fn lines<'a>(all: impl Iterator<Item = (&'a Source, f64)>) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for (source, amount) in all {
        let here = |s: &Source| (s.file.clone(), s.line, s.column, s.text.clone());
        let same = |line: &&mut Line<'_>| {
            here(line.source) == here(source) && common(&line.scope, &source.scope).is_some()
        };
        match lines.iter_mut().find(same) {
            Some(line) => {
                line.scope = common(&line.scope, &source.scope).unwrap_or_default();
                line.times += 1;
                line.amount += amount;
            }
            None => lines.push(Line { source, scope: source.scope.to_string(), times: 1, amount }),
        }
    }
    lines.sort_by(|a, b| b.amount.total_cmp(&a.amount));
    lines
}

/// Two paths of nets of equal length as one, with `*` for what differs.
fn common(a: &str, b: &str) -> Option<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('.').collect(), b.split('.').collect());
    let one = |(a, b): (&&str, &&str)| if a == b { a.to_string() } else { "*".into() };
    (a.len() == b.len()).then(|| a.iter().zip(&b).map(one).collect::<Vec<_>>().join("."))
}

/// Lists lines; `written` writes an amount.
fn list(f: &mut fmt::Formatter<'_>, lines: &[Line<'_>], written: &dyn Fn(f64) -> String) -> fmt::Result {
    for line in lines.iter().take(LISTED) {
        let times = if line.times > 1 { format!("{} x ", line.times) } else { String::new() };
        // What a step itself needs, such as the keys of its masks, has no text.
        let source = match &*line.source.text {
            "" => "numbers of the step".to_string(),
            _ => Source { scope: line.scope.as_str().into(), ..line.source.clone() }.to_string(),
        };
        writeln!(f, "  {:>12}  {times}{source}", written(line.amount))?;
    }
    let rest = &lines[lines.len().min(LISTED)..];
    if !rest.is_empty() {
        let sum = rest.iter().map(|line| line.amount).sum();
        writeln!(f, "  {:>12}  of {} more", written(sum), count(rest.len() as u64, "line"))?;
    }
    Ok(())
}

/// A number of bytes with three digits or more.
fn bytes(n: f64) -> String {
    match n {
        n if n < 1e4 => format!("{n:.0} bytes"),
        n if n < 1e6 => format!("{:.1} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.2} GB", n / 1e9),
    }
}

impl fmt::Display for StepPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |n: usize| bytes(n as f64);
        let Price { memory, results, states, packed, threads, .. } = self.run;
        write!(
            f,
            "memory at the peak: {} ({} between ops, {} of states, {} of results, {} of packed weights",
            of(self.peak()),
            of(memory),
            of(states),
            of(results),
            of(packed)
        )?;
        if self.waiting > 0 {
            write!(f, ", {} of the runs before an update", of(self.waiting))?;
        }
        writeln!(f, ") on {}", count(threads as u64, "thread"))?;
        writeln!(f, "kept for the backward pass: {}", of(self.kept_bytes()))?;
        let kept = lines(self.kept.iter().map(|kept| (&kept.source, kept.bytes as f64)));
        list(f, &kept, &bytes)?;
        if self.recomputed.is_empty() {
            return writeln!(f, "computed again: nothing");
        }
        writeln!(
            f,
            "computed again: {:.1} % of the multiply-adds of the step",
            100.0 * self.recomputed_share()
        )?;
        // A line says what it costs if it has multiply-adds.
        let again = self.recomputed.iter().filter(|r| r.cost.flops > 0.0);
        let total = self.run.total().flops;
        let again = lines(again.map(|r| (&r.source, 100.0 * ratio(r.cost.flops, total))));
        list(f, &again, &|share| format!("{share:.1} %"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nets_of_an_array_are_one() {
        assert_eq!(common("layers.0.up", "layers.11.up").as_deref(), Some("layers.*.up"));
        assert_eq!(common("layers.*.up", "layers.3.up").as_deref(), Some("layers.*.up"));
        assert_eq!((common("head", "head"), common("a", "a.b")), (Some("head".into()), None));
        let source = |line, scope: &str| Source { line, scope: scope.into(), ..Source::default() };
        let all = [source(1, "l.0"), source(2, "l.0"), source(1, "l.1")];
        let lines = lines(all.iter().zip([1.0, 5.0, 2.0]));
        let seen: Vec<_> =
            lines.iter().map(|l| (l.source.line, l.scope.as_str(), l.times, l.amount)).collect();
        assert_eq!(seen, [(2, "l.0", 1, 5.0), (1, "l.*", 2, 3.0)]);
    }

    #[test]
    fn bytes_are_told_with_three_digits_or_more() {
        let texts = [0.0, 9999.0, 12_345.0, 5.25e6, 1.2345e10].map(bytes);
        assert_eq!(texts, ["0 bytes", "9999 bytes", "12.3 kB", "5.2 MB", "12.35 GB"]);
    }
}
