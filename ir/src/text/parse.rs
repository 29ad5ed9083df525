//! Reading, line by line.

use super::TextError;
use super::declare::{parse_constant, parse_constraint, parse_input, parse_state, parse_weight};
use super::lines::Lines;
use crate::dim::Dim;
use crate::fault::Fault;
use crate::graph::*;
use crate::op::Op;
use crate::table::{Attr, Call, lookup, make};
use crate::types::{DType, Type};
use crate::types::{split_commas, split_element_type, split_type};

/// Bodies inside of bodies: each is a call of the reader, and the stack is finite.
const MOST_BODIES: usize = 16;

pub fn parse_type(text: &str) -> Result<Type, String> {
    let (dtype, axes) = split_type(text).ok_or_else(|| match split_element_type(text) {
        Some((element, _)) => format!("`{text}` is no type of a value: inputs alone are given as {element}"),
        None => {
            let words: Vec<String> = DType::ALL.iter().map(|d| format!("`{}`", d.name())).collect();
            format!("`{}` is no type: expected one such as `f32[B, 4]`, of {}", text.trim(), words.join(", "))
        }
    })?;
    Ok(Type { dtype, shape: parse_axes(&axes)? })
}

pub fn parse_axes(axes: &[&str]) -> Result<Vec<Dim>, String> {
    axes.iter().map(|a| Dim::parse(a).map_err(|e| e.to_string())).collect()
}

fn parse_option(op: &str, part: &str) -> Result<(&'static str, Attr), String> {
    let row = lookup(op).ok_or_else(|| format!("unknown operation `{op}`"))?;
    let (name, value) = part
        .split_once('=')
        .ok_or_else(|| format!("expected a value `%n` or an option `name = value`, found `{part}`"))?;
    let name = name.trim();
    let def = row
        .options
        .iter()
        .find(|o| o.name == name)
        .ok_or_else(|| format!("`{op}` has no option `{name}`"))?;
    let attr =
        def.kind.parse(value.trim()).ok_or_else(|| format!("`{name}` takes {}", def.kind.describe()))?;
    Ok((def.name, attr))
}

/// A quoted string as `{:?}` prints it, and what follows it.
pub fn quoted(s: &str) -> Result<(String, &str), String> {
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

pub fn parse_value(s: &str, defined: usize) -> Result<Value, String> {
    let n: u32 = s
        .trim()
        .strip_prefix('%')
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| format!("expected a value `%n`, found `{s}`"))?;
    if (n as usize) < defined { Ok(Value(n)) } else { Err(format!("%{n} is used before it is defined")) }
}

/// Reads `op(%0, gain = %1, over = (2,))` on values before `%defined`; gives what follows it, too.
pub(crate) fn parse_op(text: &str, defined: usize) -> Result<(Op, Vec<Value>, &str), String> {
    let (op, rest) = text.split_once('(').ok_or("expected `op(..)`")?;
    let row = lookup(op).ok_or_else(|| format!("unknown operation `{op}`"))?;
    let close = closing(rest).ok_or("unclosed `(`")?;
    let (inner, rest) = (&rest[..close], rest[close + 1..].trim());
    let (mut given, mut args, mut options) = (Vec::new(), Vec::new(), Vec::new());
    for part in split_commas(inner) {
        if part.starts_with('%') {
            let name = match row.params.get(args.len()) {
                Some(p) => p.name,
                None if row.variadic => "b",
                None => {
                    let n = row.params.len();
                    return Err(format!(
                        "`{op}` takes {n} tensor{}, not more",
                        if n == 1 { "" } else { "s" }
                    ));
                }
            };
            given.push(name);
            args.push(parse_value(part, defined)?);
        } else if let Some((name, v)) = part.split_once(" = %") {
            let p = row
                .params
                .iter()
                .find(|p| p.name == name)
                .ok_or_else(|| format!("`{op}` has no parameter `{name}`"))?;
            given.push(p.name);
            args.push(parse_value(&format!("%{v}"), defined)?);
        } else {
            options.push(parse_option(op, part)?);
        }
    }
    let op = make(op, &Call { given, options }).map_err(|e| format!("`{op}`: {e}"))?;
    Ok((op, args, rest))
}

impl Graph {
    /// Reads the text form. The result passes the [verifier](crate::verify).
    ///
    /// # Errors
    /// The line and what is wrong in it.
    pub fn parse(text: &str) -> Result<Graph, TextError> {
        let mut g = Graph::default();
        let mut read = Lines::default();
        g.parse_lines(&mut text.lines().enumerate(), &mut read, 0)?;
        if g.outputs.is_empty() {
            let message = "expected the results, as in `return %0`".into();
            return Err(TextError { line: text.lines().count().max(1), message });
        }
        let sound = crate::verify::find_fault(&g);
        let sound = sound.and_then(|()| crate::verify::interface(&g).map_err(Fault::from));
        sound.map_err(|fault| TextError { line: read.of(&fault), message: fault.message })?;
        Ok(g)
    }

