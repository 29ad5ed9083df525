//! Habits from Rust and PyTorch: what is written otherwise here.

use super::*;

/// `x ** 2`, `x ^ 2`
pub fn power(op: &str, base: &str, exponent: &str) -> Message {
    Message::new(match op {
        "^" => "`^` is a power of dimensions".to_string(),
        _ => format!("there is no operator `{op}`"),
    })
    .help(format!("a constant power of a value is `pow({base}, {exponent})`"))
}

/// `a < b < c`
pub fn chained_comparison(first: &str, middle: &str) -> Message {
    Message::new("comparisons cannot be chained")
        .help(format!("join two of them by `&&`: `{first} && {middle} ..`"))
}

/// `Layer<D = 8>(x)`
pub fn dims_at_a_call(name: &str) -> Message {
    let net = name.to_lowercase();
    Message::new(format!("`{name}` cannot be given dimensions where it is called"))
        .help(format!("declare it, `net {net}: {name}<..>;`, and call `{net}(..)`"))
}

/// `|y| relu(y)`
pub fn closure() -> Message {
    Message::new("there are no closures in `network!`")
        .help("what is used twice is a network of its own: `Twice<B, D>(x: [B, D]) -> [B, D] { .. }`; one without weights is called by its name, `Twice(x)`")
}

/// `&x`
pub fn reference() -> Message {
    Message::new("there are no references in `network!`").help("a value is used as often as it is named")
}

/// `A<const D: usize>`
pub fn const_generic(name: &str) -> Message {
    Message::new("a dimension is declared by its name alone").help(format!(
        "`{name} = 768` is a static one with a default, `{name}` one that is taken from the inputs"
    ))
}

/// `println!(..)`
pub fn no_macro(name: &str) -> Message {
    Message::new(format!("the macro `{name}!` cannot be used in `network!`"))
        .help("a body is made of ops and nets; `trace` of a session shows every value of a run")
}

/// `0..=2`
pub fn inclusive_range(from: &str, to: &str) -> Message {
    let end = match to.parse::<i64>().ok().and_then(|n| n.checked_add(1)) {
        Some(n) => n.to_string(),
        None => format!("{to} + 1"),
    };
    Message::new("a range is written without its end, by `..`")
        .help(format!("the same range is `{from}..{end}`"))
}

/// `x[..., 0]`
pub fn three_dots() -> Message {
    Message::new("leading axes are written as `..`, not `...`").help("write `x[.., 0]`")
}

/// `x[.., None]`
pub fn new_axis(name: &str) -> Message {
    Message::new(format!("`{name}` is no index"))
        .help("an axis of length 1 is made by a shape, `reshape(x, [B, 1, D])`")
}

/// `repeat 3 { .. }`
pub fn repeat_without_name(count: &str) -> Message {
    Message::new("a `repeat` has a name for the number of its iteration")
        .help(format!("write `repeat i in 0..{count} {{ .. }}`"))
}

/// `# residual`
pub fn comment() -> Message {
    Message::new("a comment begins with `//`, and an attribute is `#[..]`")
}

/// `x: &[f32]`, `x: Tensor<f32, 2>`
pub fn no_type(found: &str) -> Message {
    Message::new(format!("expected a type such as `[B, D]` or `bool[B, S]`, found `{found}`"))
        .help("a type is its axes, `[B, D]`, with the element type before it unless that is f32: `i32[B]`")
}

/// `param w: [f32; D]`
pub fn rust_array() -> Message {
    Message::new("a type has its element type before its axes, and no `;`")
        .help("write `[D]`, or with an element type `i32[D]`")
}

/// `mut x: [B, D]` of an input.
pub fn mutable_input(name: &str) -> Message {
    Message::new("an input cannot be `mut`").help(format!("begin the body with `let mut {name} = {name};`"))
}

/// `fn forward(&self, ..)`
pub fn self_as_input() -> Message {
    Message::new("there is no `self` in `network!`")
        .help("leave it out: inputs are tensors, and items are called by their names alone")
}

/// `self.fc(x)`
pub fn self_as_value(item: &str) -> Message {
    Message::new("there is no `self` in `network!`")
        .help(format!("items are called by their names: `{item}`, without `self.`"))
}

/// `"relu"` as a value.
pub fn text_as_value(text: &str) -> Message {
    Message::new(format!("{text} is text, and values are numbers"))
        .help("an option is a number, `true` or `false`; branches are chosen by flags, `option relu = true`")
}

/// `where D > 0`: `relation` is the one that says the same from the right.
pub fn turned_relation(sign: &str, left: &str, relation: &str, right: &str) -> Message {
    Message::new(format!("a promise is written by `==`, `<=` or `<`, not `{sign}`"))
        .help(format!("write `{right} {relation} {left}`"))
}

