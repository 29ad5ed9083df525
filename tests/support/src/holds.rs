//! Everything that must hold of a random graph: text form, passes, native code against the interpreter op by
//! op and end to end, repeated runs.

use crate::graphs::{Flavour, Random};
use crate::{Rng, compile, compile_for, results, run_on, same_bits, views};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tancho::compare::compare;
use tancho::interp::Interpreter;
use tancho::{Graph, Isa, OutputMut, Session, Target, Tensor, TensorData};
use tancho_ir::graph::Value;
use tancho_ir::op::*;

/// Everything that must hold of the graph of a seed.
fn holds(seed: u64, depth: usize, flavour: Flavour) -> Result<(), String> {
    let r = Random::new(seed, depth, flavour);
    let g = &r.graph;
    let at = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}\n{g}");

    // The text form is read back as what it was.
    let read = Graph::parse(&g.to_string()).map_err(|e| at("parse", &e))?;
    if read != *g {
        return Err(at("the text form is another graph", &read));
    }

    let fused = compile(g).map_err(|e| at("compile", &e))?;
    // Every value a result: nothing is hidden in a kernel.
    let ops: Vec<Value> =
        g.values().filter(|v| !matches!(g.node(*v).op, Op::Input(_) | Op::Weight(_))).collect();
    let all = Graph { outputs: ops.clone(), ..g.clone() };
    let open = compile(&all).map_err(|e| at("compile with every value as a result", &e))?;
    // The levels of wide vectors in turn, each with the graph as it is and with every value a result.
    let isa = if seed.is_multiple_of(2) { Isa::host() } else { Isa::host().min(Isa::Avx2) };
    let wide = Target::host().with_isa(isa).map_err(|e| e.to_string())?;
    let (fused_wide, open_wide) = (
        compile_for(g, wide).map_err(|e| at("compile", &e))?,
        compile_for(&all, wide).map_err(|e| at("compile", &e))?,
    );
    let (mut session, mut open_session) = (fused.session(), open.session());
    let mut first: Option<(Vec<Tensor>, Vec<Tensor>)> = None;
    for (i, (b, s)) in r.dims(seed).into_iter().enumerate() {
        let at = |what: &str, e: &dyn std::fmt::Display| {
            format!("B = {b}, S = {s}: {what}: {e}\n{g}\n{}", fused.fused_ir())
        };
        let inputs = r.inputs(b, s, seed + i as u64);
        let x = views(&inputs);
        session.run_inputs(&x).map_err(|e| at("run", &e))?;
        let got = results(&session);
        // Each op on the arguments that the native code had.
        for (how, c) in [("checked", &open), ("wide", &open_wide)] {
            if let Some(op) = c.first_divergence(&x).map_err(|e| at("run every op", &e))? {
                return Err(at(
                    &format!("{} ({how})", op.label),
                    &format!("{}\n{}", op.report, open.fused_ir()),
                ));
            }
        }
        if i == 0 {
            passes_keep_the_answer(&r, &inputs, &fused).map_err(|e| at("passes", &e))?;
            open_session.run_inputs(&x).map_err(|e| at("run with every value as a result", &e))?;
            let unfused: Vec<Option<Tensor>> =
                g.outputs.iter().map(|o| ops.binary_search(o).ok().map(|j| open_session.tensor(j))).collect();
            let mut s = fused_wide.session();
            s.run_inputs(&x).map_err(|e| at("run wide", &e))?;
            let wide: Vec<Option<Tensor>> = results(&s).into_iter().map(Some).collect();
            let got = got.iter().cloned().map(Some).collect();
            end_to_end(&r, &inputs, &fused, &[("fused", got), ("unfused", unfused), ("wide", wide)])
                .map_err(|e| at("end to end", &e))?;
        }
        // However many threads a run is divided among: the same bits.
        for (how, c) in [("checked", &fused), ("wide", &fused_wide)] {
            let one = run_on(c, 1, &inputs).map_err(|e| at("run on one thread", &e))?;
            for threads in [2, 3] {
                let many = run_on(c, threads, &inputs).map_err(|e| at("run on threads", &e))?;
                if let Some(j) = (0..one.len()).find(|j| !same_bits(&one[*j], &many[*j])) {
                    return Err(at(
                        &format!("{threads} threads ({how})"),
                        &format!("result {j} is\n{}\nnot\n{}", many[j], one[j]),
                    ));
                }
            }
        }
        // Into the caller's buffers, and again: the same bits.
        let into = run_into(&mut session, &x, &got).map_err(|e| at("run_inputs_into", &e))?;
        session.run_inputs(&x).map_err(|e| at("run again", &e))?;
        for (what, other) in [("run_inputs_into", into), ("a second run", results(&session))] {
            if let Some(j) = (0..got.len()).find(|j| !same_bits(&got[*j], &other[*j])) {
                return Err(at(what, &format!("result {j} is\n{}\nnot\n{}", other[j], got[j])));
            }
        }
        first.get_or_insert((inputs, got));
    }
    // The first inputs once more, after all the other dims.
    if let Some((inputs, want)) = first {
        session.run_inputs(&views(&inputs)).map_err(|e| at("the first inputs again", &e))?;
        let got = results(&session);
        if let Some(j) = (0..got.len()).find(|j| !same_bits(&got[*j], &want[*j])) {
            return Err(at(
                "the first inputs again",
                &format!("result {j} is\n{}\nnot\n{}", got[j], want[j]),
            ));
        }
    }
    Ok(())
}

