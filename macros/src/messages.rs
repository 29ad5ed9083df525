//! Every message of the macro, in one place. The letters N.. are those of `docs/errors.md`;
//! N01, N02, N06 and N09 are the shape rules' own, in `tancho_ir::infer`.
//!
//! One sentence in lower case with the names in backticks and no full stop, then facts,
//! then what to write instead.

use crate::ast::BinOp;
use crate::errors::Message;
use crate::suggest::nearest;
use tancho_ir::infer::{ShapeError, show_type};
use tancho_ir::{Dim, DimError, Facts, Type};

/// Names in a list: `a`, `b` and `c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} and {last}", init.join(", ")),
    }
}

fn ticked<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    listed(&names.into_iter().map(|n| format!("`{n}`")).collect::<Vec<_>>())
}

/// The types of several results as written: `([B], [B, D])`, or one alone.
pub fn show_types(types: &[Type], facts: &Facts) -> String {
    let all: Vec<String> = types.iter().map(|t| show_type(t, facts)).collect();
    match all.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", all.join(", ")),
    }
}

/// A shape rule's message as it is.
pub fn shape(e: &ShapeError) -> Message {
    let mut facts = e.facts.clone();
    // `x @ x` has one fact about `x`.
    facts.dedup();
    Message { text: e.message.clone(), facts, help: e.help.clone() }
}

/// N01's repair, for a sum whose one side is made from the other.
pub fn residual_help(stream: &Type) -> String {
    let shape = tancho_ir::infer::show_type(stream, &Facts::default());
    format!("a residual branch must keep the shape of its input; project it back to {shape} first")
}

// ---- syntax ----

pub fn expected(what: &str, found: Option<&str>) -> Message {
    match found {
        Some(f) => Message::new(format!("expected {what}, found `{f}`")),
        None => Message::new(format!("expected {what}")),
    }
}

/// N20
pub fn no_value_after(op: char) -> Message {
    Message::new(format!("expected a value after `{op}`")).help(if op == '@' {
        "for example `x @ w`".into()
    } else {
        format!("for example `x {op} y`")
    })
}

/// N18
pub fn mixed_operators(before: BinOp, op: BinOp, a: &str, b: &str, c: &str) -> Message {
    let (x, y) = (before.symbol(), op.symbol());
    let scalar = if before == BinOp::Matmul { op } else { before };
    let meaning = if scalar == BinOp::Mul { "scales" } else { "divides" };
    let first = format!("`({a} {x} {b}) {y} {c}`");
    let last = format!("`{a} {x} ({b} {y} {c})`");
    let help = if before == BinOp::Matmul {
        format!("{first} {meaning} the product; {last} {meaning} first")
    } else {
        format!("{first} {meaning} first; {last} {meaning} the product")
    };
    Message::new(format!("`{x}` and `{y}` need parentheses when mixed")).help(help)
}

pub fn too_deep() -> Message {
    Message::new(format!("nested too deeply: more than {} levels", crate::parse::MAX_DEPTH)).help("name a part of it with `let`")
}

pub fn keyword_as_name(word: &str) -> Message {
    Message::new(format!("`{word}` cannot be a name here: it is a keyword of Rust")).help("choose another name")
}

pub fn reserved_name(word: &str) -> Message {
    Message::new(format!("`{word}` cannot be a name: `__tancho` is reserved for the emitted code"))
}

pub fn not_yet(what: &str) -> Message {
    Message::new(format!("{what} is not supported yet"))
}

pub fn no_signature(network: &str) -> Message {
    Message::new(format!("`{network}` has no signature; several entry points (`fn`) are not supported yet"))
        .help(format!("write the inputs and the result: `{network}<B, D = 768>(x: [B, D]) -> [B, D] {{ .. }}`"))
}

pub fn misplaced_attribute(name: &str, belongs: &str) -> Message {
    Message::new(format!("`#[{name}(..)]` belongs before {belongs}"))
}

