//! Every message of the macro, in one place. The letters N.. are those of `docs/errors.md`;
//! N01, N02, N06 and N09 are the shape rules' own, in `tancho_ir::infer`.
//!
//! One sentence in lower case with the names in backticks and no full stop, then facts,
//! then what to write instead.

mod body;
mod constants;
mod experts;
mod habits;
mod nets;
mod scans;
mod syntax;
mod training;

pub use body::*;
pub use constants::*;
pub use experts::*;
pub use habits::*;
pub use nets::*;
pub use scans::*;
pub use syntax::*;
pub use training::*;

use crate::ast::BinOp;
use crate::errors::Message;
use crate::suggest::{argument_of_pytorch, elsewhere, nearest};
use tancho_ir::infer::{ShapeError, show_type};
use tancho_ir::{Dim, DimError, ElementType, Facts, Type};

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
    // One promise is missing, however often it is needed.
    let once = e.message.starts_with("it is not known that");
    Message { text: e.message.clone(), facts, help: e.help.clone(), once }
}

/// The repair of a norm that is multiplied by its gain along another axis than the last.
pub fn gain_help(norm: &str, x: &str, rest: &str, gain: &str) -> String {
    format!("a gain runs along the axis of its norm if the norm is given it: `{norm}({x}, {gain}, {rest})`")
}

/// `w @ x`
pub fn rows_by_weight(x: &str, w: &str) -> String {
    format!("the rows of `{x}` are multiplied by a weight [OUT, IN] as `{x} @ {w}.t`")
}

/// N01's repair, for a sum whose one side is made from the other.
pub fn residual_help(stream: &Type) -> String {
    let shape = tancho_ir::infer::show_type(stream, &Facts::default());
    format!("a residual branch must keep the shape of its input; project it back to {shape} first")
}

pub fn duplicate(name: &str, what: &str, earlier: &str) -> Message {
    if what == earlier {
        return Message::new(format!("`{name}` is declared twice"));
    }
    let m = Message::new(format!("{what} cannot be called `{name}`: that is {earlier}"));
    if (what, earlier) == ("a `let`", "a state") {
        return m.help(format!("a state is set by `{name} = ..;`; another value has another name"));
    }
    m.help(
        "dimensions, options, inputs and items share one namespace; only `let` may use the name of an input, of a net, of a weight or of another `let` again",
    )
}

pub fn generated_name(name: &str, network: &str) -> Message {
    Message::new(format!(
        "a network cannot be called `{name}` beside `{network}`, which has a type of that name"
    ))
    .help(format!("`{network}` comes with `{network}Dims`, `{network}Compiled` and `{network}Session`"))
}

pub fn duplicate_network(name: &str) -> Message {
    Message::new(format!("two networks are called `{name}`"))
}

/// N03
pub fn unknown_dim<'a>(name: &str, dims: impl IntoIterator<Item = &'a str>) -> Message {
    let m = Message::new(format!("unknown dimension `{name}`")).once();
    let dims: Vec<&str> = dims.into_iter().collect();
    match nearest(name, dims.iter().copied()) {
        Some(n) => m.help(format!("a dimension with a similar name exists: `{n}`")),
        // `HIDDEN`, as constants are called.
        None if name.len() > 1 && name.chars().all(|c| c.is_uppercase() || c.is_numeric() || c == '_') => m
            .fact("constants of Rust are not seen: the macro knows what `network!` declares and nothing else")
            .help(format!(
                "declare a dimension, `{name} = 8`; Rust gives it another number by `..Dims {{ {name}: .. }}`"
            )),
        None if dims.is_empty() => m.help(format!("declare it after the network's name: `<{name}>`")),
        None => m.help(format!(
            "the dimensions are {}; a new one is declared after the network's name",
            ticked(dims)
        )),
    }
}

pub fn not_a_dim(name: &str, what: &str) -> Message {
    let m = Message::new(format!("`{name}` is {what}, not a dimension")).once();
    match what {
        "an option" => m.help(format!("sizes are dimensions: declare `{name} = 8` in `<..>` instead")),
        "a number" => m.help("write the dimension itself, which needs no `let`"),
        "a tensor" | "an input" => m.help(format!(
            "sizes are known before any value is: let `{name}` be a dimension, such as the length of an input's axis"
        )),
        _ => m,
    }
}

