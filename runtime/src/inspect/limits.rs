//! What this machine can do at most, measured: multiply-adds, clock, and bandwidth of each level of memory.
//!
//! A time in milliseconds means little for a kernel. The share of the machine's limit that it reaches can be
//! compared with other kernels and other machines.
//!
//! ```
//! use tancho_runtime::inspect::limits::Limits;
//! use tancho_runtime::Isa;
//!
//! let limits = Limits::measure(Isa::host(), 1)?;
//! println!("{limits}");
//! // A matmul of 128x768 by 768x768 reads its operands and writes its result.
//! let (flops, read, written) = (2 * 128 * 768 * 768, 4 * (128 * 768 + 768 * 768), 4 * 128 * 768);
//! let seconds = limits.seconds(flops, read, written);
//! assert!(seconds > 0.0 && seconds < 1.0);
//! # Ok::<(), tancho_runtime::Error>(())
//! ```

use crate::error::Error;
use crate::inspect::numbers::count;
use crate::inspect::profile::Roof;
use crate::run::memory::Lines;
use crate::run::pool::MOST_THREADS;
use std::fmt;
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::Instant;
use tancho_jit::limits::Probes;
use tancho_jit::{Isa, Target, system};

/// Bytes that all threads together go through in memory beyond the caches, and at least so much.
const MEMORY: usize = 256 << 20;
/// Bytes of a timed run in a cache, for each thread.
const CACHED: usize = 96 << 20;
/// Floating-point operations of a timed run, for each thread.
const FLOPS: u64 = 150_000_000;
/// Additions of a timed run of the clock.
const ADDITIONS: u64 = 2_000_000;

/// Bandwidth of one level of memory, all threads together.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// `L1`, `L2`, `L3` or `DRAM`.
    pub name: &'static str,
    /// Bytes that were gone through again and again, by all threads together.
    pub bytes: usize,
    /// Reading, in GB/s.
    pub read: f64,
    /// Copying in GB/s, where each byte counts twice: read and written.
    pub copy: f64,
}

/// The limits of a machine for one level of vectors and a number of threads.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The level of the vectors.
    pub isa: Isa,
    /// Threads that ran at once.
    pub threads: usize,
    /// Multiply-adds in f32, each counted as two operations, in GFLOP/s.
    pub gflops: f64,
    /// The clock in GHz, by a chain of additions of a cycle each.
    pub ghz: f64,
    /// The levels of memory, near to far; L3 at several sizes, since it fills gradually.
    pub levels: Vec<Level>,
}

/// What a timed run does.
#[derive(Clone, Copy)]
enum Work {
    MultiplyAdds,
    Additions,
    Read,
    Copy,
}

/// Runs of one kind; the best counts.
#[derive(Clone, Copy)]
struct Probe {
    work: Work,
    /// Bytes of the buffer of each thread.
    bytes: usize,
    runs: usize,
}

/// When a thread did how much, in seconds from a common start.
#[derive(Clone, Copy)]
struct Span {
    from: f64,
    to: f64,
    amount: f64,
}

/// What an attempt gives.
enum Measured {
    Limits(Limits),
    /// The system gives only this many threads.
    Only(usize),
}

impl Limits {
    /// Measures them, in about a second, with at least one thread; other programs that run meanwhile lower
    /// what is found. Where the system does not give the process that many threads, they are the limits of
    /// those it gives: see [`Limits::threads`].
    ///
    /// # Errors
    /// There are more threads than a session can have, or the machine does not have that level, cannot be
    /// targeted, or has no memory.
    pub fn measure(isa: Isa, threads: usize) -> Result<Limits, Error> {
        if threads > MOST_THREADS {
            return Err(Error::Threads { asked: threads, most: MOST_THREADS });
        }
        let probes = Probes::new(Target::host().with_isa(isa)?)?;
        let (caches, mut threads) = (cache_sizes(), threads.max(1));
        loop {
            match Limits::measure_all(isa, &probes, caches, threads)? {
                Measured::Limits(limits) => return Ok(limits),
                // Sizes of buffers depend on the number.
                Measured::Only(fewer) => threads = fewer,
            }
        }
    }

