//! Sums by precedence: `+ -`, then `* / @`, then `-x` and `!x`, then `a^b`, then `.t`, `[..]` and calls.

use super::index::index;
use super::logic::{habit, no_operator, value};
use super::with_block::{is_scan, residual, scan};
use super::{Cursor, Failed, MAX_DEPTH, Parsed};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, Group, Literal, TokenTree};
use syn::Lit;

/// A sum of tensors or of dims, or the value of an option: one grammar for all three.
pub fn expr(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    let mut left = product(cursor)?;
    loop {
        let op = if cursor.eat("+").is_some() {
            BinOp::Add
        } else if cursor.eat("-").is_some() {
            BinOp::Sub
        } else {
            return Ok(left);
        };
        let right = product(cursor)?;
        left = binary(cursor, start, op, left, right)?;
    }
}

fn product(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    let mut left = unary(cursor)?;
    loop {
        let at = cursor.span();
        if cursor.is_punct("*")
            && (cursor.is_punct_at(1, "*")
                || matches!(cursor.peek_at(1), Some(TokenTree::Punct(p)) if p.as_char() == '*'))
        {
            let place = Place {
                first: cursor.span(),
                last: cursor.peek_at(1).map_or(cursor.span(), TokenTree::span),
            };
            return Err(cursor.fail(place, messages::power("**", &left.text, "2")));
        }
        let op = if cursor.eat("*").is_some() {
            BinOp::Mul
        } else if cursor.eat("/").is_some() {
            BinOp::Div
        } else if cursor.eat("@").is_some() {
            BinOp::Matmul
        } else {
            return Ok(left);
        };
        let right = unary(cursor)?;
        if let ExprKind::Binary(before, a, b) = &left.kind
            && !left.paren
            && (*before == BinOp::Matmul) != (op == BinOp::Matmul)
        {
            // One error for the line; the value is not checked further.
            cursor.fail(Place::of(at), messages::mixed_operators(*before, op, &a.text, &b.text, &right.text));
            left.kind = ExprKind::Poison;
            continue;
        }
        if matches!(left.kind, ExprKind::Poison) {
            continue;
        }
        left = binary(cursor, start, op, left, right)?;
    }
}

fn binary(cursor: &Cursor<'_>, start: usize, op: BinOp, left: Expr, right: Expr) -> Parsed<Expr> {
    let depth = left.depth.max(right.depth);
    make(cursor, start, ExprKind::Binary(op, Box::new(left), Box::new(right)), depth)
}

/// An expression of everything read since `start`; `inner` is the height of its parts.
pub fn make(cursor: &Cursor<'_>, start: usize, kind: ExprKind, inner: usize) -> Parsed<Expr> {
    make_of(cursor, start, cursor.at, kind, inner)
}

/// The same of the tokens from `start` to `end`.
pub fn make_of(cursor: &Cursor<'_>, start: usize, end: usize, kind: ExprKind, inner: usize) -> Parsed<Expr> {
    let read = Cursor::new(cursor.tokens, cursor.end, cursor.errors, cursor.depth);
    let read = Cursor { at: end, ..read };
    if inner + 1 > MAX_DEPTH {
        return Err(cursor.fail(read.since(start), messages::too_deep(MAX_DEPTH)));
    }
    Ok(Expr { kind, place: read.since(start), text: read.text_since(start), paren: false, depth: inner + 1 })
}

fn unary(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    let mut signs = Vec::new();
    while cursor.is_punct("-") || cursor.is_punct("!") {
        signs.push(cursor.is_punct("-"));
        cursor.at += 1;
    }
    let mut e = power(cursor)?;
    for (i, minus) in signs.into_iter().enumerate().rev() {
        let (depth, inner) = (e.depth, Box::new(e));
        let kind = if minus { ExprKind::Neg(inner) } else { ExprKind::Not(inner) };
        e = make(cursor, start + i, kind, depth)?;
    }
    Ok(e)
}

