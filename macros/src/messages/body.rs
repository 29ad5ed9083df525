//! Axes, values, statements, `rearrange`.

use super::*;

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
    let text = match op {
        "an index" => format!("`{name}` has no axis `{axis}`: it is {}", show_type(ty, facts)),
        _ => format!("`{op}` cannot {verb} `{axis}`: `{name}` is {}", show_type(ty, facts)),
    };
    Message::new(text).help(help)
}

pub fn ambiguous_axis(axis: &str, name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{axis}` names several axes of `{name}`, which is {}", show_type(ty, facts)))
        .help("name the axis by its number: 0 is the first, -1 the last")
}

pub fn axis_out_of_range(n: i64, name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{name}` has no axis {n}: it is {}", show_type(ty, facts)))
        .help("0 is the first axis, -1 the last")
}

pub fn axis_from_the_end(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("an axis of `{name}`, which is {}, is counted from the end", show_type(ty, facts)))
        .help("`..` stands for any number of axes; -1 is the last axis, and as an index it is `x[.., 0]`")
}

pub fn axis_needs_name(op: &str, axis: &str) -> Message {
    if op == "attention" {
        return Message::new("`attention` takes the number of heads by name")
            .help(format!("write `heads = {axis}`"));
    }
    Message::new(format!("`{op}` takes its axis by name")).help(format!("write `over = {axis}`"))
}

/// `x[0, .., 1]` of a value with more axes than that.
pub fn whole_axis_between(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new("`..` between other indices is one whole axis, and here it could stand for several")
        .fact(format!("`{name}` is {}", show_type(ty, facts)))
        .help("give an index for every axis, or name the axes: `x[S = 0]`")
}

pub fn axis_expected(what: &str) -> Message {
    Message::new(format!("`{what}` is no axis"))
        .help("an axis is a dimension's name or an integer; several stand in parentheses, `over = (C, H)`")
}

pub fn pattern_leading(name: &str, ty: &Type, open: bool, facts: &Facts) -> Message {
    let shown = show_type(ty, facts);
    if open {
        Message::new(format!("`{name}` is {shown}: both sides of the pattern begin with `..`")).help(
            "the leading axes stay where they are: `rearrange(x, [.., (h d)] -> [.., h, d], h = HEADS)`",
        )
    } else {
        Message::new(format!("`..` in a pattern stands for the leading axes of `{name}`, which is {shown}"))
            .help("name every axis")
    }
}

pub fn no_leading_axes() -> Message {
    Message::new("`..` in a shape stands for the leading axes of the inputs, and no input has them")
}

pub fn index_count(given: usize, name: &str, ty: &Type, facts: &Facts) -> Message {
    let indices = if given == 1 { "index" } else { "indices" };
    let axes = match ty.rank() {
        0 => "no axes".to_string(),
        1 => "one axis".to_string(),
        n => format!("{n} axes"),
    };
    Message::new(format!("{given} {indices} for `{name}`, which has {axes}"))
        .fact(format!("`{name}` is {}", show_type(ty, facts)))
        .help("an index is for an axis: `x[0, 1..3]` by position, `x[S = 0]` by the axis' name")
}

pub fn index_outside(index: &str, name: &str, len: &Dim, facts: &Facts) -> Message {
    Message::new(format!("index {index} is outside of `{name}`"))
        .fact(format!("the axis has {} elements", facts.show(len)))
}

/// `pos[S]`
pub fn length_as_index(name: &str, length: &str, len: &Dim) -> Message {
    let one = match len.as_sym() {
        Some(axis) => format!("`{name}[{axis} = {length}]`"),
        None => format!("`{name}[{length}..{length} + 1]`, an axis of length 1"),
    };
    Message::new(format!("`{length}` as an index is the one element with that number, and it is the length of an input"))
        .help(format!("the first {length} elements are `{name}[0..{length}]`, the last of them `{name}[{length} - 1]`; element {length} itself is {one}"))
}

