//! Expressions by precedence: `+ -`, then `* / @`, then `-x`, then `.t`, `[..]` and calls.

use super::{Cursor, Failed, MAX_DEPTH, Parsed};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, Group, Literal, TokenTree};
use syn::Lit;

/// An expression of tensors, of dims, or the value of an option: one grammar for all three.
pub fn expr(c: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = c.at;
    let mut left = product(c)?;
    loop {
        let op = if c.eat("+").is_some() {
            BinOp::Add
        } else if c.eat("-").is_some() {
            BinOp::Sub
        } else {
            return Ok(left);
        };
        let right = product(c)?;
        left = binary(c, start, op, left, right)?;
    }
}

fn product(c: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = c.at;
    let mut left = unary(c)?;
    loop {
        let at = c.span();
        if c.is_punct("*")
            && (c.is_punct_at(1, "*")
                || matches!(c.peek_at(1), Some(TokenTree::Punct(p)) if p.as_char() == '*'))
        {
            let place = Place { first: c.span(), last: c.peek_at(1).map_or(c.span(), TokenTree::span) };
            return Err(c.fail(place, messages::power(&left.text)));
        }
        let op = if c.eat("*").is_some() {
            BinOp::Mul
        } else if c.eat("/").is_some() {
            BinOp::Div
        } else if c.eat("@").is_some() {
            BinOp::Matmul
        } else {
            return Ok(left);
        };
        let right = unary(c)?;
        if let ExprKind::Binary(before, a, b) = &left.kind
            && !left.paren
            && (*before == BinOp::Matmul) != (op == BinOp::Matmul)
        {
            // One error for the line; the value is not judged further.
            c.fail(Place::of(at), messages::mixed_operators(*before, op, &a.text, &b.text, &right.text));
            left.kind = ExprKind::Poison;
            continue;
        }
        if matches!(left.kind, ExprKind::Poison) {
            continue;
        }
        left = binary(c, start, op, left, right)?;
    }
}

fn binary(c: &Cursor<'_>, start: usize, op: BinOp, left: Expr, right: Expr) -> Parsed<Expr> {
    let depth = left.depth.max(right.depth);
    make(c, start, ExprKind::Binary(op, Box::new(left), Box::new(right)), depth)
}

/// An expression of everything read since `start`; `inner` is the height of its parts.
fn make(c: &Cursor<'_>, start: usize, kind: ExprKind, inner: usize) -> Parsed<Expr> {
    if inner + 1 > MAX_DEPTH {
        return Err(c.fail(c.since(start), messages::too_deep(MAX_DEPTH)));
    }
    Ok(Expr { kind, place: c.since(start), text: c.text_since(start), paren: false, depth: inner + 1 })
}

fn unary(c: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = c.at;
    let mut minus = 0;
    while c.eat("-").is_some() {
        minus += 1;
    }
    let mut e = postfix(c)?;
    for i in (0..minus).rev() {
        let depth = e.depth;
        e = make(c, start + i, ExprKind::Neg(Box::new(e)), depth)?;
    }
    Ok(e)
}

fn postfix(c: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = c.at;
    let mut e = primary(c)?;
    loop {
        if let Some(dot) = c.eat(".") {
            let depth = e.depth;
            if c.eat_word("t") {
                e = make(c, start, ExprKind::Transpose(Box::new(e)), depth)?;
                continue;
            }
            if let (Some(name), Some(g)) = (c.peek_ident(), c.group_at(1, Delimiter::Parenthesis)) {
                c.at += 2;
                let args = c.inside(g, |c| c.list(argument))?;
                let depth = depth.max(height(&args));
                e = make(c, start, ExprKind::Method(Box::new(e), name.clone(), args), depth)?;
                continue;
            }
            let what = c.peek().map(ToString::to_string).unwrap_or_default();
            return Err(c.fail(Place { first: dot, last: c.span() }, messages::no_method(&what, &e.text)));
        }
        let Some(g) = c.group(Delimiter::Bracket) else { return Ok(e) };
        let list = c.inside(g, |c| c.list(index))?;
        if list.is_empty() {
            return Err(c.fail(Place::of(g.span()), messages::empty_index()));
        }
        let parts = list.iter().flat_map(|i| [&i.start, &i.end, &i.step]).flatten().map(|e| e.depth);
        let depth = parts.max().unwrap_or(0).max(e.depth);
        e = make(c, start, ExprKind::Index(Box::new(e), list), depth)?;
    }
}

