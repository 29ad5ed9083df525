//! The text form of a graph: what `ir()` prints, and the parser that reads it back.
//!
//! ```text
//! network Mlp<B, S <= 512>
//! where P + S <= 1024
//! input x: f32[B, 768]
//! weight "up.weight": f32[3072, 768] = xavier
//! state "keys": f32[B, P, 64] grow axis 1 = %7
//! %0: f32[B, 768] = input(index = 0) as "x"
//! %1: f32[3072, 768] = weight(index = 0) as "up.weight"
//! %2: f32[B, 3072] = linear(%0, %1) // "up(x)" "src/main.rs":9:20 "mlp.up"
//! return %2
//! ```
//!
//! One line is one op: its value, the type of its result, the op with its
//! arguments and options, the user's name, then source text, place and scope.

use crate::dim::Dim;
use crate::graph::*;
use crate::op::Op;
use crate::table::{Attr, Call, Kind, attrs_of, lookup, make, name_of, present_params, row_of};
use crate::types::{DType, Type};
use std::fmt;

/// Why a text is no graph, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for TextError {}

/// Prints an op with its arguments, without the value it defines.
pub fn print_op(f: &mut dyn fmt::Write, op: &Op, args: &[Value]) -> fmt::Result {
    let row = row_of(op);
    write!(f, "{}(", name_of(op))?;
    let mut sep = "";
    for (name, v) in present_params(op, args.len()).iter().zip(args) {
        let positional = row.variadic || row.params.iter().any(|p| p.name == *name && !p.optional);
        if positional {
            write!(f, "{sep}{v}")?
        } else {
            write!(f, "{sep}{name} = {v}")?
        }
        sep = ", ";
    }
    for (name, a) in attrs_of(op) {
        write!(f, "{sep}{name} = {a}")?;
        sep = ", ";
    }
    write!(f, ")")
}

/// Prints one node's line.
pub fn print_node(f: &mut dyn fmt::Write, v: Value, n: &Node) -> fmt::Result {
    write!(f, "{v}: {} = ", n.ty)?;
    print_op(f, &n.op, &n.args)?;
    if let Some(name) = &n.name {
        write!(f, " as {name:?}")?;
    }
    if n.source != Source::default() {
        let s = &n.source;
        write!(f, " // {:?} {:?}:{}:{}", s.text, s.file, s.line, s.column)?;
        if !s.scope.is_empty() {
            write!(f, " {:?}", s.scope)?;
        }
    }
    Ok(())
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self
            .dims
            .iter()
            .map(|d| match d.bound {
                Some(b) => format!("{} <= {b}", d.name),
                None => d.name.clone(),
            })
            .collect();
        let dot = if self.entry.is_empty() { "" } else { "." };
        writeln!(f, "network {}{dot}{}<{}>", self.name, self.entry, dims.join(", "))?;
        for c in &self.constraints {
            writeln!(f, "where {c}")?;
        }
        for u in &self.unused_weights {
            writeln!(f, "unused {u:?}")?;
        }
        for i in &self.inputs {
            writeln!(f, "input {}: {}", i.name, i.ty)?;
        }
        for w in &self.weights {
            write!(f, "weight {:?}: {} = {}", w.name, w.ty, w.init)?;
            let m = &w.marks;
            for (set, word) in [(m.buffer, "buffer"), (m.frozen, "frozen"), (m.no_decay, "no_decay")] {
                if set {
                    write!(f, ", {word}")?;
                }
            }
            if let Some(p) = &m.part {
                write!(f, ", part {p}")?;
            }
            writeln!(f)?;
        }
        for s in &self.states {
            write!(f, "state {:?}: {}", s.name, s.ty)?;
            if let Some(axis) = s.grows {
                write!(f, " grow axis {axis}")?;
            }
            if let Some(next) = s.next {
                write!(f, " = {next}")?;
            }
            writeln!(f)?;
        }
        for v in self.values() {
            print_node(f, v, self.node(v))?;
            writeln!(f)?;
        }
        let outputs: Vec<String> = self.outputs.iter().map(Value::to_string).collect();
        writeln!(f, "return {}", outputs.join(", "))
    }
}