/// N04
pub fn unknown_op<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Message {
    let m = Message::new(format!("unknown operation `{name}`"));
    if let Some(here) = elsewhere(name) {
        return m.help(here);
    }
    match nearest(name, known) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m
            .fact(
                "functions of Rust are not seen: a body calls operations, nets, and networks without weights",
            )
            .help(format!("write a network, `{}<..>(x: [..]) -> [..] {{ .. }}`", camel_case(name))),
    }
}

/// `my_function` as the name of a network.
fn camel_case(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<Vec<_>>()
        })
        .collect()
}

pub fn unknown_value<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Message {
    let m = Message::new(format!("unknown value `{name}`")).once();
    match nearest(name, known) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m,
    }
}

/// `y = relu(x);` without a `y` before it.
pub fn assigned_unknown(unknown: Message, name: &str) -> Message {
    match unknown.help {
        Some(_) => unknown,
        None => unknown.help(format!("a new value is declared: `let {name} = ..;`")),
    }
}

/// `i` in `for layer in layers { .. }`
pub fn number_of_iteration(unknown: Message, name: &str) -> Message {
    unknown.help(format!(
        "a loop with a number is `repeat {name} in 0..N {{ x = layers[{name}](x); }}`, where `N` is how many nets there are"
    ))
}

pub fn is_an_op(name: &str) -> Message {
    Message::new(format!("`{name}` is an operation, not a value")).help(format!("call it: `{name}(x)`"))
}

pub fn is_a_net(name: &str) -> Message {
    Message::new(format!("`{name}` is a net, not a value")).help(format!("call it: `{name}(x)`"))
}

pub fn is_an_array(name: &str) -> Message {
    Message::new(format!("`{name}` is an array of nets")).help(format!(
        "go through it, `for layer in {name} {{ x = layer(x); }}`, or call one, `{name}[0](x)`"
    ))
}

pub fn not_an_array(name: &str) -> Message {
    Message::new(format!("`{name}` is no array of nets"))
        .help(format!("declare one: `net {name}: [Layer; LAYERS];`"))
}

pub fn not_callable(name: &str) -> Message {
    Message::new(format!("`{name}` is a tensor and cannot be called"))
        .help(format!("rows of a table are written `{name}[ids]`"))
}

/// N05
pub fn unused(what: &str, name: &str) -> Message {
    let m = Message::new(format!("{what} `{name}` is never used"));
    match what {
        "parameter" => {
            m.help(format!("remove it, or write `param _{name}` to keep a weight the body ignores"))
        }
        "buffer" => m.help(format!("remove it, or write `buffer _{name}` to keep a weight the body ignores")),
        "value" => m.help(format!("remove it, or write `let _{name}` to keep it")),
        "loop variable" => {
            m.help(format!("call it, `x = {name}(x);`, or write `for _{name} in ..` to go through it unused"))
        }
        _ => m.help(format!("remove it, or write `{what} _{name}` to keep it")),
    }
}

/// `taker` is the op that takes a tensor of that name and is not given it.
pub fn unused_input(name: &str, taker: Option<&str>) -> Message {
    let m = Message::new(format!("input `{name}` is never used"));
    match taker {
        Some(op) => m.help(format!(
            "`{op}` takes it by name, `{op}(.., {name} = {name})`; or call it `_{name}` to keep it unused"
        )),
        None => m.help(format!("remove it, or call it `_{name}` to keep it")),
    }
}

/// `clause` is the promise that mentions it.
pub fn unused_dim(name: &str, clause: Option<&str>) -> Message {
    let m = Message::new(format!("dimension `{name}` is never used"));
    let m = match clause {
        Some(c) => m.fact(format!("the promise `where {c}` alone changes nothing")),
        None => m,
    };
    m.help(format!("remove it, or call it `_{name}` to keep it"))
}