fn index(c: &mut Cursor<'_>) -> Parsed<Index> {
    let start = c.at;
    let axis = named(c);
    let first = if c.is_punct("..") { None } else { Some(expr(c)?) };
    let range = c.eat("..").is_some();
    let end =
        if range && !c.done() && !c.is_punct(",") && !c.is_word("step") { Some(expr(c)?) } else { None };
    let step = if range && c.eat_word("step") { Some(expr(c)?) } else { None };
    Ok(Index { axis, start: first, end, range, step, place: c.since(start) })
}

/// `name =` before a value.
fn named(c: &mut Cursor<'_>) -> Option<proc_macro2::Ident> {
    let name = c.peek_ident().filter(|_| c.is_punct_at(1, "="))?;
    c.at += 2;
    Some(name.clone())
}

/// Reports an operator after a value that other languages have and this one has not.
pub fn no_operator(c: &Cursor<'_>, left: &Expr) -> Option<Failed> {
    // The longer ones first.
    const SIGNS: [&str; 12] = [">=", "<=", "==", "!=", "&&", "||", ">", "<", "%", "&", "|", "^"];
    const WORDS: [&str; 2] = ["and", "or"];
    let sign = SIGNS.into_iter().find(|s| {
        let is =
            |(i, ch): (usize, char)| matches!(c.peek_at(i), Some(TokenTree::Punct(p)) if p.as_char() == ch);
        s.chars().enumerate().all(is)
    });
    let word = WORDS.into_iter().find(|w| c.is_word(w));
    let op = sign.or(word)?;
    let last = c.peek_at(sign.map_or(0, |s| s.len() - 1)).map_or(c.span(), TokenTree::span);
    Some(c.fail(Place { first: c.span(), last }, messages::no_operator(op, &left.text)))
}

/// An argument of a call.
pub fn argument(c: &mut Cursor<'_>) -> Parsed<Arg> {
    let a = arg(c)?;
    match no_operator(c, &a.value) {
        Some(failed) => Err(failed),
        None => Ok(a),
    }
}

/// An argument, perhaps by name.
pub fn arg(c: &mut Cursor<'_>) -> Parsed<Arg> {
    let start = c.at;
    let name = named(c);
    let value = expr(c)?;
    Ok(Arg { name, value, place: c.since(start) })
}

fn height(args: &[Arg]) -> usize {
    args.iter().map(|a| a.value.depth).max().unwrap_or(0)
}

fn primary(c: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = c.at;
    match c.peek() {
        Some(TokenTree::Literal(l)) => {
            let kind = number(c, l)?;
            c.at += 1;
            make(c, start, kind, 0)
        }
        Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Parenthesis => {
            c.at += 1;
            parenthesised(c, start, g)
        }
        Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Bracket => {
            c.at += 1;
            let list = c.inside(g, list_of_dims)?;
            let depth = list.iter().map(|e| e.depth).max().unwrap_or(0);
            make(c, start, ExprKind::List(list), depth)
        }
        Some(TokenTree::Ident(i)) => word(c, start, &i.to_string()),
        _ => Err(no_value(c)),
    }
}

/// `[.., B, 4 * D]`
fn list_of_dims(c: &mut Cursor<'_>) -> Parsed<Vec<Expr>> {
    let mut list = Vec::new();
    if leading(c)? {
        list.push(make(c, 0, ExprKind::Leading, 0)?);
    }
    list.extend(c.list(|c| {
        if c.is_punct("..") { Err(c.fail(Place::of(c.span()), messages::open_axes_first())) } else { expr(c) }
    })?);
    Ok(list)
}

/// `..` and the comma after it, at the front of a list.
pub fn leading(c: &mut Cursor<'_>) -> Parsed<bool> {
    let open = c.eat("..").is_some();
    if open && !c.done() && c.eat(",").is_none() {
        return Err(c.expected("`,` after `..`"));
    }
    Ok(open)
}

