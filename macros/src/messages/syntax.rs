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

/// `x[:, 0]`
pub fn colon_in_index() -> Message {
    Message::new("a range is written with `..`, not `:`")
        .help("a whole axis is `..`, as in `x[.., 0]`; others are `x[1..3]`, `x[2..]` and `x[.. step 2]`")
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
        "and" | "&" => m.help(format!("write `{left} && ..`")),
        _ => m.help(format!("write `{left} || ..`")),
    }
}

/// `fn decode<S>(..) -> .. where P + S <= T`
pub fn where_of_entry(name: &str) -> Message {
    Message::new(format!("`{name}` cannot have a `where` of its own")).help(
        "promises stand in the header of the network, `Name<B, S, T = 64> where S <= T { .. }`; the run-time dimensions in them are declared there too, and each holds for the entry points that have its dimensions",
    )
}

/// `for i in 0..4`
pub fn for_over_numbers(name: &str) -> Message {
    Message::new("`for` goes through an array of nets")
        .help(format!("to repeat a block N times, write `repeat {name} in 0..N {{ .. }}`"))
}

/// `for (a, b) in c`
pub fn zipped_loop(names: usize) -> Message {
    Message::new(format!("expected {names} array{} of nets", if names == 1 { "" } else { "s" }))
        .help("as many as there are names: `for (conv, norm) in (convs, norms) { .. }`")
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
        .help("choose another name")
}

pub fn reserved_name(word: &str) -> Message {
    Message::new(format!("`{word}` cannot be a name: `__tancho` is reserved for the emitted code"))
}

pub fn not_yet(what: &str) -> Message {
    Message::new(format!("{what} is not supported yet"))
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
    m.help(format!("`{of}.t` swaps the last two axes; everything else is a call, `f({of})`"))
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