/// `embedding(ids, table)`
pub fn table_first(table: &str, ids: &str) -> Message {
    Message::new("`embedding` takes the table first")
        .help(format!("write `embedding({table}, {ids})`, or `{table}[{ids}]`"))
}

/// `attention` of `[B, S, HEADS, HD]`
pub fn heads_second(name: &str, ty: &Type, heads: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "`attention` takes `{heads}` for positions: heads are the second axis of [B, HEADS, S, HD]"
    ))
    .fact(format!("`{name}` is {}", show_type(ty, facts)))
    .help(format!(
        "swap the two axes of queries, keys and values first: `transpose({name}, axes = (0, 2, 1, 3))`"
    ))
}

/// `reshape(x, [B, -1])`: `rest` is what the axis would be.
pub fn unknown_length(text: &str, rest: Option<&Dim>) -> Message {
    let m = Message::new(format!("`{text}` is no length: every axis of a shape is written"));
    match rest {
        Some(d) => m.help(format!("here it would be `{d}`")),
        None => m.help("write the length that is left, such as `S * D`"),
    }
}

/// `rope` of `[B, S, HEADS, HD]`
pub fn rope_along_heads(name: &str, ty: &Type, heads: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "`rope` takes `{heads}` for positions: they are the third axis of [B, HEADS, S, HD]"
    ))
    .fact(format!("`{name}` is {}", show_type(ty, facts)))
    .fact(format!("`attention` has `{heads}` heads"))
    .help(format!("swap the two axes first: `rope(transpose({name}, axes = (0, 2, 1, 3)))`"))
}

pub fn bad_index(text: &str) -> Message {
    Message::new(format!("`{text}` is no index")).help(
        "an index is a dimension such as `0`, `S - 1` or `-1`, a range `0..S`, or one i32 tensor of row ids",
    )
}

pub fn not_a_matrix(name: &str, ty: &Type, facts: &Facts) -> Message {
    let besides = if ty.shape.first().and_then(Dim::as_sym) == Some("..") { " besides `..`" } else { "" };
    Message::new(format!("`{name}.t` needs two axes{besides}: `{name}` is {}", show_type(ty, facts)))
}

pub fn split_uneven(name: &str, parts: i64, len: &Dim, facts: &Facts) -> Message {
    Message::new(format!("`split` cannot cut {} into {parts} equal parts", facts.show(len)))
        .fact(format!("it is an axis of `{name}`"))
        .help(format!("promise it in the header: `where {len} % {parts} == 0`"))
}

pub fn split_parts() -> Message {
    Message::new("`parts` takes a positive integer")
        .help("for example `let (a, b) = split(x, axis = D, parts = 2);`")
}

pub fn scalar_type(text: &str, dtype: &str) -> Message {
    Message::new(format!("`{text}` cannot be {dtype}"))
}

pub fn tuple_as_tensor(text: &str, n: usize) -> Message {
    Message::new(format!("`{text}` is {n} values where one is needed"))
        .help(format!("take it apart first: `let {} = {text};`", pattern_of(n)))
}

pub fn list_as_value(text: &str) -> Message {
    Message::new(format!("`{text}` is a shape, not a value"))
        .help("a shape is what `reshape(x, [..])` and `expand(x, [..])` are given")
}

pub fn unused_value(text: &str) -> Message {
    let m = Message::new(format!("the value of `{text}` is not used"));
    if text.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return m.help("leave the `;` out if it is the result, or else the line");
    }
    m.help(format!("name it, `let y = {text};`, or leave the `;` out if it is the result"))
}

pub fn pattern_count(text: &str, names: usize, values: usize) -> Message {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    let m = Message::new(format!(
        "`{text}` gives {values} value{}, but the pattern has {names} name{}",
        plural(values),
        plural(names)
    ));
    if values == 1 {
        return m.help(format!("write `let a = {text};`"));
    }
    m.help(format!("write `let {} = ..;`", pattern_of(values)))
}