/// `2^i`, of dims.
fn power(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    let base = postfix(cursor)?;
    if cursor.eat("^").is_none() {
        return Ok(base);
    }
    let exponent = postfix(cursor)?;
    let depth = base.depth.max(exponent.depth);
    make(cursor, start, ExprKind::Power(Box::new(base), Box::new(exponent)), depth)
}

fn postfix(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    let mut e = primary(cursor)?;
    while cursor.is_punct(".") || cursor.peek_group(Delimiter::Bracket).is_some() {
        e = suffix(cursor, start, e)?;
    }
    Ok(e)
}

/// `.t`, a method, an index, a call of a net of an array. It is not on the stack while the value is read.
#[inline(never)]
fn suffix(cursor: &mut Cursor<'_>, start: usize, e: Expr) -> Parsed<Expr> {
    if let Some(dot) = cursor.eat(".") {
        let depth = e.depth;
        if cursor.eat_word("t") {
            return make(cursor, start, ExprKind::Transpose(Box::new(e)), depth);
        }
        if let (Some(name), Some(g)) = (cursor.peek_ident(), cursor.group_at(1, Delimiter::Parenthesis)) {
            cursor.at += 2;
            let args = cursor.inside(g, |cursor| cursor.list(argument))?;
            let depth = depth.max(height(&args));
            return make(cursor, start, ExprKind::Method(Box::new(e), name.clone(), args), depth);
        }
        let what = cursor.peek().map(ToString::to_string).unwrap_or_default();
        let here = Place { first: dot, ..Place::of(cursor.span()) };
        return Err(cursor.fail(here, messages::no_method(&what, &e.text)));
    }
    let Some(g) = cursor.group(Delimiter::Bracket) else { return Ok(e) };
    let mut list = cursor.inside(g, |cursor| cursor.list(index))?;
    if list.is_empty() {
        return Err(cursor.fail(Place::of(g.span()), messages::empty_index()));
    }
    let parts = list.iter().flat_map(|i| [&i.start, &i.end, &i.step]).flatten();
    let depth = parts.map(|e| e.depth).fold(e.depth, usize::max);
    if let (ExprKind::Name(name), Some(call)) = (&e.kind, cursor.peek_group(Delimiter::Parenthesis))
        && let [Index { axis: None, range: false, .. }] = list.as_slice()
        && let Some(Index { start: Some(index), .. }) = list.pop()
    {
        cursor.at += 1;
        let args = cursor.inside(call, |cursor| cursor.list(argument))?;
        let depth = depth.max(height(&args));
        return make(cursor, start, ExprKind::Element(name.clone(), Box::new(index), args), depth);
    }
    make(cursor, start, ExprKind::Index(Box::new(e), list), depth)
}

/// `name =` before a value.
pub fn named(cursor: &mut Cursor<'_>) -> Option<proc_macro2::Ident> {
    let name = cursor.peek_ident().filter(|_| cursor.is_punct_at(1, "="))?;
    cursor.at += 2;
    Some(name.clone())
}

/// An argument of a call.
pub fn argument(cursor: &mut Cursor<'_>) -> Parsed<Arg> {
    let start = cursor.at;
    let (name, value) = (named(cursor), value(cursor)?);
    let a = Arg { name, value, place: cursor.since(start) };
    match no_operator(cursor, &a.value) {
        Some(failed) => Err(failed),
        None => Ok(a),
    }
}

/// A dim that is given to a network, perhaps by name.
pub fn arg(cursor: &mut Cursor<'_>) -> Parsed<Arg> {
    let start = cursor.at;
    let (name, value) = (named(cursor), expr(cursor)?);
    Ok(Arg { name, value, place: cursor.since(start) })
}

fn height(args: &[Arg]) -> usize {
    args.iter().map(|a| a.value.depth).max().unwrap_or(0)
}