/// Nothing where a value should be: says what it should follow.
fn no_value(c: &Cursor<'_>) -> Failed {
    let before = c.at.checked_sub(1).and_then(|i| c.tokens.get(i));
    match before {
        Some(TokenTree::Punct(p)) if "+-*/@".contains(p.as_char()) => {
            let op = p.as_char();
            let place = Place::of(match c.peek() {
                Some(TokenTree::Group(g)) => g.span_open(),
                _ => c.span(),
            });
            c.fail(place, messages::no_value_after(op))
        }
        _ => c.expected("a value"),
    }
}

fn parenthesised(c: &Cursor<'_>, start: usize, g: &Group) -> Parsed<Expr> {
    let (mut list, comma) = c.inside(g, |c| {
        let list = c.list(|c| {
            let e = expr(c)?;
            match no_operator(c, &e) {
                Some(failed) => Err(failed),
                None => Ok(e),
            }
        })?;
        let comma = matches!(c.tokens.last(), Some(TokenTree::Punct(p)) if p.as_char() == ',');
        Ok((list, comma))
    })?;
    if list.is_empty() {
        return Err(c.fail(Place::of(g.span()), messages::empty_tuple()));
    }
    if list.len() == 1
        && !comma
        && let Some(e) = list.pop()
    {
        return Ok(Expr { paren: true, ..e });
    }
    let depth = list.iter().map(|e| e.depth).max().unwrap_or(0);
    make(c, start, ExprKind::Tuple(list), depth)
}

/// What begins with a word: a keyword's form, a call, or a name.
fn word(c: &mut Cursor<'_>, start: usize, word: &str) -> Parsed<Expr> {
    match word {
        "true" | "false" => {
            c.at += 1;
            make(c, start, ExprKind::Bool(word == "true"), 0)
        }
        "if" => {
            c.at += 1;
            conditional(c, start)
        }
        "residual" if c.group_at(1, Delimiter::Parenthesis).is_some() => residual(c, start),
        "rearrange" if c.group_at(1, Delimiter::Parenthesis).is_some() => rearrange(c, start),
        _ => {
            let callee = callee(c)?;
            if let Some(g) = c.group(Delimiter::Parenthesis) {
                let args = c.inside(g, |c| c.list(argument))?;
                let depth = height(&args);
                return make(c, start, ExprKind::Call(callee, args), depth);
            }
            match callee.name {
                Some(name) => make(c, start, ExprKind::Name(name), 0),
                None => Err(c.fail(callee.place, messages::path_is_no_value(&callee.text))),
            }
        }
    }
}

/// What is called: a name, or a path.
pub fn callee(c: &mut Cursor<'_>) -> Parsed<Callee> {
    let start = c.at;
    c.eat("::");
    c.at += 1;
    while c.eat("::").is_some() {
        c.name("a name after `::`")?;
    }
    let name =
        c.tokens.get(start).and_then(|t| if let TokenTree::Ident(i) = t { Some(i.clone()) } else { None });
    Ok(Callee { text: c.text_since(start), name: name.filter(|_| c.at == start + 1), place: c.since(start) })
}

fn block_depth(b: &Block) -> usize {
    let of = |s: &Stmt| match s {
        Stmt::Let { value, .. } | Stmt::Assign(_, value) | Stmt::Value(value) => value.depth,
        Stmt::For(_, _, b) => block_depth(b) + 1,
        Stmt::Repeat(_, ends, b) => ends.0.depth.max(ends.1.depth).max(block_depth(b) + 1),
        Stmt::Minimize(m) => m.loss.depth.max(height(&m.args)),
    };
    b.stmts.iter().map(of).chain(b.tail.iter().map(|e| e.depth)).max().unwrap_or(0) + 1
}