pub fn unknown_attribute(name: &str) -> Message {
    let m = Message::new(format!("unknown attribute `{name}`"));
    match nearest(name, ["weights", "unused_weights", "doc"]) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m.help("there are `weights`, `unused_weights` and doc comments"),
    }
}

pub fn empty_tuple() -> Message {
    Message::new("expected something between `(` and `)`")
}

pub fn empty_index() -> Message {
    Message::new("expected an index between `[` and `]`").help("for example `x[0]`, `x[S = -1]`, `x[0..S]` or `table[ids]`")
}

pub fn open_axes_first() -> Message {
    Message::new("`..` stands first in a type").help("write `[.., D]`")
}

pub fn remainder_not_zero() -> Message {
    Message::new("a remainder can only be compared with 0").help("for example `where D % HEADS == 0`")
}

pub fn no_method(name: &str, of: &str) -> Message {
    Message::new(format!("there is no `.{name}`")).help(format!("`{of}.t` swaps the last two axes; everything else is a call, `f({of})`"))
}

pub fn path_is_no_value(path: &str) -> Message {
    Message::new(format!("`{path}` is no value")).help(format!("a network of another module is used through a net: `net name: {path};`"))
}

pub fn if_without_else() -> Message {
    Message::new("`if` needs an `else`").help("both branches give a value of one shape; `else { x }` gives `x` as it is")
}

pub fn bad_number(text: &str, why: &str) -> Message {
    Message::new(format!("`{text}` is no number here: {why}"))
}

// ---- names ----

pub fn duplicate(name: &str, what: &str, earlier: &str) -> Message {
    if what == earlier {
        return Message::new(format!("`{name}` is declared twice"));
    }
    Message::new(format!("{what} cannot be called `{name}`: that is {earlier}")).help(
        "dimensions, options, inputs and items share one namespace; only `let` may use the name of an input or of another `let` again",
    )
}

pub fn duplicate_network(name: &str) -> Message {
    Message::new(format!("two networks are called `{name}`"))
}

/// N03
pub fn unknown_dim<'a>(name: &str, dims: impl IntoIterator<Item = &'a str>) -> Message {
    let m = Message::new(format!("unknown dimension `{name}`"));
    let dims: Vec<&str> = dims.into_iter().collect();
    match nearest(name, dims.iter().copied()) {
        Some(n) => m.help(format!("a dimension with a similar name exists: `{n}`")),
        None if dims.is_empty() => m.help(format!("declare it after the network's name: `<{name}>`")),
        None => m.help(format!("the dimensions are {}; a new one is declared after the network's name", ticked(dims))),
    }
}

pub fn not_a_dim(name: &str, what: &str) -> Message {
    Message::new(format!("`{name}` is {what}, not a dimension"))
}

/// N04
pub fn unknown_op<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Message {
    let m = Message::new(format!("unknown operation `{name}`"));
    match nearest(name, known) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m,
    }
}

pub fn unknown_value<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Message {
    let m = Message::new(format!("unknown value `{name}`"));
    match nearest(name, known) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m,
    }
}

pub fn is_an_op(name: &str) -> Message {
    Message::new(format!("`{name}` is an operation, not a value")).help(format!("call it: `{name}(x)`"))
}

pub fn is_a_net(name: &str) -> Message {
    Message::new(format!("`{name}` is a net, not a value")).help(format!("call it: `{name}(x)`"))
}

pub fn is_an_array(name: &str) -> Message {
    Message::new(format!("`{name}` is an array of nets")).help(format!("go through it: `for layer in {name} {{ x = layer(x); }}`"))
}

pub fn not_an_array(name: &str) -> Message {
    Message::new(format!("`{name}` is no array of nets")).help(format!("declare one: `net {name}: [Layer; LAYERS];`"))
}

pub fn not_callable(name: &str) -> Message {
    Message::new(format!("`{name}` is a tensor and cannot be called")).help(format!("rows of a table are written `{name}[ids]`"))
}

