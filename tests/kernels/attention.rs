//! Attention by place, mask and bias: every form of it on every vector level, with few queries and many,
//! against the interpreter, which alone decides what a key that is not seen may hold.

use tancho::{Graph, Target, Tensor};
use tancho_support::{Rng, compile_for, targets, views};

/// What an attention has besides queries, keys and values.
#[derive(Clone, Copy, Debug)]
struct Form {
    causal: bool,
    window: Option<i64>,
    /// The rank of the mask.
    mask: Option<usize>,
    /// The rank of the bias.
    bias: Option<usize>,
    /// Queries as `[B, HEADS, S, HD]`.
    by_head: bool,
    /// Scores are bounded.
    capped: bool,
}

/// A network of four heads of so many numbers that share two of keys; lengths are known when it runs.
fn network(f: Form, width: i64) -> Graph {
    let operand = |len: &str, heads: i64| match f.by_head {
        true => format!("f32[B, {heads}, {len}, {width}]"),
        false => format!("f32[B, {len}, {}]", heads * width),
    };
    let place = |rank: usize| match rank {
        2 => "[B, T]",
        3 => "[B, S, T]",
        _ => "[B, 4, S, T]",
    };
    let mut inputs = vec![operand("S", 4), operand("T", 2), operand("T", 2)];
    let mut options = vec!["heads = 4".to_string()];
    if let Some(rank) = f.mask {
        options.insert(0, format!("mask = %{}", inputs.len()));
        inputs.push(format!("bool{}", place(rank)));
    }
    if let Some(rank) = f.bias {
        options.insert(usize::from(f.mask.is_some()), format!("bias = %{}", inputs.len()));
        inputs.push(format!("f32{}", if rank == 3 { "[4, S, T]" } else { place(4) }));
    }
    options.extend(f.causal.then(|| "causal = true".to_string()));
    options.extend(f.capped.then(|| "softcap = 0.75".to_string()));
    options.extend(f.window.map(|w| format!("window = {w}")));
    let mut text = "network A<B, S, T>\n".to_string();
    for (i, ty) in inputs.iter().enumerate() {
        text += &format!("input x{i}: {ty}\n");
    }
    for (i, ty) in inputs.iter().enumerate() {
        text += &format!("%{i}: {ty} = input(index = {i})\n");
    }
    let n = inputs.len();
    text += &format!("%{n}: {} = attention(%0, %1, %2, {})\nreturn %{n}", inputs[0], options.join(", "));
    Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn inputs(rng: &mut Rng, f: Form, width: usize, (b, s, t): (usize, usize, usize)) -> Vec<Tensor> {
    let mut operand = |len: usize, heads: usize| match f.by_head {
        true => rng.floats(&[b, heads, len, width]),
        false => rng.floats(&[b, len, heads * width]),
    };
    let mut all = vec![operand(s, 4), operand(t, 2), operand(t, 2)];
    let place = |rank: usize| match rank {
        2 => vec![b, t],
        3 => vec![b, s, t],
        _ => vec![b, 4, s, t],
    };
    all.extend(f.mask.map(|rank| rng.flags(&place(rank))));
    all.extend(f.bias.map(|rank| rng.floats(&if rank == 3 { vec![4, s, t] } else { place(4) })));
    all
}

fn forms() -> Vec<Form> {
    let mut all = Vec::new();
    let mut turn = 0;
    for causal in [false, true] {
        for window in [None, Some(1), Some(6), Some(40)] {
            for mask in [None, Some(2), Some(3), Some(4)] {
                for bias in [None, Some(3), Some(4)] {
                    turn += 1;
                    // Every other kind of mask turns it round, so that each form of everything else has both.
                    all.push(Form {
                        causal,
                        window,
                        mask,
                        bias,
                        by_head: (turn + turn / 12) % 2 == 0,
                        capped: false,
                    });
                }
            }
        }
    }
    let capped: Vec<Form> = all.iter().step_by(7).map(|f| Form { capped: true, ..*f }).collect();
    all.extend(capped);
    all
}

/// Queries and keys: one, few and many, more of either, blocks that are not whole, and none.
const LENGTHS: [(usize, usize); 11] =
    [(1, 1), (1, 61), (2, 17), (4, 33), (5, 5), (33, 33), (40, 71), (70, 95), (0, 5), (1, 0), (7, 0)];

#[test]
fn every_form_is_the_interpreter_s() {
    let mut rng = Rng::new(1);
    for (i, form) in forms().into_iter().enumerate() {
        for (t, target) in targets().into_iter().enumerate() {
            let width = [5, 16, 40][(i / 3 + i + t) % 3];
            let c = compile_for(&network(form, width), target).unwrap_or_else(|e| panic!("{form:?}: {e}"));
            for (s, t) in LENGTHS {
                let x = inputs(&mut rng, form, width as usize, (2, s, t));
                let report = c.check_inputs(&views(&x)).unwrap_or_else(|e| panic!("{form:?} {s} {t}: {e}"));
                assert!(
                    report.is_ok(),
                    "{form:?}, {width} wide, {s} queries, {t} keys, {target:?}\n{report}"
                );
            }
        }
    }
}

/// A window whose length follows from the call: below 1 it sees nothing.
#[test]
fn a_window_of_run_time_length() {
    let mut rng = Rng::new(4);
    for causal in ["", ", causal = true"] {
        let text = format!(
            "network A<S>
input q: f32[1, S, 12]
input k: f32[1, S, 12]
input b: f32[1, S, S]
%0: f32[1, S, 12] = input(index = 0)
%1: f32[1, S, 12] = input(index = 1)
%2: f32[1, S, S] = input(index = 2)
%3: f32[1, S, 12] = attention(%0, %1, %1, bias = %2, heads = 1{causal}, window = S - 5)
return %3"
        );
        let g = Graph::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        for target in targets() {
            let c = compile_for(&g, target).expect("compiles");
            for s in [1, 2, 4, 5, 6, 9, 40] {
                let x = [rng.floats(&[1, s, 12]), rng.floats(&[1, s, 12]), rng.floats(&[1, s, s])];
                let report = c.check_inputs(&views(&x)).expect("runs");
                assert!(report.is_ok(), "{s} rows, {target:?}\n{report}");
                let mut session = c.session();
                session.run_inputs(&views(&x)).expect("runs");
                let zeros =
                    session.tensor(0).expect("a result").as_f32().expect("f32").iter().all(|x| *x == 0.0);
                assert!(causal.is_empty() || zeros == (s <= 5), "{s} rows, {target:?}");
            }
        }
    }
}

/// Keys and values that are NaN or infinite show where they are seen, and nowhere else, on every level.
#[test]
fn what_is_not_seen_does_not_count() {
    let mut rng = Rng::new(2);
    for target in targets() {
        for (causal, window) in [(true, None), (false, Some(6)), (true, Some(6)), (true, Some(40))] {
            let form = Form { causal, window, mask: None, bias: None, by_head: false, capped: false };
            let c = compile_for(&network(form, 20), target).expect("compiles");
            for (s, t) in [(1, 50), (3, 50), (50, 50), (37, 90)] {
                for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    for operand in [1, 2] {
                        let mut x = inputs(&mut rng, form, 20, (1, s, t));
                        let at = rng.below(t);
                        let mut data = x[operand].as_f32().expect("f32").to_vec();
                        data[at * 40 + rng.below(40)] = special;
                        x[operand] = Tensor::new(data, [1, t, 40]).expect("fits");
                        let report = c.check_inputs(&views(&x)).expect("runs");
                        assert!(
                            report.is_ok(),
                            "{form:?}, {s} queries, {t} keys, {special} in {operand} at {at}\n{report}"
                        );
                        let mut session = c.session();
                        session.run_inputs(&views(&x)).expect("runs");
                        let y = session.tensor(0).expect("a result");
                        let y = y.as_f32().expect("f32");
                        // Query r sees keys up to r + t - s, from so many before it.
                        for r in 0..s {
                            let place = r + t - s;
                            let seen = (!causal || at <= place)
                                && window.is_none_or(|w| at as i64 > place as i64 - w);
                            if !seen {
                                assert!(
                                    y[r * 80..(r + 1) * 80].iter().all(|x| x.is_finite()),
                                    "row {r}, key {at}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A window is no wider than it says: with one key a query's result is that key's value.
#[test]
fn a_window_of_one_key_is_its_value() {
    let form = Form { causal: true, window: Some(1), mask: None, bias: None, by_head: false, capped: false };
    let x = inputs(&mut Rng::new(3), form, 8, (1, 20, 25));
    let c = compile_for(&network(form, 8), Target::host()).expect("compiles");
    let mut session = c.session();
    session.run_inputs(&views(&x)).expect("runs");
    let (y, v) = (session.tensor(0).expect("a result"), x[2].as_f32().expect("f32").to_vec());
    for (r, row) in y.as_f32().expect("f32").chunks(32).enumerate() {
        for h in 0..4 {
            let want = &v[(r + 5) * 16 + h / 2 * 8..][..8];
            let error = row[h * 8..][..8].iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(error < 1e-6, "row {r}, head {h}: {error}");
        }
    }
}
