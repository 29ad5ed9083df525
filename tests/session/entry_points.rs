//! Entry points that keep states together: encoders and decoders, prompts and steps.

use tancho::{AsView, Error, Target, network};
use tancho_support::targets;

network! {
    /// Reads a sequence once, and answers queries from what it has read.
    pub Recall<B, D = 8> where D % 2 == 0 {
        net key: Linear<D, D>;
        net value: Linear<D, D>;
        net query: Linear<D, D>;
        state keys: [B, N, D];
        state values: [B, N, D];

        fn read<N>(x: [B, N, D]) -> [B, N, D] {
            keys = key(x);
            values = value(x);
            value(x)
        }

        fn answer<S, N: ..=64>(q: [B, S, D]) -> [B, S, D] {
            attention(query(q), keys, values, heads = 2)
        }

        fn both<S, N>(x: [B, N, D], q: [B, S, D]) -> [B, S, D] {
            attention(query(q), key(x), value(x), heads = 2)
        }

        fn length<N>() -> [B, N, D] { keys }
    }

    /// A decoder with a prompt and a step, and one entry point without any state.
    pub Decoder<B, P: ..=16, V = 11, D = 8> where D % 2 == 0 {
        net tokens: Embedding<V, D>;
        net k: Linear<D, D>;
        state keys: [B, P, D] grow P;

        fn prompt<S>(ids: i32[B, S]) -> [B, S, D] {
            let x = tokens(ids);
            let all = keys.push(k(x));
            attention(x, all, all, heads = 2, causal = true)
        }

        fn step(id: i32[B]) -> [B, D] {
            let x = reshape(tokens(id), [B, 1, D]);
            let all = keys.push(k(x));
            reshape(attention(x, all, all, heads = 2), [B, D])
        }

        fn seen() -> [B, P, D] { keys }
        fn embed<S>(ids: i32[B, S]) -> [B, S, D] { tokens(ids) }
    }

    /// A net with states that entry points of another network use.
    pub Outer<B, P: ..=16, V = 11, D = 8> where D % 2 == 0 {
        net inner: Decoder<V = V, D = D, P = P>;

        fn ask<S>(ids: i32[B, S]) -> [B, S, D] { inner.prompt(ids) }
        fn next(id: i32[B]) -> [B, D] { inner.step(id) }
    }

    /// An entry point that calls one with a cache.
    pub Twice<B, P: ..=16, D = 4> {
        net k: Linear<D, D>;
        state rows: [B, P, D] grow P;

        fn add<S>(x: [B, S, D]) -> [B, P + S, D] { rows.push(k(x)) }
        fn mean_of<S>(x: [B, S, D]) -> [B, D] { mean(add(x), over = 1) }
    }
}

network! {
    pub Layer<B, S, P: ..=8, D = 4>(x: [B, S, D]) -> [B, S, D] {
        state rows: [B, P, D] grow P;
        let all = rows.push(x);
        x + all[0..B, P..P + S, 0..D]
    }

    /// Its positions go on where the caches of its layers end.
    pub Stack<B, S, P: ..=8, D = 4, LAYERS = 2>(x: [B, S, D]) -> [B, S, D] where P + S <= 8 {
        param places: [8, D] = ones;
        net layers: [Layer<D = D, P = P>; LAYERS];
        let mut x = x + places[P..P + S];
        for layer in layers { x = layer(x); }
        x
    }
}

#[test]
fn without_layers_there_is_no_cache() {
    for layers in [0, 1, 2] {
        let net = Stack::with(StackDims { LAYERS: layers, ..Default::default() }).init(1).unwrap();
        let compiled = net.compile(Target::host()).unwrap();
        let mut session = compiled.session();
        for _ in 0..3 {
            let x = [1.0; 8];
            assert!(session.check(x.view([1, 2, 4])).unwrap().is_ok());
            let y = session.run(x.view([1, 2, 4])).unwrap();
            assert_eq!(y.data(), [2.0 * 2f32.powi(layers as i32); 8]);
        }
        assert_eq!(session.rows("P").is_ok(), layers > 0);
    }
}