/// N05
pub fn unused(what: &str, name: &str) -> Message {
    let m = Message::new(format!("{what} `{name}` is never used"));
    if what == "parameter" {
        m.help(format!("remove it, or write `param _{name}` to keep a weight the body ignores"))
    } else {
        m.help(format!("remove it, or write `net _{name}` to keep it"))
    }
}

// ---- dims ----

pub fn dim_cycle(names: &[String]) -> Message {
    match names {
        [one] => Message::new(format!("the default of dimension `{one}` depends on itself")),
        _ => Message::new(format!("the defaults of the dimensions {} depend on each other", ticked(names.iter().map(String::as_str)))),
    }
    .help("give one of them a number")
}

pub fn dim_error(text: &str, e: &DimError) -> Message {
    match e {
        DimError::NotExact(p, c) => Message::new(format!("`{text}` is not a whole number: `{p}` is not divisible by `{c}`"))
            .help(format!("`floor({text})` and `ceil({text})` round")),
        e => Message::new(format!("`{text}` cannot be a dimension: {e}")),
    }
}

pub fn no_licence(p: &Dim, c: &Dim, facts: &Facts) -> Message {
    Message::new(format!("it is not known that {} divides {}", facts.show(c), facts.show(p)))
        .help(format!("promise it in the header: `where {p} % {c} == 0`; or round with `floor({p} / {c})`"))
}

pub fn not_a_poly(text: &str) -> Message {
    Message::new(format!("`{text}` is no dimension"))
        .help("a dimension is made of integers, names of dimensions, `+ - *`, `floor(p / c)`, `ceil(p / c)` and exact `p / c`")
}

pub fn not_static(what: &str, d: &Dim, run: &str) -> Message {
    let m = match d.as_sym() {
        Some(_) => Message::new(format!("{what} must be static, but `{run}` is a run-time dimension")),
        None => Message::new(format!("{what} must be static, but {d} depends on the run-time dimension `{run}`")),
    };
    m.help(format!("a static dimension has a default: `{run} = 768`"))
}

pub fn negative_dim(name: &str, n: i64) -> Message {
    Message::new(format!("dimension `{name}` cannot be {n}"))
}

pub fn unbound_dim(name: &str) -> Message {
    Message::new(format!("the run-time dimension `{name}` follows from no input"))
        .help(format!("let it stand alone on an axis of an input, `[{name}, ..]`, or make it static: `{name} = 8`"))
}

pub fn unknown_dtype(name: &str) -> Message {
    Message::new(format!("unknown element type `{name}`")).help("there are f32, bf16, i32 and bool; a shape without one is f32")
}

pub fn open_axes_here(what: &str) -> Message {
    Message::new(format!("`..` cannot stand in the type of {what}"))
}

pub fn where_fails(clause: &str, sides: &[(String, i64)], remainder: Option<(i64, i64)>) -> Message {
    let values: Vec<String> = sides.iter().map(|(n, v)| format!("{n} = {v}")).collect();
    let mut m = Message::new(format!("`where {clause}` does not hold for the defaults"));
    if !values.is_empty() {
        m = m.fact(listed(&values));
    }
    match remainder {
        Some((a, b)) if b > 0 => {
            let m = m.fact(format!("{a} = {b} * {} + {}", a / b, a % b));
            let below = a - a % b;
            match (sides.iter().find(|(_, v)| *v == a), below.checked_add(b)) {
                (Some((n, _)), Some(above)) => m.help(format!("choose {n} = {below} or {above}")),
                _ => m,
            }
        }
        _ => m,
    }
}

// ---- options ----

pub fn option_default(name: &str) -> Message {
    Message::new(format!("the default of option `{name}` must be a number, `true` or `false`"))
}

pub fn wrong_option_value(name: &str, takes: &str) -> Message {
    Message::new(format!("`{name}` takes {takes}"))
}

