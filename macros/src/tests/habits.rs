//! What is written as elsewhere: that it works, or is one error with the right repair.

use super::{body, errors_in, one};

#[test]
fn operators_of_bool_and_assignment() {
    for good in [
        "let c = x > 0.5 && !(x >= 2) || x == 1; select(c, x, -x)",
        "select(m[0, 0] && flag, x, 0)",
        "let _c = sum(x, over = D) < S; x",
        "let mut y = x; y += 1; y -= x * x; y *= x; y /= 2; y",
        "let mut y = x; repeat i in 0..3 { y += x * 2^i; } y",
        "select(m, 1, 0)[0, 0] * x",
        "net q: Linear<D, D>; let q = q(x); q * q",
        "net q: Linear<D, D>; let (q, y) = (q(x), x); q * y",
        "net q: Linear<D, D>; let mut y = q(x); repeat i in 0..2 { let q = q(y); y = q; } y",
    ] {
        let found = body(good);
        assert!(found.is_empty(), "{good}: {found:#?}");
    }
    one(body("x < x < x"), {
        "comparisons cannot be chained\nhelp: join two of them by `&&`: `x < x && x ..`"
    });
    one(body("select(x && x, x, x)"), {
        "`and` takes bool, but `x` is f32\nhelp: convert on purpose: `cast(x, bool)`"
    });
    one(body("x += 1; x"), "`x` cannot be assigned to\nhelp: declare it with `let mut x = ..;`");
}

/// A line in a body, and its one error.
const REPAIRS: &[(&str, &str)] = &[
    (
        "let fc = Linear(D, D); fc(x)",
        "`Linear` has weights and is called through a net\nhelp: declare it, `net fc: Linear<D, D>;`, and call `fc(..)`",
    ),
    (
        "Linear(x)",
        "`Linear` has weights and is called through a net\nhelp: declare it, `net linear: Linear<IN = .., OUT = ..>;`, and call `linear(..)`",
    ),
    ("let y = Liner(D, D); y(x)", "`Liner` is not known here\nhelp: did you mean `Linear`?"),
    ("mean(x, 1)", "`mean` takes its axis by name\nhelp: write `over = 1`"),
    (
        "reshape(x, [B, -1])",
        "`-1` is no length: every axis of a shape is written\nhelp: here it would be `D*S`",
    ),
    (
        "residual(x, relu(x))",
        "the branch of `residual` stands in braces\nhelp: write `residual(x) { relu(x) }`",
    ),
    (
        "let f = |y| relu(y); f(x)",
        "there are no closures in `network!`\nhelp: what is used twice is a network of its own: `Twice<B, D>(x: [B, D]) -> [B, D] { .. }`; one without weights is called by its name, `Twice(x)`",
    ),
    ("x ^ 2", "`^` is a power of dimensions\nhelp: a constant power of a value is `pow(x, 2)`"),
    (
        "x % 2",
        "there is no operator `%`\nhelp: the remainder of a value is `rem(x, ..)`; that of dimensions is promised in the header: `where D % HEADS == 0`",
    ),
    (
        "if mean(x) > 0 { x } else { -x }",
        "`mean(x) > 0` is no condition\n  what a graph is made of is known before it runs, and no value is\nhelp: a condition is an option that is `true` or `false`, `!option`, or `A == B` of static dimensions, joined by `&&`; between values chooses `select(cond, a, b)`",
    ),
    (
        "if flag || flag { x } else { -x }",
        "`flag || flag` is no condition\n  what a graph is made of is known before it runs, and no value is\nhelp: a condition is an option that is `true` or `false`, `!option`, or `A == B` of static dimensions, joined by `&&`; between values chooses `select(cond, a, b)`",
    ),
    (
        "x[:, 0]",
        "a range is written with `..`, not `:`\nhelp: an axis is chosen by its name, `x[S = 0]`, or the last by `x[.., 0]`, where `..` is all before it; ranges are `x[1..3]`, `x[2..]` and `x[.. step 2]`",
    ),
    (
        "x[0:2]",
        "a range is written with `..`, not `:`\nhelp: an axis is chosen by its name, `x[S = 0]`, or the last by `x[.., 0]`, where `..` is all before it; ranges are `x[1..3]`, `x[2..]` and `x[.. step 2]`",
    ),
    (
        "println!(x); x",
        "the macro `println!` cannot be used in `network!`\nhelp: a body is made of ops and nets; `trace` of a session shows every value of a run",
    ),
    (
        "swish_of(x)",
        "unknown operation `swish_of`\n  functions of Rust are not seen: a body calls operations, nets, and networks without weights\nhelp: write a network, `SwishOf<..>(x: [..]) -> [..] { .. }`",
    ),
    ("relu(&x)", "there are no references in `network!`\nhelp: a value is used as often as it is named"),
    ("softmax(x, dim = -1)", "`softmax` has no argument `dim`\nhelp: it is `over` here"),
    ("mean(x, over = S, keepdim = true)", "`mean` has no argument `keepdim`\nhelp: it is `keep` here"),
    (
        "net l: LayerNorm<D>(epsilon = 1e-6); l(x)",
        "`LayerNorm` has no option `epsilon`\nhelp: it is `eps` here",
    ),
    (
        "Linear<IN = D>(x)",
        "`Linear` cannot be given dimensions where it is called\nhelp: declare it, `net linear: Linear<..>;`, and call `linear(..)`",
    ),
    (
        "param t: [D, D]; embedding(cast(m, i32), t)",
        "`embedding` takes the table first\nhelp: write `embedding(t, cast(m, i32))`, or `t[cast(m, i32)]`",
    ),
    (
        "relu(x);",
        "the value of `relu(x)` is not used\nhelp: name it, `let y = relu(x);`, or leave the `;` out if it is the result",
    ),
    (
        "let mut y = x; repeat i in 0..2 { y = concat(y, x, axis = S); } y",
        "`y` changes shape inside the loop: it enters as [B, S, D (8)] and leaves as [B, 2*S, D (8)]\nhelp: every iteration must give back the shape it was given; use `let` for a value of another shape",
    ),
    (
        "let D = x; D",
        "a `let` cannot be called `D`: that is a dimension\nhelp: dimensions, options, inputs and items share one namespace; only `let` may use the name of an input, of a net, of a weight or of another `let` again",
    ),
    (
        "reshape(x, [B, HIDDEN])",
        "unknown dimension `HIDDEN`\n  constants of Rust are not seen: the macro knows what `network!` declares and nothing else\nhelp: declare a dimension, `HIDDEN = 8`; Rust gives it another number by `..Dims { HIDDEN: .. }`",
    ),
];

