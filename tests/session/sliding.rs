//! States that keep the last of their rows: a cache of a sliding window, which goes on without end.

use tancho::{AsView, Error, Target, network};
use tancho_support::targets;

network! {
    /// The last rows, and their sum.
    Last<B, S, P: ..=5, D = 3>(x: [B, S, D]) -> ([B, P + S, D], [B, D]) {
        state rows: [B, P, D] last P;
        let all = rows.push(x);
        (all, sum(all, over = 1))
    }

    /// Attention to the last `W` rows, whose keys are kept as long as they are seen.
    Sliding<B, S, P: ..=W, D = 24, HEADS = 3, W = 7>(x: [B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        net q: Linear<D, D>;
        net k: Linear<D, D>;
        state keys: [B, HEADS, P, D / HEADS] last P;
        state values: [B, HEADS, P, D / HEADS] last P;
        state seen: i32[];
        let at = arange(S) + seen;
        seen += S;
        let v = rearrange(x, [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let q = rope(rearrange(q(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS), positions = at);
        let k = rope(rearrange(k(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS), positions = at);
        let a = attention(q, keys.push(k), values.push(v), causal = true, window = W);
        rearrange(a, [b, h, s, d] -> [b, s, (h d)])
    }

    /// The same with a cache of all rows.
    Whole<B, S, P: ..=512, D = 24, HEADS = 3, W = 7>(x: [B, S, D]) -> [B, S, D] where D % HEADS == 0 {
        net q: Linear<D, D>;
        net k: Linear<D, D>;
        state keys: [B, HEADS, P, D / HEADS] grow P;
        state values: [B, HEADS, P, D / HEADS] grow P;
        let v = rearrange(x, [b, s, (h d)] -> [b, h, s, d], h = HEADS);
        let q = rope(rearrange(q(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS), from = P);
        let k = rope(rearrange(k(x), [b, s, (h d)] -> [b, h, s, d], h = HEADS), from = P);
        let a = attention(q, keys.push(k), values.push(v), causal = true, window = W);
        rearrange(a, [b, h, s, d] -> [b, s, (h d)])
    }
}

/// How many rows each call pushes: more and fewer than there are, none, and as many as are kept.
const CALLS: [usize; 14] = [1, 3, 1, 0, 5, 1, 1, 1, 1, 4, 2, 5, 5, 1];

#[test]
fn the_oldest_rows_are_forgotten() -> Result<(), Error> {
    for target in targets().into_iter().chain([Target::host().with_checked(true)]) {
        let compiled = Last::init(1)?.compile(target)?;
        let mut session = compiled.session();
        let (mut kept, mut next) = (Vec::<f32>::new(), 0.0);
        for s in CALLS {
            // Two sequences, of which the second has the negative rows of the first.
            let new: Vec<f32> = (0..s * 3).map(|i| next + i as f32).collect();
            next += (s * 3) as f32;
            let x: Vec<f32> = new.iter().copied().chain(new.iter().map(|x| -x)).collect();
            assert!(session.check(x.view([2, s, 3]))?.is_ok());
            let (all, sums) = session.run(x.view([2, s, 3]))?;
            kept.extend(&new);
            let want: Vec<f32> = kept.iter().copied().chain(kept.iter().map(|x| -x)).collect();
            assert_eq!(all.data(), want);
            let sum: f32 = kept.iter().step_by(3).sum();
            assert_eq!((sums.data()[0], sums.data()[3]), (sum, -sum));
            kept.drain(..kept.len().saturating_sub(15));
            assert_eq!(session.rows("P")?, kept.len() / 3);
            let state = session.state("rows")?.expect("a run has set it");
            let want: Vec<f32> = kept.iter().copied().chain(kept.iter().map(|x| -x)).collect();
            assert_eq!(state.as_f32(), Some(&want[..]));
        }
    }
    Ok(())
}

#[test]
fn attention_with_a_window_needs_no_more() -> Result<(), Error> {
    let (sliding, mut whole) = (Sliding::init(4)?, Whole::init(9)?);
    let names: Vec<String> = sliding.weights().names().map(str::to_string).collect();
    for name in names {
        let w = sliding.weights().get(&name).expect("a weight");
        whole.weights_mut().set(&name, tancho::Tensor::new(w.data().to_vec(), w.shape())?)?;
    }
    for target in targets() {
        let (compiled, reference) = (sliding.compile(target)?, whole.compile(target)?);
        let (mut session, mut right) = (compiled.session(), reference.session());
        for (call, s) in CALLS.into_iter().chain([7, 1, 6, 2]).enumerate() {
            let x: Vec<f32> = (0..2 * s * 24).map(|i| ((i + 31 * call) as f32 * 0.37).sin()).collect();
            session.check(x.view([2, s, 24]))?.into_result()?;
            let got = session.run(x.view([2, s, 24]))?.data().to_vec();
            let want = right.run(x.view([2, s, 24]))?;
            let error = got.iter().zip(want.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-5, "call {call} of {s} rows: {error}");
        }
    }
    Ok(())
}

#[test]
fn forks_truncation_and_calls_that_fail() -> Result<(), Error> {
    let compiled = Last::init(1)?.compile(Target::host())?;
    let mut session = compiled.session();
    let rows = |n: usize| vec![n as f32; n * 3];
    for s in CALLS {
        session.run(rows(s).view([1, s, 3]))?;
    }
    let before = session.state("rows")?.expect("set");
    let error = session.run(rows(6).view([1, 6, 3])).expect_err("six rows, of which five are kept");
    assert!(matches!(error, Error::Push { last: 5, added: 6, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("adds 6 rows along `P`, of which the last 5 are kept"), "{text}");
    assert_eq!(session.state("rows")?.expect("set"), before);

    let mut fork = session.fork()?;
    let (ours, theirs) = (session.run(rows(2).view([1, 2, 3]))?.0.data().to_vec(), fork.rows("P")?);
    assert_eq!(theirs, 5);
    assert_eq!(fork.run(rows(2).view([1, 2, 3]))?.0.data(), ours);

    fork.truncate("P", 2)?;
    let (all, _) = fork.run(rows(1).view([1, 1, 3]))?;
    assert_eq!(all.shape(), [1, 3, 3]);
    assert_eq!(all.data()[..6], ours[6..12], "the first of the rows that were kept");
    fork.reset();
    assert_eq!(fork.run(rows(1).view([1, 1, 3]))?.0.data(), [1.0; 3]);
    Ok(())
}
