//! Executable memory that the system refuses is an error: no panic, nothing left behind, and what was
//! compiled before goes on.
// Asks the operating system for limits of this process.
#![allow(unsafe_code)]

use tancho::inspect::Limits;
use tancho::{AsView, CompileError, Compiled, Error, Isa, Target, network};
use tancho_support::alone::alone;

network! {
    pub Small<B, D = 24>(x: [B, D]) -> [B, D] {
        param w: [D, D];
        softmax(gelu(x @ w.t), over = D)
    }
}

fn compiled() -> Result<Compiled, Error> {
    Small::init(1)?.compile(Target::host()).map(|c| Compiled::clone(&c))
}

fn is_refused<T>(result: Result<T, Error>, what: &str) -> String {
    match result.map(drop) {
        Err(Error::Code(CompileError::Memory(why))) => why,
        other => panic!("{what}: {other:?}"),
    }
}

fn everything_is_refused(before: &Compiled) -> String {
    is_refused(before.dump(), "dump");
    is_refused(Limits::measure(Isa::host(), 1), "limits");
    is_refused(Limits::measure(Isa::Clif128, 1), "limits");
    is_refused(compiled(), "compile")
}

/// KiB of address space.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|l| l.strip_prefix("VmSize:")).expect("its size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn runs(before: &Compiled) {
    let mut session = before.session();
    let x = [0.5f32; 48];
    session.run_inputs(&[x.view([2, 24]).into()]).expect("it was compiled before");
    let sum: f32 = session.output::<f32>(0).expect("a result").data().iter().sum();
    assert!((sum - 2.0).abs() < 1e-5, "two rows of a softmax: {sum}");
}

#[test]
fn a_process_that_may_not_execute_what_it_wrote() {
    alone(|| {
        let before = compiled().expect("nothing is forbidden yet");
        // SAFETY: it changes no memory, only what later calls may ask for.
        let set = unsafe { libc::prctl(libc::PR_SET_MDWE, libc::PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) };
        if set != 0 {
            return eprintln!("this kernel has no PR_SET_MDWE");
        }
        let why = everything_is_refused(&before);
        assert!(why.contains("may not execute what it has written"), "{why}");
        // A hundred ranges of code would be 6 GiB.
        let at_first = address_space();
        (0..100).for_each(|_| drop(is_refused(compiled(), "compile")));
        let grown = address_space().saturating_sub(at_first);
        assert!(grown < 64 << 10, "{grown} KiB were left behind");
        runs(&before);
    });
}

#[test]
fn a_process_without_address_space() {
    alone(|| {
        let before = compiled().expect("nothing is forbidden yet");
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is this function's own, and is only written.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) }, 0);
        let set = |most| {
            let new = libc::rlimit { rlim_cur: most, ..limit };
            // SAFETY: the limit is only read.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &new) }, 0);
        };
        // Enough for everything but a range of code.
        set((address_space() + (48 << 10)) << 10);
        let why = everything_is_refused(&before);
        assert!(why.contains("cannot be reserved"), "{why}");
        runs(&before);
        set(limit.rlim_cur);
        runs(&compiled().expect("nothing is forbidden any more"));
    });
}

#[test]
fn a_process_without_mappings() {
    alone(|| {
        let before = compiled().expect("nothing is forbidden yet");
        runs(&before);
        // Neighbours with different rights are not merged.
        let page = |i: usize| {
            let rights = if i.is_multiple_of(2) { libc::PROT_NONE } else { libc::PROT_READ };
            // SAFETY: new memory, where the system has room; nothing refers to it.
            unsafe {
                libc::mmap(std::ptr::null_mut(), 4096, rights, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
            }
        };
        let mut pages: Vec<_> = Vec::with_capacity(1 << 20);
        pages.extend((0..1 << 20).map(page).take_while(|p| *p != libc::MAP_FAILED));
        if pages.len() == 1 << 20 {
            return eprintln!("this system has mappings without end");
        }
        is_refused(compiled(), "no mapping");
        // With a few that are left, one step of compiling or another is refused, or none.
        let mut compiles = 0;
        while compiles < 3 {
            let page = pages.pop().expect("some mappings are enough");
            // SAFETY: this function mapped the page, and nothing refers to it.
            assert_eq!(unsafe { libc::munmap(page, 4096) }, 0);
            match compiled() {
                Ok(c) => {
                    compiles += 1;
                    runs(&c);
                }
                Err(Error::Code(CompileError::Memory(_)) | Error::Memory { .. }) => {}
                Err(e) => panic!("{e}"),
            }
        }
        runs(&before);
    });
}
