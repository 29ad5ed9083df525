//! Everything that must hold of a random graph: text form, passes, native code against the interpreter op by
//! op and end to end, repeated runs.

mod answer;

use crate::graphs::{Flavour, Random};
use crate::{Given, Rng, compile, compile_for, results, run_on, same_bits, views};
use answer::{Allowed, Answer, NOISE};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tancho::inspect::compare;
use tancho::{AnyView, Compiled, Graph, Isa, OutputMut, Session, Target, Tensor, TensorData};
use tancho_ir::graph::Value;
use tancho_ir::op::Op;

/// Of native code for a whole network.
const NATIVE: Allowed = Allowed { of_row: 1e-5, of_noise: 12.0 };
/// Of the interpreter where a pass makes it round to f32 more often: by four roundings, of the result itself
/// and of any value before it. No random graph of the tests needs more than half of the second.
const ROUNDED: Allowed = Allowed { of_row: ROUNDINGS, of_noise: ROUNDINGS / NOISE };
/// Each is at most 2^-24 of a number.
const ROUNDINGS: f64 = 4.0 / (1 << 24) as f64;

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
    let all = Graph { outputs: computed(g), ..g.clone() };
    let open = compile(&all).map_err(|e| at("compile with every value as a result", &e))?;
    // The levels of wide vectors in turn, each with the graph as it is and with every value a result.
    let isa = if seed.is_multiple_of(2) { Isa::host() } else { Isa::host().min(Isa::Avx2) };
    let wide = Target::host().with_isa(isa).map_err(|e| e.to_string())?;
    let (fused_wide, open_wide) = (
        compile_for(g, wide).map_err(|e| at("compile", &e))?,
        compile_for(&all, wide).map_err(|e| at("compile", &e))?,
    );
    let mut session = fused.session();
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
            let answer = Answer::new(g, &inputs, &fused).map_err(|e| at("the interpreter", &e))?;
            passes_keep_the_answer(&r, &inputs, &answer).map_err(|e| at("passes", &e))?;
            every_way_gives_the_answer(&r, &answer, &inputs, &got, [&open, &fused_wide])
                .map_err(|(what, e)| at(what, &e))?;
            if seed.is_multiple_of(8) {
                converted_inputs_are_values(&r, &inputs, seed).map_err(|e| at("converted inputs", &e))?;
            }
        }
        for (how, c) in [("checked", &fused), ("wide", &fused_wide)] {
            threads_give_the_same(c, &inputs).map_err(|e| at(how, &e))?;
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

/// Inputs that a session converts give what their values give, and the graph that says so has a text form.
fn converted_inputs_are_values(r: &Random, values: &[Tensor], seed: u64) -> Result<(), String> {
    let other = r.given_otherwise(seed);
    let read = Graph::parse(&other.to_string()).map_err(|e| e.to_string())?;
    if read != other {
        return Err(format!("the text form is another graph\n{read}"));
    }
    let given: Vec<Given> = values.iter().zip(&other.inputs).map(|(v, i)| Given::new(v, i.given)).collect();
    let given: Vec<AnyView<'_>> = given.iter().map(Given::view).collect();
    // What is a half is rounded.
    let values: Vec<Tensor> =
        given.iter().zip(values).map(|(g, v)| rounded(g, v)).collect::<Result<_, String>>()?;
    let compiled = compile(&other).map_err(|e| e.to_string())?;
    let (mut converts, mut plain) =
        (compiled.session(), compile(&r.graph).map_err(|e| e.to_string())?.session());
    converts.run_inputs(&given).map_err(|e| e.to_string())?;
    plain.run_inputs(&views(&values)).map_err(|e| e.to_string())?;
    let (got, want) = (results(&converts), results(&plain));
    match (0..got.len()).find(|j| !same_bits(&got[*j], &want[*j])) {
        Some(j) => Err(format!("result {j} is\n{}\nnot\n{}\n{other}", got[j], want[j])),
        None => match compiled.first_divergence(&given).map_err(|e| e.to_string())? {
            Some(op) => Err(format!("{}: {}\n{other}", op.label, op.report)),
            None => Ok(()),
        },
    }
}

/// A value as it is after it was given so.
fn rounded(given: &AnyView<'_>, value: &Tensor) -> Result<Tensor, String> {
    let AnyView::F16(halves) = given else { return Ok(value.clone()) };
    let floats: Vec<f32> = halves.data().iter().map(|x| x.to_f32()).collect();
    Tensor::new(floats, value.shape()).map_err(|e| e.to_string())
}

/// The values that ops compute.
fn computed(g: &Graph) -> Vec<Value> {
    g.values().filter(|v| !matches!(g.node(*v).op, Op::Input(_) | Op::Weight(_))).collect()
}

/// The results of fused kernels, of kernels with every computed value a result (`open`) and of `wide` vectors
/// agree with the interpreter's. An error has the step that failed and why.
fn every_way_gives_the_answer(
    r: &Random,
    answer: &Answer,
    inputs: &[Tensor],
    fused: &[Tensor],
    [open, wide]: [&Compiled; 2],
) -> Result<(), (&'static str, String)> {
    let run = |c: &Compiled, step| {
        let mut session = c.session();
        match session.run_inputs(&views(inputs)) {
            Ok(()) => Ok(results(&session)),
            Err(e) => Err((step, e.to_string())),
        }
    };
    let every_value = run(open, "run with every value as a result")?;
    let ops = computed(&r.graph);
    let unfused =
        r.graph.outputs.iter().map(|o| ops.binary_search(o).ok().map(|j| every_value[j].clone())).collect();
    let wide = run(wide, "run wide")?.into_iter().map(Some).collect();
    let fused = fused.iter().cloned().map(Some).collect();
    end_to_end(r, answer, &[("fused", fused), ("unfused", unfused), ("wide", wide)])
        .map_err(|e| ("end to end", e))
}

/// However many threads a run is divided among: the same bits.
fn threads_give_the_same(c: &Compiled, inputs: &[Tensor]) -> Result<(), String> {
    let run = |threads| run_on(c, threads, inputs).map_err(|e| format!("{threads} threads: {e}"));
    let one = run(1)?;
    for threads in [2, 3] {
        let many = run(threads)?;
        if let Some(j) = (0..one.len()).find(|j| !same_bits(&one[*j], &many[*j])) {
            return Err(format!("{threads} threads: result {j} is\n{}\nnot\n{}", many[j], one[j]));
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

/// The interpreter gives the same answer for the graph after each pass: bit for bit, but for passes that put
/// several ops in the place of one, so that values are rounded to f32 between them, or that change the order
/// in which numbers are added.
fn passes_keep_the_answer(r: &Random, inputs: &[Tensor], answer: &Answer) -> Result<(), String> {
    let mut g = r.graph.clone();
    let mut want = answer.exact.clone();
    for pass in tancho_ir::passes::PASSES {
        g = (pass.run)(&g).map_err(|e| format!("{}: {e}", pass.name))?;
        tancho_ir::verify::verify(&g).map_err(|e| format!("{}: {e}\n{g}", pass.name))?;
        let got = answer.of(&g, inputs)?;
        let rounds =
            matches!(pass.name, "lower_linear" | "lower_composites" | "fold_batch_norm" | "channels_last");
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let wrong = if rounds {
                answer.difference(i, got, want, ROUNDED).filter(|_| r.smooth[r.graph.outputs[i].index()])
            } else {
                // -0 and 0 are equal.
                let report = compare("result", got, want, None, 0.0);
                (report.max_rel > 0.0 || report.mismatch.is_some()).then(|| report.to_string())
            };
            if let Some(wrong) = wrong {
                return Err(format!("{} changes result {i}: {wrong}\n{g}", pass.name));
            }
        }
        want = got;
    }
    Ok(())
}

/// Native results of a whole network against the interpreter's. An op alone is right within 1e-5 of its row,
/// and nearly always within 1e-6, which is the noise that [`Answer`] knows the effect of.
fn end_to_end(r: &Random, answer: &Answer, ways: &[(&str, Vec<Option<Tensor>>)]) -> Result<(), String> {
    for (i, o) in r.graph.outputs.iter().enumerate().filter(|(_, o)| r.smooth[o.index()]) {
        for (which, got) in ways {
            let Some(got) = &got[i] else { continue };
            if let Some(wrong) = answer.difference(i, got, &answer.exact[i], NATIVE) {
                return Err(format!("result {i}, {which}: {wrong}\n{o:?}"));
            }
        }
    }
    Ok(())
}

/// Checks the graph of a seed; gives its depth.
///
/// # Errors
/// What does not hold, of the same ops with the least depth for which it does not.
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