fn filled(n: usize, seed: u32) -> Vec<f32> {
    (0..n as u32).map(|i| ((i * 37 + seed * 101) % 19) as f32 / 9.0 - 1.0).collect()
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn what_one_entry_point_sets_another_reads() {
    for target in targets() {
        let compiled = Recall::init(3).unwrap().compile(target).unwrap();
        let mut session = compiled.session();
        // The length of the states follows from the call that sets them, and changes with it.
        for (n, s) in [(5, 2), (9, 1), (1, 3), (7, 7)] {
            let (x, q) = (filled(2 * n * 8, n as u32), filled(2 * s * 8, s as u32 + 50));
            let (x, q) = (x.view([2, n, 8]), q.view([2, s, 8]));
            session.read(x).unwrap();
            let answer = session.answer(q).unwrap().data().to_vec();
            let both = session.both(x, q).unwrap();
            close(&answer, both.data());
            assert_eq!(session.state("keys").unwrap().map(|t| t.shape().to_vec()), Some(vec![2, n, 8]));
            assert_eq!(session.length().unwrap().shape(), [2, n, 8]);
            for report in [session.check_read(x), session.check_answer(q), session.check_length()] {
                assert!(report.as_ref().unwrap().is_ok(), "{}", report.unwrap());
            }
            let trace = session.trace_answer(q).unwrap();
            assert_eq!(trace.get("keys").unwrap().shape(), [2, n, 8]);
        }
    }
}

#[test]
fn a_state_that_nothing_has_set_is_an_error() {
    let compiled = Recall::init(3).unwrap().compile(Target::host()).unwrap();
    let mut session = compiled.session();
    let (x, q) = (filled(2 * 5 * 8, 1), filled(2 * 8, 2));
    let unset =
        "`N` follows from the state `keys`, which no run has set: call the entry point that sets it first";
    assert_eq!(session.answer(q.view([2, 1, 8])).unwrap_err().to_string(), unset);
    assert_eq!(session.check_answer(q.view([2, 1, 8])).unwrap_err().to_string(), unset);
    assert_eq!(compiled.check_answer(q.view([2, 1, 8])).unwrap_err().to_string(), unset);
    session.read(x.view([2, 5, 8])).unwrap();
    // A batch that the states do not have.
    let one = session.answer(q.view([1, 2, 8])).unwrap_err();
    assert!(matches!(&one, Error::StateDim { dim, held: 2, found: 1 } if dim == "B"), "{one}");
    // A fork goes on by itself.
    let mut fork = session.fork().unwrap();
    session.read(x[..16].view([1, 2, 8])).unwrap();
    assert_eq!(fork.length().unwrap().shape(), [2, 5, 8]);
    assert_eq!(session.length().unwrap().shape(), [1, 2, 8]);
    session.reset();
    assert_eq!(session.length().unwrap_err().to_string(), unset.replace("`N`", "`B`"));
    assert_eq!(fork.length().unwrap().shape(), [2, 5, 8]);
    // A run that fails leaves the states as they were: the bound of `N` is that of `answer`.
    let long = filled(65 * 8, 4);
    fork.read(long.view([1, 65, 8])).unwrap();
    let e = fork.answer(q.view([1, 2, 8])).unwrap_err();
    assert!(matches!(e, Error::Bound { value: 65, bound: 64, .. }), "{e}");
}

#[test]
fn a_prompt_and_steps_share_a_cache() {
    for target in targets() {
        let net = Decoder::init(5).unwrap();
        let compiled = net.compile(target).unwrap();
        let ids: Vec<i32> = (0..2 * 9).map(|i| (i * 7 + 3) % 11).collect();
        let column = |from: usize, n: usize| -> Vec<i32> {
            (0..2).flat_map(|b| ids[b * 9 + from..b * 9 + from + n].to_vec()).collect()
        };
        let mut whole = compiled.session();
        let all = whole.prompt(ids.view([2, 9])).unwrap().data().to_vec();
        let mut session = compiled.session_with_threads(2).unwrap();
        session.prompt(column(0, 4).view([2, 4])).unwrap();
        assert_eq!(session.rows("P").unwrap(), 4);
        for t in 4..9 {
            let id = column(t, 1);
            assert!(session.check_step(id.view([2])).unwrap().is_ok());
            let row = session.step(id.view([2])).unwrap().data().to_vec();
            for b in 0..2 {
                close(&row[b * 8..][..8], &all[(b * 9 + t) * 8..][..8]);
            }
            // It has no states, so any batch will do.
            assert_eq!(session.embed([1, 2, 3].view([3, 1])).unwrap().shape(), [3, 1, 8]);
        }
        assert_eq!(session.rows("P").unwrap(), 9);
        let seen = session.seen().unwrap();
        assert_eq!(seen.shape(), [2, 9, 8]);
        let held = session.state("keys").unwrap().unwrap();
        assert_eq!(held.as_f32().unwrap(), session.seen().unwrap().data());
        session.truncate("P", 4).unwrap();
        let id = column(4, 1);
        let row = session.step(id.view([2])).unwrap().data().to_vec();
        close(&row[..8], &all[4 * 8..][..8]);
        let e = session.prompt([0; 24].view([2, 12])).unwrap_err();
        assert!(matches!(e, Error::Full { held: 5, capacity: 16, added: 12, .. }), "{e}");
        // The states are counted once.
        let apart: usize = ["prompt", "step", "seen", "embed"]
            .iter()
            .map(|e| session.entry(e).unwrap().memory_bytes())
            .sum();
        assert!(session.memory_bytes() + 2 * 16 * 8 * 4 * 3 <= apart);
    }
}

#[test]
fn states_of_nets_and_of_entry_points_that_call_each_other() {
    let ids: Vec<i32> = (0..6).collect();
    let mut outer = Outer::init(5).unwrap().compile(Target::host()).unwrap().session();
    outer.ask(ids.view([1, 6])).unwrap();
    outer.next([3].view([1])).unwrap();
    assert_eq!(outer.rows("P").unwrap(), 7);
    assert_eq!(outer.state("inner.keys").unwrap().unwrap().shape(), [1, 7, 8]);

    let mut twice = Twice::init(5).unwrap().compile(Target::host()).unwrap().session();
    let x = filled(12, 3);
    assert_eq!(twice.add(x.view([1, 3, 4])).unwrap().shape(), [1, 3, 4]);
    twice.mean_of(x.view([1, 3, 4])).unwrap();
    assert_eq!(twice.rows("P").unwrap(), 6);
}
