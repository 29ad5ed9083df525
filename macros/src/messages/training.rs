//! States, training, entry points.

use super::*;

pub fn no_weight(name: &str) -> Message {
    Message::new(format!("the state `{name}` is no weight and has no attributes of one"))
        .help("a state starts as zeros and lives in the session; leave the attribute out")
}

pub fn growth_needs_bound(state: &str, dim: &str, is_static: bool) -> Message {
    let kind = if is_static { "static" } else { "without a bound" };
    Message::new(format!("`{state}` cannot grow along `{dim}`, which is {kind}"))
        .help(format!("a session reserves memory for the longest: declare `{dim}: ..=1024`"))
}

pub fn growth_without_room(state: &str, dim: &str, bound: &Dim, facts: &Facts) -> Message {
    Message::new(format!(
        "`{state}` grows along `{dim}`, which is at most {}, so it can hold no rows",
        facts.show(bound)
    ))
    .help(format!("give `{dim}` the number of rows to keep: `{dim}: ..=512`"))
}

pub fn growth_axis(state: &str, dim: &str, ty: &Type) -> Message {
    Message::new(format!("`{state}` grows along `{dim}`, which must stand alone on one of its axes"))
        .fact(format!("`{state}` is {}", show_type(ty, &Facts::default())))
}

/// States along one dim of which one keeps the last rows and one all.
pub fn last_and_all(last: &str, all: &str, dim: &str) -> Message {
    Message::new(format!("`{last}` keeps its last rows along `{dim}`, and `{all}` all of them"))
        .help(format!("declare both with `last {dim}`, or give one of them a dimension of its own"))
}

/// `from = P` where `P` is the number of rows that are kept.
pub fn kept_rows_as_place(state: &str, dim: &str) -> Message {
    Message::new(format!(
        "`{dim}` counts the rows that `{state}` keeps, which is no place in the sequence: the oldest are forgotten"
    ))
    .help("count the places in a state of their own: `state seen: i32[]; let at = seen + arange(S); seen += S;`, then `positions = at`, or rows of a table by `[at]`")
}

pub fn push_takes_one() -> Message {
    Message::new("`push` takes one tensor: the new rows").help("for example `keys.push(k)`")
}

pub fn push_of_no_state(name: &str) -> Message {
    Message::new(format!("`{name}` is no state, and only a state can be pushed to")).help(format!(
        "`concat({name}, .., axis = ..)` joins tensors; declare a state as `state keys: [B, P, D] grow P;`"
    ))
}

pub fn push_without_growth(state: &str) -> Message {
    Message::new(format!("`{state}` does not grow")).help(format!(
        "declare along which dimension: `state {state}: [..] grow P;`; or assign, `{state} = ..;`"
    ))
}

pub fn growing_is_pushed(state: &str) -> Message {
    Message::new(format!("`{state}` grows and cannot be assigned to"))
        .help(format!("add its new rows: `{state}.push(..)`"))
}

pub fn push_shape(state: &str, ty: &Type, dim: &str, name: &str, given: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{name}` cannot be pushed to `{state}`: only the axis `{dim}` may differ"))
        .fact(format!("`{state}` is {}", show_type(ty, facts)))
        .fact(format!("`{name}` is {}", show_type(given, facts)))
}

/// N19
pub fn outgrows(state: &str, bound: &Dim, rows: &Dim, facts: &Facts) -> Message {
    let spelled = match (bound.as_const(), facts.value(bound)) {
        (None, Some(n)) => format!("{bound} = {n}"),
        _ => bound.to_string(),
    };
    Message::new(format!(
        "`{state}` holds at most {spelled} rows, but this call alone adds {}",
        facts.show(rows)
    ))
    .help("raise the bound, or push fewer rows in a call")
}

pub fn pushed_twice(state: &str) -> Message {
    Message::new(format!("`{state}` is pushed to twice in one call"))
        .help(format!("join the rows first: `{state}.push(concat(a, b, axis = ..))`"))
}

pub fn pushed_in_loop(state: &str) -> Message {
    Message::new(format!("`{state}` is pushed to in a loop it is declared outside of")).help(
        "a state is pushed to once a call; declare it in the loop, and every iteration has one of its own",
    )
}

pub fn pushed_in_one_branch(state: &str) -> Message {
    Message::new(format!("`{state}` is pushed to in one branch and not in the other"))
        .help("it grows by the same rows in every call")
}

pub fn never_pushed(state: &str) -> Message {
    Message::new(format!("`{state}` grows but is never pushed to"))
        .help(format!("add the rows of this call: `let all = {state}.push(..);`"))
}

pub fn pushed_alone(pushed: &str, other: &str, dim: &str) -> Message {
    Message::new(format!("`{pushed}` is pushed to and `{other}` is not, but both grow along `{dim}`"))
        .help(format!("add the rows of this call to `{other}` too, or give it a dimension of its own"))
}

pub fn pushed_by_one(state: &str, dim: &str, with: &str, without: &str) -> Message {
    Message::new(format!("`{with}` adds rows to `{state}` and `{without}` does not"))
        .fact(format!(
            "`{without}` adds rows to another state along `{dim}`, and all of them have equally many"
        ))
        .help(format!(
            "add the rows of the call to `{state}` in `{without}` too, or give it a dimension of its own"
        ))
}

pub fn moving_state(state: &str, ty: &Type, dim: &str) -> Message {
    Message::new(format!(
        "`{state}` is {}, but `{dim}` grows from call to call",
        show_type(ty, &Facts::default())
    ))
    .help(format!(
        "a state keeps its shape; let `{state}` grow along `{dim}` too, or give it a dimension that stays"
    ))
}

pub fn uneven_growth(dim: &str, first: &str, rows: &Dim, second: &str, more: &Dim, facts: &Facts) -> Message {
    Message::new(format!("states that grow along `{dim}` must grow alike"))
        .fact(format!("`{first}` grows by {}", facts.show(rows)))
        .fact(format!("`{second}` grows by {}", facts.show(more)))
        .help("give one of them a dimension of its own")
}

pub fn minimize_outside() -> Message {
    Message::new("`minimize` stands in a `train fn`")
        .help("for example `train fn step(x: [B, D], y: i32[B], lr: []) -> [] { .. }`")
}

pub fn minimize_in_loop() -> Message {
    Message::new("`minimize` cannot stand in a loop")
        .help("add up the losses in the loop and minimise their sum after it")
}

pub fn minimize_twice() -> Message {
    Message::new("a `train fn` minimises one loss").help("minimise the sum: `minimize a + b with ..`")
}

pub fn nothing_minimised(name: &str) -> Message {
    Message::new(format!("`train fn {name}` minimises nothing"))
        .help("say what its weights learn: `minimize loss with adamw(lr = lr);`")
}

pub fn loss_is_scalar(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("a loss is one number, but `{name}` is {}", show_type(ty, facts)))
        .help(format!("`mean({name}, over = ..)` makes one of it"))
}

pub fn loss_without_weights() -> Message {
    Message::new("the loss depends on no weight that could learn")
        .help("call a net or use a `param` that is not `#[frozen]`")
}

