//! Weights and networks in use.

use super::*;

pub fn init_of_type(init: &str, dtype: &str) -> Message {
    Message::new(format!("a weight of type {dtype} cannot start as `{init}`"))
        .help("it starts as `zeros` or `ones`")
}

pub fn unknown_init(text: &str) -> Message {
    let help = match text.split('(').next() {
        Some("normal") => "`normal(s)` takes the standard deviation: an f32 of at least 0",
        Some("uniform") => "`uniform(a, b)` takes both ends of the range: f32 numbers, the smaller one first",
        _ => "there are `zeros`, `ones`, `xavier`, `normal(s)` and `uniform(a, b)`",
    };
    Message::new(format!("`{text}` is no initial value")).help(help)
}

/// N17: `count` is the number of nets of an array.
pub fn path_without_number(name: &str, count: Option<&str>, path: &str, missing: &[&str]) -> Message {
    let numbers: String = missing.iter().map(|t| format!(".{{{t}}}")).collect();
    let count = count.map(|n| format!("{n} ")).unwrap_or_default();
    Message::new(format!("all {count}iterations of `{name}` would load the same tensors \"{path}\"")).help(
        format!(
            "put the iteration's number in the path: #[weights(\"{}\")]",
            format!("{path}{numbers}").trim_start_matches('.')
        ),
    )
}

pub fn unknown_loop_variable(name: &str, given: &str, variables: &[&str]) -> Message {
    let m = Message::new(format!("`{{{given}}}` is not a loop variable of `{name}`"));
    if variables.is_empty() {
        m.help("numbers in a path are loop variables, which `[Layer; N]` and `repeat` have, and static dims")
    } else {
        m.help(format!(
            "its loop variables are {}; static dims may stand in a path too",
            ticked(
                variables.iter().map(|t| format!("{{{t}}}")).collect::<Vec<_>>().iter().map(String::as_str)
            )
        ))
    }
}

pub fn iteration_called_i(name: &str) -> Message {
    Message::new(format!("two iterations of `{name}` are called `{{i}}`")).help(
        "an array of nets counts its iterations by `{i}`; call the iteration of the `repeat` something else, or declare the item outside of the loop",
    )
}

pub fn transposed_rank(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("only a matrix can be stored transposed, but `{name}` is {}", show_type(ty, facts)))
        .help("leave `transposed` out")
}

pub fn unequal_arrays(first: &str, n: &Dim, second: &str, m: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "`{first}` has {} nets and `{second}` has {}: a loop goes through arrays of one length",
        facts.show(n),
        facts.show(m)
    ))
    .help("declare both with the same dimension, `[..; N]`, or write a loop for each")
}

/// `layers[3](x)` of three.
pub fn no_such_net(array: &str, index: &Dim, count: &Dim, facts: &Facts) -> Message {
    Message::new(format!("`{array}[{index}]` does not exist: `{array}` has {} nets", facts.show(count)))
        .help("they are counted from 0")
}

/// Two iterations with one path.
pub fn same_paths(name: &str, path: &str, both: &str) -> Message {
    Message::new(format!("two iterations of `{name}` would load the same tensors \"{both}\""))
        .fact(format!("the path is \"{path}\""))
        .help("let the numbers in the path differ in each iteration, as `{2 * i + 1}` does")
}

pub fn repeat_backwards(from: &Dim, to: &Dim, facts: &Facts) -> Message {
    Message::new(format!("`repeat` from {} to {} ends before it begins", facts.show(from), facts.show(to)))
}

pub fn recursion(names: &[String]) -> Message {
    match names {
        [one] => Message::new(format!("`{one}` contains itself")),
        [first, .., _] => Message::new(format!("`{first}` contains itself")).fact(names.join(" -> ") + " -> " + first),
        [] => Message::new("a network contains itself"),
    }
    .help("a network is unrolled where it is used; repeat a layer with an array: `net layers: [Layer; LAYERS];`")
}

pub fn negative_result(
    text: &str,
    network: &str,
    ty: &Type,
    given: &[(&str, &Type)],
    facts: &Facts,
) -> Message {
    let m =
        Message::new(format!("`{text}` would be {}, and no axis is shorter than 0", show_type(ty, facts)));
    let m = given.iter().fold(m, |m, (name, t)| m.fact(format!("`{name}` is {}", show_type(t, facts))));
    m.help(format!("its input is too small for `{network}` with these dimensions: a window stands on the image and its padding"))
}

pub fn no_such_dim(network: &str, name: &str, dims: &[&str]) -> Message {
    let m = Message::new(format!("`{network}` has no dimension `{name}`"));
    if let Some(here) = argument_of_pytorch(name, dims.iter().copied()) {
        return m.help(format!("it is `{here}` here"));
    }
    match nearest(name, dims.iter().copied()) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None if dims.is_empty() => m,
        None => m.help(format!("it has {}", ticked(dims.iter().copied()))),
    }
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
    if let Some(here) = argument_of_pytorch(name, options.iter().copied()) {
        return m.help(format!("it is `{here}` here"));
    }
    match nearest(name, options.iter().copied()) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None if options.is_empty() => m.help("it has no options at all"),
        None => m.help(format!("it has {}", ticked(options.iter().copied()))),
    }
}

/// `Conv2d(3, 8, padding = 1)`: `shown` is how it is written.
pub fn dims_in_parentheses(network: &str, shown: &str) -> Message {
    Message::new(format!("the dimensions of `{network}` stand in `<..>`")).help(format!("write `{shown}`"))
}