pub fn no_such_argument(op: &str, name: &str, params: &[&str], options: &[&str]) -> Message {
    let m = Message::new(format!("`{op}` has no argument `{name}`"));
    if let Some(n) = nearest(name, params.iter().chain(options).copied()) {
        return m.help(format!("did you mean `{n}`?"));
    }
    let tensors = if params.is_empty() { String::new() } else { format!("it takes {}", ticked(params.iter().copied())) };
    match (tensors.is_empty(), options.is_empty()) {
        (_, true) => m.help(tensors),
        (true, false) => m.help(format!("its options are {}", ticked(options.iter().copied()))),
        (false, false) => m.help(format!("{tensors}, and the options {}", ticked(options.iter().copied()))),
    }
}

pub fn given_twice(name: &str) -> Message {
    Message::new(format!("`{name}` is given twice"))
}

pub fn missing_argument(op: &str, name: &str, usage: &str) -> Message {
    Message::new(format!("`{op}` needs `{name}`")).help(format!("it is called as `{usage}`"))
}

pub fn too_many_arguments(op: &str, usage: &str) -> Message {
    Message::new(format!("`{op}` is given more than it takes")).help(format!("it is called as `{usage}`"))
}

// ---- axes ----

/// N08
pub fn no_axis(op: &str, axis: &str, name: &str, ty: &Type, facts: &Facts) -> Message {
    let verb = match op {
        "layer_norm" | "rms_norm" | "l2_normalize" => "normalise over",
        "sum" | "mean" | "max" | "min" | "argmax" => "reduce over",
        "softmax" | "log_softmax" => "run over",
        _ => "work along",
    };
    let axes: Vec<String> = ty.shape.iter().map(Dim::to_string).collect();
    let mut help = match axes.as_slice() {
        [] => format!("`{name}` is a scalar and has no axes"),
        [one] => format!("the only axis of `{name}` is {one}"),
        _ => format!("the axes of `{name}` are {}", axes.join(", ")),
    };
    if let (true, Some(last)) = (verb == "normalise over", ty.shape.last()) {
        help.push_str(&format!("; did you mean `over = {last}`?"));
    }
    Message::new(format!("`{op}` cannot {verb} `{axis}`: `{name}` is {}", show_type(ty, facts))).help(help)
}

pub fn ambiguous_axis(axis: &str, name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{axis}` names several axes of `{name}`, which is {}", show_type(ty, facts)))
        .help("name the axis by its number: 0 is the first, -1 the last")
}

pub fn axis_out_of_range(n: i64, name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{name}` has no axis {n}: it is {}", show_type(ty, facts))).help("0 is the first axis, -1 the last")
}

pub fn axis_from_the_end(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("an axis of `{name}`, which is {}, is counted from the end", show_type(ty, facts)))
        .help("`..` stands for any number of axes; -1 is the last axis")
}

pub fn axis_expected(what: &str) -> Message {
    Message::new(format!("`{what}` is no axis"))
        .help("an axis is a dimension's name or an integer; several stand in parentheses, `over = (C, H)`")
}

pub fn open_axes_unsupported(op: &str, name: &str) -> Message {
    Message::new(format!("`{op}` of `{name}`, which has leading axes `..`, is not supported yet"))
}

pub fn index_count(given: usize, name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("{given} indices for `{name}`, which is {}", show_type(ty, facts)))
}

pub fn index_outside(index: &str, name: &str, len: &Dim, facts: &Facts) -> Message {
    Message::new(format!("index {index} is outside of `{name}`")).fact(format!("the axis has {} elements", facts.show(len)))
}

pub fn bad_index(text: &str) -> Message {
    Message::new(format!("`{text}` is no index"))
        .help("an index is a dimension such as `0`, `S - 1` or `-1`, a range `0..S`, or one i32 tensor of row ids")
}