/// Element type and axis texts of `i32[B, 4*D]`; without a type it is f32.
pub fn split_type(text: &str) -> Option<(DType, Vec<&str>)> {
    let text = text.trim();
    let open = text.find('[')?;
    let dtype = if open == 0 { DType::F32 } else { DType::from_name(text[..open].trim())? };
    let inner = text[open + 1..].strip_suffix(']')?;
    Some((dtype, split_commas(inner)))
}

/// The parts between commas that stand in no bracket or string; a trailing comma is allowed.
fn split_commas(s: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start, mut quoted, mut escaped) = (Vec::new(), 0i32, 0, false, false);
    for (i, c) in s.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(s[start..i].trim());
                start = i + 1;
            }
            _ => {}
        }
    }
    let last = s[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

fn parse_type(text: &str) -> Result<Type, String> {
    let (dtype, axes) = split_type(text).ok_or_else(|| format!("`{text}` is no type"))?;
    let shape = axes.iter().map(|a| Dim::parse(a).map_err(|e| e.to_string())).collect::<Result<_, _>>()?;
    Ok(Type { dtype, shape })
}

fn parse_attr(kind: Kind, text: &str) -> Option<Attr> {
    Some(match kind {
        Kind::Axis | Kind::Axes | Kind::Perm => {
            let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
            Attr::Axes(split_commas(inner).iter().map(|a| a.parse().ok()).collect::<Option<_>>()?)
        }
        Kind::Dim => Attr::Dim(Dim::parse(text).ok()?),
        Kind::Shape => {
            // In a network's body `..` stands for its leading axes.
            let dim = |a: &&str| if *a == ".." { Some(Dim::sym(a)) } else { Dim::parse(a).ok() };
            Attr::Dims(split_type(text)?.1.iter().map(dim).collect::<Option<_>>()?)
        }
        Kind::Pad | Kind::Ends if text == "same" => Attr::Word(text.into()),
        Kind::Pair | Kind::Pad | Kind::Ends if !text.starts_with('[') => {
            Attr::Dims(vec![Dim::parse(text).ok()?])
        }
        Kind::Pair | Kind::Pad | Kind::Ends => {
            Attr::Dims(split_type(text)?.1.iter().map(|a| Dim::parse(a).ok()).collect::<Option<_>>()?)
        }
        Kind::Float => Attr::Float(text.parse().ok()?),
        Kind::Int => Attr::Int(text.parse().ok()?),
        Kind::Bool => Attr::Bool(text.parse().ok()?),
        Kind::Word(_) => Attr::Word(text.into()),
    })
}

fn parse_option(op: &str, part: &str) -> Result<(&'static str, Attr), String> {
    let row = lookup(op).ok_or_else(|| format!("unknown operation `{op}`"))?;
    let (name, value) =
        part.split_once('=').ok_or_else(|| format!("expected `name = value`, found `{part}`"))?;
    let name = name.trim();
    let def = row
        .options
        .iter()
        .find(|o| o.name == name)
        .ok_or_else(|| format!("`{op}` has no option `{name}`"))?;
    let attr = parse_attr(def.kind, value.trim())
        .ok_or_else(|| format!("`{name}` takes {}", def.kind.describe()))?;
    Ok((def.name, attr))
}

/// Reads `over = (1,), eps = 1e-5` by the kinds in the op's row.
pub fn parse_options(op: &str, text: &str) -> Result<Vec<(&'static str, Attr)>, String> {
    split_commas(text).iter().map(|p| parse_option(op, p)).collect()
}

/// A quoted string as `{:?}` prints it, and what follows it.
fn quoted(s: &str) -> Result<(String, &str), String> {
    let body = s.strip_prefix('"').ok_or_else(|| format!("expected a quoted string, found `{s}`"))?;
    let mut out = String::new();
    let mut chars = body.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &body[i + 1..])),
            '\\' => match chars.next().map(|(_, c)| c) {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('0') => out.push('\0'),
                Some('u') => {
                    let digits: String =
                        chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                    let c = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    out.push(c.ok_or_else(|| format!("bad escape in `{s}`"))?);
                }
                Some(c) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    Err(format!("unclosed string in `{s}`"))
}