/// `Layer<B, S, D>`, where B and S are run-time dims: `shown` is the use without them.
pub fn run_time_dims_given(network: &str, dims: &[&str], shown: &str) -> Message {
    Message::new(format!(
        "`{network}` takes its run-time dimensions from its inputs, and {} {} here",
        ticked(dims.iter().copied()),
        if dims.len() == 1 { "is one" } else { "are such" },
    ))
    .help(format!("give it the static ones alone: `{shown}`"))
}

/// `Conv2d<..>(stride = 2)`
pub fn option_is_dim(network: &str, name: &str, dim: &str, value: &str) -> Message {
    Message::new(format!("`{network}` has no option `{name}`"))
        .help(format!("it is a dimension here: `{network}<.., {dim} = {value}>`"))
}

/// Two items of a network that would keep one state.
pub fn shared_state(first: &str, second: &str, state: &str) -> Message {
    Message::new(format!("`{first}` and `{second}` would both keep a state called `{state}`")).help(format!(
        "a session knows its states by their names: let the path of `{second}` differ, as it does without `#[weights(..)]`"
    ))
}

/// `fc.forward(x)` of a net with one entry point.
pub fn no_entry_of_net(name: &str, call: &str) -> Message {
    Message::new(format!("there is no `.{name}` of this net, which has one entry point"))
        .help(format!("call the net itself: `{call}`"))
}

pub fn option_needs_name(network: &str) -> Message {
    Message::new(format!("options of `{network}` are given by name")).help("for example `(bias = false)`")
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
pub fn wrong_input(
    network: &str,
    input: &str,
    takes: &str,
    name: &str,
    is: &str,
    why: Option<&str>,
    help: Option<String>,
) -> Message {
    let m = Message::new(format!("`{network}` does not accept `{name}` for `{input}`"))
        .fact(format!("`{input}` takes {takes}"))
        .fact(format!("`{name}` is {is}"));
    let m = match why {
        Some(w) => m.fact(w),
        None => m,
    };
    Message { help, ..m }
}

/// `ids` of f32 for an input of i32.
pub fn declared_as(name: &str, ty: &Type) -> String {
    format!("declare it as `{name}: {}`", show_type(ty, &Facts::default()))
}

pub fn cast_to(name: &str, dtype: &str) -> String {
    format!("convert on purpose: `cast({name}, {dtype})`")
}

/// An image `[N, H, W, C]`.
pub fn channels_first(name: &str) -> String {
    format!("channels stand before rows and columns: `transpose({name}, axes = (0, 3, 1, 2))`")
}

/// `[N, C, H, W]` for a layer that takes `C * H * W`.
pub fn flatten_first(name: &str) -> String {
    format!("join the axes first: `flatten({name})`")
}

/// `Linear<H, D>` of an input of width D.
pub fn swapped_dims(network: &str, given: &Dim, takes: &Dim) -> String {
    format!("the width of what it is given stands first: `{network}<{given}, {takes}>`")
}

/// `Linear<4 * D, D>` of an input of width D.
pub fn declared_for(network: &str, dim: &str, width: &Dim) -> String {
    format!("declare `{network}` with `{dim} = {width}` for it")
}

pub fn over_bound(network: &str, dim: &str, bound: &Dim, given: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "`{network}` takes {dim} up to {}, but it is {} here",
        facts.show(bound),
        facts.show(given)
    ))
}

/// `inside` are the dims to give, with their `<..>`.
pub fn has_weights(network: &str, net: &str, inside: &str) -> Message {
    Message::new(format!("`{network}` has weights and is called through a net"))
        .help(format!("declare it, `net {net}: {network}{inside};`, and call `{net}(..)`"))
}

pub fn similar_network(name: &str, similar: &str) -> Message {
    Message::new(format!("`{name}` is not known here")).help(format!("did you mean `{similar}`?"))
}

pub fn not_called_directly(path: &str) -> Message {
    let last = path.rsplit("::").next().unwrap_or(path).to_lowercase();
    Message::new(format!("`{path}` is not known here, and is called through a net"))
        .help(format!("declare it, `net {last}: {path};`, and call `{last}(..)`"))
}

/// N12
pub fn foreign_unannotated(what: &str, network: &str, example: Option<&str>) -> Message {
    let m = Message::new(format!(
        "the shape of `{what}` is not known here: `{network}` is declared by another `network!`"
    ));
    match example {
        Some(e) => m.help(format!("write what you expect and it will be checked: `{e}`")),
        None => m.help("name it and write what you expect: `let h: [B, S, D] = ..;`"),
    }
}

/// `declared` is whether the network that uses the other has a dim of that name.
pub fn not_handed_on(network: &str, dim: &str, declared: bool, bound: Option<&Dim>) -> Message {
    let m = Message::new(format!(
        "`{network}` needs its dimension `{dim}`, which follows from none of its inputs"
    ));
    let hand = format!("hand it on where the net is declared: `{network}<{dim} = {dim}>`");
    match (declared, bound) {
        (true, _) => m.help(hand),
        (false, Some(b)) => m.help(format!("declare it in the header too, `{dim}: ..={b}`, and {hand}")),
        (false, None) => m.help(format!("declare it in the header too, `{dim}`, and {hand}")),
    }
}

pub fn unbound_result(network: &str, dim: &str) -> Message {
    Message::new(format!(
        "the result of `{network}` depends on its `{dim}`, which follows from none of its inputs"
    ))
    .help(format!("hand it on where the net is declared: `{network}<{dim} = {dim}>`"))
}
