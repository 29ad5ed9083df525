//! Runs divided among threads: the same bits for every number, errors as on one thread, and sessions side by
//! side.

// Asks the operating system for limits of this process.
#![allow(unsafe_code)]

use tancho::Model;
use tancho::inspect::Limits;
use tancho::{AsView, Error, Graph, Isa, Target, network};
use tancho_support::{levels, sample};

network! {
    /// Products of many and of few rows, row work behind them, attention.
    Layer<B, S>(x: [B, S, 96]) -> [B, S, 96] {
        net q: Linear<96, 96>;
        net k: Linear<96, 96>;
        net v: Linear<96, 96>;
        net o: Linear<96, 96>;
        net ln: LayerNorm<96>;

        ln(x + o(attention(q(x), k(x), v(x), heads = 3)))
    }

    /// Rows by ids.
    Rows<N>(ids: i32[N]) -> [N, 64] {
        param table: [50, 64] = normal(1.0);
        relu(table[ids])
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    let compiled = Layer::init(3).unwrap().compile(Target::host()).unwrap();
    let x = sample(4 * 300 * 96);
    for (b, s) in [(1, 1), (1, 2), (1, 9), (2, 33), (1, 300), (4, 77), (0, 5), (3, 0)] {
        let x = &x[..b * s * 96];
        let want = bits(compiled.session_with_threads(1).unwrap().run(x.view([b, s, 96])).unwrap().data());
        for threads in [2, 3, 4, 7, 64] {
            let mut session = compiled.session_with_threads(threads).unwrap();
            for _ in 0..3 {
                assert_eq!(
                    bits(session.run(x.view([b, s, 96])).unwrap().data()),
                    want,
                    "{threads} threads, [{b}, {s}]"
                );
            }
            session.divide_all();
            assert_eq!(
                bits(session.run(x.view([b, s, 96])).unwrap().data()),
                want,
                "{threads} threads, [{b}, {s}], all divided"
            );
        }
    }
}

#[test]
fn every_number_of_columns_is_whole_however_it_is_cut() {
    for n in (1..=40).chain([
        47, 48, 49, 63, 64, 65, 79, 80, 95, 96, 97, 112, 113, 127, 128, 129, 144, 160, 176, 193, 240, 251,
    ]) {
        let text = format!(
            "network P<B>\ninput x: f32[B, 5]\nweight \"w\": f32[{n}, 5] = normal(1.0)\n%0: f32[B, 5] = input(index = 0)\n\
             %1: f32[{n}, 5] = weight(index = 0)\n%2: f32[B, {n}] = linear(%0, %1)\nreturn %2"
        );
        let model = Model::from_graph(Graph::parse(&text).unwrap(), 7).unwrap();
        for isa in levels() {
            let compiled = model.compile(Target::host().with_isa(isa).unwrap()).unwrap();
            for rows in [1, 2, 3, 4, 5, 7, 8, 9, 17] {
                let x = sample(rows * 5);
                let want = compiled.interpret_inputs(&[x.view([rows, 5]).into()]).unwrap();
                let want = want[0].as_f32().unwrap();
                for threads in 1..=3 {
                    let mut session = compiled.session_with_threads(threads).unwrap();
                    session.divide_all();
                    session.run_inputs(&[x.view([rows, 5]).into()]).unwrap();
                    let got = session.output::<f32>(0).expect("a result");
                    let near =
                        got.data().iter().zip(want).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0));
                    assert!(
                        near && got.data().len() == want.len(),
                        "{n} columns, {rows} rows, {isa}, {threads} threads"
                    );
                }
            }
        }
    }
}

#[test]
fn no_threads_and_too_many_are_refused() {
    let compiled = Layer::init(3).unwrap().compile(Target::host()).unwrap();
    for asked in [0, 257, usize::MAX] {
        let e = compiled.session_with_threads(asked).unwrap_err();
        assert!(matches!(e, Error::Threads { asked: n, most: 256 } if n == asked), "{e}");
        assert!(e.to_string().contains("ask for 1 to 256"), "{e}");
    }
    assert!(compiled.session().threads() >= 1);
}