fn parse_value(s: &str, defined: usize) -> Result<Value, String> {
    let n: u32 = s
        .trim()
        .strip_prefix('%')
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| format!("expected a value `%n`, found `{s}`"))?;
    if (n as usize) < defined { Ok(Value(n)) } else { Err(format!("%{n} is used before it is defined")) }
}

fn parse_init(s: &str) -> Option<Init> {
    let nums = |rest: &str| -> Option<Vec<f64>> {
        split_commas(rest.strip_suffix(')')?).iter().map(|x| x.parse().ok()).collect()
    };
    Some(match s {
        "zeros" => Init::Zeros,
        "ones" => Init::Ones,
        "xavier" => Init::Xavier,
        _ if s.starts_with("normal(") => Init::Normal(*nums(&s[7..])?.first()?),
        _ => match nums(s.strip_prefix("uniform(")?)?.as_slice() {
            [a, b] => Init::Uniform(*a, *b),
            _ => return None,
        },
    })
}

fn parse_constraint(s: &str) -> Result<Constraint, String> {
    let dim = |t: &str| Dim::parse(t.trim()).map_err(|e| e.to_string());
    if let Some((l, r)) = s.split_once('%') {
        let r = r.trim().strip_suffix("== 0").ok_or("expected `p % c == 0`")?;
        return Ok(Constraint { left: dim(l)?, relation: Relation::Multiple, right: dim(r)? });
    }
    for (sign, relation) in [("==", Relation::Equal), ("<=", Relation::AtMost), ("<", Relation::Less)] {
        if let Some((l, r)) = s.split_once(sign) {
            return Ok(Constraint { left: dim(l)?, relation, right: dim(r)? });
        }
    }
    Err(format!("`{s}` is no relation"))
}