/// The results in buffers of the caller's.
fn run_into(s: &mut Session, inputs: &[tancho::AnyView<'_>], like: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let mut data: Vec<TensorData> =
        like.iter().map(|t| TensorData::zeros(t.dtype(), t.len()).expect("memory")).collect();
    let mut into: Vec<OutputMut<'_>> = data
        .iter_mut()
        .map(|d| match d {
            TensorData::F32(v) => OutputMut::F32(v),
            TensorData::I32(v) => OutputMut::I32(v),
            TensorData::Bool(v) => OutputMut::Bool(v),
            TensorData::Bf16(v) => OutputMut::Bf16(v),
        })
        .collect();
    s.run_inputs_into(inputs, &mut into).map_err(|e| e.to_string())?;
    data.into_iter().zip(like).map(|(d, t)| Tensor::new(d, t.shape()).map_err(|e| e.to_string())).collect()
}

/// Every value of a graph by the interpreter. With noise, each f32 result moves by up to `noise` of the
/// scale that errors of its op are measured on.
fn interpret(
    g: &Graph,
    inputs: &[Tensor],
    weights: &tancho::Compiled,
    noise: Option<(f64, u64)>,
) -> Result<Vec<Tensor>, String> {
    let err = |e: tancho::Error| e.to_string();
    let t = Interpreter::for_inputs(g, inputs).map_err(err)?;
    let mut all: Vec<Tensor> = Vec::with_capacity(g.nodes.len());
    let mut rng = Rng::new(noise.map_or(0, |n| n.1));
    for v in g.values() {
        let node = g.node(v);
        let args: Vec<&Tensor> = node.args.iter().map(|a| &all[a.index()]).collect();
        let mut y = match node.op {
            Op::Input(i) => inputs[i].clone(),
            Op::Weight(i) => {
                weights.weights().at(i).ok_or("a weight is missing")?.to_tensor().map_err(err)?
            }
            _ => t.eval_node(v, &args).map_err(err)?,
        };
        let moves = matches!(
            node.op,
            Op::Input(_)
                | Op::Weight(_)
                | Op::Const(_)
                | Op::Reshape(_)
                | Op::Transpose(_)
                | Op::Expand(_)
                | Op::Slice { .. }
                | Op::Concat { .. }
                | Op::Gather
        );
        if let (Some((by, _)), Some(data), false) = (noise, y.as_f32(), moves) {
            let scale = t.error_scale(v, &args, &y).map_err(err)?;
            let row = y.shape().last().copied().unwrap_or(1).max(1);
            let mut moved = data.to_vec();
            for (i, x) in moved.iter_mut().enumerate() {
                let of = match &scale {
                    Some(s) => s[i],
                    None => f64::from(
                        data[i / row * row..][..row]
                            .iter()
                            .filter(|x| x.is_finite())
                            .fold(0.0f32, |m, x| m.max(x.abs())),
                    ),
                };
                *x += (by * of) as f32 * rng.float();
            }
            y = Tensor::new(moved, y.shape()).map_err(|e| e.to_string())?;
        }
        all.push(y);
    }
    Ok(all)
}

/// The interpreter gives the same answer for the graph after each pass: bit for bit, but for those that round
/// once more between the ops that take the place of one, or add in another order.
fn passes_keep_the_answer(r: &Random, inputs: &[Tensor], c: &tancho::Compiled) -> Result<(), String> {
    let of = |g: &Graph| -> Result<Vec<Tensor>, String> {
        let all = interpret(g, inputs, c, None)?;
        Ok(g.outputs.iter().map(|o| all[o.index()].clone()).collect())
    };
    let mut g = r.graph.clone();
    let mut want = of(&g)?;
    for pass in tancho::passes::PASSES {
        g = (pass.run)(&g).map_err(|e| format!("{}: {e}", pass.name))?;
        tancho_ir::verify::verify(&g).map_err(|e| format!("{}: {e}\n{g}", pass.name))?;
        let got = of(&g)?;
        if !matches!(pass.name, "lower_linear" | "lower_composites" | "fold_batch_norm" | "channels_last") {
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                // -0 and 0 are equal.
                let report = compare("result", got, want, None, 0.0);
                if report.max_rel > 0.0 || report.mismatch.is_some() {
                    return Err(format!("{} changes result {i}: {report}\n{g}", pass.name));
                }
            }
        }
        want = got;
    }
    Ok(())
}

