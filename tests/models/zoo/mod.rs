//! Models as one would write them here, with the weight names of their classes in Hugging Face's
//! transformers, torchvision, timm or their papers' common implementations, against what those answer.
//!
//! `scripts/make_model_goldens.py` writes small models with random weights, and counts the lines that each
//! module's docs state: those of the classes that inference needs, and those of the networks here, both
//! without comments and blank lines.

mod bert;
mod bloom;
mod clip;
mod convnext;
mod deberta_v2;
mod gemma;
mod gemma2;
mod gru;
mod llama3;
mod lstm;
mod mamba;
mod mistral;
mod mixtral;
mod mlp_mixer;
mod mobilenet_v3;
mod t5;
mod unet;
mod vae;
mod vit;
mod wavenet;
mod whisper;
mod yolo;

use crate::golden::Golden;
use std::ops::Deref;
use tancho::{Compiled, Error, Target, Tensor, View};
use tancho_support::{results, targets, views};

/// The weights of a model, in the form in which its library saves them.
fn weights(name: &str) -> String {
    format!("{}/tests/golden/models/{name}.safetensors", env!("CARGO_MANIFEST_DIR"))
}

/// The inputs and the answers of a model.
fn golden(name: &str) -> Golden {
    Golden::new(&format!("models/{name}.io"))
}

/// Runs a network with one entry point on every level and several numbers of threads. Its inputs are those
/// that the golden has under their names, and its results the golden's answers in this order.
fn answers<C: Deref<Target = Compiled>>(
    model: &str,
    outputs: &[&str],
    compile: impl Fn(Target) -> Result<C, Error>,
) -> Result<(), Error> {
    let golden = golden(model);
    for target in targets() {
        let compiled = compile(target)?;
        let names: Vec<String> = compiled.graph().inputs.iter().map(|i| format!("in.{}", i.name)).collect();
        let inputs: Vec<Tensor> = names.iter().map(|name| golden.tensor(name)).collect();
        compiled.check_inputs(&views(&inputs))?.into_result()?;
        for threads in [1, 2] {
            let mut session = compiled.session_with_threads(threads)?;
            session.divide_all();
            session.run_inputs(&views(&inputs))?;
            let results = results(&session);
            assert_eq!(results.len(), outputs.len());
            for (name, result) in outputs.iter().zip(&results) {
                if result.shape().len() == 4 {
                    golden.matches_image(&format!("out.{name}"), result);
                } else {
                    golden.matches(&format!("out.{name}"), result);
                }
            }
        }
    }
    Ok(())
}

/// Runs a decoder with a cache, from `ids` to `logits`: a sequence as a whole, as a prompt of several rows
/// before single ones, and in parts longer than one.
fn decodes<C: Deref<Target = Compiled>>(
    model: &str,
    compile: impl Fn(Target) -> Result<C, Error>,
) -> Result<(), Error> {
    let golden = golden(model);
    let (ids, logits) = (golden.tensor("in.ids"), golden.tensor("out.logits"));
    for target in targets() {
        let compiled = compile(target)?;
        for threads in [1, 2] {
            for parts in parts(ids.shape()[1]) {
                let mut session = compiled.session_with_threads(threads)?;
                session.divide_all();
                let mut from = 0;
                for n in parts {
                    let part = rows(&ids, from, from + n);
                    session.check_inputs(&views(std::slice::from_ref(&part)))?.into_result()?;
                    session.run_inputs(&views(&[part]))?;
                    same_rows(&results(&session)[0], &logits, from, from + n);
                    from += n;
                }
            }
        }
    }
    Ok(())
}

/// How a sequence of that length is cut: not at all, a prompt and then single rows, and some rows at a time.
fn parts(length: usize) -> [Vec<usize>; 3] {
    let singles = std::iter::repeat_n(1, length - 5);
    [vec![length], std::iter::once(5).chain(singles).collect(), vec![2, 3, 1, length - 6]]
}

/// Rows `from..to` of the second axis.
fn rows(of: &Tensor, from: usize, to: usize) -> Tensor {
    let (batch, length, size) = (of.shape()[0], of.shape()[1], of.shape()[2..].iter().product::<usize>());
    let shape: Vec<usize> = [batch, to - from].iter().chain(&of.shape()[2..]).copied().collect();
    let places = (0..batch).flat_map(|b| (b * length + from) * size..(b * length + to) * size);
    if let Some(data) = of.as_i32() {
        return Tensor::new(places.map(|i| data[i]).collect::<Vec<_>>(), shape).expect("its shape");
    }
    let data = of.as_f32().expect("f32");
    Tensor::new(places.map(|i| data[i]).collect::<Vec<_>>(), shape).expect("its shape")
}

/// A result that outlives its session's next run.
fn owned(result: View<'_, f32>) -> Tensor {
    Tensor::new(result.to_vec(), result.shape()).expect("its shape")
}

/// Compares a result with rows `from..to` of an answer.
#[track_caller]
fn same_rows(got: &Tensor, want: &Tensor, from: usize, to: usize) {
    let report = tancho::inspect::compare("rows", got, &rows(want, from, to), None, tancho::inspect::BOUND);
    assert!(report.is_ok(), "rows {from}..{to}: {report}");
}
