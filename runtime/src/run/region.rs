//! One run of a network: its stages in order, on the caller's thread and whatever workers come.
//!
//! Each thread takes pieces of its own range first, then what others left, and goes on to the next
//! stage when all units of this one are done.

use crate::run::pool;
use crate::run::stages::{Stage, Work};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;
use tancho_jit::{Arguments, KernelFn};

/// What one call of a kernel is given.
#[derive(Debug, Default)]
pub struct Call {
    pub buffers: Vec<*mut u8>,
    pub sizes: Vec<i64>,
    pub params: Vec<i64>,
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
    /// Time of each stage, if it is wanted.
    pub nanos: Vec<AtomicU64>,
}

/// Eight bytes of count, then room for any one access.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Guard([u64; 16]);

impl Progress {
    /// Room for so many stages and threads.
    pub fn reserve(&mut self, stages: usize, threads: usize) {
        self.threads = threads;
        self.next.resize_with(stages * threads, Line::default);
        self.done.resize_with(stages, Line::default);
        self.nanos.resize_with(stages, AtomicU64::default);
        self.guards.resize(threads, Guard([0; 16]));
    }

    fn start(&mut self, stages: &[Stage]) {
        for (i, s) in stages.iter().enumerate() {
            *self.done[i].0.get_mut() = 0;
            for t in 0..self.threads {
                *self.next[i * self.threads + t].0.get_mut() = s.range(t).0;
            }
        }
    }

    /// Accesses outside of their buffers since the last call of this.
    pub fn take_violations(&mut self) -> u64 {
        self.guards.iter_mut().map(|g| std::mem::take(&mut g.0[0])).sum()
    }
}

/// What threads share while a run lasts.
struct Region<'a> {
    kernels: &'a [KernelFn],
    calls: &'a [Call],
    stages: &'a [Stage],
    progress: &'a Progress,
    guards: *mut Guard,
    /// The smallest status of a kernel that stopped; a stage's own, since the run ends behind it.
    failed: AtomicI64,
    timed: bool,
}

// Kernels and calls are only read. Units of a stage never write what another unit reads or writes: each has
// rows, heads, strips or columns of its own, and working memory goes by thread. SAFETY: each unit is claimed
// once, and none begins before all of the stage before are done: `wait_until` reads `done` with Acquire
// behind the Release of who did them. So no two threads write, or write and read, the same bytes.
unsafe impl Sync for Region<'_> {}

/// Runs all stages; gives the stage and status of a kernel that found an id out of range.
///
/// # Safety
/// For every stage, its step's call must hold what [`KernelFn::run`] asks for, with working memory for as
/// many threads as [`Progress::reserve`] was told, for as long as this runs; and nobody else may use the buffers
/// meanwhile.
pub unsafe fn run(
    kernels: &[KernelFn],
    calls: &[Call],
    stages: &[Stage],
    progress: &mut Progress,
    timed: bool,
) -> Option<(usize, i64)> {
    progress.start(stages);
    let guards = progress.guards.as_mut_ptr();
    let threads = stages.iter().map(|s| s.threads).max().unwrap_or(1);
    let region = Region { kernels, calls, stages, progress, guards, failed: AtomicI64::new(i64::MAX), timed };
    if threads == 1 {
        region.alone();
    } else {
        pool::run(threads, &|thread| region.work(thread));
    }
    let status = region.failed.into_inner();
    // Every stage up to the one that failed is done, and none behind it has begun.
    let last =
        || stages.iter().zip(&progress.done).rposition(|(s, d)| d.0.load(Ordering::Relaxed) == s.units);
    (status != i64::MAX).then(|| (last().unwrap_or(0), status))
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
            part: s.part as i64,
        };
        // SAFETY: the caller of `run` vouches for buffers and parameters; see `Sync` above for the threads.
        let status = unsafe { self.kernels[s.step].run(&args, begin, end) };
        if status >= 0 {
            self.failed.fetch_min(status, Ordering::Relaxed);
        }
    }

    fn alone(&self) {
        for (i, s) in self.stages.iter().enumerate() {
            let start = self.timed.then(Instant::now);
            self.call(i, 0, s.units, 0);
            self.progress.done[i].0.store(s.units, Ordering::Relaxed);
            self.time(i, start);
            if self.failed.load(Ordering::Relaxed) != i64::MAX {
                return;
            }
        }
    }

    fn time(&self, stage: usize, start: Option<Instant>) {
        if let Some(start) = start {
            self.progress.nanos[stage].store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// What one thread does of all stages. A worker leaves where there are too many of them; the caller does
    /// the rest.
    fn work(&self, thread: usize) {
        let threads = self.progress.threads;
        let leaves = || thread > 0 && pool::crowded();
        for (i, s) in self.stages.iter().enumerate() {
            let start = (self.timed && thread == 0).then(Instant::now);
            let done = &self.progress.done[i].0;
            let mut mine = 0;
            for t in (thread..threads).chain(0..thread) {
                let (next, end) = (&self.progress.next[i * threads + t].0, s.range(t).1);
                // Looking first keeps the line shared where nothing is left.
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