    /// Reads up to the end; inside of bodies, up to the `}` of the innermost. Notes in `read` which lines
    /// the parts are from.
    fn parse_lines(
        &mut self,
        lines: &mut dyn Iterator<Item = (usize, &str)>,
        read: &mut Lines,
        depth: usize,
    ) -> Result<(), TextError> {
        let mut last = 0;
        while let Some((i, line)) = lines.next() {
            let fail = |message: String| TextError { line: i + 1, message };
            let line = line.trim();
            last = i + 1;
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            if line == "}" && depth > 0 {
                return Ok(());
            }
            if depth > 0 && !self.outputs.is_empty() {
                return Err(fail(format!("expected `}}` after the `return` of a body, found `{line}`")));
            }
            let Some(number) = line.strip_prefix("body ") else {
                let declares = ["network", "where", "unused", "weight", "state"];
                if depth > 0
                    && let Some(word) = declares.iter().find(|w| line.split(' ').next() == Some(**w))
                {
                    return Err(fail(format!(
                        "`{word}` stands in the body of a loop, which has inputs alone"
                    )));
                }
                self.parse_line(line).map_err(fail)?;
                read.note(self, last);
                continue;
            };
            let header = number.strip_suffix(" {").unwrap_or_default();
            let (number, rows) = match header.strip_suffix('>').and_then(|h| h.split_once('<')) {
                Some((number, rows)) => (number, Some(rows.to_string())),
                None => (header, None),
            };
            if number != self.bodies.len().to_string() {
                return Err(fail(format!(
                    "expected `body {} {{`: bodies are numbered in order",
                    self.bodies.len()
                )));
            }
            if depth >= MOST_BODIES {
                return Err(fail(format!("a body inside of {MOST_BODIES} bodies")));
            }
            let mut body = self.body();
            body.rows_are(rows);
            let mut inside = Lines::default();
            inside.note(&body, last);
            body.parse_lines(lines, &mut inside, depth + 1)?;
            self.bodies.push(body);
            read.bodies.push(inside);
        }
        if depth == 0 { Ok(()) } else { Err(TextError { line: last, message: "expected `}`".into() }) }
    }

    fn parse_line(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with('%') {
            return self.parse_node(line);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "network" => self.parse_network(rest)?,
            "where" => self.constraints.push(parse_constraint(rest)?),
            "unused" => self.unused_weights.push(quoted(rest)?.0),
            "input" => {
                let (name, ty) = rest.split_once(':').ok_or("expected `input name: type`")?;
                self.inputs.push(parse_input(name.trim(), ty)?);
            }
            "weight" => self.weights.push(parse_weight(rest)?),
            "constant" => self.weights.push(parse_constant(rest)?),
            "state" => self.states.push(parse_state(rest)?),
            "return" => {
                let defined = self.nodes.len();
                self.outputs =
                    split_commas(rest).iter().map(|v| parse_value(v, defined)).collect::<Result<_, _>>()?;
                if self.outputs.is_empty() {
                    return Err("expected the results, as in `return %0`".into());
                }
            }
            _ => return Err(format!("expected a declaration, a value or `return`, found `{word}`")),
        }
        Ok(())
    }

    fn parse_network(&mut self, rest: &str) -> Result<(), String> {
        let (name, dims) = rest.split_once('<').ok_or("expected `network Name<dims>`")?;
        let (name, entry) = name.split_once('.').unwrap_or((name, ""));
        (self.name, self.entry) = (name.into(), entry.into());
        for d in split_commas(dims.strip_suffix('>').ok_or("expected `>`")?) {
            let (name, bound) = match d.split_once("<=") {
                Some((n, b)) => (n.trim(), Some(b.trim().parse().map_err(|_| format!("`{b}` is no bound"))?)),
                None => (d, None),
            };
            self.dims.push(RunDim { name: name.into(), bound });
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
        let (op, args, mut rest) = parse_op(rest, here)?;
        let mut name = None;
        if let Some(r) = rest.strip_prefix("as ") {
            let (n, r) = quoted(r)?;
            name = Some(n);
            rest = r.trim();
        }
        let source = parse_source(rest)?;
        self.nodes.push(Node { op, args, ty, name, source });
        Ok(())
    }
}

/// What follows an op: its source text, place and scope, or nothing.
fn parse_source(rest: &str) -> Result<Source, String> {
    let Some(rest) = rest.strip_prefix("// ") else {
        return match rest {
            "" => Ok(Source::default()),
            _ => Err(format!("expected the end of the line, found `{rest}`")),
        };
    };
    let (text, rest) = quoted(rest)?;
    let (file, rest) = quoted(rest.trim())?;
    let (place, scope) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut numbers =
        place.split(':').skip(1).map(|n| n.parse::<u32>().map_err(|_| format!("`{place}` is no place")));
    let line = numbers.next().ok_or("a line number is missing")??;
    let column = numbers.next().ok_or("a column number is missing")??;
    let (scope, word) = if scope.starts_with('"') { quoted(scope)? } else { (String::new(), scope) };
    let word = word.trim();
    let phase = Phase::WORDS.iter().find(|(_, known)| *known == word).map(|(phase, _)| *phase);
    if phase.is_none() && !word.is_empty() {
        return Err(format!("`{word}` is no part of a training step"));
    }
    let phase = phase.unwrap_or_default();
    Ok(Source { text: text.into(), file: file.into(), line, column, scope: scope.into(), phase })
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