pub fn dim_cycle(names: &[String]) -> Message {
    match names {
        [one] => Message::new(format!("the default of dimension `{one}` depends on itself")),
        _ => {
            let (shown, more) = names.split_at(names.len().min(6));
            let dots = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            Message::new(format!(
                "the defaults of the dimensions {}{dots} depend on each other",
                ticked(shown.iter().map(String::as_str))
            ))
        }
    }
    .help("give one of them a number")
}

pub fn dim_error(text: &str, e: &DimError) -> Message {
    match e {
        DimError::NotExact(p, c) => {
            Message::new(format!("`{text}` is not a whole number: `{p}` is not divisible by `{c}`"))
                .help(format!("`floor({text})` and `ceil({text})` round"))
        }
        e => Message::new(format!("`{text}` cannot be a dimension: {e}")),
    }
}

pub fn no_licence(p: &Dim, c: &Dim, facts: &Facts) -> Message {
    let m = Message::new(format!("it is not known that {} divides {}", facts.show(c), facts.show(p))).once();
    let m = match facts.value(p).zip(facts.value(c)) {
        Some((n, by)) if by > 0 && n % by != 0 => m.fact(format!("{n} = {by} * {} + {}", n / by, n % by)),
        _ => m,
    };
    m.help(format!("promise it in the header: `where {p} % {c} == 0`; or round with `floor({p} / {c})`"))
}

pub fn not_a_poly(text: &str) -> Message {
    Message::new(format!("`{text}` is no dimension"))
        .help("a dimension is made of integers, names of dimensions, `+ - *`, `floor(p / c)`, `ceil(p / c)` and exact `p / c`")
}

pub fn not_static(what: &str, d: &Dim, run: &str) -> Message {
    let m = match d.as_sym() {
        Some(_) => Message::new(format!("{what} must be static, but `{run}` is a run-time dimension")),
        None => {
            Message::new(format!("{what} must be static, but {d} depends on the run-time dimension `{run}`"))
        }
    };
    m.once().help(format!("a static dimension has a default: `{run} = 768`"))
}

/// `arange(0, S)`
pub fn arange_by_position(texts: &[&str]) -> Message {
    let help = match texts {
        ["0", to] => format!("from 0 on it is `arange({to})`"),
        [from, to, ..] => format!("how many there are stands first: `arange({to} - {from}, from = {from})`"),
        _ => String::new(),
    };
    Message::new("the first number of `arange` is given by name").help(help)
}

/// `scale = 1 / sqrt(S)`
pub fn run_time_number(option: &str, run: &str) -> Message {
    Message::new(format!("`{option}` is known when the graph is built, but `{run}` is a run-time dimension"))
        .help(format!("make it of static dimensions, or scale the value itself: `x / sqrt({run})`"))
}

pub fn negative_dim(name: &str, n: i64) -> Message {
    Message::new(format!("dimension `{name}` cannot be {n}")).help("a dimension is 0 or more")
}

pub fn many_axes(what: &str, rank: usize) -> Message {
    let what = if what.contains(' ') { what.to_string() } else { format!("`{what}`") };
    Message::new(format!(
        "{what} has {rank} axes, and inputs and results have at most {}",
        tancho_ir::MAX_RANK
    ))
    .help("join neighbouring axes; inside of the body values may have any number: `reshape(x, [A, B, ..])`")
}

pub fn unbound_dim(name: &str, entry: Option<&str>) -> Message {
    let of = entry.map(|e| format!(" of `{e}`")).unwrap_or_default();
    Message::new(format!("the run-time dimension `{name}` follows from no input{of}")).help(format!(
        "let it stand alone on an axis of an input, `[{name}, ..]`, or make it static: `{name} = 8`"
    ))
}

pub fn unset_dim(name: &str, entry: &str, state: &str) -> Message {
    Message::new(format!(
        "`{entry}` takes the run-time dimension `{name}` from the state `{state}`, which nothing sets"
    ))
    .help(format!(
        "assign `{state}` in an entry point whose input has the axis: `fn encode(x: [.., {name}, ..])`"
    ))
}

