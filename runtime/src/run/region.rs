//! One run of a network: its stages in order, on the caller's thread and whatever workers come.
//!
//! Each thread takes pieces of its own range first, then pieces that other threads left. It goes on to the
//! next stage when all units of this one are done.

// Calls kernels with raw pointers, on several threads.
#![allow(unsafe_code)]

use crate::run::pool;
use crate::run::stages::{Stage, Work};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;
use tancho_jit::{Arguments, KernelFn};

/// What one call of a kernel is given.
#[derive(Debug, Default)]
pub struct Call {
    /// The first byte of each buffer.
    pub buffers: Vec<*mut u8>,
    /// Bytes of each buffer.
    pub sizes: Vec<i64>,
    /// The values of the step's parameters.
    pub params: Vec<i64>,
    /// How much there is to do.
    pub work: Work,
    /// Bytes of working memory of each thread.
    pub scratch: i64,
}

/// A counter on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Line(AtomicI64);

/// How far the threads have come; kept by the session from run to run.
#[derive(Debug, Default)]
pub struct Progress {
    threads: usize,
    /// The next unit of each stage and thread.
    next: Vec<Line>,
    /// Units done of each stage.
    done: Vec<Line>,
    /// Where each thread's checked code counts violations and makes stray accesses.
    guards: Vec<Guard>,
    /// Time of each stage in nanoseconds, if it is measured.
    nanos: Vec<AtomicU64>,
    /// When the run began, if its time is measured.
    began: Option<Instant>,
    /// When each thread began and ended its own pieces of each stage, in nanoseconds from then on; 0 and 0 if
    /// it had none.
    spans: Vec<[AtomicU64; 2]>,
}

/// When a thread worked on a stage, in nanoseconds from the beginning of the run.
#[derive(Clone, Copy, Debug)]
pub struct StageSpan {
    /// The stage, by number.
    pub stage: usize,
    pub thread: usize,
    pub begin: u64,
    pub end: u64,
}

/// Eight bytes of count, then memory that any one access fits into.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Guard([u64; 16]);

impl Progress {
    /// Makes the counters of this many stages and threads.
    pub fn reserve(&mut self, stages: usize, threads: usize) {
        self.threads = threads;
        self.next.resize_with(stages * threads, Line::default);
        self.done.resize_with(stages, Line::default);
        self.nanos.resize_with(stages, AtomicU64::default);
        self.spans.resize_with(stages * threads, Default::default);
        self.guards.resize(threads, Guard([0; 16]));
    }

    fn start(&mut self, stages: &[Stage], range: Range<usize>) {
        for (i, s) in stages.iter().enumerate().take(range.end).skip(range.start) {
            *self.done[i].0.get_mut() = 0;
            for t in 0..self.threads {
                *self.next[i * self.threads + t].0.get_mut() = s.range(t).0;
            }
        }
    }

    /// The time of each stage of the last run, if it was measured.
    pub fn nanos(&self) -> impl Iterator<Item = u64> {
        self.nanos.iter().map(|nanos| nanos.load(Ordering::Relaxed))
    }

    /// The time is measured from now on, if it is.
    pub fn begin(&mut self, timed: bool) {
        self.began = timed.then(Instant::now);
        if timed {
            self.spans.iter_mut().for_each(|span| *span = Default::default());
        }
    }

    /// Nanoseconds since the run began, if its time is measured.
    pub fn elapsed(&self) -> Option<u64> {
        self.began.map(|began| began.elapsed().as_nanos() as u64)
    }

    /// When each thread worked on each stage of the last run, if it was measured.
    pub fn spans(&self) -> impl Iterator<Item = StageSpan> {
        self.spans.iter().enumerate().filter_map(|(i, [begin, end])| {
            let [begin, end] = [begin, end].map(|t| t.load(Ordering::Relaxed));
            let (stage, thread) = (i / self.threads, i % self.threads);
            (end > 0).then_some(StageSpan { stage, thread, begin, end })
        })
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        self.guards.iter_mut().map(|g| std::mem::take(&mut g.0[0])).sum()
    }
}

/// What threads share while a run lasts.
struct Region<'a> {
    kernels: &'a [Option<KernelFn>],
    calls: &'a [Call],
    stages: &'a [Stage],
    range: Range<usize>,
    progress: &'a Progress,
    guards: *mut Guard,
    /// The smallest status of a kernel that stopped; a stage's own, since the run ends behind it.
    failed: AtomicI64,
    timed: bool,
}

// SAFETY: kernels and calls are only read. Units of a stage never write what another unit reads or writes:
// each has rows, heads, panels or columns of its own, those of states updated in place among them, and each
// thread has working memory of its own. Each unit is claimed once, and none begins before all units of the
// previous stage are done: `wait_until` reads `done` with Acquire, and the threads that did the units added
// to it with Release. So no two threads write the same bytes, and none reads what another writes.
unsafe impl Sync for Region<'_> {}

