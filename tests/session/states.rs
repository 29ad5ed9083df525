//! States: caches that grow, hidden values that are replaced, and what a session does with them.

use tancho::{AsView, DType, Error, Isa, Model, Target, Tensor, bf16, network};
use tancho_ir::graph::{RunDim, Source, StateDecl};
use tancho_ir::op::{Binary, Op, Reduction};
use tancho_ir::{Dim, Graph, Type, Value};
use tancho_support::graphs::{Flavour, Random};
use tancho_support::{Rng, targets, views};

network! {
    /// The mean of all rows so far, of every sequence.
    Running<B, S, P: ..=8, D = 3>(x: [B, S, D]) -> [B, D] {
        state seen: [B, P, D] grow P;
        mean(seen.push(x), over = 1)
    }

    /// All rows so far under shapes that no stride describes, since they lie apart in the state.
    Joined<B, S, P: ..=8, D = 3>(x: [B, S, D]) -> ([], [B * (P + S), D]) {
        state seen: [B, P, D] grow P;
        let all = seen.push(x);
        (sum(all), reshape(all, [B * (P + S), D]) * 2)
    }

    /// A cache that is declared where it is used, inside of an expression.
    Inside<B, S, P: ..=8, D = 3>(x: [B, S, D]) -> [B, S, D] {
        residual(x) {
            state seen: [B, P, D] grow P;
            expand(mean(seen.push(x), over = 1, keep = true), [B, S, D])
        }
    }

    /// An Elman cell.
    Cell<B, D = 4>(x: [B, D]) -> [B, D] {
        param w: [D, D] = normal(0.5);
        param u: [D, D] = normal(0.5);
        state h: [B, D];
        h = tanh(x @ w.t + h @ u.t);
        h
    }

    /// Two cells that swap what they hold.
    Swap<B>(x: [B]) -> ([B], [B]) {
        state a: [B];
        state b: [B];
        let old = a;
        a = b + x;
        b = old;
        (a, b)
    }
}

fn mean(rows: &[[f32; 3]]) -> Vec<f32> {
    (0..3).map(|d| rows.iter().map(|r| r[d]).sum::<f32>() / rows.len() as f32).collect()
}

#[test]
fn a_state_grows_by_the_rows_of_each_call() -> Result<(), Error> {
    let compiled = Running::init(1)?.compile(Target::host())?;
    let mut session = compiled.session();
    let rows: Vec<[f32; 3]> = (0..8).map(|i| [i as f32, (i * i) as f32, -1.0]).collect();
    let mut held = 0;
    for n in [1, 3, 0, 2, 2] {
        assert!(session.check(rows[held..held + n].as_flattened().view([1, n, 3]))?.is_ok());
        let y = session.run(rows[held..held + n].as_flattened().view([1, n, 3]))?.data().to_vec();
        held += n;
        assert_eq!(y, mean(&rows[..held]), "{held} rows");
        assert_eq!(session.rows("P")?, held);
    }
    assert_eq!(session.state("seen")?, Some(Tensor::new(rows.as_flattened().to_vec(), [1, 8, 3])?));
    let full = session.run([0.0; 3].view([1, 1, 3])).expect_err("it is full");
    assert!(matches!(full, Error::Full { held: 8, capacity: 8, added: 1, .. }), "{full}");
    // It is as it was, and goes on after some rows are forgotten.
    session.truncate("P", 2)?;
    let y = session.run([6.0, 6.0, 6.0].view([1, 1, 3]))?.data().to_vec();
    assert_eq!(y, mean(&[rows[0], rows[1], [6.0; 3]]));
    assert!(matches!(session.truncate("P", 4), Err(Error::Truncate { held: 3, asked: 4, .. })));
    assert!(matches!(session.truncate("S", 0), Err(Error::NoState { .. })));
    Ok(())
}

#[test]
fn a_state_may_stand_in_an_expression() -> Result<(), Error> {
    let compiled = Inside::init(1)?.compile(Target::host().with_checked(true))?;
    let mut session = compiled.session();
    assert_eq!(session.run([1.0, 2.0, 3.0].view([1, 1, 3]))?.data(), [2.0, 4.0, 6.0]);
    assert_eq!(session.run([3.0, 0.0, 1.0].view([1, 1, 3]))?.data(), [5.0, 1.0, 3.0]);
    assert_eq!(session.rows("P")?, 2);
    Ok(())
}