pub fn dim_of_other_entry(callee: &str, dim: &str, here: &str) -> Message {
    Message::new(format!("`{callee}` has the run-time dimension `{dim}`, which `{here}` does not have")).help(
        format!(
            "no argument of `{callee}` says how long it is: declare `{dim}` at the network or at `{here}`"
        ),
    )
}

pub fn static_dim_of_entry(name: &str) -> Message {
    Message::new(format!("the static dimension `{name}` cannot be declared at an entry point")).help(format!(
        "static dimensions size the weights, which all entry points share: declare `{name}` at the network"
    ))
}

pub fn unknown_dtype(name: &str) -> Message {
    Message::new(format!("unknown element type `{name}`")).help(
        "there are f32, bf16, i32 and bool, and u8, u32, i64 and f16 of inputs; a shape without one is f32",
    )
}

/// An element type that something other than an input is declared with.
pub fn type_of_inputs_alone(element: ElementType) -> Message {
    let inside = element.dtype();
    Message::new(format!("inputs alone may be {element}")).help(format!(
        "an input that is given as {element} is {inside} inside of the network: write {inside} here"
    ))
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

pub fn option_default(name: &str) -> Message {
    Message::new(format!("the default of option `{name}` must be a number, `true` or `false`"))
}

pub fn wrong_option_value(name: &str, takes: &str, given: &str) -> Message {
    let m = Message::new(format!("`{name}` takes {takes}"));
    match given {
        "True" | "False" => m.help(format!("write `{name} = {}`", given.to_lowercase())),
        "None" => m.help(format!("write `{name} = false`, or leave it out")),
        _ if name == "exponent" => m.help(format!("a power by a value is `exp({given} * log(x))`")),
        _ => m,
    }
}

pub fn no_such_argument(op: &str, name: &str, params: &[&str], options: &[&str]) -> Message {
    let m = Message::new(format!("`{op}` has no argument `{name}`"));
    if let Some(here) = argument_of_pytorch(name, params.iter().chain(options).copied()) {
        return m.help(format!("it is `{here}` here"));
    }
    if let Some(n) = nearest(name, params.iter().chain(options).copied()) {
        return m.help(format!("did you mean `{n}`?"));
    }
    let tensors = if params.is_empty() {
        String::new()
    } else {
        format!("it takes {}", ticked(params.iter().copied()))
    };
    match (tensors.is_empty(), options.is_empty()) {
        (_, true) => m.help(tensors),
        (true, false) => m.help(format!("its options are {}", ticked(options.iter().copied()))),
        (false, false) => m.help(format!("{tensors}, and the options {}", ticked(options.iter().copied()))),
    }
}

pub fn given_twice(name: &str) -> Message {
    Message::new(format!("`{name}` is given twice"))
}

/// `reshape(x, B, S * D)`
pub fn shape_in_pieces(op: &str, x: &str, lengths: &[&str]) -> Message {
    Message::new(format!("`{op}` takes its shape in brackets"))
        .help(format!("write `{op}({x}, [{}])`", lengths.join(", ")))
}

/// `concat([x, y], axis = 1)`
pub fn list_of_values(op: &str, list: &str, more: &[&str]) -> Message {
    let values = list.trim_start_matches('[').trim_end_matches(']').trim();
    let all: Vec<&str> = std::iter::once(values).chain(more.iter().copied()).collect();
    Message::new(format!("`{op}` takes its values one by one, not in brackets"))
        .help(format!("write `{op}({})`", all.join(", ")))
}

pub fn missing_argument(op: &str, name: &str, usage: &str) -> Message {
    Message::new(format!("`{op}` needs `{name}`")).help(format!("it is called as `{usage}`"))
}

pub fn too_many_arguments(op: &str, usage: &str) -> Message {
    let m = Message::new(format!("`{op}` is given more than it takes"));
    match op {
        "transpose" => m.help(
            "`x.t` swaps the last two axes; any other order names every axis, `transpose(x, axes = (1, 0, 2))`",
        ),
        _ => m.help(format!("it is called as `{usage}`")),
    }
}
