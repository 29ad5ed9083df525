//! Messages about mixtures of experts.

use crate::errors::Message;
use tancho_ir::infer::show_type;
use tancho_ir::{Facts, Type};

/// How a mixture is written.
const EXAMPLE: &str = "`let (share, ids) = topk(softmax(gate(x), over = EXPERTS), k = 2, over = EXPERTS);`, then `experts[ids](x)`";

/// `experts[share](x)`
pub fn expert_ids(name: &str, ty: &Type, facts: &Facts) -> Message {
    Message::new(format!("experts are chosen by i32 ids, but `{name}` is {}", show_type(ty, facts)))
        .help(format!("`topk` and `argmax` give ids: {EXAMPLE}"))
}

/// The leading axes of the ids are not those of an input.
pub fn expert_axes(ids: (&str, &Type), input: (&str, &Type), row: usize, facts: &Facts) -> Message {
    let axes = if row == 1 { "its last axis".to_string() } else { format!("its last {row} axes") };
    Message::new(format!("`{}` does not choose experts for the rows of `{}`", ids.0, input.0))
        .fact(format!("`{}` is {}", ids.0, show_type(ids.1, facts)))
        .fact(format!("`{}` is {}, of which a row is {axes}", input.0, show_type(input.1, facts)))
        .help("the ids have the axes before a row, and may have one more: several experts for each row")
}

/// Experts of another macro call.
pub fn foreign_experts(array: &str, network: &str) -> Message {
    Message::new(format!(
        "`{array}` cannot be called by ids: what `{network}` makes of a row is not known here"
    ))
    .help(format!("declare `{network}` in the same `network!`"))
}

/// An array whose dims follow the number of the net.
pub fn unlike_experts(array: &str) -> Message {
    Message::new(format!(
        "the nets of `{array}` have dims that follow their number `i`, so they cannot be called by ids"
    ))
    .help("experts differ in their weights alone")
}

/// A network with states as an expert.
pub fn states_in_experts(network: &str) -> Message {
    Message::new(format!("`{network}` keeps states, so it cannot be an expert"))
        .help("an expert is given other rows in each call: keep the state outside, and hand it to the experts as an input")
}

/// A network whose inputs have no rows.
pub fn expert_without_rows(network: &str) -> Message {
    Message::new(format!(
        "`{network}` cannot be an expert: the first axis of each input is the rows it is given"
    ))
    .help("declare its inputs with leading axes, as in `(x: [.., D]) -> [.., D]`")
}

/// A network that does not give a row for each row.
pub fn expert_results(network: &str, types: &[Type], facts: &Facts) -> Message {
    let shown: Vec<String> = types.iter().map(|t| show_type(t, facts)).collect();
    Message::new(format!(
        "`{network}` cannot be an expert: an expert gives one value, with a row for each of its rows"
    ))
    .fact(format!("for [rows, ..] it gives {}", shown.join(", ")))
}