#[test]
fn rows_of_a_state_are_joined() -> Result<(), Error> {
    for target in targets() {
        let compiled = Joined::init(1)?.compile(target)?;
        let mut session = compiled.session();
        session.run([1.0, 2.0, 3.0, -1.0, -2.0, -3.0].view([2, 1, 3]))?;
        let (all, rows) = session.run([4.0, 5.0, 6.0, 7.0, 8.0, 10.0].view([2, 1, 3]))?;
        assert_eq!(all.data(), [40.0]);
        assert_eq!(rows.data(), [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, -2.0, -4.0, -6.0, 14.0, 16.0, 20.0]);
        assert!(compiled.check([0.5; 18].view([3, 2, 3]))?.is_ok());
    }
    Ok(())
}

#[test]
fn a_session_cannot_keep_more_rows_than_it_has() -> Result<(), Error> {
    let mut session = Running::init(1)?.compile(Target::host())?.session();
    session.run([1.0; 6].view([1, 2, 3]))?;
    for asked in [3, 1 << 31, 1 << 62, 1 << 63, usize::MAX - 2, usize::MAX] {
        let e = session.truncate("P", asked).expect_err("there are two rows");
        assert!(matches!(e, Error::Truncate { held: 2, asked: a, .. } if a == asked), "{e}");
        assert_eq!(session.rows("P")?, 2, "after {asked}");
    }
    // It is as it was.
    assert_eq!(session.fork()?.run([4.0; 3].view([1, 1, 3]))?.data(), [2.0; 3]);
    assert_eq!(session.run([4.0; 3].view([1, 1, 3]))?.data(), [2.0; 3]);
    session.truncate("P", 2)?;
    session.truncate("P", 0)?;
    assert_eq!(session.run([5.0; 3].view([1, 1, 3]))?.data(), [5.0; 3]);
    session.reset();
    assert_eq!(session.run([6.0; 3].view([1, 1, 3]))?.data(), [6.0; 3]);
    Ok(())
}

#[test]
fn a_fork_goes_its_own_way() -> Result<(), Error> {
    let compiled = Running::init(1)?.compile(Target::host())?;
    let mut first = compiled.session_with_threads(1)?;
    first.run([1.0; 12].view([2, 2, 3]))?;
    let mut second = first.fork()?;
    let a = first.run([4.0; 6].view([2, 1, 3]))?.data().to_vec();
    let b = second.run([-2.0; 6].view([2, 1, 3]))?.data().to_vec();
    assert_eq!((a[0], b[0]), (2.0, 0.0));
    assert_eq!((first.rows("P")?, second.rows("P")?), (3, 3));
    // States were made for two sequences.
    let other = first.run([0.0; 3].view([1, 1, 3])).expect_err("another batch");
    assert!(matches!(other, Error::StateDim { held: 2, found: 1, .. }), "{other}");
    first.reset();
    assert_eq!(first.rows("P")?, 0);
    assert_eq!(first.run([5.0; 3].view([1, 1, 3]))?.data(), [5.0; 3]);
    Ok(())
}

#[test]
fn a_value_is_kept_from_run_to_run() -> Result<(), Error> {
    let net = Cell::init(3)?;
    let compiled = net.compile(Target::host())?;
    let mut session = compiled.session();
    let (w, u) = (net.weights().get("w").expect("w").data(), net.weights().get("u").expect("u").data());
    let mut h = [0.0f32; 4];
    for step in 0..5 {
        let x: Vec<f32> = (0..4).map(|i| (i + step) as f32 / 4.0 - 0.7).collect();
        let dot = |m: &[f32], v: &[f32], r: usize| (0..4).map(|c| m[4 * r + c] * v[c]).sum::<f32>();
        h = std::array::from_fn(|r| (dot(w, &x, r) + dot(u, &h, r)).tanh());
        assert!(session.check(x.view([1, 4]))?.is_ok());
        let y = session.run(x.view([1, 4]))?.data().to_vec();
        assert!(y.iter().zip(&h).all(|(a, b)| (a - b).abs() < 1e-5), "step {step}: {y:?} {h:?}");
    }
    let kept = session.state("h")?.expect("it has run");
    session.reset();
    assert_ne!(kept.as_f32(), Some(&[0.0f32; 4][..]));
    let again = session.run([-0.7, -0.45, -0.2, 0.05].view([1, 4]))?.data().to_vec();
    let fresh = compiled.session().run([-0.7, -0.45, -0.2, 0.05].view([1, 4]))?.data().to_vec();
    assert_eq!(again, fresh);
    Ok(())
}

