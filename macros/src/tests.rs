//! Declarations as token strings: what they expand to, which errors they have, and that nothing panics.

mod arrays;
mod bad;
mod constants;
mod fuzz;
mod grammar;
mod habits;
mod mirror;
mod silence;

use crate::errors::Error;
use crate::{prelude, stages};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

const BERT: &str = r#"
/// A layer.
pub BertLayer<B, S: ..=512, D = 768, HEADS = 12, H = 4 * D>(option eps = 1e-12, option bias = true)
    (x: [B, S, D], mask: bool[B, S]) -> ([B, S, D], [B, D])
    where D % HEADS == 0, S < 513
{
    #[weights("attention.query")] net q: Linear<D, D>(bias = bias);
    net k: Linear<IN = D, OUT = D>;
    net ln: LayerNorm<D>(eps = eps);
    param w: [D, H] = normal(0.02);
    let a = attention(q(x), k(x), k(x), heads = HEADS, mask = mask);
    let mut y = ln(x + a);
    y = residual(y) { (gelu(y @ w) @ w.t) / -2 };
    let h = rearrange(y, [b, s, (h d)] -> [b, h, s, d], h = HEADS);
    let z = if bias && D == 768 { param _b: [D] = zeros; y + _b } else { y };
    let _first = z[0, 1..3] + z[S = 0][B = -1];
    // `HEADS` is an axis of `h`, `D / HEADS` another.
    let _rows = mean(h, over = (HEADS, D / HEADS));
    (z, mean(y, over = S, where = mask))
}

Stack<B, S: ..=512, D = 768, N = 2>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D] {
    #[weights("layer.{i}")] net layers: [BertLayer<D = D>; N];
    let mut x = x;
    for layer in layers { let (y, _z) = layer(x, mask = mask); x = y; }
    x
}
"#;

fn errors_of(input: TokenStream) -> (String, Vec<Error>) {
    let (out, errors) = stages(input, &prelude(), false);
    (out.to_string(), errors)
}

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn errors_in(text: &str) -> Vec<String> {
    errors_of(tokens(text)).1.iter().map(|e| e.message.render()).collect()
}

/// A network `N<B, S, D = 8, H = 32>(x: [B, S, D], m: bool[B, S]) -> [B, S, D]` around a body, which need not
/// use all of it.
fn body(text: &str) -> Vec<String> {
    let unused = ["dimension `H`", "option `eps`", "option `flag`", "input `x`", "input `m`"]
        .map(|n| format!("{n} is never used"));
    let mut all = errors_in(&format!(
        "N<B, S, D = 8, H = 32>(option eps = 1e-5, option flag = true)(x: [B, S, D], m: bool[B, S]) -> [B, S, D] {{ {text} }}"
    ));
    all.retain(|e| !unused.iter().any(|u| e.starts_with(u)));
    all
}

fn one(found: Vec<String>, expected: &str) {
    assert_eq!(found, [expected], "\n{}", found.join("\n\n"));
}

#[test]
fn good_bodies_have_no_errors() {
    for text in [
        "relu(x)",
        "let y = x; let y = y * 2 + D; y / eps",
        "let (a, b) = (x, x); a - b",
        "param w: [D, D]; x @ (w * 2)",
        "param w: [H, D]; param v: [D, H] = uniform(-0.1, 0.1); x + gelu(x @ w.t) @ v.t",
        "layer_norm(x, over = -1, eps = eps)",
        "let y: [B, S] = max(x, over = D); x + expand(reshape(y, [B, S, 1]), [B, S, D])",
        "max(x, 0)",
        "clamp(x, -1, 1.5)",
        "let _y = select(m, sum(x, over = D), 0); x",
        "if flag { x } else { -x }",
        "let mut y = x; y = -y; y",
        "net l: Linear<D, D>; residual(x) { l(x) }",
        "net _l: Linear<D, D>; x",
        "concat(x[S = 0..1], x[S = 1..], axis = 1)",
        "transpose(transpose(x, axes = (0, 2, 1)), (0, 2, 1))",
        "let y = rearrange(x, [b, s, d] -> [(b s), 1, d]); let _z = rearrange(y, [n, 1, d] -> [n, d])[0..B]; x",
    ] {
        let found = body(text);
        assert!(found.is_empty(), "{text}: {found:#?}");
    }
}

