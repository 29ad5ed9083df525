//! What does not parse.

use super::*;

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

/// A signature without `->`.
pub fn result_expected() -> Message {
    Message::new("expected `->` and the type of the result")
        .help("for example `(x: [B, D]) -> [B, D]`; several are `-> ([B, D], [B])`")
}

/// `D: 8`
pub fn bound_expected(dim: &str, text: &str) -> Message {
    Message::new(format!("expected `..=` before the bound of `{dim}`")).help(format!(
        "`{dim}: ..={text}` is a run-time dimension of at most {text}, `{dim} = {text}` a static one"
    ))
}

/// `state h: [B] = zeros;`
pub fn state_begins() -> Message {
    Message::new("a state starts as zeros, and has no other beginning")
        .help("leave `= ..` out; an entry point may set it, `h = ..;`")
}

/// `fn decode<S>(..) -> .. where P + S <= T`
pub fn where_of_entry(name: &str) -> Message {
    Message::new(format!("`{name}` cannot have a `where` of its own")).help(
        "promises stand in the header of the network, `Name<B, S, T = 64> where S <= T { .. }`; the run-time dimensions in them are declared there too, and each holds for the entry points that have its dimensions",
    )
}

/// `for (a, b) in c`
pub fn zipped_loop(names: usize) -> Message {
    Message::new(format!("expected {names} array{} of nets", if names == 1 { "" } else { "s" }))
        .help("as many as there are names: `for (conv, norm) in (convs, norms) { .. }`")
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

pub fn too_deep(levels: usize) -> Message {
    Message::new(format!("nested too deeply: more than {levels} levels")).help("name a part of it with `let`")
}

pub fn keyword_as_name(word: &str) -> Message {
    Message::new(format!("`{word}` cannot be a name here: it is a keyword of Rust"))
        .help(format!("choose another name, such as `{}_`", word.trim_start_matches("r#")))
}

pub fn reserved_name(word: &str) -> Message {
    Message::new(format!("`{word}` cannot be a name: `__tancho` is reserved for the emitted code"))
}

pub fn not_yet(what: &str) -> Message {
    Message::new(format!("{what} is not supported yet"))
        .help("draw the numbers in Rust, and give them as an input: `noise: [B, D]`")
}

pub fn misplaced_attribute(name: &str, belongs: &str) -> Message {
    Message::new(format!("`#[{name}]` belongs before {belongs}"))
}

pub fn unknown_attribute(name: &str) -> Message {
    let m = Message::new(format!("unknown attribute `{name}`"));
    match nearest(name, ["weights", "unused_weights", "frozen", "no_decay", "doc"]) {
        Some(n) => m.help(format!("did you mean `{n}`?")),
        None => m.help("there are `weights`, `frozen`, `no_decay`, `unused_weights` and doc comments"),
    }
}

pub fn foreign_attribute(name: &str) -> Message {
    Message::new(format!("`#[{name}]` has no meaning in `network!`")).help(if name.starts_with("cfg") {
        "put it before the whole `network! { .. }`; inside, `if` chooses by options and dimensions"
    } else {
        "leave it out"
    })
}

pub fn weights_attribute() -> Message {
    Message::new("`weights` takes the path of the weights in a file")
        .help("for example `#[weights(\"encoder.fc1\")]`; `transposed` and `rows = a..b` may follow the path")
}

/// `#[weights(encoder.fc1)]`
pub fn unquoted_path(path: &str) -> Message {
    Message::new("the path of `weights` stands in quotes").help(format!("write `#[weights(\"{path}\")]`"))
}

pub fn empty_tuple() -> Message {
    Message::new("expected something between `(` and `)`")
}

pub fn empty_index() -> Message {
    Message::new("expected an index between `[` and `]`")
        .help("for example `x[0]`, `x[S = -1]`, `x[0..S]` or `table[ids]`")
}

pub fn open_axes_first() -> Message {
    Message::new("`..` stands first in a type, shape or pattern").help("write `[.., D]`")
}

/// `left % by == rest`
pub fn remainder_not_zero(left: &str, by: &str, rest: &str) -> Message {
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let left = if plain(left) { left.to_string() } else { format!("({left})") };
    let rest = if plain(rest) { rest.to_string() } else { format!("({rest})") };
    Message::new("a remainder can only be compared with 0")
        .help(format!("the rest goes to the left: `where ({left} - {rest}) % {by} == 0`"))
}

pub fn path_is_no_value(path: &str) -> Message {
    Message::new(format!("`{path}` is no value"))
        .help(format!("a network of another module is used through a net: `net name: {path};`"))
}

pub fn if_without_else() -> Message {
    Message::new("`if` needs an `else`")
        .help("both branches give a value of one shape; `else { x }` gives `x` as it is")
}

pub fn bad_number(text: &str, why: &str) -> Message {
    Message::new(format!("`{text}` is no number here: {why}"))
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