fn primary(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    match cursor.peek() {
        Some(TokenTree::Literal(l)) => {
            let kind = number(cursor, l)?;
            cursor.at += 1;
            make(cursor, start, kind, 0)
        }
        Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis => {
            cursor.at += 1;
            parenthesised(cursor, start, g)
        }
        Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Bracket => {
            cursor.at += 1;
            let list = cursor.inside(g, list_of_dims)?;
            let depth = list.iter().map(|e| e.depth).max().unwrap_or(0);
            make(cursor, start, ExprKind::List(list), depth)
        }
        Some(TokenTree::Ident(i)) => word(cursor, start, &i.to_string()),
        _ => Err(no_value(cursor)),
    }
}

/// `[.., B, 4 * D]`
fn list_of_dims(cursor: &mut Cursor<'_>) -> Parsed<Vec<Expr>> {
    let mut list = Vec::new();
    if leading(cursor)? {
        list.push(make(cursor, 0, ExprKind::Leading, 0)?);
    }
    list.extend(cursor.list(|cursor| {
        if cursor.is_punct("..") {
            Err(cursor.fail(Place::of(cursor.span()), messages::open_axes_first()))
        } else {
            expr(cursor)
        }
    })?);
    Ok(list)
}

/// `..` and the comma after it, at the front of a list.
pub fn leading(cursor: &mut Cursor<'_>) -> Parsed<bool> {
    let open = cursor.eat("..").is_some();
    if open && !cursor.done() && cursor.eat(",").is_none() {
        return Err(cursor.expected("`,` after `..`"));
    }
    Ok(open)
}

/// Reports that a value is missing, and what it should follow.
fn no_value(cursor: &Cursor<'_>) -> Failed {
    if let Some(failed) = habit(cursor) {
        return failed;
    }
    let before = cursor.at.checked_sub(1).and_then(|i| cursor.tokens.get(i));
    match before {
        Some(TokenTree::Punct(p)) if "+-*/@".contains(p.as_char()) => {
            let op = p.as_char();
            let place = Place::of(match cursor.peek() {
                Some(TokenTree::Group(g)) => g.span_open(),
                _ => cursor.span(),
            });
            cursor.fail(place, messages::no_value_after(op))
        }
        _ => cursor.expected("a value"),
    }
}

fn parenthesised(cursor: &Cursor<'_>, start: usize, group: &Group) -> Parsed<Expr> {
    let (mut list, comma) = cursor.inside(group, |cursor| {
        let list = cursor.list(|cursor| {
            let e = value(cursor)?;
            match no_operator(cursor, &e) {
                Some(failed) => Err(failed),
                None => Ok(e),
            }
        })?;
        let comma = matches!(cursor.tokens.last(), Some(TokenTree::Punct(p)) if p.as_char() == ',');
        Ok((list, comma))
    })?;
    if list.is_empty() {
        return Err(cursor.fail(Place::of(group.span()), messages::empty_tuple()));
    }
    if list.len() == 1
        && !comma
        && let Some(e) = list.pop()
    {
        return Ok(Expr { paren: true, ..e });
    }
    let depth = list.iter().map(|e| e.depth).max().unwrap_or(0);
    make(cursor, start, ExprKind::Tuple(list), depth)
}

