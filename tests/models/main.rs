//! Whole models against the answers of other frameworks.
//!
//! Tests of models that have to be fetched pass without them and print that they were skipped, unless
//! `TANCHO_MODELS_REQUIRED=1` is set.
//!
//! * `efficientnet`: EfficientNet-Lite0 against ONNX Runtime
//! * `gpt2`: the cache and the weights of GPT-2
//! * `minilm`: all-MiniLM-L6-v2 against numpy
//! * `resnet`: parameters of ResNets, and images of any size
//! * `smollm2`: SmolLM2-135M-Instruct against numpy and llama.cpp
//! * `torch_layers`: layers against PyTorch
//! * `zoo`: the usual models, small, against their classes in Hugging Face's transformers and other libraries

mod efficientnet;
mod golden;
mod gpt2;
mod minilm;
mod resnet;
mod smollm2;
mod torch_layers;
mod zoo;