impl Graph {
    /// Reads the text form. The result passes the [verifier](crate::verify).
    ///
    /// # Errors
    /// The line and what is wrong in it.
    pub fn parse(text: &str) -> Result<Graph, TextError> {
        let mut g = Graph::default();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            g.parse_line(line).map_err(|message| TextError { line: i + 1, message })?;
        }
        let sound = crate::verify::verify(&g).and_then(|()| crate::verify::interface(&g));
        sound.map_err(|message| TextError { line: text.lines().count(), message })?;
        Ok(g)
    }

    fn parse_line(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with('%') {
            return self.parse_node(line);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "network" => {
                let (name, dims) = rest.split_once('<').ok_or("expected `network Name<dims>`")?;
                let (name, entry) = name.split_once('.').unwrap_or((name, ""));
                (self.name, self.entry) = (name.into(), entry.into());
                for d in split_commas(dims.strip_suffix('>').ok_or("expected `>`")?) {
                    let (name, bound) = match d.split_once("<=") {
                        Some((n, b)) => {
                            (n.trim(), Some(b.trim().parse().map_err(|_| format!("`{b}` is no bound"))?))
                        }
                        None => (d, None),
                    };
                    self.dims.push(RunDim { name: name.into(), bound });
                }
            }
            "where" => self.constraints.push(parse_constraint(rest)?),
            "unused" => self.unused_weights.push(quoted(rest)?.0),
            "input" => {
                let (name, ty) = rest.split_once(':').ok_or("expected `input name: type`")?;
                self.inputs.push(InputDecl { name: name.trim().into(), ty: parse_type(ty)? });
            }
            "weight" => {
                let (name, rest) = quoted(rest)?;
                let (ty, init) = rest
                    .strip_prefix(':')
                    .and_then(|r| r.rsplit_once(" = "))
                    .ok_or("expected `: type = init`")?;
                let mut words = split_commas(init).into_iter();
                let init = words.next().unwrap_or_default();
                let init = parse_init(init).ok_or_else(|| format!("`{init}` is no initialiser"))?;
                let mut decl = WeightDecl::new(name, parse_type(ty)?, init);
                words.try_for_each(|w| {
                    parse_mark(&mut decl.marks, w).ok_or_else(|| format!("`{w}` is said of no weight"))
                })?;
                self.weights.push(decl);
            }
            "state" => {
                let (name, rest) = quoted(rest)?;
                let rest = rest.strip_prefix(':').ok_or("expected `: type`")?;
                let (rest, next) = match rest.split_once(" = ") {
                    // What the state becomes is checked when all is read.
                    Some((rest, v)) => (rest, Some(parse_value(v, u32::MAX as usize)?)),
                    None => (rest, None),
                };
                let (ty, grows) = match rest.split_once(" grow axis ") {
                    Some((ty, axis)) => {
                        (ty, Some(axis.trim().parse().map_err(|_| format!("`{axis}` is no axis"))?))
                    }
                    None => (rest, None),
                };
                self.states.push(StateDecl { name, ty: parse_type(ty)?, grows, next });
            }
            "return" => {
                let defined = self.nodes.len();
                self.outputs =
                    split_commas(rest).iter().map(|v| parse_value(v, defined)).collect::<Result<_, _>>()?;
            }
            _ => return Err(format!("expected a declaration, a value or `return`, found `{word}`")),
        }
        Ok(())
    }

    fn parse_node(&mut self, line: &str) -> Result<(), String> {
        let here = self.nodes.len();
        let (value, rest) = line.split_once(':').ok_or("expected `%n: type = op(..)`")?;
        if value != format!("%{here}") {
            return Err(format!("expected %{here}, found {value}: values are numbered in order"));
        }
        let (ty, rest) = rest.split_once(" = ").ok_or("expected `= op(..)`")?;
        let ty = parse_type(ty)?;
        let (op, rest) = rest.split_once('(').ok_or("expected `op(..)`")?;
        let row = lookup(op).ok_or_else(|| format!("unknown operation `{op}`"))?;
        let close = closing(rest).ok_or("unclosed `(`")?;
        let (inner, mut rest) = (&rest[..close], rest[close + 1..].trim());
        let (mut given, mut args, mut options) = (Vec::new(), Vec::new(), Vec::new());
        for part in split_commas(inner) {
            if part.starts_with('%') {
                let name = match row.params.get(args.len()) {
                    Some(p) => p.name,
                    None if row.variadic => "b",
                    None => return Err(format!("`{op}` takes {} tensors", row.params.len())),
                };
                given.push(name);
                args.push(parse_value(part, here)?);
            } else if let Some((name, v)) = part.split_once(" = %") {
                let p = row
                    .params
                    .iter()
                    .find(|p| p.name == name)
                    .ok_or_else(|| format!("`{op}` has no parameter `{name}`"))?;
                given.push(p.name);
                args.push(parse_value(&format!("%{v}"), here)?);
            } else {
                options.push(parse_option(op, part)?);
            }
        }
        let op = make(op, &Call { given, options }).map_err(|e| e.to_string())?;
        let mut name = None;
        if let Some(r) = rest.strip_prefix("as ") {
            let (n, r) = quoted(r)?;
            name = Some(n);
            rest = r.trim();
        }
        let mut source = Source::default();
        if let Some(r) = rest.strip_prefix("// ") {
            let (text, r) = quoted(r)?;
            let (file, r) = quoted(r.trim())?;
            let (place, scope) = r.split_once(' ').unwrap_or((r, ""));
            let mut nums = place
                .split(':')
                .skip(1)
                .map(|n| n.parse::<u32>().map_err(|_| format!("`{place}` is no place")));
            let line = nums.next().ok_or("a line number is missing")??;
            let column = nums.next().ok_or("a column number is missing")??;
            let scope = if scope.is_empty() { String::new() } else { quoted(scope)?.0 };
            source = Source { text: text.into(), file: file.into(), line, column, scope: scope.into() };
        } else if !rest.is_empty() {
            return Err(format!("expected the end of the line, found `{rest}`"));
        }
        self.nodes.push(Node { op, args, ty, name, source });
        Ok(())
    }
}

fn parse_mark(marks: &mut Marks, word: &str) -> Option<()> {
    match word {
        "buffer" => marks.buffer = true,
        "frozen" => marks.frozen = true,
        "no_decay" => marks.no_decay = true,
        _ => {
            let inner = word.strip_prefix("part [")?.strip_suffix(']')?;
            let (range, axis) = inner.strip_prefix(":, ").map_or((inner, 0), |r| (r, 1));
            let (start, end) = range.split_once("..")?;
            marks.part = Some(Part { axis, start: start.parse().ok()?, end: end.parse().ok()? });
        }
    }
    Some(())
}

