//! What `benches/compare` needs to run other engines beside this one: the weights, inputs and results of a
//! case, and runs when they are asked for.

use super::cases::Case;
use super::measure::{filled, model, prepare, repeat};
use super::program::Failure;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;
use tancho::{AnyView, Target, Tensor, TensorData};

/// Writes the weights of a case to `NAME.weights.safetensors`, and its inputs `in.I`, cached states and first
/// result `out.0` to `NAME.tensors.safetensors`; of a step of training the result is the loss before it.
pub fn export(case: &Case, target: Target, folder: &Path) -> Result<(), Failure> {
    let mut tensors: Vec<(String, Tensor)> = Vec::new();
    let weights = folder.join(format!("{}.weights.safetensors", case.name));
    if let Some(training) = case.training() {
        training.weights()?.save(&weights)?;
        let loss = (training.compile(target, 1)?.run)()?;
        tensors.push(("out.0".into(), Tensor::new(vec![loss], [1])?));
        tensors.extend(training.inputs()?.into_iter().enumerate().map(|(i, t)| (format!("in.{i}"), t)));
    } else {
        let model = model(case)?;
        model.weights().save(&weights)?;
        let mut session = filled(case, &model.compile(target)?, 1)?;
        for state in &model.graph().states {
            tensors.extend(session.state(&state.name)?.map(|value| (format!("state.{}", state.name), value)));
        }
        let inputs = case.inputs()?;
        session.run_inputs(&inputs.iter().map(AnyView::from).collect::<Vec<_>>())?;
        // Of MiniLM the other engines compute the hidden states.
        let last = model.graph().outputs.len() - 1;
        tensors.push(("out.0".into(), session.tensor(last)?));
        tensors.extend(inputs.into_iter().enumerate().map(|(i, t)| (format!("in.{i}"), t)));
    }
    let bytes: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> =
        tensors.iter().map(|(name, tensor)| stored(name, tensor)).collect::<Result<_, _>>()?;
    let views: Vec<(&String, TensorView<'_>)> = (bytes.iter())
        .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
        .collect::<Result<_, safetensors::SafeTensorError>>()?;
    let file = folder.join(format!("{}.tensors.safetensors", case.name));
    Ok(safetensors::serialize_to_file(views, None, &file)?)
}

fn stored(name: &str, tensor: &Tensor) -> Result<(String, Dtype, Vec<usize>, Vec<u8>), Failure> {
    let (dtype, bytes) = match tensor.data() {
        TensorData::F32(x) => (Dtype::F32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
        TensorData::I32(x) => (Dtype::I32, x.iter().flat_map(|x| x.to_le_bytes()).collect()),
        TensorData::Bool(x) => (Dtype::BOOL, x.iter().map(|x| u8::from(*x)).collect()),
        _ => return Err(format!("`{name}` has a type that is not exchanged").into()),
    };
    Ok((name.into(), dtype, tensor.shape().to_vec(), bytes))
}

/// Runs for one answer at least.
const LEAST: usize = 5;

/// Compiles a case and says so; then, for each line that is read, runs it for a while and says how long runs
/// took. Each answer is an object on a line of its own.
pub fn serve(
    case: &Case,
    target: Target,
    threads: usize,
    asked: impl BufRead,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let start = Instant::now();
    let mut prepared = prepare(case, target, threads)?;
    (prepared.run)()?;
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let ready = serde_json::json!({
        "first_ms": ms(start.elapsed()), "compile_ms": ms(prepared.compile), "pack_ms": ms(prepared.pack),
    });
    writeln!(out, "{ready}")?;
    out.flush()?;
    for line in asked.lines() {
        line?;
        let times = repeat(LEAST, &mut prepared.run)?;
        writeln!(out, "{}", serde_json::json!({"median_ms": times[times.len() / 2], "min_ms": times[0]}))?;
        out.flush()?;
    }
    Ok(())
}