pub fn not_a_matrix(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{name}.t` needs two axes: `{name}` is {}", show_type(ty, facts)))
}

pub fn split_uneven(name: &str, parts: i64, len: &Dim, facts: &Facts) -> Message {
    Message::new(format!("`split` cannot cut {} into {parts} equal parts", facts.show(len)))
        .fact(format!("it is an axis of `{name}`"))
        .help(format!("promise it in the header: `where {len} % {parts} == 0`"))
}

pub fn split_parts() -> Message {
    Message::new("`parts` takes a positive integer").help("for example `let (a, b) = split(x, axis = D, parts = 2);`")
}

// ---- values ----

pub fn scalar_type(text: &str, dtype: &str) -> Message {
    Message::new(format!("`{text}` cannot be {dtype}"))
}

pub fn tuple_as_tensor(text: &str, n: usize) -> Message {
    Message::new(format!("`{text}` is {n} values where one is needed")).help("take it apart first: `let (a, b) = ..;`")
}

pub fn list_as_value(text: &str) -> Message {
    Message::new(format!("`{text}` is a shape, not a value"))
}

pub fn unused_value(text: &str) -> Message {
    Message::new(format!("the value of `{text}` is not used"))
        .help(format!("name it, `let y = {text};`, or leave the `;` out if it is the result"))
}

pub fn pattern_count(names: usize, values: usize) -> Message {
    Message::new(format!("{names} names for {values} values"))
}

pub fn annotation(name: &str, declared: &[Type], actual: &[Type], facts: &Facts) -> Message {
    Message::new(format!("`{name}` is declared as {} but its value is {}", show_types(declared, facts), show_types(actual, facts)))
        .help("correct the annotation, or leave it out")
}

pub fn not_mutable(name: &str) -> Message {
    Message::new(format!("`{name}` cannot be assigned to")).help(format!("declare it with `let mut {name} = ..;`"))
}

/// N14
pub fn loop_shape(name: &str, enters: &Type, leaves: &Type, facts: &Facts) -> Message {
    Message::new(format!(
        "`{name}` changes shape inside `for`: it enters as {} and leaves as {}",
        show_type(enters, facts),
        show_type(leaves, facts)
    ))
    .help("every turn must give back the shape it was given; use `let` for a value of another shape")
}

pub fn assign_shape(name: &str, before: &Type, after: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{name}` is {} and cannot become {}", show_type(before, facts), show_type(after, facts)))
        .help("use `let` for a value of another shape")
}

/// N07
pub fn promise(
    network: &str,
    promised: &[Type],
    actual: &[Type],
    removed: Option<(&str, &str)>,
    instead: Option<&str>,
    facts: &Facts,
) -> Message {
    let (p, a) = (show_types(promised, facts), show_types(actual, facts));
    let mut m = Message::new(format!("`{network}` promises {p} but its body is {a}"));
    if let Some((axis, by)) = removed {
        m = m.fact(format!("the `{axis}` axis was removed by `{by}`"));
    }
    match instead {
        Some(v) => m.help(format!("return `{v}`, or change the promise to {a}")),
        None => m.help(format!("change the promise to {a}, or the body")),
    }
}

pub fn no_result(promised: &[Type]) -> Message {
    Message::new(format!("the body gives no value, but {} is promised", show_types(promised, &Facts::default())))
        .help("the last line of the body, without a `;`, is the result")
}

pub fn empty_block() -> Message {
    Message::new("this block gives no value").help("its last line, without a `;`, is its value")
}

pub fn branches(cond_then: &[Type], otherwise: &[Type], facts: &Facts) -> Message {
    Message::new("the branches of `if` differ in shape")
        .fact(format!("`if` gives {}", show_types(cond_then, facts)))
        .fact(format!("`else` gives {}", show_types(otherwise, facts)))
        .help("both branches are checked, whatever the condition is; they must give one shape")
}

pub fn condition(name: &str) -> Message {
    Message::new(format!("`{name}` is no condition"))
        .help("a condition is an option that is `true` or `false`, `!option`, or `A == B` of static dimensions, joined by `&&`")
}

/// N10
pub fn residual_broadcast(body: &str, ty: &Type, stream: &Type, facts: &Facts) -> Message {
    Message::new(format!(
        "`residual` does not broadcast: `{body}` is {} but the stream is {}",
        show_type(ty, facts),
        show_type(stream, facts)
    ))
    .help("a bias is added with `+`; a residual branch has the full shape")
}