/// The index of the `)` that closes what was opened before `s`.
fn closing(s: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in s.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' if depth == 0 => return Some(i),
            ')' | ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_prints() {
        let text = r#"network Mlp<B, S <= 512>
where B % 2 == 0
unused "pooler.*"
input x: f32[B, S, 8]
input keep: bool[B, S]
weight "a\"b": f32[8] = normal(0.02)
weight "w": f32[16, 8] = uniform(-1.0, 1.0), frozen, no_decay
weight "v[:, 8..16]": f32[4, 8] = zeros, buffer, part [:, 8..16]
%0: f32[B, S, 8] = input(index = 0) as "x" // "x" "src/a.rs":3:4 "layers.0"
%1: bool[B, S] = input(index = 1)
%2: f32[8] = weight(index = 0)
%3: f32[16, 8] = weight(index = 1)
%4: f32[B, S, 8] = layer_norm(%0, gain = %2, over = (2,), eps = 1e-12, eps_on = std)
%5: f32[B, S, 16] = linear(%4, %3)
%6: f32[B, 16] = mean(%5, where = %1, over = (1,), keep = false)
%7: f32[B, 32] = concat(%6, %6, axis = (1,))
%8: f32[] = const(f32 = 0.5)
%9: f32[B, 32] = mul(%7, %8)
%10: f32[B, 2, 16] = reshape(%9, shape = [B, 2, 16])
return %10, %4
"#;
        let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(g.to_string(), text);
        assert_eq!(Graph::parse(&g.to_string()).as_ref(), Ok(&g));
    }

    #[test]
    fn says_which_line_is_wrong() {
        for (text, line, part) in [
            ("network A<>\n%0: f32[] = nothing()", 2, "unknown operation `nothing`"),
            ("network A<>\n%0: f32[] = neg(%0)", 2, "before it is defined"),
            ("network A<>\ninput x: f32[2]\n%0: f32[3] = input(index = 0)\nreturn %0", 4, "f32[3]"),
            ("network A<>\n%1: f32[] = const(f32 = 1.0)", 2, "numbered in order"),
            ("bogus", 1, "expected a declaration"),
        ] {
            let e = Graph::parse(text).expect_err(text);
            assert!(e.line == line && e.message.contains(part), "{e}");
        }
    }

    /// What no shape could be read back with, or nothing could be run with, is no graph.
    #[test]
    fn declarations_that_mean_nothing_are_refused() {
        let grows = |dims: &str| {
            format!(
                "network A<B, {dims}>\ninput x: f32[B, 2]\nstate \"s\": f32[P, 2] grow axis 0 = %2\n%0: f32[B, 2] = input(index = 0)\n\
                 %1: f32[P, 2] = state(index = 0)\n%2: f32[B + P, 2] = push(%1, %0, axis = (0,))\nreturn %2"
            )
        };
        let plain = |head: &str| format!("{head}\n%0: f32[] = const(f32 = 1.0)\nreturn %0");
        assert_eq!(Graph::parse(&grows("P <= 1")).err(), None);
        for (text, part) in [
            (grows("P <= 0"), "grows along `P`, which is at most 0: there is no room for a row"),
            (grows("P <= -1"), "dim `P` is at most -1"),
            (grows("P"), "no bounded dim"),
            (plain("network A<H, ,W>"), "`` is no name of a dim"),
            (plain("network A<H W>"), "`H W` is no name of a dim"),
            (plain("network A<2H>"), "`2H` is no name of a dim"),
            (plain("network A<H + 1>"), "`H + 1` is no name of a dim"),
            (plain("network A<\"H\">"), "is no name of a dim"),
            (plain("network A<.., D>"), "`..` is no name of a dim"),
            (plain("network A<S <= -3>"), "dim `S` is at most -3"),
            (plain("network A<H, H>"), "two dims are called `H`"),
            (plain("network A<H>\ninput a b: f32[H]"), "`a b` is no name of an input"),
            (plain("network A<H>\ninput : f32[H]"), "`` is no name of an input"),
            (plain("network A<H>\ninput x: f32[-3]"), "has an axis of -3"),
            (plain("network A<H>\nwhere Q <= 5"), "`where Q <= 5` uses `Q`, which is no dim"),
            (plain("network A<>\nweight \"w\": f32[-1] = ones"), "has an axis of -1"),
            (plain("network A<>\nweight \"w\": f32[2] = normal(NaN)"), "no range of f32 numbers"),
            (plain("network A<>\nweight \"w\": f32[2] = normal(-1)"), "no range of f32 numbers"),
            (plain("network A<>\nweight \"w\": f32[2] = uniform(2, 1)"), "no range of f32 numbers"),
            (plain("network A<>\nweight \"w\": f32[2] = uniform(0, 1e39)"), "no range of f32 numbers"),
            (plain("network A<>\nweight \"w\": f32[2] = ones, part [5..3]"), "ends before it begins"),
            (
                "network A<>\n%0: f32[] = dim(of = Q)\nreturn %0".into(),
                "`of` of %0 uses `Q`, which is no dim",
            ),
            ("network A<>\n%0: f32[] = const(f32 = 1e39)\nreturn %0".into(), "which no f32 can be"),
        ] {
            let e = Graph::parse(&text).expect_err(&text);
            assert!(e.message.contains(part), "{e}\n{text}");
        }
    }

    /// A signal is padded before and behind, and its window has no rows.
    #[test]
    fn signals_take_two_paddings() {
        let text = |pad: &str, out: &str| {
            format!(
                "network A<L>\ninput x: f32[1, 1, L]\nweight \"w\": f32[1, 1, 3] = ones\n%0: f32[1, 1, L] = input(index = 0)\n\
                 %1: f32[1, 1, 3] = weight(index = 0)\n%2: f32[1, 1, {out}] = conv1d(%0, %1, pad = {pad})\nreturn %2"
            )
        };
        for (pad, out, printed) in [
            ("1", "L", "pad = [1, 1]"),
            ("[3]", "L + 4", "pad = [3, 3]"),
            ("[2, 0]", "L", "pad = [2, 0]"),
            ("[0, 3]", "L + 1", "pad = [0, 3]"),
            ("same", "L", "pad = same"),
        ] {
            let g = Graph::parse(&text(pad, out)).unwrap_or_else(|e| panic!("{pad}: {e}"));
            assert!(g.to_string().contains(printed), "{g}");
            assert_eq!(Graph::parse(&g.to_string()), Ok(g));
        }
        for pad in ["[0, 0, 2, 0]", "[1, 1, 1]", "[]", "[-1, 3]"] {
            let e = Graph::parse(&text(pad, "L")).expect_err(pad);
            assert!(e.message.contains("`pad`"), "{pad}: {e}");
        }
        // Made by hand, since no text has them: rows around a signal.
        let mut g = Graph::parse(&text("[1, 1]", "L")).expect("a graph");
        if let Op::Conv1d { window, .. } = &mut g.nodes[2].op {
            window.stride[0] = Dim::constant(2);
        }
        assert!(crate::verify::verify(&g).is_err_and(|e| e.contains("its window has rows")));
    }

    /// What is given and taken can be seen as tensors; inner values may have more axes.
    #[test]
    fn inputs_and_results_have_few_axes() {
        let nine = "1, 1, 1, 1, 1, 1, 1, 1, 2";
        let result = format!(
            "network A<>\ninput x: f32[2]\n%0: f32[2] = input(index = 0)\n%1: f32[{nine}] = reshape(%0, shape = [{nine}])\n"
        );
        let e = Graph::parse(&format!("{result}return %1")).expect_err("nine axes");
        assert!(
            e.message.contains("result 0") && e.message.contains("9 axes: inputs and results have at most 8"),
            "{e}"
        );
        assert!(Graph::parse(&format!("{result}%2: f32[2] = reshape(%1, shape = [2])\nreturn %2")).is_ok());
        let input = format!(
            "network A<>\ninput x: f32[{nine}]\n%0: f32[{nine}] = input(index = 0)\n%1: f32[2] = reshape(%0, shape = [2])\nreturn %1"
        );
        assert!(Graph::parse(&input).is_err_and(|e| e.message.contains("input `x`")));
    }
}