/// What each op may err by in the estimate of [`end_to_end`].
const NOISE: f64 = 1e-6;
/// How much larger than the effect of that noise an error may be.
const MARGIN: f64 = 12.0;

/// Whole networks are compared with a bound for their conditioning: the interpreter runs three times with
/// every f32 result moved at random by up to 1e-6 of its scale, and native results may be off by 12 times
/// what that changed in their row, or the usual 1e-5 of the row. (An op alone is right within 1e-5, and
/// nearly always within 1e-6.)
fn end_to_end(
    r: &Random,
    inputs: &[Tensor],
    c: &tancho::Compiled,
    ways: &[(&str, Vec<Option<Tensor>>)],
) -> Result<(), String> {
    let g = &r.graph;
    let exact = interpret(g, inputs, c, None)?;
    let noisy = (0..3).map(|i| interpret(g, inputs, c, Some((NOISE, i)))).collect::<Result<Vec<_>, _>>()?;
    for (i, o) in g.outputs.iter().enumerate() {
        let want = &exact[o.index()];
        if !r.smooth[o.index()] {
            continue;
        }
        let Some(y) = want.as_f32() else {
            if let Some((which, got)) = ways
                .iter()
                .find_map(|(w, got)| got[i].as_ref().filter(|t| !same_bits(want, t)).map(|t| (w, t)))
            {
                return Err(format!("result {i}, {which}, is\n{got}\nnot\n{want}"));
            }
            continue;
        };
        let row = want.shape().last().copied().unwrap_or(1).max(1);
        for (which, got) in ways {
            let Some(x) = got[i].as_ref().and_then(|t| t.as_f32()) else { continue };
            for (j, (x, y)) in x.chunks(row).zip(y.chunks(row)).enumerate() {
                let largest =
                    y.iter().filter(|v| v.is_finite()).fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
                let mut change = 0.0f64;
                for n in &noisy {
                    let n = n[o.index()].as_f32().unwrap_or_default();
                    let rows = n[j * row..][..row].iter().zip(y);
                    change = rows
                        .map(|(a, b)| f64::from(a - b).abs())
                        .filter(|d| d.is_finite())
                        .fold(change, f64::max);
                }
                let allowed = 1e-5 * largest + MARGIN * change + f64::from(f32::MIN_POSITIVE);
                for (x, y) in x.iter().zip(y) {
                    let right = x == y || (x.is_nan() && y.is_nan()) || f64::from(x - y).abs() <= allowed;
                    if !right {
                        return Err(format!(
                            "result {i}, row {j}, {which}: {x:e}, not {y:e}; allowed is {allowed:e}"
                        ));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Checks the graph of a seed; where it fails, the same ops with the least depth that fails.
pub fn check_seed(seed: u64, flavour: Flavour) -> Result<usize, String> {
    let depth = 2 + Rng::new(seed).below(11);
    let run = |depth: usize| {
        catch_unwind(AssertUnwindSafe(|| holds(seed, depth, flavour))).unwrap_or_else(|p| {
            let text = p
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| p.downcast_ref::<&str>().map(|s| s.to_string()));
            Err(format!("panic: {}\n{}", text.unwrap_or_default(), Random::new(seed, depth, flavour).graph))
        })
    };
    match run(depth) {
        Ok(()) => Ok(depth),
        Err(e) => {
            let least = (1..depth).find_map(|d| run(d).err().map(|e| (d, e)));
            let (d, e) = least.unwrap_or((depth, e));
            Err(format!("TANCHO_SEED={seed} {flavour:?}, {d} of {depth} ops\n{e}"))
        }
    }
}