#[test]
fn states_take_each_others_values() -> Result<(), Error> {
    let compiled = Swap::init(0)?.compile(Target::host())?;
    let mut session = compiled.session();
    for (x, want) in [(1.0, (1.0, 0.0)), (2.0, (2.0, 1.0)), (3.0, (4.0, 2.0)), (0.5, (2.5, 4.0))] {
        assert!(session.check([x].view([1]))?.is_ok());
        let (a, b) = session.run([x].view([1]))?;
        assert_eq!((a.data()[0], b.data()[0]), want);
    }
    Ok(())
}

/// Adds states to a random graph: what some values were in the run before, and all rows of others so far.
fn with_states(r: &Random, seed: u64) -> Graph {
    let (mut g, mut rng) = (r.graph.clone(), Rng::new(seed));
    let push = |g: &mut Graph, op: Op, args: &[Value]| g.push(op, args, Source::default());
    let floats: Vec<Value> =
        g.values().filter(|v| g.ty(*v).dtype == DType::F32 && g.ty(*v).rank() > 0).collect();
    for i in 0..1 + rng.below(3) {
        if floats.is_empty() {
            break;
        }
        let v = rng.pick(&floats);
        let mut before = g.ty(v).shape.clone();
        let axis = rng.below(before.len());
        let grows = rng.chance(60).then_some(axis);
        let keeps_last = grows.is_some() && rng.chance(40);
        if grows.is_some() {
            let dim = format!("P{i}");
            before[axis] = Dim::sym(&dim);
            g.dims.push(RunDim { name: dim, bound: Some(if keeps_last { 9 } else { 400 }) });
        }
        let (name, ty) = (format!("s{i}"), Type::f32(before));
        g.states.push(StateDecl { name, ty, grows, keeps_last, next: None });
        let number = g.states.len() - 1;
        let old = push(&mut g, Op::State(number), &[]).expect("a state");
        let next = match grows {
            None => push(&mut g, Op::Binary(Binary::Add), &[old, v]),
            Some(axis) => push(&mut g, Op::Push { axis }, &[old, v]),
        };
        let next = next.expect("the shapes fit");
        g.states[number].next = Some(next);
        if grows.is_some() && rng.chance(80) {
            let sum =
                Op::Reduce { kind: Reduction::Mean, axes: vec![axis], keep: rng.chance(50), masked: false };
            let sum = push(&mut g, sum, &[next]).expect("a mean");
            g.outputs.push(sum);
        } else if rng.chance(50) {
            g.outputs.push(next);
        }
    }
    g.share_with_bodies();
    g
}

#[test]
fn random_networks_with_states() {
    for seed in 80_000..80_160 {
        let flavour = if seed % 3 == 0 { Flavour::Attention } else { Flavour::Mixed };
        let r = Random::new(seed, 8, flavour);
        let g = with_states(&r, seed);
        let read = Graph::parse(&g.to_string()).unwrap_or_else(|e| panic!("{seed}: {e}\n{g}"));
        assert_eq!(read, g, "{seed}");
        let model = Model::from_graph(g.clone(), seed).unwrap_or_else(|e| panic!("{seed}: {e}\n{g}"));
        let isa = if seed % 2 == 0 { Isa::host() } else { Isa::host().min(Isa::Avx2) };
        for target in [Target::host().with_checked(true), Target::host().with_isa(isa).expect("a level")] {
            let c = model.compile(target).unwrap_or_else(|e| panic!("{seed}: {e}\n{g}"));
            let mut session = c.session_with_threads(1 + seed as usize % 3).expect("a session");
            session.divide_all();
            // The states' dims stay what they are in the first run; S is none of theirs in most.
            for (turn, s) in [3, 1, 5, 0, 2].into_iter().enumerate() {
                let inputs = r.inputs(2, s, seed + turn as u64);
                let x = views(&inputs);
                let told = match session.check_inputs(&x) {
                    Ok(report) => report,
                    Err(Error::StateDim { .. } | Error::Full { .. }) if turn > 0 => break,
                    Err(Error::Push { .. }) => break,
                    Err(e) => panic!("{seed} in run {turn}: {e}\n{g}"),
                };
                // Results behind several ops carry the errors of all: the ops are compared one by one.
                if !told.is_ok() {
                    assert!(told.diverges_at.is_none(), "{seed} in run {turn}: {told}\n{g}");
                }
                session.run_inputs(&x).unwrap_or_else(|e| panic!("{seed} in run {turn}: {e}\n{g}"));
            }
        }
    }
}