    fn measure_all(isa: Isa, probes: &Probes, caches: [usize; 3], threads: usize) -> Result<Measured, Error> {
        // Half of a cache is surely in it; four times the last one leaves little of it in there.
        let mut sizes = vec![("L1", caches[0] / 2), ("L2", caches[1] / 2)];
        let last = caches[2] / threads;
        let shared = std::iter::successors(Some(last / 2), |bytes| Some(bytes / 2))
            .take_while(|bytes| *bytes >= 2 * caches[1]);
        let mut shared: Vec<usize> = shared.collect();
        shared.reverse();
        shared.extend([last / 4 * 3, last]);
        // Of many threads the part of each may be less than its own L2 holds.
        sizes.extend(shared.into_iter().filter(|bytes| *bytes > caches[1] / 2).map(|bytes| ("L3", bytes)));
        let memory = (MEMORY.max(caches[2] * 4) / threads).max(caches[1] * 2).max(caches[0]);
        sizes.push(("DRAM", memory));

        let mut list = vec![
            Probe { work: Work::MultiplyAdds, bytes: 0, runs: 8 },
            Probe { work: Work::Additions, bytes: 0, runs: 8 },
        ];
        for (_, bytes) in &sizes {
            let runs = if *bytes == memory { 4 } else { 8 };
            list.extend([Work::Read, Work::Copy].map(|work| Probe { work, bytes: *bytes, runs }));
        }
        let rates = match rates(probes, &list, threads, memory)? {
            Ok(rates) => rates,
            Err(fewer) => return Ok(Measured::Only(fewer)),
        };

        let levels = sizes.into_iter().zip(rates[2..].chunks(2));
        Ok(Measured::Limits(Limits {
            isa,
            threads,
            gflops: rates[0] / 1e9,
            ghz: rates[1] / threads as f64 / 1e9,
            levels: levels
                .map(|((name, bytes), r)| Level {
                    name,
                    bytes: bytes * threads,
                    read: r[0] / 1e9,
                    copy: r[1] / 1e9,
                })
                .collect(),
        }))
    }

    /// The level that `bytes` live in from one run to the next: the largest measured size that is no larger,
    /// so that its speed is a limit.
    pub fn level(&self, bytes: u64) -> Option<&Level> {
        self.levels.iter().rfind(|l| l.bytes as u64 <= bytes).or(self.levels.first())
    }

    /// What a [`Profile`](crate::Profile) is set against, for runs that touch `bytes` bytes, weights
    /// included.
    ///
    /// ```
    /// # use tancho_runtime::{Isa, inspect::limits::Limits};
    /// let limits = Limits::measure(Isa::host(), 1)?;
    /// let (cached, far) = (limits.roof(1 << 20), limits.roof(1 << 30));
    /// assert!(cached.gflops == far.gflops && far.gbytes > 0.0);
    /// // println!("{}", session.profile().table(far));
    /// # Ok::<(), tancho_runtime::Error>(())
    /// ```
    pub fn roof(&self, bytes: u64) -> Roof {
        Roof { gflops: self.gflops, gbytes: self.level(bytes).map_or(0.0, |l| l.read) }
    }

    /// The least time for these floating-point operations and bytes, whichever takes longer. As many bytes as
    /// are written count as copied, the others as read.
    pub fn seconds(&self, flops: u64, read: u64, written: u64) -> f64 {
        let moved = self.level(read + written).map_or(0.0, |l| {
            let copied = read.min(written);
            (2 * copied) as f64 / l.copy + (read + written - 2 * copied) as f64 / l.read
        });
        (flops as f64 / self.gflops).max(moved) / 1e9
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { isa, threads, gflops, ghz, levels } = self;
        let threads = count(*threads as u64, "thread");
        writeln!(
            f,
            "limits at {isa}, {threads}: {gflops:.0} GFLOP/s of f32 multiply-adds, clock {ghz:.2} GHz"
        )?;
        let size = |bytes: usize| {
            if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
        };
        let list: Vec<String> = levels
            .iter()
            .map(|l| format!("{} {} {:.0} / {:.0}", l.name, size(l.bytes), l.read, l.copy))
            .collect();
        write!(f, "GB/s read / copied (read + written): {}", list.join(", "))
    }
}

/// The best rate of each probe per second, all threads together, the caller's among them; or how many threads
/// there are to have.
fn rates(
    probes: &Probes,
    list: &[Probe],
    threads: usize,
    memory: usize,
) -> Result<Result<Vec<f64>, usize>, Error> {
    let floats = memory / 4;
    let mut buffer = Lines::default();
    if !buffer.reserve(memory * threads) {
        return Err(Error::Memory { bytes: (memory * threads) as u128 });
    }
    // Threads that could not be started must not be waited for: the barrier is made when all have come; if
    // some are missing there is none, and all leave.
    let (gate, start) = (OnceLock::<Option<Barrier>>::new(), Instant::now());
    let work =
        |part: &mut [f32]| gate.wait().as_ref().map(|barrier| runs(probes, list, part, barrier, start));
    let spans: Result<Vec<Vec<Vec<Span>>>, usize> = thread::scope(|scope| {
        let mut parts = buffer.floats_mut().chunks_exact_mut(floats).take(threads);
        let own = parts.next();
        let others: Vec<_> =
            parts.map_while(|part| thread::Builder::new().spawn_scoped(scope, || work(part)).ok()).collect();
        let came = 1 + others.len();
        gate.get_or_init(|| (came == threads).then(|| Barrier::new(threads)));
        let own = own.and_then(work);
        let all = own.into_iter().chain(others.into_iter().filter_map(|h| h.join().ok().flatten())).collect();
        if came == threads { Ok(all) } else { Err(came) }
    });
    let best = |p: usize, spans: &[Vec<Vec<Span>>]| {
        (0..list[p].runs).map(|r| together(spans.iter().map(|t| t[p][r]))).fold(0.0, f64::max)
    };
    Ok(spans.map(|spans| (0..list.len()).map(|p| best(p, &spans)).collect()))
}