/// What needs threads takes those that the system gives, also if these are none.
#[cfg(target_os = "linux")]
#[test]
fn fewer_threads_than_were_asked_for() {
    use tancho_support::alone::alone;

    alone(|| {
        // A user that nobody is: threads of others count as well, and the limit is not kept for root.
        // SAFETY: the calls change no memory.
        let root = unsafe { libc::geteuid() == 0 && libc::setuid(54321) == 0 };
        let allow = |threads| {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the limit is this function's own; one call writes it, the other reads it.
            let set = unsafe {
                libc::getrlimit(libc::RLIMIT_NPROC, &mut limit);
                libc::setrlimit(libc::RLIMIT_NPROC, &libc::rlimit { rlim_cur: threads, ..limit })
            };
            assert_eq!(set, 0);
        };
        let measured = |asked: usize, want: usize| {
            let l = Limits::measure(Isa::Clif128, asked).expect("fewer threads are no error");
            assert_eq!(l.threads, want, "of {asked}: {l}");
            assert!(l.gflops > 0.0 && l.levels.iter().all(|l| l.read > 0.0 && l.copy > 0.0), "{l}");
        };
        if root {
            let own = std::fs::read_dir("/proc/self/task").expect("Linux").count();
            allow(own as u64 + 1);
            measured(5, 2);
        }
        allow(1);
        measured(3, 1);
        let compiled = Layer::init(3)
            .expect("no thread is needed")
            .compile(Target::host())
            .expect("packing goes on alone");
        let x = sample(2 * 96);
        let mut session = compiled.session_with_threads(4).expect("4 parts");
        assert!(session.run(x.view([1, 2, 96])).is_ok());
    });
}

#[test]
fn the_first_id_out_of_range_is_told_whoever_finds_it() {
    let compiled = Rows::init(3).unwrap().compile(Target::host()).unwrap();
    let mut ids: Vec<i32> = (0..4000).map(|i| i % 50).collect();
    let want = compiled.session_with_threads(1).unwrap().run(ids.view([4000])).unwrap().to_vec();
    ids[1234] = 50;
    ids[1300] = -1;
    ids[3999] = 99;
    for threads in 1..=3 {
        let mut session = compiled.session_with_threads(threads).unwrap();
        for _ in 0..20 {
            let Err(Error::IdOutOfRange { id, rows, position, .. }) =
                session.run(ids.view([4000])).map(|_| ())
            else {
                panic!("accepted")
            };
            assert_eq!((id, rows, position), (50, 50, vec![1234]), "{threads} threads");
            let good: Vec<i32> = (0..4000).map(|i| i % 50).collect();
            assert_eq!(session.run(good.view([4000])).unwrap().data(), want, "the session stays usable");
        }
    }
}

#[test]
fn sessions_in_many_threads_do_not_disturb_each_other() {
    let compiled = Layer::init(3).unwrap().compile(Target::host()).unwrap();
    let x = sample(64 * 96);
    let want = bits(compiled.session_with_threads(1).unwrap().run(x.view([1, 64, 96])).unwrap().data());
    std::thread::scope(|s| {
        for threads in [1, 2, 2, 3, 5] {
            let (compiled, x, want) = (&compiled, &x, &want);
            s.spawn(move || {
                let mut session = compiled.session_with_threads(threads).unwrap();
                for _ in 0..200 {
                    assert_eq!(&bits(session.run(x.view([1, 64, 96])).unwrap().data()), want);
                }
            });
        }
    });
}

#[test]
fn a_profile_counts_every_kernel_and_line() {
    let compiled = Layer::init(3).unwrap().compile(Target::host()).unwrap();
    let mut session = compiled.session_with_threads(2).unwrap();
    let x = sample(200 * 96);
    session.run(x.view([2, 100, 96])).unwrap();
    assert!(session.profile().kernels.is_empty(), "nothing is counted unless asked for");
    session.set_profiling(true);
    for _ in 0..3 {
        session.run(x.view([2, 100, 96])).unwrap();
    }
    let p = session.profile();
    assert_eq!((p.runs, p.threads, p.kernels.len()), (3, 2, compiled.stats().steps));
    let (products, attention) = (2.0 * 200.0 * 96.0 * 96.0 * 4.0, 4.0 * 2.0 * 3.0 * 100.0 * 100.0 * 32.0);
    assert_eq!(p.total().flops, 3.0 * (products + attention));
    assert!(p.kernels.iter().all(|k| k.cost.nanos > 0 && k.cost.bytes > 0.0), "{p}");
    let lines = p.lines();
    assert_eq!(lines.iter().map(|l| l.cost.nanos).sum::<u64>(), p.total().nanos);
    assert!(lines.iter().all(|l| l.source.file.ends_with("threads.rs")), "{p}");
    let roof = tancho::inspect::Roof { gflops: 100.0, gbytes: 20.0 };
    assert!(p.table(roof).contains("attention(q(x), k(x), v(x), heads = 3)"), "{p}");
    session.set_profiling(false);
    assert!(session.profile().kernels.is_empty());
}