/// Runs the stages of a range; gives the stage and status of a kernel that found an id out of range.
///
/// # Safety
/// While this runs, the call of every stage's step must hold what [`KernelFn::run`] asks for: buffers of the
/// sizes that the plan gives them, the parameters of the binding, and working memory for as many threads as
/// [`Progress::reserve`] was given. Of the buffers:
///
/// - What kernels write (the arena, results, states, working memory) no one else may read or write.
/// - What kernels only read (inputs, weights, packed weights) no one may write. Other runs may read it at the
///   same time: sessions share the weights of a network.
/// - Gathered weights are the exception. While this runs, other threads may decode rows into them, but only
///   rows that were not there when this began. The rows that this run reads must have been written under the
///   lock of [`Rows`](crate::weights::Rows) before the caller took that lock itself. The lock orders the
///   writes of each such row before the reads here, and no row is written twice.
pub unsafe fn run(
    kernels: &[Option<KernelFn>],
    calls: &[Call],
    stages: &[Stage],
    range: Range<usize>,
    progress: &mut Progress,
    timed: bool,
) -> Option<(usize, i64)> {
    progress.start(stages, range.clone());
    let guards = progress.guards.as_mut_ptr();
    let threads = stages[range.clone()].iter().map(|s| s.threads).max().unwrap_or(1);
    let (failed, first) = (AtomicI64::new(i64::MAX), range.start);
    let region = Region { kernels, calls, stages, range: range.clone(), progress, guards, failed, timed };
    if threads == 1 {
        region.alone();
    } else {
        pool::run(threads, &|thread| region.work(thread));
    }
    let status = region.failed.into_inner();
    // Every stage up to the one that failed is done, and none behind it has begun.
    let done = |i: &usize| progress.done[*i].0.load(Ordering::Relaxed) == stages[*i].units;
    (status != i64::MAX).then(|| (range.rev().find(done).unwrap_or(first), status))
}

impl Region<'_> {
    fn call(&self, stage: usize, begin: i64, end: i64, thread: usize) {
        let s = &self.stages[stage];
        let call = &self.calls[s.step];
        let args = Arguments {
            buffers: call.buffers.as_ptr(),
            sizes: call.sizes.as_ptr(),
            params: call.params.as_ptr(),
            // SAFETY: `thread` is below the number `Progress::reserve` made guards for.
            guard: unsafe { self.guards.add(thread) }.cast(),
            scratch: call.scratch * thread as i64,
            unit_kind: s.unit_kind as i64,
        };
        // SAFETY: the caller of `run` vouches for buffers and parameters; `Sync` above says why threads do
        // not meet.
        let status = self.kernels[s.step].as_ref().map(|kernel| unsafe { kernel.run(&args, begin, end) });
        if let Some(status) = status.filter(|status| *status >= 0) {
            self.failed.fetch_min(status, Ordering::Relaxed);
        }
    }

    fn alone(&self) {
        for i in self.range.clone() {
            let s = &self.stages[i];
            let start = self.timed.then(Instant::now);
            let begin = self.since();
            self.call(i, 0, s.units, 0);
            self.span(i, 0, begin);
            self.progress.done[i].0.store(s.units, Ordering::Relaxed);
            self.time(i, start);
            if self.failed.load(Ordering::Relaxed) != i64::MAX {
                return;
            }
        }
    }

    /// Nanoseconds since the run began, if its time is measured.
    fn since(&self) -> Option<u64> {
        if self.timed { self.progress.elapsed() } else { None }
    }

    /// A thread has worked on a stage from then until now.
    fn span(&self, stage: usize, thread: usize, begin: Option<u64>) {
        if let (Some(begin), Some(end)) = (begin, self.since()) {
            let [first, last] = &self.progress.spans[stage * self.progress.threads + thread];
            first.store(begin, Ordering::Relaxed);
            last.store(end, Ordering::Relaxed);
        }
    }

    fn time(&self, stage: usize, start: Option<Instant>) {
        if let Some(start) = start {
            self.progress.nanos[stage].store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// What one thread does of all stages. A worker leaves where there are too many of them; the caller does
    /// what is left.
    fn work(&self, thread: usize) {
        let threads = self.progress.threads;
        let leaves = || thread > 0 && pool::crowded();
        for i in self.range.clone() {
            let s = &self.stages[i];
            let start = (self.timed && thread == 0).then(Instant::now);
            let done = &self.progress.done[i].0;
            let (mut mine, begin) = (0, self.since());
            for t in (thread..threads).chain(0..thread) {
                let (next, end) = (&self.progress.next[i * threads + t].0, s.range(t).1);
                // A read first keeps the cache line shared where nothing is left.
                while next.load(Ordering::Relaxed) < end && !leaves() {
                    let begin = next.fetch_add(s.grain, Ordering::Relaxed);
                    if begin < end {
                        let to = (begin + s.grain).min(end);
                        self.call(i, begin, to, thread);
                        mine += to - begin;
                    }
                }
            }
            if mine > 0 {
                self.span(i, thread, begin);
                done.fetch_add(mine, Ordering::Release);
            }
            let over = || done.load(Ordering::Acquire) == s.units;
            pool::wait_until(|| over() || leaves());
            if !over() {
                return;
            }
            self.time(i, start);
            if self.failed.load(Ordering::Relaxed) != i64::MAX {
                return;
            }
        }
    }
}
