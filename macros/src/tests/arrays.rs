//! Arrays of nets: one by its number, several at once, dims and paths by the number of the iteration.

use super::{body, errors_in, one};

/// A network around a body, with dilated convolutions to use.
fn waves(text: &str) -> Vec<String> {
    errors_in(&format!(
        "Wave<B, C, D = 4, DIL = 1>(x: [B, D, C]) -> [B, D, C] {{ net c: Conv1d<D, D, K = 3, PAD = DIL, DIL = DIL>; c(x) }}
         N<B, C, D = 4, N = 3>(x: [B, D, C]) -> [B, D, C] {{ {text} }}"
    ))
    .into_iter()
    .filter(|e| !e.contains("is never used"))
    .collect()
}

#[test]
fn one_by_its_number() {
    for good in [
        "net ls: [Linear<D, D>; 3]; ls[2](ls[0](x)) + ls[1](x)",
        "net ls: [Linear<D, D>; H]; ls[H - 1](x)",
        "net ls: [Linear<D, D>; 3]; let mut y = x; repeat k in 0..3 { y = ls[k](y) + ls[2 - k](x); } y",
        "#[weights(\"l.{2 * i + 1}\")] net ls: [Linear<D, D>; 3]; ls[2](x)",
        "let mut y = x; repeat i in 0..3 { #[weights(\"l.{2 * i + 1}.{i}\")] net l: Linear<D, D>; y = l(y); } y",
        "#[weights(\"l.{D - 1}\")] net l: Linear<D, D>; l(x)",
        "let mut y = x; repeat j in 0..3 { repeat i in 0..D { #[weights(\"l.{j * D + i}\")] net l: Linear<D, D>; y = l(y); } } y",
    ] {
        assert!(body(good).is_empty(), "{good}: {:#?}", body(good));
    }
    one(body("net ls: [Linear<D, D>; 3]; ls[3](x)"), {
        "`ls[3]` does not exist: `ls` has 3 nets\nhelp: they are counted from 0"
    });
    one(body("net ls: [Linear<D, D>; 3]; ls[S](x)"), {
        "the number of a net must be static, but `S` is a run-time dimension\nhelp: a static dimension has a default: `S = 768`"
    });
    one(body("net l: Linear<D, D>; l[0](x)"), {
        "`l` is no array of nets\nhelp: declare one: `net l: [Layer; LAYERS];`"
    });
    one(body("#[weights(\"a.{j}\")] net ls: [Linear<D, D>; 3]; ls[0](x)"), {
        "`{j}` is not a loop variable of `ls`\nhelp: its loop variables are `{i}`; static dims may stand in a path too"
    });
    one(body("#[weights(\"a.{S}\")] net l: Linear<D, D>; l(x)"), {
        "`{S}` is not a loop variable of `l`\nhelp: numbers in a path are loop variables, which `[Layer; N]` and `repeat` have, and static dims"
    });
    one(body("#[weights(\"a.{floor(i / 2)}\")] net ls: [Linear<D, D>; 3]; ls[0](x)"), {
        "two iterations of `ls` would load the same tensors \"a.0\"\n  the path is \"a.{floor(i / 2)}\"\nhelp: let the numbers in the path differ in each iteration, as `{2 * i + 1}` does"
    });
}

/// An array whose path has no number, of a network whose items may have it.
#[test]
fn told_apart_inside() {
    let leaves = |item: &str, dims: &str| {
        errors_in(&format!(
            "Leaf<B, D = 4, L = _>(x: [B, D]) -> [B, D] {{ {item} x * w * L }}
             N<B, D = 4>(x: [B, D]) -> [B, D] {{ #[weights(\"\")] net ls: [Leaf<{dims}>; 3]; ls[0](ls[1](ls[2](x))) }}"
        ))
    };
    let numbered = "#[weights(\"w{L}\")] param w: [D];";
    for dims in ["D = D, L = i + 1", "D, 2 * i"] {
        assert!(leaves(numbered, dims).is_empty(), "{dims}: {:#?}", leaves(numbered, dims));
    }
    for (item, dims) in [
        (numbered, "D, 2"),
        (numbered, "D, floor(i / 2)"),
        ("param w: [D];", "D, i"),
        ("#[weights(\"w{L}\")] param w: [D]; buffer b: [D]; let x = x + b;", "D, i"),
    ] {
        one(leaves(item, dims), {
            "all 3 iterations of `ls` would load the same tensors \"\"\nhelp: put the iteration's number in the path: #[weights(\"{i}\")]"
        });
    }
}

#[test]
fn several_at_once() {
    let nets = "net first: [Linear<D, D>; H]; net second: [LayerNorm<D>; H]; let mut y = x;";
    assert!(body(&format!("{nets} for (f, s) in (first, second) {{ y = s(f(y)); }} y")).is_empty());
    one(
        body(
            "net a: [Linear<D, D>; H]; net b: [Linear<D, D>; 2]; let mut y = x; for (f, s) in (a, b) { y = s(f(y)); } y",
        ),
        {
            "`a` has H (32) nets and `b` has 2: a loop goes through arrays of one length\nhelp: declare both with the same dimension, `[..; N]`, or write a loop for each"
        },
    );
    one(body(&format!("{nets} for (f, s) in first {{ y = s(f(y)); }} second[0](y)")), {
        "expected 2 arrays of nets\nhelp: as many as there are names: `for (conv, norm) in (convs, norms) { .. }`"
    });
}

#[test]
fn dims_follow_the_iteration() {
    for good in [
        "net ws: [Wave<D = D, DIL = 2^i>; N]; let mut y = x; for w in ws { y = w(y); } y",
        "net ws: [Wave<D = D, DIL = 2^i>; 3]; ws[2](ws[0](x))",
        "let mut y = x; repeat i in 0..N { net w: Wave<D = D, DIL = 2^i>; y = w(y); } y",
        "net ws: [Wave<D = D, DIL = i + 1>; N]; let mut y = x; repeat k in 0..N { y += ws[k](x); } y",
    ] {
        assert!(waves(good).is_empty(), "{good}: {:#?}", waves(good));
    }
    one(waves("net ws: [Wave<D = D, DIL = 2^j>; N]; ws[0](x)"), {
        "unknown dimension `j`\nhelp: the dimensions are `B`, `C`, `D`, `N` and `i`; a new one is declared after the network's name"
    });
    one(waves("net ws: [Wave<D = D, DIL = 2^C>; N]; ws[0](x)"), {
        "a power must be static, but `C` is a run-time dimension\nhelp: a static dimension has a default: `C = 768`"
    });
    one(
        waves(
            "net ws: [Wave<D = D, DIL = 2^i>; N]; let mut y = x; repeat i in 0..2 { for w in ws { y = w(y); } } y",
        ),
        {
            "two iterations of `w` are called `{i}`\nhelp: an array of nets counts its iterations by `{i}`; call the iteration of the `repeat` something else, or declare the item outside of the loop"
        },
    );
}