/// `Sequential<Linear<D, D>, Relu>`
pub fn nested_networks(name: &str) -> Message {
    Message::new(format!("`{name}` is no dimension, and dimensions alone stand in `<..>`"))
        .help(format!("declare a net for each, `net fc: {name}<..>;`, and call them in turn in the body"))
}

/// `x[:, 0]`
pub fn colon_in_index() -> Message {
    Message::new("a range is written with `..`, not `:`")
        .help("an axis is chosen by its name, `x[S = 0]`, or the last by `x[.., 0]`, where `..` is all before it; ranges are `x[1..3]`, `x[2..]` and `x[.. step 2]`")
}

/// `residual(x, relu(x))`
pub fn residual_branch(stream: &str, branch: &str) -> Message {
    Message::new("the branch of `residual` stands in braces")
        .help(format!("write `residual({stream}) {{ {branch} }}`"))
}

/// `a % 2`, `a and b`: what another language has an operator for. `left` is what stands before it.
pub fn no_operator(op: &str, left: &str) -> Message {
    let m = Message::new(format!("there is no operator `{op}`"));
    match op {
        "%" if tancho_ir::table::lookup("rem").is_some() => m.help(format!(
            "the remainder of a value is `rem({left}, ..)`; that of dimensions is promised in the header: `where D % HEADS == 0`"
        )),
        "%" => m.help("a remainder is asked for of dimensions, in the header: `where D % HEADS == 0`"),
        "?" => m.help(format!("between values chooses `select({left}, a, b)`")),
        "and" | "&" => m.help(format!("write `{left} && ..`")),
        _ => m.help(format!("write `{left} || ..`")),
    }
}

/// `for i in 0..4`
pub fn for_over_numbers(name: &str) -> Message {
    Message::new("`for` goes through an array of nets")
        .help(format!("to repeat a block N times, write `repeat {name} in 0..N {{ .. }}`"))
}

/// `for (i, layer) in layers`, `for (i, layer) in layers.enumerate()`
pub fn counted_loop(number: &str, array: &str) -> Message {
    Message::new(format!("`for` gives the nets of `{array}`, and no number with them")).help(format!(
        "a loop with a number is `repeat {number} in 0..N {{ x = {array}[{number}](x); }}`, where `N` is how many nets there are; two arrays are `for (a, b) in (first, second)`"
    ))
}

/// `for layer in layers.iter()`
pub fn loop_over_method(net: &str, array: &str, method: &str) -> Message {
    let m = Message::new(format!("there is no `.{method}` of an array of nets"));
    match method {
        "rev" => m.help(format!(
            "backwards it is `repeat i in 0..N {{ x = {array}[N - 1 - i](x); }}`, where `N` is how many nets there are"
        )),
        "zip" => m.help(format!("two arrays are gone through by `for ({net}, b) in ({array}, others) {{ .. }}`")),
        _ => m.help(format!("write `for {net} in {array} {{ .. }}`")),
    }
}

/// `while`, `return` and others of Rust's.
pub fn no_statement(word: &str) -> Message {
    let m = Message::new(format!("`{word}` is no part of `network!`"));
    match word {
        "return" => m.help("the last line of the body, without a `;`, is the result"),
        "while" | "loop" => m.help(
            "loops have a fixed number of iterations: `repeat i in 0..N { .. }`, or `for layer in layers { .. }`",
        ),
        "match" => m.help("`if` chooses by options and static dimensions"),
        _ => m,
    }
}

/// `struct J { .. }` or `fn f(..)` where a network is expected.
pub fn no_network(word: &str) -> Message {
    Message::new(format!("expected the name of a network, found `{word}`"))
        .help("a network is `pub Name<B, D = 768>(x: [B, D]) -> [B, D] { .. }`; Rust's own items stand outside of `network!`")
}

pub fn no_method(name: &str, of: &str) -> Message {
    let m = Message::new(format!("there is no `.{name}`"));
    if name == "T" {
        return m.help(format!("the last two axes are swapped by `{of}.t`"));
    }
    if let Some(here) = elsewhere(name) {
        return m.help(here);
    }
    if tancho_ir::table::OPS.iter().any(|o| o.callable && o.name == name) {
        return m.help(format!("operations are called: `{name}({of})`"));
    }
    match name {
        "shape" | "size" | "dim" | "len" => {
            return m.help("a length is called by the name of its dimension, such as `S`, here");
        }
        "weight" | "bias" => {
            return m.help(format!(
                "the weights of a net are its own: to use one by itself declare it, `#[weights(\"{of}.{name}\")] param w: [..];`"
            ));
        }
        _ => {}
    }
    m.help(format!("`{of}.t` swaps the last two axes; everything else is a call, `f({of})`"))
}