network! {
    /// Attention to all rows so far, with grouped queries.
    Remembering<B, S, P: ..=64, D = 40, HEADS = 4, KV = 2>(x: [B, S, D]) -> [B, S, D]
        where D % HEADS == 0, HEADS % KV == 0
    {
        net to_q: Linear<D, D>;
        net to_k: Linear<D, KV * (D / HEADS)>;
        net to_v: Linear<D, KV * (D / HEADS)>;
        state keys:   [B, KV, P, D / HEADS] grow P;
        state values: [B, KV, P, D / HEADS] grow P;
        let q = rearrange(to_q(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let k = rearrange(to_k(x), [b, s, (h d)] -> [b, h, s, d], h = KV);
        let v = rearrange(to_v(x), [b, s, (h d)] -> [b, h, s, d], h = KV);
        let a = attention(q, keys.push(k), values.push(v), heads = HEADS, causal = true);
        x + rearrange(a, [b, h, s, d] -> [b, s, (h d)])
    }
}

/// A cache in bf16 by choice: what is kept is rounded to nearest even, results are what rounded keys and
/// values give, and attention reads them where they are.
#[test]
fn states_of_bf16() -> Result<(), Error> {
    let net = Remembering::init(5)?;
    let plain = net.compile(Target::host())?;
    for target in targets() {
        let compiled = net.compile(target.with_bf16_states(true))?;
        assert!(!compiled.fused_ir().contains("to = f32"), "{}", compiled.fused_ir());
        for b in [1, 3] {
            let (mut session, mut exact) = (compiled.session(), plain.session());
            // A prompt, tokens one by one, a few at once, and a longer part.
            for s in [9, 1, 1, 3, 17, 1, 5] {
                let x: Vec<f32> = (0..b * s * 40).map(|i| ((i + 31 * s) as f32 * 0.37).sin()).collect();
                let report = session.check(x.view([b, s, 40]))?;
                assert!(report.is_ok(), "{target:?}, {s} rows: {report}");
                let got = session.run(x.view([b, s, 40]))?.data().to_vec();
                let want = exact.run(x.view([b, s, 40]))?;
                let error = got.iter().zip(want.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(error > 0.0 && error < 2e-2, "{target:?}, {s} rows: {error}");
            }
            let held = session.state("keys")?.expect("a state");
            let full = exact.state("keys")?.expect("a state");
            let want: Vec<bf16> = full.as_f32().expect("f32").iter().map(|x| bf16::from_f32(*x)).collect();
            let close = |a: &bf16, b: &bf16| (a.to_f32() - b.to_f32()).abs() <= b.to_f32().abs() / 128.0;
            assert!(held.as_bf16().expect("bf16").iter().zip(&want).all(|(a, b)| close(a, b)));
            let mut fork = session.fork()?;
            let x = vec![0.5; b * 40];
            assert_eq!(
                fork.run(x.view([b, 1, 40]))?.data().to_vec(),
                session.run(x.view([b, 1, 40]))?.data().to_vec()
            );
            assert!(session.memory_bytes() < exact.memory_bytes());
        }
    }
    Ok(())
}

network! {
    /// Two ways in, each with a state of its own.
    TwoWays<B, D = 3> {
        fn last(x: [B, D]) -> [B, D] {
            state before: [B, D];
            let old = before;
            before = x;
            old
        }
        fn all(x: [B, D]) -> [B, D] {
            state sum: [B, D];
            sum = sum + x;
            sum
        }
    }

    /// A cache, and what was looked up in the call before; ids are looked up behind the push.
    Lookup<B, S, P: ..=6, V = 5, D = 2>(x: [B, S, D], ids: i32[B]) -> [B, D] {
        param table: [V, D] = normal(1.0);
        state seen: [B, P, D] grow P;
        state found: [B, D];
        let all = sum(seen.push(x), over = 1);
        let y = all + found;
        found = table[ids];
        y + found
    }

    /// What the net inside keeps has the shape that it is called with.
    Kept<B, T>(x: [B, T]) -> [B, T] {
        state h: [B, T];
        h = h + x;
        h
    }

    /// It has no elements, however many rows it has room for.
    Nothing<B, S, P: ..=4611686018427387904, D = 0>(x: [B, S, D]) -> [B, D] {
        state seen: [B, P, D] grow P;
        sum(seen.push(x), over = 1)
    }

    /// It grows from call to call.
    Moving<B, S, P: ..=8>(x: [B, S]) -> [B, P + S] {
        state seen: [B, P] grow P;
        net kept: Kept;
        kept(seen.push(x))
    }
}

#[test]
fn states_of_all_entry_points_are_reached() -> Result<(), Error> {
    let mut session = TwoWays::init(1)?.compile(Target::host())?.session();
    session.last([1.0, 2.0, 3.0].view([1, 3]))?;
    session.all([1.0; 6].view([2, 3]))?;
    assert_eq!(session.state("before")?.expect("it ran").as_f32(), Some(&[1.0, 2.0, 3.0][..]));
    assert_eq!(session.state("sum")?.expect("it ran").as_f32(), Some(&[1.0; 6][..]));
    assert!(matches!(session.state("none"), Err(Error::NoState { .. })));
    assert!(matches!(session.rows("B"), Err(Error::NoState { .. })));
    assert!(matches!(session.truncate("B", 0), Err(Error::NoState { .. })));
    assert!(session.memory_bytes() >= 3 * 12 + 3 * 24);
    let mut fork = session.fork()?;
    assert_eq!(fork.last([0.0; 3].view([1, 3]))?.data(), [1.0, 2.0, 3.0]);
    assert_eq!(fork.all([2.0; 6].view([2, 3]))?.data(), [3.0; 6]);
    session.reset();
    assert_eq!(session.all([2.0; 3].view([1, 3]))?.data(), [2.0; 3]);
    Ok(())
}

#[test]
fn a_state_without_elements_is_kept_as_others_are() -> Result<(), Error> {
    let compiled = Nothing::init(1)?.compile(Target::host())?;
    let none: [f32; 0] = [];
    for batch in [0, 3, 1 << 40] {
        let mut session = compiled.session();
        session.run(none.view([batch, 2, 0]))?;
        let mut fork = session.fork()?;
        assert_eq!(fork.run(none.view([batch, 1, 0]))?.shape(), [batch, 0]);
        assert_eq!(fork.state("seen")?.expect("it ran").shape(), [batch, 3, 0]);
        assert_eq!(session.rows("P")?, 2);
    }
    Ok(())
}

#[test]
fn a_trace_begins_where_the_session_is() -> Result<(), Error> {
    let compiled = Running::init(1)?.compile(Target::host())?;
    for runs in [0, 2] {
        let mut session = compiled.session();
        for _ in 0..runs {
            session.run([3.0; 12].view([2, 2, 3]))?;
        }
        // Twice at the same dims, after a reset for another batch, and of a fork.
        for _ in 0..2 {
            let trace = session.trace([3.0; 12].view([2, 2, 3]))?;
            assert_eq!(
                trace.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                ["seen", "mean(seen.push(x), over = 1)"]
            );
            assert_eq!(session.rows("P")?, 2 * runs);
        }
        session.reset();
        for _ in 0..2 {
            session.trace([1.0; 24].view([4, 2, 3]))?;
        }
        assert!(session.fork()?.check([1.0; 24].view([4, 2, 3]))?.is_ok());
        assert_eq!(session.run([1.0; 24].view([4, 2, 3]))?.data(), [1.0; 12]);
    }
    Ok(())
}

/// Whatever is wrong with a call, its states are as they were, and the next call gives what it would have
/// given.
#[test]
fn a_call_that_fails_changes_no_state() -> Result<(), Error> {
    let compiled = Lookup::init(1)?.compile(Target::host())?;
    let (mut session, mut other) = (compiled.session(), compiled.session());
    let good = ([1.0, 2.0, 3.0, 4.0], [1, 3]);
    for s in [&mut session, &mut other] {
        s.run(good.0.view([2, 1, 2]), good.1.view([2]))?;
    }
    let kept =
        |s: &LookupSession| -> Result<_, Error> { Ok((s.rows("P")?, s.state("seen")?, s.state("found")?)) };
    let before = kept(&session)?;
    let rows = [9.0; 64];
    let wrong = [
        session.run(rows[..4].view([2, 1, 2]), [0, 7].view([2])).map(drop),
        session.run(rows[..24].view([2, 6, 2]), [0, 1].view([2])).map(drop),
        session.run(rows[..6].view([3, 1, 2]), [0, 1, 2].view([3])).map(drop),
        session.run(rows[..6].view([2, 1, 3]), [0, 1].view([2])).map(drop),
        session.run(rows[..4].view([2, 1, 2]), [0, 1, 2].view([3])).map(drop),
    ];
    for (i, e) in wrong.into_iter().enumerate() {
        let e = e.expect_err("it is wrong").to_string();
        assert!(!e.is_empty(), "{i}");
        assert_eq!(kept(&session)?, before, "{i}: {e}");
    }
    let again = session.run(good.0.view([2, 1, 2]), good.1.view([2]))?.data().to_vec();
    assert_eq!(again, other.run(good.0.view([2, 1, 2]), good.1.view([2]))?.data());
    assert_eq!(kept(&session)?, kept(&other)?);
    // No rows are a call as well.
    let none = session.run(rows[..0].view([2, 0, 2]), good.1.view([2]))?.data().to_vec();
    assert_eq!(none, other.run(rows[..0].view([2, 0, 2]), good.1.view([2]))?.data());
    assert_eq!(session.rows("P")?, 2);
    Ok(())
}

#[test]
fn buffers_beyond_the_results_are_refused() -> Result<(), Error> {
    let compiled = Running::init(1)?.compile(Target::host())?;
    let mut session = compiled.session();
    let (x, mut y, mut more) = ([1.0f32; 3], [0.0f32; 3], [0.0f32; 3]);
    let inputs = [tancho::AnyView::from(x.view([1, 1, 3]))];
    let wrong = session.run_inputs_into(&inputs, &mut [(&mut y[..]).into(), (&mut more[..]).into()]);
    assert!(matches!(wrong, Err(Error::OutputSize { .. })));
    assert_eq!((session.rows("P")?, y), (0, [0.0; 3]));
    Ok(())
}

#[test]
fn a_state_of_a_shape_that_grows_is_an_error() {
    let e = Moving::init(1).map(drop).expect_err("its state would change its shape").to_string();
    assert!(e.contains("`kept.h`") && e.contains("`P`"), "{e}");
}

/// Truncated in the middle of a batch, forked and gone on with, with a growing axis that is not the second.
#[test]
fn a_fork_after_a_truncation_holds_what_is_left() -> Result<(), Error> {
    let net = Remembering::init(3)?;
    let compiled = net.compile(Target::host())?;
    let x: Vec<f32> = (0..2 * 9 * 40).map(|i| (i as f32 * 0.71).sin()).collect();
    let part = |from: usize, to: usize| -> Vec<f32> {
        [&x[from * 40..to * 40], &x[(9 + from) * 40..(9 + to) * 40]].concat()
    };
    let mut session = compiled.session();
    session.run(x.view([2, 9, 40]))?;
    session.truncate("P", 4)?;
    let mut fork = session.fork()?;
    let want = session.run(part(4, 9).view([2, 5, 40]))?.data().to_vec();
    assert_eq!(fork.run(part(4, 9).view([2, 5, 40]))?.data(), want);
    let mut whole = compiled.session();
    whole.run(part(0, 4).view([2, 4, 40]))?;
    assert_eq!(whole.run(part(4, 9).view([2, 5, 40]))?.data(), want);
    // A larger batch after a reset.
    session.reset();
    let more: Vec<f32> = [x.clone(), x.clone()].concat();
    let y = session.run(more.view([4, 9, 40]))?.data().to_vec();
    assert_eq!(compiled.session().run(more.view([4, 9, 40]))?.data(), y);
    Ok(())
}
