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

/// Layer norm over groups of channels (`torch.nn.GroupNorm`; Wu and He 2018).
pub GroupNorm<GROUPS = _, C = _, N, H, W>(option eps = 1e-5)(x: [N, C, H, W]) -> [N, C, H, W]
    where C % GROUPS == 0
{
    param weight: [C] = ones;
    param bias: [C] = zeros;
    group_norm(x, weight, bias, groups = GROUPS, eps = eps)
}

/// Convolution of images with square filters (`torch.nn.Conv2d`). Filters of other forms, and `pad = same`,
/// are for `conv2d`.
pub Conv2d<CIN = _, COUT = _, K = _, STRIDE = 1, PAD = 0, DIL = 1, GROUPS = 1, N, H, W>(option bias = true)
    (x: [N, CIN, H, W])
    -> [
        N,
        COUT,
        floor((H + 2 * PAD - DIL * (K - 1) - 1) / STRIDE) + 1,
        floor((W + 2 * PAD - DIL * (K - 1) - 1) / STRIDE) + 1,
    ]
    where CIN % GROUPS == 0, COUT % GROUPS == 0, 1 <= STRIDE, 1 <= DIL
{
    param weight: [COUT, CIN / GROUPS, K, K] = xavier;
    if bias {
        #[weights("bias")]
        param b: [COUT] = zeros;
        conv2d(x, weight, b, stride = STRIDE, pad = PAD, dilation = DIL, groups = GROUPS)
    } else {
        conv2d(x, weight, stride = STRIDE, pad = PAD, dilation = DIL, groups = GROUPS)
    }
}

/// Convolution along one axis (`torch.nn.Conv1d`).
pub Conv1d<CIN = _, COUT = _, K = _, STRIDE = 1, PAD = 0, DIL = 1, GROUPS = 1, N, L>(option bias = true)
    (x: [N, CIN, L]) -> [N, COUT, floor((L + 2 * PAD - DIL * (K - 1) - 1) / STRIDE) + 1]
    where CIN % GROUPS == 0, COUT % GROUPS == 0, 1 <= STRIDE, 1 <= DIL
{
    param weight: [COUT, CIN / GROUPS, K] = xavier;
    if bias {
        #[weights("bias")]
        param b: [COUT] = zeros;
        conv1d(x, weight, b, stride = STRIDE, pad = PAD, dilation = DIL, groups = GROUPS)
    } else {
        conv1d(x, weight, stride = STRIDE, pad = PAD, dilation = DIL, groups = GROUPS)
    }
}

/// Transposed convolution of images with square filters (`torch.nn.ConvTranspose2d`). Other forms are for
/// `conv_transpose2d`.
pub ConvTranspose2d<
    CIN = _, COUT = _, K = _, STRIDE = 1, PAD = 0, OUTPUT_PAD = 0, DIL = 1, GROUPS = 1, N, H, W
>
    (option bias = true)
    (x: [N, CIN, H, W])
    -> [
        N,
        COUT,
        (H - 1) * STRIDE - 2 * PAD + DIL * (K - 1) + OUTPUT_PAD + 1,
        (W - 1) * STRIDE - 2 * PAD + DIL * (K - 1) + OUTPUT_PAD + 1,
    ]
    where CIN % GROUPS == 0, COUT % GROUPS == 0, 1 <= STRIDE, 1 <= DIL
{
    param weight: [CIN, COUT / GROUPS, K, K] = xavier;
    if bias {
        #[weights("bias")]
        param b: [COUT] = zeros;
        conv_transpose2d(
            x, weight, b, stride = STRIDE, pad = PAD, output_pad = OUTPUT_PAD,
            dilation = DIL, groups = GROUPS,
        )
    } else {
        conv_transpose2d(
            x, weight, stride = STRIDE, pad = PAD, output_pad = OUTPUT_PAD,
            dilation = DIL, groups = GROUPS,
        )
    }
}

/// Transposed convolution along one axis (`torch.nn.ConvTranspose1d`).
pub ConvTranspose1d<
    CIN = _, COUT = _, K = _, STRIDE = 1, PAD = 0, OUTPUT_PAD = 0, DIL = 1, GROUPS = 1, N, L
>
    (option bias = true)
    (x: [N, CIN, L]) -> [N, COUT, (L - 1) * STRIDE - 2 * PAD + DIL * (K - 1) + OUTPUT_PAD + 1]
    where CIN % GROUPS == 0, COUT % GROUPS == 0, 1 <= STRIDE, 1 <= DIL
{
    param weight: [CIN, COUT / GROUPS, K] = xavier;
    if bias {
        #[weights("bias")]
        param b: [COUT] = zeros;
        conv_transpose1d(
            x, weight, b, stride = STRIDE, pad = PAD, output_pad = OUTPUT_PAD,
            dilation = DIL, groups = GROUPS,
        )
    } else {
        conv_transpose1d(
            x, weight, stride = STRIDE, pad = PAD, output_pad = OUTPUT_PAD,
            dilation = DIL, groups = GROUPS,
        )
    }
}

/// Batch norm of images with the statistics of training (`torch.nn.BatchNorm2d` in evaluation; Ioffe and
/// Szegedy 2015).
#[unused_weights("num_batches_tracked")]
pub BatchNorm<C = _, N, H, W>(option eps = 1e-5)(x: [N, C, H, W]) -> [N, C, H, W] {
    param weight: [C] = ones;
    param bias: [C] = zeros;
    buffer running_mean: [C] = zeros;
    buffer running_var: [C] = ones;
    batch_norm(x, weight, bias, running_mean, running_var, eps = eps)
}

/// Rows of a table by ids (`torch.nn.Embedding`).
pub Embedding<V = _, D = _>(ids: i32[..]) -> [.., D] {
    param weight: [V, D] = normal(1.0);
    embedding(weight, ids)
}
"#;
