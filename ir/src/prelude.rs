//! The prelude: networks that every `network!` knows, written in the language.
//!
//! The macro reads the signatures from this text; the crate `tancho` expands the
//! same text once. Weights have PyTorch's names.

/// The declarations, as `network!` reads them.
pub const PRELUDE: &str = r#"
/// `x @ weight.t + bias`, weights as PyTorch stores them (`torch.nn.Linear`).
pub Linear<IN = _, OUT = _>(option bias = true)(x: [.., IN]) -> [.., OUT] {
    param weight: [OUT, IN] = xavier;
    if bias {
        #[weights("bias")]
        param b: [OUT] = zeros;
        linear(x, weight, b)
    } else {
        linear(x, weight)
    }
}

/// Layer norm over the last axis (`torch.nn.LayerNorm`; Ba, Kiros and Hinton 2016).
pub LayerNorm<D = _>(option eps = 1e-5)(x: [.., D]) -> [.., D] {
    param weight: [D] = ones;
    param bias: [D] = zeros;
    layer_norm(x, weight, bias, over = D, eps = eps)
}

/// Root-mean-square norm over the last axis (`torch.nn.RMSNorm`; Zhang and Sennrich 2019).
pub RmsNorm<D = _>(option eps = 1e-6)(x: [.., D]) -> [.., D] {
    param weight: [D] = ones;
    rms_norm(x, weight, over = D, eps = eps)
}

/// Rows of a table by ids (`torch.nn.Embedding`).
pub Embedding<V = _, D = _>(ids: i32[..]) -> [.., D] {
    param weight: [V, D] = normal(1.0);
    embedding(weight, ids)
}
"#;