#[test]
fn a_value_that_nothing_uses_is_an_error() {
    one(body("select(m, sum(x, over = D), 0); x"), {
        "the value of `select(m, sum(x, over = D), 0)` is not used\nhelp: name it, `let y = select(m, sum(x, over = D), 0);`, or leave the `;` out if it is the result"
    });
}

#[test]
fn networks_of_every_form_have_no_errors() {
    let found = errors_in(BERT);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_mask_is_over_leading_axes() {
    assert!(body("let _y = mean(x, over = S, where = m); x").is_empty());
    one(body("let _y = mean(x, over = D, where = m); x"), {
        "the mask of `mean` does not fit\n  `x` is [B, S, D (8)]\n  `m` is bool[B, S]\nhelp: a mask has the leading axes of `x`, the reduced ones among them"
    });
}

#[test]
fn says_what_is_wrong_in_a_body() {
    one(body("rellu(x)"), "unknown operation `rellu`\nhelp: did you mean `relu`?");
    one(body("y"), "unknown value `y`");
    one(body("x @ "), "expected a value after `@`\nhelp: for example `x @ w`");
    one(body("let y = x + ; y"), "expected a value after `+`\nhelp: for example `x + y`");
    one(body("let y = rellu(x); let z = y @ y; z"), "unknown operation `rellu`\nhelp: did you mean `relu`?");
    one(body("softmax(x)"), "`softmax` needs `over`\nhelp: it is called as `softmax(x, over = ..)`");
    one(
        body("softmax(x, ovr = D)").into_iter().take(1).collect(),
        "`softmax` has no argument `ovr`\nhelp: did you mean `over`?",
    );
    one(
        body("layer_norm(x, over = H)"),
        "`layer_norm` cannot normalise over `H`: `x` is [B, S, D (8)]\nhelp: the axes of `x` are B, S, D; did you mean `over = D`?",
    );
    one(body("layer_norm(x, over = D, eps_on = sdt)"), "`eps_on` takes one of `var`, `std`");
    one(body("x.transpose()"), "there is no `.transpose`\nhelp: operations are called: `transpose(x)`");
    one(body("x = x; x"), "`x` cannot be assigned to\nhelp: declare it with `let mut x = ..;`");
    one(body("param w: [B]; x"), {
        "the shape of weight `w` must be static, but `B` is a run-time dimension\nhelp: a static dimension has a default: `B = 768`"
    });
    one(
        body("param w: [D] = one; x * w"),
        "`one` is no initial value\nhelp: there are `zeros`, `ones`, `xavier`, `normal(s)` and `uniform(a, b)`",
    );
    one(
        body("x[9]; x").into_iter().take(1).collect(),
        "the value of `x[9]` is not used\nhelp: name it, `let y = x[9];`, or leave the `;` out if it is the result",
    );
    one(body("let y = x[D = 8]; x"), "index 8 is outside of `x`\n  the axis has D (8) elements");
    // An annotation with an error is not a missing one.
    one(body("net l: m::F<8>; let y: [B, S, E] = l(x, m = m); y"), {
        "unknown dimension `E`\nhelp: the dimensions are `B`, `S`, `D` and `H`; a new one is declared after the network's name"
    });
    one(body("net l: m::F<D - 9>; l(x)"), "dimension `D - 9` cannot be -1\nhelp: a dimension is 0 or more");
    one(body("let f = x"), "expected `;` after `let`");
    for (number, why) in [
        ("1f32", "numbers are written in decimal and without a suffix"),
        ("0x10", "numbers are written in decimal and without a suffix"),
        ("9223372036854775808", "it does not fit into 64 bits"),
        ("1e999", "it is too large"),
    ] {
        one(body(&format!("x * {number}")), &format!("`{number}` is no number here: {why}"));
    }
    one(
        body("let gen = x; x"),
        "`gen` cannot be a name here: it is a keyword of Rust\nhelp: choose another name, such as `gen_`",
    );
    one(body("net l: fn; x"), "expected the name of a network, found `fn`");
    one(
        body("x[x - 1]"),
        "rows are taken by i32 ids, but `x - 1` is f32[B, S, D (8)]\nhelp: convert on purpose: `cast(x - 1, i32)`",
    );
    one(
        body("let y = x; x[y]"),
        "rows are taken by i32 ids, but `y` is f32[B, S, D (8)]\nhelp: declare it as `y: i32[B, S, D]`",
    );
    let item = |attribute: &str| body(&format!("{attribute} param w: [D]; x * w"));
    one(
        item("#[weights(\"a\", transposed)]"),
        "only a matrix can be stored transposed, but `w` is [D (8)]\nhelp: leave `transposed` out",
    );
    one(item("#[weights]"), {
        "`weights` takes the path of the weights in a file\nhelp: for example `#[weights(\"encoder.fc1\")]`; `transposed` and `rows = a..b` may follow the path"
    });
    one(item("#[weights(\"a\", row = 0..1)]"), "expected `transposed` or `rows = a..b`, found `row`");
    one(item("#[weights(\"a{i}\")]"), {
        "`{i}` is not a loop variable of `w`\nhelp: numbers in a path are loop variables, which `[Layer; N]` and `repeat` have, and static dims"
    });
    one(item("#[weights(\"a\", rows = B..2)]"), {
        "a row of a stored weight must be static, but `B` is a run-time dimension\nhelp: a static dimension has a default: `B = 768`"
    });
    one(item("#[cfg(test)]"), {
        "`#[cfg]` has no meaning in `network!`\nhelp: put it before the whole `network! { .. }`; inside, `if` chooses by options and dimensions"
    });
    assert!(item("#[weights(\"a\", rows = 0..D,)] #[frozen] #[no_decay]").is_empty());
    one(item("#[weight(\"a\")]"), "unknown attribute `weight`\nhelp: did you mean `weights`?");
    assert!(item("#[weights(\"a\\tb\",)] #[doc = \"w\"]").is_empty());
}

#[test]
fn says_what_does_not_fit_an_op() {
    let heads = |call: &str| {
        body(&format!("let h = reshape(x, [B, S, 1, D]); let y = {call}; reshape(y, [B, S, D])"))
    };
    assert!(heads("rope(h, from = S, base = 500, pairs = adjacent)").is_empty());
    one(heads("rope(h, pairs = odd)"), "`pairs` takes one of `halves`, `adjacent`");
    one(heads("rope(h, base = 0.5)"), "the base of `rope` is at least 1, not 0.5");
    one(heads("rope(h, scaling = llama3, factor = 8)"), {
        "`scaling = llama3` of `rope` needs `low_freq_factor`, `high_freq_factor` and `original_max_position`\nhelp: the numbers stand in the model's config.json: `scaling = llama3, factor = 8, low_freq_factor = 1, high_freq_factor = 4, original_max_position = 8192`"
    });
    one(heads("rope(h, beta_fast = 2)"), {
        "`beta_fast` of `rope` belongs to `scaling = yarn`\nhelp: state the scaling, or leave `beta_fast` out"
    });
    one(heads("rope(h, positions = x)"), {
        "`positions` of `rope` takes i32, but `x` is f32\nhelp: convert on purpose: `cast(x, i32)`"
    });
    assert!(heads("rope(h, scaling = linear, factor = D / 4, base = 1e4)").is_empty());
    one(body("rope(x)"), {
        "`rope` turns heads: it needs [B, HEADS, S, HD]\n  `x` is [B, S, D (8)]\nhelp: split the heads off: `rearrange(x, [b, s, (h d)] -> [b, h, s, d], h = HEADS)`"
    });
    one(body("rope(reshape(x, [B, 1, D, S]))"), {
        "the frequencies of `rope` follow from the width of a head, but S is a run-time dim\n  `reshape(x, [B, 1, D, S])` is [B, 1, D (8), S]\nhelp: make it static: give it a default"
    });
    one(body("group_norm(transpose(x, axes = (0, 2, 1)), groups = 3)"), {
        "3 groups do not divide D (8) channels\n  `transpose(x, axes = (0, 2, 1))` is [B, D (8), S]"
    });
    one(
        body("group_norm(x, groups = 2)"),
        "it is not known that 2 groups divide S\nhelp: promise it: `where S % 2 == 0`",
    );
    one(body("pad(x, axis = S, before = -1)"), {
        "`pad` adds elements, but `before` is -1\nhelp: a slice takes elements away: `x[axis = start..end]`"
    });
    one(body("cross_entropy(x, cast(m, i32)[0]); x").into_iter().take(1).collect(), {
        "`cross_entropy` takes one id for each row of logits\n  `x` is [B, S, D (8)]\n  `cast(m, i32)[0]` is i32[S]\nhelp: the ids of `x` are i32[B, S]"
    });
    one(body("mse(x, x[0]); x").into_iter().take(1).collect(), {
        "`mse` compares `x` and `x[0]`: their shapes differ\n  `x` is [B, S, D (8)]\n  `x[0]` is [S, D (8)]\nhelp: both sides have the same shape; nothing is repeated"
    });
    one(body("dropout(x, p = 2)"), "`dropout` sets a share of the elements to 0, which cannot be 2");
    one(body("attention(x, x, x, heads = 1, window = 0)"), {
        "a window of 0 sees no key or is no i32\nhelp: a query sees `window` keys, its own position among them"
    });
    one(body("attention(x, x, x, bias = x, heads = 1)"), {
        "the bias of `attention` does not fit: `x` is [B, S, D (8)]\n  queries are [B, S], keys [B, S]\nhelp: a bias is added to the scores: [1, S, S] or [B, 1, S, S]"
    });
}

#[test]
fn leading_axes() {
    let open = |text: &str| {
        let mut all =
            errors_in(&format!("N<D = 8, H = 2>(x: [.., D]) -> [.., D] where D % H == 0 {{ {text} }}"));
        all.retain(|e| !e.starts_with("dimension `H` is never used"));
        all
    };
    for good in [
        "let h = reshape(x, [.., H, D / H]); reshape(h.t.t, [.., D])",
        "rearrange(rearrange(x, [.., (h d)] -> [.., d, h], h = H), [.., d, h] -> [.., (h d)])",
        "x + reshape(expand(reshape(x, [.., 1, D]), [.., 1, D]), [.., D])",
        "let h = reshape(x, [.., H, D / H]); reshape(transpose(h, axes = (-1, -2)), [.., D])",
    ] {
        assert!(open(good).is_empty(), "{good}: {:#?}", open(good));
    }
    one(open("x.t"), "`x.t` needs two axes besides `..`: `x` is [.., D (8)]");
    one(open("reshape(x, [H, ..])"), "`..` stands first in a type, shape or pattern\nhelp: write `[.., D]`");
    one(
        body("reshape(x, [.., D])"),
        "`..` in a shape stands for the leading axes of the inputs, and no input has them",
    );
    one(open("rearrange(x, [(h d)] -> [h, d], h = H)"), {
        "`x` is [.., D (8)]: both sides of the pattern begin with `..`\nhelp: the leading axes stay where they are: `rearrange(x, [.., (h d)] -> [.., h, d], h = HEADS)`"
    });
    one(body("rearrange(x, [.., d] -> [.., d])"), {
        "`..` in a pattern stands for the leading axes of `x`, which is [B, S, D (8)]\nhelp: name every axis"
    });
    one(
        open("group_norm(x, groups = 2)"),
        "`group_norm` needs [N, C, ..]: the channels are its second axis\n  `x` is [.., D (8)]",
    );
    one(open("transpose(reshape(x, [.., H, D / H]), axes = (-1))"), {
        "`transpose` must name every axis exactly once\n  `reshape(x, [.., H, D / H])` is [.., H (2), D / H (4)]\nhelp: the leading axes stay, the 2 after them move"
    });
}

#[test]
fn says_what_is_wrong_in_a_header() {
    let network = |dims: &str| errors_in(&format!("N<{dims}>(x: [B, D]) -> [B, D] {{ relu(x) }}"));
    one(
        network("B, D = D"),
        "the default of dimension `D` depends on itself\nhelp: give one of them a number",
    );
    one(network("B, D = 8 - 9"), "dimension `D` cannot be -1\nhelp: a dimension is 0 or more");
    one(network("B, D = 9223372036854775807 + 1"), {
        "`9223372036854775807 + 1` cannot be a dimension: the value does not fit into 64 bits"
    });
    one(network("B, D = 8, E"), {
        "the run-time dimension `E` follows from no input\nhelp: let it stand alone on an axis of an input, `[E, ..]`, or make it static: `E = 8`"
    });
    one(network("B, D = B"), {
        "a default must be static, but `B` is a run-time dimension\nhelp: a static dimension has a default: `B = 768`"
    });
    one(
        network("B, type = 8"),
        "`type` cannot be a name here: it is a keyword of Rust\nhelp: choose another name, such as `type_`",
    );
    one(network("B, D = 8, B"), "`B` is declared twice");
    one(errors_in(""), "expected a network\nhelp: `Name<B, D = 768>(x: [B, D]) -> [B, D] { .. }`");
    one(errors_in("N"), "expected the inputs `(x: [B, D])`");
}

#[test]
fn after_an_error_the_interface_is_there() {
    let (out, errors) = errors_of(tokens("pub N<B, D = 8>(x: [B, D]) -> [B, D] { rellu(x) }"));
    assert_eq!(errors.len(), 1);
    for part in
        ["struct N ", "struct NDims", "struct NCompiled", "struct NSession", "pub fn run", "`N` has errors"]
    {
        assert!(out.contains(part), "{part} is not in {out}");
    }
}

#[test]
fn deep_nesting_is_an_error() {
    let deep = |open: &str, inner: &str, close: &str| {
        body(&format!("{}{inner}{}", open.repeat(300), close.repeat(300)))
    };
    for found in [
        deep("(", "x", ")"),
        deep("relu(", "x", ")"),
        deep("-", "x", ""),
        deep("x + ", "x", ""),
        deep("residual(x) {", "x", "}"),
    ] {
        assert!(found.iter().any(|m| m.starts_with("nested too deeply")), "{found:#?}");
    }
    let ifs = body(&"if flag { x } else ".repeat(300));
    assert!(!ifs.is_empty());
}

/// The number of token trees, those in groups too.
fn count(stream: &TokenStream) -> usize {
    stream
        .clone()
        .into_iter()
        .map(|t| 1 + if let TokenTree::Group(g) = &t { count(&g.stream()) } else { 0 })
        .sum()
}

/// The stream with the token of that number dropped, doubled, swapped with the next, or everything after it
/// cut.
fn damaged(stream: TokenStream, at: &mut usize, how: usize) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    let mut waiting: Option<TokenTree> = None;
    for t in stream {
        let hit = *at == 0;
        *at = at.wrapping_sub(1);
        let t = match t {
            TokenTree::Group(g) if !hit => {
                let mut new = Group::new(g.delimiter(), damaged(g.stream(), at, how));
                new.set_span(g.span());
                TokenTree::Group(new)
            }
            t => t,
        };
        match (hit, how) {
            (false, _) => {
                out.push(t);
                out.extend(waiting.take());
            }
            (true, 0) => {}
            (true, 1) => out.extend([t.clone(), t]),
            (true, 2) => waiting = Some(t),
            (true, 3) => return out.into_iter().collect(),
            (true, _) => out.push(TokenTree::Group(Group::new(Delimiter::Parenthesis, t.into()))),
        }
    }
    out.extend(waiting);
    out.into_iter().collect()
}

#[test]
fn no_damage_makes_it_panic() {
    let whole = tokens(BERT);
    let n = count(&whole);
    assert!(n > 300);
    for how in 0..5 {
        for at in 0..n {
            let mut left = at;
            let input = damaged(whole.clone(), &mut left, how);
            let (out, errors) = errors_of(input);
            assert!(!out.is_empty() || !errors.is_empty(), "damage {how} at {at} gave nothing");
        }
    }
}