/// N01, in the written-out form.
pub fn residual_shape(stream: &str, ty: &Type, body: &str, branch: &Type, facts: &Facts) -> Message {
    Message::new(format!("`residual` cannot add its branch to `{stream}`: their shapes differ"))
        .fact(format!("`{stream}` is {}", show_type(ty, facts)))
        .fact(format!("`{body}` is {}", show_type(branch, facts)))
        .help(residual_help(ty))
}

// ---- weights ----

pub fn param_type(dtype: &str) -> Message {
    not_yet(&format!("a weight of type {dtype}"))
}

pub fn unknown_init(text: &str) -> Message {
    Message::new(format!("`{text}` is no initial value")).help("there are `zeros`, `ones`, `xavier`, `normal(s)` and `uniform(a, b)`")
}

/// N17
pub fn path_without_turn(array: &str, turns: &str, path: &str) -> Message {
    Message::new(format!("all {turns} turns of `{array}` would load the same tensors \"{path}\""))
        .help(format!("put the turn's number in the path: #[weights(\"{path}.{{i}}\")]"))
}

pub fn turn_without_array(name: &str) -> Message {
    Message::new(format!("`{{i}}` is the turn's number in an array of nets, and `{name}` is none"))
}

// ---- networks ----

pub fn recursion(names: &[String]) -> Message {
    match names {
        [one] => Message::new(format!("`{one}` contains itself")),
        [first, .., _] => Message::new(format!("`{first}` contains itself")).fact(names.join(" -> ") + " -> " + first),
        [] => Message::new("a network contains itself"),
    }
    .help("a network is unrolled where it is used; repeat a layer with an array: `net layers: [Layer; LAYERS];`")
}

pub fn no_such_dim(network: &str, name: &str, dims: &[&str]) -> Message {
    let m = Message::new(format!("`{network}` has no dimension `{name}`"));
    match nearest(name, dims.iter().copied()) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None if dims.is_empty() => m,
        None => m.help(format!("it has {}", ticked(dims.iter().copied()))),
    }
}

pub fn run_dim_given(network: &str, name: &str) -> Message {
    Message::new(format!("dimension `{name}` of `{network}` is taken from its inputs at each call")).help("leave it out")
}

pub fn too_many_dims(network: &str, dims: &[&str]) -> Message {
    let m = Message::new(format!("`{network}` is given more dimensions than it has"));
    match dims {
        [] => m.help("all its dimensions are taken from its inputs"),
        [one] => m.help(format!("its only static dimension is `{one}`")),
        _ => m.help(format!("its static dimensions are {}, in this order", ticked(dims.iter().copied()))),
    }
}

pub fn missing_dim(network: &str, missing: &[&str], example: &str) -> Message {
    Message::new(format!(
        "`{network}` needs its dimension{} {}",
        if missing.len() == 1 { "" } else { "s" },
        ticked(missing.iter().copied())
    ))
    .help(format!("for example `{example}`"))
}

pub fn no_such_option(network: &str, name: &str, options: &[&str]) -> Message {
    let m = Message::new(format!("`{network}` has no option `{name}`"));
    match nearest(name, options.iter().copied()) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None if options.is_empty() => m.help("it has no options at all"),
        None => m.help(format!("it has {}", ticked(options.iter().copied()))),
    }
}

pub fn option_needs_name(network: &str) -> Message {
    Message::new(format!("options of `{network}` are given by name")).help("for example `(bias = false)`")
}

pub fn foreign_dim_needs_name(path: &str, text: &str) -> Message {
    Message::new(format!("the dimensions of `{path}` are not known here and must be given by name"))
        .help(format!("write `{path}<D = {text}>` with the name it has there"))
}

pub fn requires(network: &str, clause: &str, values: &[(String, i64)]) -> Message {
    let all: Vec<String> = values.iter().map(|(n, v)| format!("{n} = {v}")).collect();
    let m = Message::new(format!("`{network}` requires {clause}, which does not hold here"));
    if all.is_empty() { m } else { m.fact(listed(&all)) }
}