#[test]
fn repairs_are_right() {
    for (text, message) in REPAIRS {
        one(body(text), message);
    }
    one(errors_in("A<const B: usize, const D: usize>(x: [B, D]) -> [B, D] { relu(x) }"), {
        "a dimension is declared by its name alone\nhelp: `B = 768` is a static one with a default, `B` one that is taken from the inputs"
    });
    one(errors_in("A<B, D = HIDDEN>(x: [B, D]) -> [B, D] { relu(x) }"), {
        "unknown dimension `HIDDEN`\n  constants of Rust are not seen: the macro knows what `network!` declares and nothing else\nhelp: declare a dimension, `HIDDEN = 8`; Rust gives it another number by `..Dims { HIDDEN: .. }`"
    });
    one(
        errors_in("A<B, D = 4>(x: [B, D, 9]) -> [B, D, 7] { net c: Conv1d<D, D, kernel_size = 3>; c(x) }")
            .into_iter()
            .take(1)
            .collect(),
        "`Conv1d` has no dimension `kernel_size`\nhelp: it is `K` here",
    );
}

#[test]
fn heads_stand_before_positions() {
    let attend = |call: &str| {
        errors_in(&format!("N<B, S, H = 2, E = 4>(q: [B, S, H, E]) -> [B, H, S, E] {{ {call} }}"))
    };
    let message = "`attention` takes `H` for positions: heads are the second axis of [B, HEADS, S, HD]\n  `q` is [B, S, H (2), E (4)]\nhelp: swap the two axes of queries, keys and values first: `transpose(q, axes = (0, 2, 1, 3))`";
    one(attend("attention(q, q, q)"), message);
    one(attend("attention(q, q, q, heads = H)"), message);
    assert!(attend("let q = transpose(q, axes = (0, 2, 1, 3)); attention(q, q, q)").is_empty());
}

#[test]
fn products_repeat_nothing_silently() {
    let product = |text: &str| {
        errors_in(&format!(
            "N<B, S, H = 2, E = 4>(q: [B, H, S, E], k: [H, E, S]) -> [B, H, S, S] {{ {text} }}"
        ))
    };
    assert!(product("q @ expand(k, [B, H, E, S])").is_empty());
    one(product("q @ k"), {
        "the leading axes of `@` differ\n  `q` is [B, H (2), S, E (4)]\n  `k` is [H (2), E (4), S]\nhelp: nothing is repeated silently: `q @ expand(k, [B, H, E, S])`"
    });
    let long =
        "softmax(relu(relu(relu(relu(relu(relu(relu(relu(relu(relu(relu(relu(x)))))))))))), over = -1)";
    let contracted = body(&format!("param w: [D]; {long} @ w"));
    assert!(
        contracted.len() == 1
            && contracted[0].ends_with("to contract with a vector write `sum(x * w, over = D)`"),
        "{contracted:?}"
    );
}
