//! rten with the ONNX model of a case.

use compare::{Case, Data, Failure, program};
use rten::{ModelOptions, NodeId, Value, ValueOrView};
use rten_tensor::Tensor;
use rten_tensor::prelude::*;
use std::time::Instant;

fn main() {
    program(run);
}

fn run(case: &Case) -> Result<(), Failure> {
    let start = Instant::now();
    let model = ModelOptions::with_all_ops().prepack_weights(true).load_file(case.onnx())?;
    let mut inputs: Vec<(NodeId, Value)> = Vec::new();
    for (name, tensor) in case.inputs() {
        let value: Value = match tensor.data {
            Data::F32(x) => Tensor::from_data(&tensor.shape[..], x).into(),
            Data::I32(x) => Tensor::from_data(&tensor.shape[..], x).into(),
        };
        inputs.push((model.node_id(&name)?, value));
    }
    let outputs = model.output_ids().to_vec();
    case.serve(start, &mut |wanted| {
        let given: Vec<(NodeId, ValueOrView<'_>)> =
            inputs.iter().map(|(id, v)| (*id, v.as_view().into())).collect();
        let results = std::hint::black_box(model.run(given, &outputs, None)?);
        if !wanted {
            return Ok(Vec::new());
        }
        let first: Tensor<f32> = results.into_iter().next().ok_or("no result")?.try_into()?;
        Ok(first.to_vec())
    })
}
