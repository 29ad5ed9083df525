//! "Did you mean": the nearest of some names.

/// What PyTorch, NumPy and JAX call an operation, how it is written here, and a note where one is needed.
const ELSEWHERE: [(&str, &str, &str); 46] = [
    ("cat", "concat(a, b, axis = ..)", ""),
    ("concatenate", "concat(a, b, axis = ..)", ""),
    ("stack", "concat(a, b, axis = ..)", ", of values that `reshape` gave an axis of length 1"),
    ("chunk", "split(x, axis = .., parts = n)", ""),
    ("view", "reshape(x, [..])", ""),
    ("squeeze", "reshape(x, [..])", ""),
    ("unsqueeze", "reshape(x, [..])", ""),
    ("permute", "transpose(x, axes = (..))", ""),
    ("swapaxes", "transpose(x, axes = (..))", ", and for the last two axes `x.t`"),
    ("broadcast_to", "expand(x, [..])", ""),
    ("repeat", "expand(x, [..])", ", and a loop `repeat i in 0..N { .. }`"),
    ("matmul", "a @ b", ""),
    ("mm", "a @ b", ""),
    ("bmm", "a @ b", ""),
    ("dot", "a @ b", ""),
    ("einsum", "a @ b", ", with `rearrange` before and after"),
    ("add", "a + b", ""),
    ("sub", "a - b", ""),
    ("mul", "a * b", ""),
    ("div", "a / b", ""),
    ("where", "select(cond, a, b)", ""),
    ("masked_fill", "select(mask, value, x)", ""),
    ("amax", "max(x, over = ..)", ""),
    ("amin", "min(x, over = ..)", ""),
    ("maximum", "max(a, b)", ""),
    ("minimum", "min(a, b)", ""),
    ("square", "x * x", ""),
    ("scaled_dot_product_attention", "attention(q, k, v, heads = ..)", ""),
    ("normalize", "l2_normalize(x, over = ..)", ""),
    ("to", "cast(x, f32)", ""),
    ("conv", "conv2d(x, w, b, stride = 1, pad = 0)", ""),
    ("conv3d", "conv2d(x, w, b, stride = 1, pad = 0)", ": a window has two axes at most"),
    ("pool", "max_pool2d(x, kernel = ..)", ", or `avg_pool2d(x, kernel = ..)`"),
    ("max_pool", "max_pool2d(x, kernel = ..)", ""),
    ("avg_pool", "avg_pool2d(x, kernel = ..)", ""),
    ("adaptive_avg_pool2d", "global_mean(x)", ", which is `[N, C]`"),
    ("global_avg_pool", "global_mean(x)", ""),
    (
        "interpolate",
        "upsample_bilinear(x, scale = ..)",
        ", `upsample_nearest(x, scale = ..)`, or `resize(x, [H, W])`",
    ),
    ("gather", "take_along(x, ids, axis = ..)", ", or `table[ids]` of whole rows"),
    ("zeros", "expand(0, [B, D])", ""),
    ("ones", "expand(1, [B, D])", ""),
    ("full", "expand(0.5, [B, D])", ""),
    ("zeros_like", "0 * x", ", or `expand(0, [B, D])` with its shape"),
    ("lstm", "scan x_t in x over S { .. }", ", around a cell"),
    ("gru", "scan x_t in x over S { .. }", ", around a cell"),
    ("batch_norm2d", "batch_norm(x, gain, bias, mean, var)", ""),
];

/// What PyTorch calls an argument, and its names here; which of them depends on the op or network.
const ARGUMENTS: [(&str, &[&str]); 29] = [
    ("dim", &["over", "axis", "axes"]),
    ("axis", &["over", "axes"]),
    ("dims", &["axes", "over", "axis"]),
    ("negative_slope", &["slope"]),
    ("output_padding", &["output_pad", "OUTPUT_PAD"]),
    ("keepdim", &["keep"]),
    ("keepdims", &["keep"]),
    ("padding", &["pad", "PAD"]),
    ("kernel_size", &["kernel", "K"]),
    ("stride", &["STRIDE"]),
    ("dilation", &["DIL"]),
    ("groups", &["GROUPS"]),
    ("num_groups", &["groups", "GROUPS"]),
    ("epsilon", &["eps"]),
    ("in_features", &["IN"]),
    ("out_features", &["OUT"]),
    ("in_channels", &["CIN"]),
    ("out_channels", &["COUT"]),
    ("num_embeddings", &["V"]),
    ("embedding_dim", &["D"]),
    ("normalized_shape", &["over", "D"]),
    ("num_features", &["C"]),
    ("num_channels", &["C"]),
    ("weight", &["gain", "w"]),
    ("attn_mask", &["mask"]),
    ("is_causal", &["causal"]),
    ("num_heads", &["heads"]),
    ("scale_factor", &["scale"]),
    ("ignore_index", &["ignore"]),
];

/// What an argument of PyTorch's is called among the names that an op or a network has.
pub fn argument_of_pytorch<'a>(name: &str, mut has: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (_, here) = ARGUMENTS.iter().find(|(n, _)| *n == name)?;
    has.find(|h| here.contains(h))
}

/// How an operation of another library is written here, as a sentence.
pub fn elsewhere(name: &str) -> Option<String> {
    ELSEWHERE
        .iter()
        .find(|(n, ..)| *n == name)
        .map(|(_, here, more)| format!("it is written `{here}` here{more}"))
}

/// The candidate that differs only in case, else the nearest within a third of the length.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    let scored = candidates.into_iter().filter(|c| *c != name).map(|c| {
        let same_letters = c.eq_ignore_ascii_case(name);
        (if same_letters { 0 } else { distance(name, c) }, c)
    });
    // A one-letter name is near to every other one: only the case may differ.
    let limit = if name.chars().count() == 1 { 0 } else { allowed };
    scored.filter(|(d, _)| *d <= limit).min_by_key(|(d, _)| *d).map(|(_, c)| c)
}

/// Insertions, deletions and replacements that lead from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((cb, &diagonal), &above) in b.iter().zip(&row).zip(row.iter().skip(1)) {
            let left = next.last().copied().unwrap_or(0);
            next.push((diagonal + usize::from(ca != *cb)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(nearest("rellu", ["gelu", "relu", "tanh"]), Some("relu"));
        assert_eq!(nearest("d", ["B", "D"]), Some("D"));
        assert_eq!(nearest("x", ["B", "D"]), None);
        assert_eq!(nearest("layernorm", ["layer_norm", "rms_norm"]), Some("layer_norm"));
        assert_eq!(nearest("frobnicate", ["relu"]), None);
    }
}