fn conditional(c: &mut Cursor<'_>, start: usize) -> Parsed<Expr> {
    let mut conds = vec![condition(c)?];
    while c.eat("&&").is_some() {
        conds.push(condition(c)?);
    }
    let then = super::blocks::braced(c)?;
    if !c.eat_word("else") {
        return Err(c.fail(c.since(start), messages::if_without_else()));
    }
    let otherwise = if c.is_word("if") {
        if c.depth >= MAX_DEPTH {
            return Err(c.fail(Place::of(c.span()), messages::too_deep(MAX_DEPTH)));
        }
        c.depth += 1;
        let (at, end) = (c.at, c.end);
        let e = word(c, at, "if");
        c.depth -= 1;
        Block { tail: Some(Box::new(e?)), end: Some(end), ..Block::default() }
    } else {
        super::blocks::braced(c)?
    };
    let depth = block_depth(&then).max(block_depth(&otherwise));
    make(c, start, ExprKind::If(conds, then, otherwise), depth)
}

fn condition(c: &mut Cursor<'_>) -> Parsed<Cond> {
    if c.eat("!").is_some() {
        return Ok(Cond::Flag(c.name("an option after `!`")?, false));
    }
    let left = expr(c)?;
    if c.eat("==").is_some() {
        return Ok(Cond::Equal(Box::new((left, expr(c)?))));
    }
    match left.kind {
        ExprKind::Name(name) => Ok(Cond::Flag(name, true)),
        _ => Err(c.expected("`==` in a condition")),
    }
}

fn residual(c: &mut Cursor<'_>, start: usize) -> Parsed<Expr> {
    c.at += 1;
    let Some(g) = c.group(Delimiter::Parenthesis) else { return Err(c.expected("`(x)`")) };
    let stream = c.whole(g, expr)?;
    let body = super::blocks::braced(c)?;
    let depth = block_depth(&body).max(stream.depth);
    make(c, start, ExprKind::Residual(Box::new(stream), body), depth)
}

fn rearrange(c: &mut Cursor<'_>, start: usize) -> Parsed<Expr> {
    c.at += 1;
    let Some(g) = c.group(Delimiter::Parenthesis) else { return Err(c.expected("`(x, [..] -> [..])`")) };
    let (x, left, right, sizes) = c.inside(g, |c| {
        let x = expr(c)?;
        c.expect(",", "and a pattern `[..] -> [..]`")?;
        let left = pattern(c)?;
        c.expect("->", "between the patterns")?;
        let right = pattern(c)?;
        if !c.done() {
            c.expect(",", "after the pattern")?;
        }
        Ok((x, left, right, c.list(argument)?))
    })?;
    let depth = height(&sizes).max(x.depth);
    make(c, start, ExprKind::Rearrange(Box::new(x), left, right, sizes), depth)
}

/// `[b, s, (three h d), 1]` or `[.., d]`
fn pattern(c: &mut Cursor<'_>) -> Parsed<Vec<Axis>> {
    let Some(g) = c.group(Delimiter::Bracket) else {
        return Err(c.expected("a pattern such as `[b, s, (h d)]`"));
    };
    c.inside(g, |c| {
        let mut axes = Vec::new();
        if leading(c)? {
            axes.push(Axis { names: Vec::new(), leading: true, place: c.since(0) });
        }
        axes.extend(c.list(|c| {
            let start = c.at;
            if c.is_punct("..") {
                return Err(c.fail(Place::of(c.span()), messages::open_axes_first()));
            }
            let mut names = Vec::new();
            if let Some(g) = c.group(Delimiter::Parenthesis) {
                c.inside(g, |c| {
                    while !c.done() {
                        names.push(c.name("the name of an axis")?);
                    }
                    Ok(())
                })?;
            } else if matches!(c.peek(), Some(TokenTree::Literal(l)) if l.to_string() == "1") {
                c.at += 1;
            } else {
                names.push(c.name("the name of an axis, `(..)` or 1")?);
            }
            Ok(Axis { names, leading: false, place: c.since(start) })
        })?);
        Ok(axes)
    })
}

fn number(c: &Cursor<'_>, l: &Literal) -> Parsed<ExprKind> {
    let bad = |why| Err(c.fail(Place::of(l.span()), messages::bad_number(&l.to_string(), why)));
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
        Lit::Int(_) | Lit::Float(_) => bad("numbers are written in decimal and without a suffix"),
        _ => Err(c.expected("a value")),
    }
}