/// N16
pub fn no_path_to_loss(item: &str, network: &str, steps: &[String]) -> Message {
    let losses = match steps {
        [one] => format!("the loss of `train fn {one}`"),
        _ => format!("a loss of {}", ticked(steps.iter().map(String::as_str))),
    };
    Message::new(format!("`{item}` would learn nothing: no path leads from it to {losses}")).help(format!(
        "use it for the loss, or write `#[frozen]` before it, if `{network}` is to keep it as it is"
    ))
}

/// N16
pub fn no_gradient(op: &str, text: &str) -> Message {
    Message::new(format!("`{op}` has no gradient, so nothing before it would learn"))
        .help(format!("move it outside the loss, or mark it on purpose with `stop_gradient({text})`"))
}

pub fn unknown_optimiser<const N: usize>(name: &str, known: [&str; N]) -> Message {
    let m = Message::new(format!("unknown optimiser `{name}`"));
    match nearest(name, known) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m.help(format!("there are {}", ticked(known))),
    }
}

pub fn setting_needs_name(optimiser: &str) -> Message {
    Message::new(format!("settings of `{optimiser}` are given by name"))
        .help(format!("for example `{optimiser}(lr = 1e-3)`"))
}

pub fn setting_is_scalar(setting: &str, name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("`{setting}` is one number, but `{name}` is {}", show_type(ty, facts)))
        .help(format!("declare it as `{name}: []`"))
}

pub fn setting_is_number(setting: &str, text: &str) -> Message {
    Message::new(format!("`{setting}` stays the same in all steps, but `{text}` is no number"))
        .help("write a number, or an option of the network; only `lr` may be a value of the step")
}

pub fn setting_out_of_range(setting: &str, must: &str, text: &str) -> Message {
    Message::new(format!("`{setting}` must be {must}, but is {text}"))
        .help("leave it out to have its default")
}

pub fn no_entry_point(network: &str) -> Message {
    Message::new(format!("`{network}` has neither a signature nor an entry point"))
        .help(format!("write `{network}<B, D = 768>(x: [B, D]) -> [B, D] {{ .. }}`, or a `fn forward(x: [B, D]) -> [B, D] {{ .. }}` in it"))
}

pub fn entry_in_body() -> Message {
    Message::new("`fn` cannot stand in the body of a network with a signature")
        .help("leave the signature out and declare every entry point: `Name<B, D = 768> { fn forward(..) -> .. { .. } }`")
}

pub fn entry_is_method(name: &str) -> Message {
    Message::new(format!(
        "an entry point cannot be called `{name}`: the compiled network has another method of that name"
    ))
    .help("choose another name")
}

pub fn entry_recursion(names: &[String]) -> Message {
    let m = match names {
        [one] => Message::new(format!("`{one}` calls itself")),
        [first, ..] => {
            Message::new(format!("`{first}` calls itself")).fact(names.join(" -> ") + " -> " + first)
        }
        [] => Message::new("an entry point calls itself"),
    };
    m.help("an entry point is unrolled where it is called; repeat with `for` or `repeat`")
}

pub fn calls_train(name: &str) -> Message {
    Message::new(format!("`{name}` is a `train fn` and cannot be called"))
        .help("it changes the weights; call what it calls")
}

pub fn foreign_entry(network: &str, entry: &str) -> Message {
    Message::new(format!(
        "`{entry}` of `{network}` cannot be called: `{network}` is declared by another `network!`"
    ))
    .help("only its main entry point is known there; call the net itself")
}

pub fn no_such_entry(network: &str, name: &str, entries: &[String]) -> Message {
    let m = Message::new(format!("`{network}` has no entry point `{name}`"));
    match nearest(name, entries.iter().map(String::as_str)) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None if entries.is_empty() => m.help("call the net itself"),
        None => m.help(format!("it has {}", ticked(entries.iter().map(String::as_str)))),
    }
}