/// The rate of one run of all threads, from the first start to the last end.
fn together(spans: impl Iterator<Item = Span>) -> f64 {
    let none = Span { from: f64::INFINITY, to: 0.0, amount: 0.0 };
    let all = spans.fold(none, |a, b| Span {
        from: a.from.min(b.from),
        to: a.to.max(b.to),
        amount: a.amount + b.amount,
    });
    all.amount / (all.to - all.from)
}

/// All runs of one thread, each begun together with the other threads'.
fn runs(
    probes: &Probes,
    list: &[Probe],
    part: &mut [f32],
    barrier: &Barrier,
    start: Instant,
) -> Vec<Vec<Span>> {
    // The pages become this thread's.
    part.fill(1.0);
    let mut run = |p: &Probe| {
        let n = p.bytes / 4;
        let times = (CACHED / p.bytes.max(1)).max(1) as u64;
        barrier.wait();
        let from = start.elapsed().as_secs_f64();
        let amount = match p.work {
            Work::MultiplyAdds => probes.multiply_adds(FLOPS),
            Work::Additions => probes.additions(ADDITIONS),
            Work::Read => {
                std::hint::black_box(probes.read(&part[..n], times));
                times * p.bytes as u64
            }
            Work::Copy => {
                let (from, to) = part[..n].split_at_mut(n / 2);
                probes.copy(from, to, times);
                times * p.bytes as u64
            }
        };
        Span { from, to: start.elapsed().as_secs_f64(), amount: amount as f64 }
    };
    list.iter()
        .map(|p| {
            if p.runs > 4 {
                // Caches and clock as in the runs that count.
                run(p);
            }
            (0..p.runs).map(|_| run(p)).collect()
        })
        .collect()
}

/// Bytes of the data caches L1, L2 and L3; common sizes where the system does not state them.
fn cache_sizes() -> [usize; 3] {
    let [l1, l2, l3] = system::caches().levels;
    [l1.unwrap_or(32 << 10), l2.unwrap_or(1 << 20), l3.unwrap_or(32 << 20)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let level = |name, bytes, read, copy| Level { name, bytes, read, copy };
        let levels = vec![
            level("L1", 100, 200.0, 100.0),
            level("L2", 1000, 100.0, 50.0),
            level("DRAM", 5000, 20.0, 10.0),
        ];
        Limits { isa: Isa::Clif128, threads: 1, gflops: 50.0, ghz: 1.0, levels }
    }

    #[test]
    fn the_longer_of_arithmetic_and_movement_counts() {
        let l = limits();
        assert_eq!(l.seconds(50_000, 0, 0), 1e-6);
        assert_eq!(l.seconds(0, 10, 0), 5e-11);
        assert_eq!(l.seconds(0, 500, 0), 2.5e-9, "less than the next measured size");
        assert_eq!(l.seconds(0, 1000, 1000), 4e-8, "copied");
        assert_eq!(l.seconds(1, 4000, 1000), 3.5e-7, "1000 copied, 3000 read");
    }

    #[test]
    fn rates_are_those_of_all_threads_from_first_to_last() {
        let span = |from, to, amount| Span { from, to, amount };
        assert_eq!(together([span(1.0, 2.0, 3.0), span(2.0, 3.0, 5.0)].into_iter()), 4.0);
    }

    #[test]
    fn more_threads_than_a_session_can_have_are_refused() {
        for asked in [MOST_THREADS + 1, 1 << 31, 1 << 62, usize::MAX / 2, usize::MAX] {
            let refused = Limits::measure(Isa::Clif128, asked);
            assert!(matches!(refused, Err(Error::Threads { asked: a, most: MOST_THREADS }) if a == asked));
        }
    }

    #[test]
    fn two_threads_measure_every_level() {
        let l = Limits::measure(Isa::Clif128, 2).unwrap();
        assert!(l.threads == 2 && l.gflops > 0.0 && l.ghz > 0.0, "{l}");
        let mut names: Vec<&str> = l.levels.iter().map(|l| l.name).collect();
        names.dedup();
        assert_eq!(names.last(), Some(&"DRAM"), "{l}");
        assert!(names.starts_with(&["L1", "L2"]), "{l}");
        assert!(l.levels.iter().all(|l| l.read > 0.0 && l.copy > 0.0), "{l}");
        assert!(l.levels.windows(2).all(|w| w[0].bytes < w[1].bytes), "{l}");
    }
}
