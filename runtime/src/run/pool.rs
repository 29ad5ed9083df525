//! Threads that wait for work: one set for the process, shared by all sessions.
//!
//! [`run`] calls a function on the caller's thread and on each worker that is free and awake in time. The
//! caller never waits for a worker that has not begun: it takes the call back. A worker spins for a moment
//! after its last call, then sleeps.

// Lends the address of a closure to worker threads.
#![allow(unsafe_code)]

use std::hint::spin_loop;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// The most threads that a session may have: each has working memory of its own.
pub const MOST_THREADS: usize = 256;
/// How long a worker spins for its next call before it sleeps: waking takes as long.
const AWAKE: Duration = Duration::from_micros(200);
/// Iterations of a spin before the thread offers its core to another; some 30 microseconds.
const PATIENCE: u32 = 1000;

/// A call offered to workers; on the stack of [`run`].
struct Offer<'f> {
    work: &'f (dyn Fn(usize) + Sync),
    /// Workers that took the offer and are done with it.
    left: AtomicUsize,
}

/// What the pool and a worker share.
struct Worker {
    /// The offer and the number of the part, until the worker or the caller takes it.
    offer: AtomicPtr<Offer<'static>>,
    part: AtomicUsize,
    asleep: AtomicBool,
    /// Whether a caller has it at the moment.
    taken: AtomicBool,
    thread: OnceLock<Thread>,
}

#[derive(Default)]
struct Pool {
    workers: Mutex<Vec<Arc<Worker>>>,
    /// Threads that run or may run calls now.
    active: AtomicUsize,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(Pool::default)
}

/// How many threads the machine runs at once, as far as this process may use them.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Of these the ones on cores of the fastest kind, where there are several: at the end of each step all
/// threads wait for the slowest.
pub fn fast_cores() -> usize {
    tancho_jit::system::fast_cores().map_or(cores(), |fast| fast.clamp(1, cores()))
}

/// Whether more callers and workers are at work than there are cores. A worker then does best to leave: its
/// caller would wait for it while other threads have its core.
pub fn crowded() -> bool {
    pool().active.load(Ordering::Relaxed) > cores()
}

/// Waits until a condition holds: spins, then lets other threads run.
pub fn wait_until(so: impl Fn() -> bool) {
    let mut iterations = 0;
    while !so() {
        iterations += 1;
        if iterations < PATIENCE {
            spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

/// Calls `work(0)` here and `work(1)` to `work(parts - 1)` on workers as far as there are free ones and cores
/// for them; calls that no worker begins are not made. `work(0)` must therefore do what the others leave.
pub fn run(parts: usize, work: &(dyn Fn(usize) + Sync)) {
    let pool = pool();
    let others = pool.active.fetch_add(1, Ordering::Relaxed);
    let free = cores().saturating_sub(others + 1);
    let workers = take(pool, free.min(parts.saturating_sub(1)));
    pool.active.fetch_add(workers.len(), Ordering::Relaxed);
    let offer = Offer { work, left: AtomicUsize::new(0) };
    let address = ptr::from_ref(&offer).cast_mut().cast::<Offer<'static>>();
    for (i, w) in workers.iter().enumerate() {
        w.part.store(i + 1, Ordering::Relaxed);
        w.offer.store(address, Ordering::SeqCst);
        if w.asleep.load(Ordering::SeqCst)
            && let Some(t) = w.thread.get()
        {
            t.unpark();
        }
    }
    // The offer must outlive its takers, also if the work panics.
    let end = End { pool, workers: &workers, offer: &offer };
    work(0);
    drop(end);
}

struct End<'a, 'f> {
    pool: &'a Pool,
    workers: &'a [Arc<Worker>],
    offer: &'a Offer<'f>,
}

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        // A worker that has not begun never will; one that has must be waited for.
        let begun =
            self.workers.iter().filter(|w| w.offer.swap(ptr::null_mut(), Ordering::SeqCst).is_null()).count();
        wait_until(|| self.offer.left.load(Ordering::Acquire) == begun);
        for w in self.workers {
            w.taken.store(false, Ordering::Release);
        }
        self.pool.active.fetch_sub(1 + self.workers.len(), Ordering::Relaxed);
    }
}

/// Up to `count` workers that no caller has; spawns those that are missing.
fn take(pool: &Pool, count: usize) -> Vec<Arc<Worker>> {
    let mut list = Vec::new();
    if count == 0 {
        return list;
    }
    let mut all = pool.workers.lock().unwrap_or_else(PoisonError::into_inner);
    for w in all.iter() {
        if list.len() < count && !w.taken.swap(true, Ordering::Acquire) {
            list.push(w.clone());
        }
    }
    while list.len() < count && all.len() < cores() {
        let Some(w) = spawn(all.len()) else { break };
        all.push(w.clone());
        list.push(w);
    }
    list
}

/// A new worker, taken; `None` where the system gives no thread: the caller then works alone.
fn spawn(number: usize) -> Option<Arc<Worker>> {
    let w = Arc::new(Worker {
        offer: AtomicPtr::new(ptr::null_mut()),
        part: AtomicUsize::new(0),
        asleep: AtomicBool::new(false),
        taken: AtomicBool::new(true),
        thread: OnceLock::new(),
    });
    let mine = w.clone();
    let handle = thread::Builder::new().name(format!("tancho-{number}")).spawn(move || serve(&mine)).ok()?;
    w.thread.set(handle.thread().clone()).ok()?;
    Some(w)
}

/// A worker's life.
fn serve(worker: &Worker) {
    loop {
        let start = Instant::now();
        while worker.offer.load(Ordering::Relaxed).is_null() {
            if start.elapsed() < AWAKE {
                for _ in 0..16 {
                    spin_loop();
                }
                continue;
            }
            worker.asleep.store(true, Ordering::SeqCst);
            // An offer made before the caller could see the flag comes without a call to wake up.
            if worker.offer.load(Ordering::SeqCst).is_null() {
                thread::park();
            }
            worker.asleep.store(false, Ordering::SeqCst);
        }
        let offer = worker.offer.swap(ptr::null_mut(), Ordering::SeqCst);
        if offer.is_null() {
            continue;
        }
        // SAFETY: the pointer was in the mailbox, so `run`, whose stack it points to, has not taken it back
        // and waits in `End::drop` until `left` counts this worker; nothing is read after that.
        let offer = unsafe { &*offer };
        let count = Count(&offer.left);
        (offer.work)(worker.part.load(Ordering::Relaxed));
        drop(count);
    }
}

/// Counts the worker as done, also if the work panics.
struct Count<'a>(&'a AtomicUsize);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_works_and_nobody_outlives_the_call() {
        for parts in [1, 2, 3, 9] {
            for _ in 0..2000 {
                let (calls, first) = (AtomicUsize::new(0), AtomicUsize::new(0));
                run(parts, &|part| {
                    assert!(part < parts);
                    calls.fetch_add(1, Ordering::Relaxed);
                    first.fetch_add(usize::from(part == 0), Ordering::Relaxed);
                });
                assert_eq!(first.load(Ordering::Relaxed), 1, "the caller's own part");
                assert!(calls.load(Ordering::Relaxed) <= parts);
            }
        }
    }

    #[test]
    fn callers_in_many_threads_share_the_workers() {
        let sum = AtomicUsize::new(0);
        thread::scope(|s| {
            for _ in 0..6 {
                s.spawn(|| {
                    for _ in 0..500 {
                        run(4, &|part| {
                            sum.fetch_add(usize::from(part == 0), Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 3000);
        assert!(pool().workers.lock().unwrap().len() <= cores());
    }
}