/// `(a, b, c)`
fn pattern_of(values: usize) -> String {
    let names: Vec<String> =
        (0..values.min(26)).map(|i| char::from(b'a' + u8::try_from(i).unwrap_or(0)).to_string()).collect();
    format!("({})", names.join(", "))
}

pub fn part_outside(text: &str, values: usize) -> Message {
    Message::new(format!("there is no value `{text}`: it is one of {values}"))
        .help("they are numbered from 0; or take them apart, `let (a, b) = ..;`")
}

pub fn annotation(name: &str, declared: &[Type], actual: &[Type], facts: &Facts) -> Message {
    Message::new(format!(
        "`{name}` is declared as {} but its value is {}",
        show_types(declared, facts),
        show_types(actual, facts)
    ))
    .help("correct the annotation, or leave it out")
}

pub fn not_mutable(name: &str) -> Message {
    Message::new(format!("`{name}` cannot be assigned to"))
        .help(format!("declare it with `let mut {name} = ..;`"))
}

/// A loop that only makes values of its own.
pub fn idle_loop(what: &str, inner: Option<&str>) -> Message {
    let m = Message::new(format!("`{what}` changes nothing: it assigns to no variable"));
    match inner {
        Some(x) => m.help(format!(
            "`let` makes a new value in each iteration; assign to the stream instead: `{x} = ..;`"
        )),
        None => m.help("declare the stream before it, `let mut x = x;`, and assign to it: `x = ..;`"),
    }
}

/// N14
pub fn loop_shape(name: &str, enters: &Type, leaves: &Type, facts: &Facts) -> Message {
    Message::new(format!(
        "`{name}` changes shape inside the loop: it enters as {} and leaves as {}",
        show_type(enters, facts),
        show_type(leaves, facts)
    ))
    .help("every iteration must give back the shape it was given; use `let` for a value of another shape")
}

pub fn assign_shape(name: &str, before: &Type, after: &Type, facts: &Facts) -> Message {
    Message::new(format!(
        "`{name}` is {} and cannot become {}",
        show_type(before, facts),
        show_type(after, facts)
    ))
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

/// A promise that `x[.., 0]` does not keep.
pub fn indexed_from_the_end(promise: Message) -> Message {
    promise
        .fact("`..` in front stands for all axes before those that are given")
        .help("an axis is chosen by its name, `x[S = 0]` or `x[S = 0..N]`")
}

/// `last` is the name of a `let` that ends the body.
pub fn no_result(promised: &[Type], last: Option<&str>) -> Message {
    let m = Message::new(format!(
        "the body gives no value, but {} is promised",
        show_types(promised, &Facts::default())
    ));
    match last {
        Some(name) => m.help(format!("the last line of the body is the result: end it with `{name}`")),
        None => m.help("the last line of the body, without a `;`, is the result"),
    }
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
        .fact("what a graph is made of is known before it runs, and no value is")
        .help("a condition is an option that is `true` or `false`, `!option`, or `A == B` of static dimensions, joined by `&&`; between values chooses `select(cond, a, b)`")
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
    Message::new(format!("the pattern has {n} axes but `{x}` is {}", show_type(ty, facts))).help(format!(
        "the left side names every axis of `{x}`; several factors of one axis stand in parentheses, `(h d)`"
    ))
}

pub fn unknown_lengths(names: &[&str], dim: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "the lengths of {} do not follow from {}",
        ticked(names.iter().copied()),
        facts.show(dim)
    ))
    .help(format!("give all but one of them: `{} = ..`", names.first().copied().unwrap_or("h")))
}

pub fn lengths_differ(pattern: &str, product: &Dim, dim: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "`{pattern}` holds {} elements but the axis has {}",
        facts.show(product),
        facts.show(dim)
    ))
}

pub fn no_such_axis(name: &str) -> Message {
    Message::new(format!("`{name}` is no axis of the pattern"))
}
