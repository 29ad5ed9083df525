//! tract with the ONNX model of a case.

use compare::{Case, Data, Failure, program};
use std::time::Instant;
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

fn main() {
    program(|case| run(case).map_err(|e| format!("{e:?}").into()));
}

fn run(case: &Case) -> Result<(), Failure> {
    let start = Instant::now();
    if case.threads > 1 {
        set_default_executor(Executor::multithread(case.threads));
    }
    let loaded = tract_onnx::onnx().model_for_path(case.onnx()).map_err(failed)?;
    let model = loaded.into_optimized().and_then(|model| model.into_runnable()).map_err(failed)?;
    let mut inputs: TVec<TValue> = TVec::new();
    for (_, tensor) in case.inputs() {
        let shape = &tensor.shape;
        inputs.push(match tensor.data {
            Data::F32(x) => Tensor::from_shape(shape, &x).map_err(failed)?.into(),
            Data::I32(x) => {
                let wide: Vec<i64> = x.into_iter().map(i64::from).collect();
                Tensor::from_shape(shape, &wide).map_err(failed)?.into()
            }
        });
    }
    case.serve(start, &mut |wanted| {
        let results = std::hint::black_box(model.run(inputs.clone()).map_err(failed)?);
        if !wanted {
            return Ok(Vec::new());
        }
        Ok(results[0].to_plain_array_view::<f32>().map_err(failed)?.iter().copied().collect())
    })
}

fn failed(e: TractError) -> Failure {
    format!("{e:#}").into()
}
