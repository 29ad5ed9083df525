//! States: caches that grow, hidden values that are replaced, and what a session does with them.

use tancho::{AsView, Error, Target, Tensor, network};

network! {
    /// The mean of all rows so far, of every sequence.
    Running<B, S, P: ..=8, D = 3>(x: [B, S, D]) -> [B, D] {
        state seen: [B, P, D] grow P;
        mean(seen.push(x), over = 1)
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
        assert!(session.check(rows[held..held + n].as_flattened().view([1, n, 3]))?.ok());
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
        assert!(session.check(x.view([1, 4]))?.ok());
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
        assert!(session.check([x].view([1]))?.ok());
        let (a, b) = session.run([x].view([1]))?;
        assert_eq!((a.data()[0], b.data()[0]), want);
    }
    Ok(())
}