pub fn input_count(network: &str, takes: &[(String, String)], given: usize) -> Message {
    let n = takes.len();
    let all: Vec<String> = takes.iter().map(|(n, t)| format!("{n}: {t}")).collect();
    Message::new(format!("`{network}` takes {n} input{}, {given} given", if n == 1 { "" } else { "s" }))
        .fact(format!("its inputs are ({})", all.join(", ")))
}

pub fn no_such_input(network: &str, name: &str, inputs: &[&str]) -> Message {
    no_such_argument(network, name, inputs, &[])
}

/// A call of a network whose signature is known.
pub fn wrong_input(network: &str, input: &str, takes: &str, name: &str, is: &str, why: Option<&str>) -> Message {
    let m = Message::new(format!("`{network}` does not accept `{name}` for `{input}`"))
        .fact(format!("`{input}` takes {takes}"))
        .fact(format!("`{name}` is {is}"));
    match why {
        Some(w) => m.fact(w),
        None => m,
    }
}

pub fn over_bound(network: &str, dim: &str, bound: &Dim, given: &Dim, facts: &Facts) -> Message {
    Message::new(format!("`{network}` takes {dim} up to {}, but it is {} here", facts.show(bound), facts.show(given)))
}

pub fn has_weights(network: &str) -> Message {
    let net = network.to_lowercase();
    Message::new(format!("`{network}` has weights and is called through a net"))
        .help(format!("declare it, `net {net}: {network};`, and call `{net}(..)`"))
}

pub fn not_called_directly(path: &str) -> Message {
    let last = path.rsplit("::").next().unwrap_or(path).to_lowercase();
    Message::new(format!("`{path}` is not known here, and is called through a net"))
        .help(format!("declare it, `net {last}: {path};`, and call `{last}(..)`"))
}

/// N12
pub fn foreign_unannotated(what: &str, network: &str, example: Option<&str>) -> Message {
    let m = Message::new(format!("the shape of `{what}` is not known here: `{network}` is declared by another `network!`"));
    match example {
        Some(e) => m.help(format!("write what you expect and it will be checked: `{e}`")),
        None => m.help("name it and write what you expect: `let h: [B, S, D] = ..;`"),
    }
}

// ---- rearrange ----

/// N15
pub fn axis_on_one_side(name: &str, on_right: bool, x: &str, ty: &Type, facts: &Facts) -> Message {
    let (has, lacks) = if on_right { ("right", "left") } else { ("left", "right") };
    let m = Message::new(format!("`{name}` appears on the {has} of `->` but not on the {lacks}"));
    if on_right {
        m.help(format!("the left side names every axis of `{x}`, which is {}", show_type(ty, facts)))
    } else {
        m.help("`rearrange` drops no elements; take one row first with `x[0]`, or reduce with `sum`")
    }
}

pub fn axis_named_twice(name: &str) -> Message {
    Message::new(format!("`{name}` stands twice on one side of `->`"))
}

pub fn pattern_rank(n: usize, x: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("the pattern has {n} axes but `{x}` is {}", show_type(ty, facts)))
        .help(format!("the left side names every axis of `{x}`; several factors of one axis stand in parentheses, `(h d)`"))
}

pub fn unknown_lengths(names: &[&str], dim: &Dim, facts: &Facts) -> Message {
    Message::new(format!("the lengths of {} do not follow from {}", ticked(names.iter().copied()), facts.show(dim)))
        .help(format!("give all but one of them: `{} = ..`", names.first().copied().unwrap_or("h")))
}

pub fn lengths_differ(pattern: &str, product: &Dim, dim: &Dim, facts: &Facts) -> Message {
    Message::new(format!("`{pattern}` holds {} elements but the axis has {}", facts.show(product), facts.show(dim)))
}

pub fn no_such_axis(name: &str) -> Message {
    Message::new(format!("`{name}` is no axis of the pattern"))
}

impl BinOp {
    /// As written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinOp::Add => "+",
            BinOp::Sub => "-",
            BinOp::Mul => "*",
            BinOp::Div => "/",
            BinOp::Matmul => "@",
        }
    }
}