/// What begins with a word: a keyword's form, a call, or a name.
fn word(cursor: &mut Cursor<'_>, start: usize, word: &str) -> Parsed<Expr> {
    match word {
        "true" | "false" => {
            cursor.at += 1;
            make(cursor, start, ExprKind::Bool(word == "true"), 0)
        }
        "if" => {
            cursor.at += 1;
            conditional(cursor, start)
        }
        "scan" if is_scan(cursor) => scan(cursor),
        "self" if cursor.is_punct_at(1, ".") => {
            let place = Place::of(cursor.span());
            cursor.at += 2;
            let item = cursor.peek().map(ToString::to_string).unwrap_or_default();
            Err(cursor.fail(place, messages::self_as_value(&item)))
        }
        "lambda" if cursor.ident_at(1).is_some() => {
            Err(cursor.fail(Place::of(cursor.span()), messages::closure()))
        }
        "residual" if cursor.group_at(1, Delimiter::Parenthesis).is_some() => residual(cursor, start),
        "rearrange" if cursor.group_at(1, Delimiter::Parenthesis).is_some() => rearrange(cursor, start),
        _ => {
            let callee = callee(cursor)?;
            if let Some(g) = cursor.group(Delimiter::Parenthesis) {
                let args = cursor.inside(g, |cursor| cursor.list(argument))?;
                let depth = height(&args);
                return make(cursor, start, ExprKind::Call(callee, args), depth);
            }
            if cursor.is_punct("!") && matches!(cursor.peek_at(1), Some(TokenTree::Group(_))) {
                return Err(cursor.fail(callee.place, messages::no_macro(&callee.text)));
            }
            match callee.name {
                Some(name) => make(cursor, start, ExprKind::Name(name), 0),
                None => Err(cursor.fail(callee.place, messages::path_is_no_value(&callee.text))),
            }
        }
    }
}

/// What is called: a name, or a path.
pub fn callee(cursor: &mut Cursor<'_>) -> Parsed<Callee> {
    let start = cursor.at;
    cursor.eat("::");
    cursor.at += 1;
    while cursor.eat("::").is_some() {
        cursor.name("a name after `::`")?;
    }
    let name = cursor
        .tokens
        .get(start)
        .and_then(|t| if let TokenTree::Ident(i) = t { Some(i.clone()) } else { None });
    Ok(Callee {
        text: cursor.text_since(start),
        name: name.filter(|_| cursor.at == start + 1),
        place: cursor.since(start),
    })
}

pub fn block_depth(block: &Block) -> usize {
    let of = |s: &Stmt| match s {
        Stmt::Let { value, .. } | Stmt::Assign(_, value) | Stmt::Value(value) => value.depth,
        Stmt::For(_, _, block) => block_depth(block) + 1,
        Stmt::Repeat(_, ends, block) => ends.0.depth.max(ends.1.depth).max(block_depth(block) + 1),
        Stmt::Minimize(m) => m.loss.depth.max(height(&m.args)),
    };
    block.stmts.iter().map(of).chain(block.tail.iter().map(|e| e.depth)).max().unwrap_or(0) + 1
}

fn conditional(cursor: &mut Cursor<'_>, start: usize) -> Parsed<Expr> {
    let mut conds = vec![condition(cursor)?];
    while cursor.eat("&&").is_some() {
        conds.push(condition(cursor)?);
    }
    let then = super::blocks::braced(cursor)?;
    if !cursor.eat_word("else") {
        return Err(cursor.fail(cursor.since(start), messages::if_without_else()));
    }
    let otherwise = if cursor.is_word("if") {
        if cursor.depth >= MAX_DEPTH {
            return Err(cursor.fail(Place::of(cursor.span()), messages::too_deep(MAX_DEPTH)));
        }
        cursor.depth += 1;
        let (at, end) = (cursor.at, cursor.end);
        let e = word(cursor, at, "if");
        cursor.depth -= 1;
        Block { tail: Some(Box::new(e?)), end: Some(end), ..Block::default() }
    } else {
        super::blocks::braced(cursor)?
    };
    let depth = block_depth(&then).max(block_depth(&otherwise));
    make(cursor, start, ExprKind::If(conds, then, otherwise), depth)
}

