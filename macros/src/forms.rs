//! What is written as a call but is no row of the ops' table: the language itself makes ops of it.

/// Name, how it is written, what it means.
pub const FORMS: [(&str, &str, &str); 8] = [
    ("embedding", "embedding(table, ids)", "Rows of a table by i32 ids: `table[ids]`."),
    ("clamp", "clamp(x, lo, hi)", "`min(max(x, lo), hi)`."),
    (
        "split",
        "split(x, axis = D, parts = 2)",
        "Equal parts of an axis, as a tuple: `let (a, b) = split(..);`.",
    ),
    (
        "topk",
        "topk(x, k = 2, over = D)",
        "The largest elements, the largest first, and where they stand, as a tuple: `let (values, ids) = topk(..);`.",
    ),
    (
        "rearrange",
        "rearrange(x, [b, s, (h d)] -> [b, h, s, d], h = HEADS)",
        "Splits, moves and joins axes. Every name stands once on each side; all lengths of a group but one are given.",
    ),
    ("residual", "residual(x) { f }", "`x + f`; both sides have one shape, neither is repeated."),
    ("floor", "floor(p / c)", "A quotient of dims, rounded down."),
    ("ceil", "ceil(p / c)", "A quotient of dims, rounded up."),
];
