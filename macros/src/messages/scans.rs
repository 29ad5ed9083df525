//! Messages about loops along an axis.

use crate::errors::Message;
use tancho_ir::infer::show_type;
use tancho_ir::{Dim, Facts, Type};

/// How a scan is written.
const EXAMPLE: &str = "`let y = scan x_t in x over S { h = cell(x_t, h); h };`";

/// `scan x in xs { .. }`
pub fn scan_without_axis(text: &str) -> Message {
    Message::new("a `scan` says which axis it goes along")
        .help(format!("write `{text} over S {{ .. }}`, with the name of a dimension or an integer"))
}

/// `scan t in 0..S { .. }`
pub fn scan_of_numbers() -> Message {
    Message::new("a `scan` goes through the elements of a value")
        .help("numbers are a value too: `scan t in arange(S) over S { .. }`")
}

/// `scan (a, b) in x over S { .. }`
pub fn scan_names(names: usize, sequences: usize) -> Message {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    Message::new(format!(
        "this `scan` has {names} name{} for the elements of {sequences} value{}",
        plural(names),
        plural(sequences)
    ))
    .help("as many values as names: `scan (x_t, g_t) in (x, g) over S { .. }`")
}

/// The sequences of a scan have other lengths, or the axis stands at another place.
pub fn unequal_sequences(first: (&str, &Type), other: (&str, &Type), facts: &Facts) -> Message {
    Message::new("the values that a `scan` goes through have their axis at one place, with one length")
        .fact(format!("`{}` is {}", first.0, show_type(first.1, facts)))
        .fact(format!("`{}` is {}", other.0, show_type(other.1, facts)))
}

/// A net or weight in a scan.
pub fn item_in_scan() -> Message {
    Message::new("nothing is declared in a `scan`")
        .help("declare it before the `scan`: all iterations use the same weights and states")
}

/// A scan that gives nothing and changes nothing.
pub fn idle_scan(text: &str) -> Message {
    Message::new(format!("`{text}` gives nothing and changes nothing")).help(format!(
        "end it with what an iteration gives, or assign to a `let mut` from before it: {EXAMPLE}"
    ))
}

/// What an iteration gives has too few axes to be stacked where the axis of the sequences is.
pub fn stacked_axis(sequence: &str, ty: &Type, given: &Type, facts: &Facts) -> Message {
    Message::new(
        "what an iteration gives cannot be stacked along the axis of the `scan`, which keeps its place",
    )
    .fact(format!("`{sequence}` is {}", show_type(ty, facts)))
    .fact(format!("an iteration gives {}", show_type(given, facts)))
    .help("reshape it, so that it has the axes before that one")
}

/// `repeat t in 0..S`
pub fn run_time_loop(end: &Dim, run: &str) -> Message {
    let which = if end.as_sym().is_some() { String::new() } else { format!(", on which {end} depends") };
    Message::new(format!(
        "`repeat` is unrolled when the graph is built, but `{run}` is a run-time dimension{which}"
    ))
    .help(format!(
        "give `{run}` a default, `{run} = 4`, or loop along an axis: `scan x_t in x over {run} {{ .. }}`"
    ))
}

/// A net with states in a scan.
pub fn states_in_scan(net: &str) -> Message {
    Message::new(format!("`{net}` keeps states, so that a `scan` cannot call it"))
        .help("declare the state before the `scan`, and hand it on: `h = cell(x_t, h);`")
}

/// `keys.push(x)` in a scan.
pub fn pushed_in_scan(state: &str) -> Message {
    Message::new(format!("`{state}` is pushed to in a `scan`")).help(format!(
        "a state is pushed to once a call: let the `scan` give the rows, and push all of them, `{state}.push(rows)`"
    ))
}

/// `for x in xs over S`
pub fn for_over_axis(text: &str) -> Message {
    Message::new("`for` goes through an array of nets")
        .help(format!("a loop along an axis is `scan {text} {{ .. }}`"))
}