fn condition(cursor: &mut Cursor<'_>) -> Parsed<Cond> {
    if cursor.eat("!").is_some() {
        return Ok(Cond::Flag(cursor.name("an option after `!`")?, false));
    }
    let (start, left) = (cursor.at, expr(cursor)?);
    if cursor.eat("==").is_some() {
        return Ok(Cond::Equal(Box::new((left, expr(cursor)?))));
    }
    let ends = cursor.peek_group(Delimiter::Brace).is_some() || cursor.is_punct("&&");
    match left.kind {
        ExprKind::Name(name) if ends => Ok(Cond::Flag(name, true)),
        _ if cursor.done() => Err(cursor.expected("`{ .. }`")),
        _ => {
            while !cursor.done() && cursor.peek_group(Delimiter::Brace).is_none() {
                cursor.at += 1;
            }
            let text = cursor.text_since(start);
            Err(cursor.fail(cursor.since(start), messages::condition(&text)))
        }
    }
}

fn rearrange(cursor: &mut Cursor<'_>, start: usize) -> Parsed<Expr> {
    cursor.at += 1;
    let Some(g) = cursor.group(Delimiter::Parenthesis) else {
        return Err(cursor.expected("`(x, [..] -> [..])`"));
    };
    let (x, left, right, sizes) = cursor.inside(g, |cursor| {
        let x = value(cursor)?;
        cursor.expect(",", "and a pattern `[..] -> [..]`")?;
        let left = pattern(cursor)?;
        cursor.expect("->", "between the patterns")?;
        let right = pattern(cursor)?;
        if !cursor.done() {
            cursor.expect(",", "after the pattern")?;
        }
        Ok((x, left, right, cursor.list(argument)?))
    })?;
    let depth = height(&sizes).max(x.depth);
    make(cursor, start, ExprKind::Rearrange(Box::new(x), left, right, sizes), depth)
}

/// `[b, s, (three h d), 1]` or `[.., d]`
fn pattern(cursor: &mut Cursor<'_>) -> Parsed<Vec<Axis>> {
    let Some(g) = cursor.group(Delimiter::Bracket) else {
        return Err(cursor.expected("a pattern such as `[b, s, (h d)]`"));
    };
    cursor.inside(g, |cursor| {
        let mut axes = Vec::new();
        if leading(cursor)? {
            axes.push(Axis { names: Vec::new(), leading: true, place: cursor.since(0) });
        }
        axes.extend(cursor.list(|cursor| {
            let start = cursor.at;
            if cursor.is_punct("..") {
                return Err(cursor.fail(Place::of(cursor.span()), messages::open_axes_first()));
            }
            let mut names = Vec::new();
            if let Some(g) = cursor.group(Delimiter::Parenthesis) {
                cursor.inside(g, |cursor| {
                    while !cursor.done() {
                        names.push(cursor.name("the name of an axis")?);
                    }
                    Ok(())
                })?;
            } else if matches!(cursor.peek(), Some(TokenTree::Literal(l)) if l.to_string() == "1") {
                cursor.at += 1;
            } else {
                names.push(cursor.name("the name of an axis, `(..)` or 1")?);
            }
            Ok(Axis { names, leading: false, place: cursor.since(start) })
        })?);
        Ok(axes)
    })
}

fn number(cursor: &Cursor<'_>, l: &Literal) -> Parsed<ExprKind> {
    let bad = |why| Err(cursor.fail(Place::of(l.span()), messages::bad_number(&l.to_string(), why)));
    let decimal = l.to_string().bytes().all(|b| b.is_ascii_digit() || b == b'_');
    match Lit::new(l.clone()) {
        Lit::Int(i) if decimal => match i.base10_parse() {
            Ok(i) => Ok(ExprKind::Number(i as f64, Some(i))),
            Err(_) => bad("it does not fit into 64 bits"),
        },
        Lit::Float(x) if x.suffix().is_empty() => match x.base10_parse::<f64>() {
            Ok(x) if x.is_finite() => Ok(ExprKind::Number(x, None)),
            _ => bad("it is too large"),
        },
        Lit::Str(_) => Err(cursor.fail(Place::of(l.span()), messages::text_as_value(&l.to_string()))),
        Lit::Int(_) | Lit::Float(_) => bad("numbers are written in decimal and without a suffix"),
        _ => Err(cursor.expected("a value")),
    }
}
