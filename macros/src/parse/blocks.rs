//! Blocks: items, statements, and the value at the end.

use super::attrs::{self, attrs};
use super::header::types;
use super::items::{self, ITEMS};
use super::{Cursor, Parsed, exprs, index, logic};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, Ident, TokenTree};

/// Reads everything up to the end; what does not parse is reported and stands as poison.
pub fn block(cursor: &mut Cursor<'_>) -> Parsed<Block> {
    let mut b = Block { end: Some(cursor.end), ..Block::default() };
    while !cursor.done() {
        let start = cursor.at;
        let items = b.items.len();
        if part(cursor, &mut b).is_err() {
            poison(cursor, start, items, &mut b);
            // Whatever the block's value would have been, it was lost with the rest of the line.
            if !cursor.recover(start) && b.tail.is_none() {
                b.tail = Some(Box::new(nothing(Place::of(cursor.end))));
            }
            b.lost.extend(cursor.names_since(start));
        }
    }
    Ok(b)
}

/// One item, statement or value; the last without a `;` is the block's value.
fn part(cursor: &mut Cursor<'_>, block: &mut Block) -> Parsed<()> {
    if cursor.eat(";").is_some() {
        return Ok(());
    }
    if attrs::comment(cursor) {
        return Ok(());
    }
    if cursor.is_punct("#") {
        let attrs = attrs(cursor);
        if ITEMS.iter().any(|w| cursor.is_word(w)) {
            return items::item(cursor, attrs, &mut block.items);
        }
        if !(cursor.is_word("fn") || cursor.is_word("train")) {
            return Err(cursor.expected("`param`, `buffer`, `const`, `net` or `state` after an attribute"));
        }
    }
    let named = cursor.ident_at(1).is_some();
    let word = cursor.peek_ident().map(ToString::to_string).unwrap_or_default();
    match word.as_str() {
        "let" => let_stmt(cursor, block),
        "for" => for_stmt(cursor, block),
        "repeat" if named && cursor.word_at(2, "in") => repeat(cursor, block),
        "repeat" if cursor.group_at(2, Delimiter::Brace).is_some() && cursor.peek_at(1).is_some() => {
            let count = cursor.peek_at(1).map(ToString::to_string).unwrap_or_default();
            Err(cursor.fail(Place::of(cursor.span()), messages::repeat_without_name(&count)))
        }
        "minimize" if is_minimize(cursor) => minimize(cursor, block),
        "fn" | "train" if named => {
            // What follows may call it, and would be wrong for no other reason.
            let failed = cursor.fail(Place::of(cursor.span()), messages::entry_in_body());
            while !cursor.done() {
                cursor.at += 1;
            }
            Err(failed)
        }
        w if named && ITEMS.contains(&w) => items::item(cursor, Default::default(), &mut block.items),
        "while" | "loop" | "match" | "return" | "struct" | "const" | "static" | "type" | "use" | "impl" => {
            Err(cursor.fail(Place::of(cursor.span()), messages::no_statement(&word)))
        }
        _ if cursor.ident_at(0).is_some() && cursor.is_punct_at(1, "=") => {
            let name = cursor.name("a name")?;
            cursor.expect("=", "in an assignment")?;
            let value = logic::value(cursor)?;
            end_of_value(cursor, &value, "the assignment")?;
            block.stmts.push(Stmt::Assign(name, value));
            Ok(())
        }
        _ if cursor.ident_at(0).is_some() && compound(cursor).is_some() => change(cursor, block),
        _ => value(cursor, block),
    }
}

/// The operator of `y += x`, at the token after the name.
fn compound(cursor: &Cursor<'_>) -> Option<BinOp> {
    [BinOp::Add, BinOp::Sub, BinOp::Mul, BinOp::Div]
        .into_iter()
        .find(|op| cursor.is_punct_at(1, &format!("{}=", op.symbol())))
}

/// `y += x;`, which is `y = y + x;`.
fn change(cursor: &mut Cursor<'_>, block: &mut Block) -> Parsed<()> {
    let start = cursor.at;
    let Some(op) = compound(cursor) else { return Err(cursor.expected("an assignment")) };
    let name = cursor.name("a name")?;
    cursor.at += 2;
    let now = exprs::make_of(cursor, start, start + 1, ExprKind::Name(name.clone()), 0)?;
    let value = logic::value(cursor)?;
    end_of_value(cursor, &value, "the assignment")?;
    let depth = value.depth;
    let kind = ExprKind::Binary(op, Box::new(now), Box::new(value));
    let sum = exprs::make_of(cursor, start, cursor.at - 1, kind, depth)?;
    block.stmts.push(Stmt::Assign(name, sum));
    Ok(())
}

/// The `;` after a value, or the operator that another language has there.
fn end_of_value(cursor: &mut Cursor<'_>, value: &Expr, what: &str) -> Parsed<()> {
    match cursor.eat(";") {
        Some(_) => Ok(()),
        None => Err(logic::no_operator(cursor, value).unwrap_or_else(|| cursor.semicolon_expected(what))),
    }
}

/// The `;` after something.
pub fn end_of(cursor: &mut Cursor<'_>, what: &str) -> Parsed<()> {
    if cursor.eat(";").is_some() { Ok(()) } else { Err(cursor.semicolon_expected(what)) }
}

fn value(cursor: &mut Cursor<'_>, block: &mut Block) -> Parsed<()> {
    let e = logic::value(cursor)?;
    // A loop is a statement of its own where nothing takes its value, as `for` is.
    if !cursor.done() && matches!(e.kind, ExprKind::Scan(_)) {
        cursor.eat(";");
        block.stmts.push(Stmt::Value(e));
    } else if cursor.done() {
        block.tail = Some(Box::new(e));
    } else if cursor.eat(";").is_some() {
        block.stmts.push(Stmt::Value(e));
    } else {
        return Err(logic::no_operator(cursor, &e)
            .unwrap_or_else(|| cursor.expected("an operator, `;` or the end of the block")));
    }
    Ok(())
}

/// The names of `let`'s pattern, which of them are `mut`, and whether it is a tuple.
fn pattern(cursor: &mut Cursor<'_>) -> Parsed<(Vec<Ident>, Vec<bool>, bool)> {
    let all = cursor.eat_word("mut");
    let Some(g) = cursor.group(Delimiter::Parenthesis) else {
        return Ok((vec![cursor.name("a name after `let`")?], vec![all], false));
    };
    let names = cursor.inside(g, |p| {
        p.list(|p| {
            let mutable = p.eat_word("mut") || all;
            Ok((p.name("a name")?, mutable))
        })
    })?;
    let (names, mutable) = names.into_iter().unzip();
    Ok((names, mutable, true))
}

fn let_stmt(cursor: &mut Cursor<'_>, block: &mut Block) -> Parsed<()> {
    cursor.at += 1;
    let (names, mutable, tuple) = pattern(cursor)?;
    let ty = if cursor.eat(":").is_some() { Some(types(cursor)?) } else { None };
    cursor.expect("=", "and a value")?;
    let value = logic::value(cursor)?;
    end_of_value(cursor, &value, "`let`")?;
    block.stmts.push(Stmt::Let { mutable, names, tuple, ty, value });
    Ok(())
}

fn for_stmt(cursor: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    cursor.at += 1;
    let start = cursor.at;
    let several = cursor.peek_group(Delimiter::Parenthesis).is_some();
    let names = match cursor.group(Delimiter::Parenthesis) {
        Some(g) => cursor.inside(g, |c| c.list(|c| c.name("the name of a net")))?,
        None => vec![cursor.name("a name after `for`")?],
    };
    if !cursor.eat_word("in") {
        return Err(cursor.expected("`in`"));
    }
    let name = names.first().map(ToString::to_string).unwrap_or_default();
    if matches!(cursor.peek(), Some(TokenTree::Literal(_))) || cursor.is_punct_at(1, "..") {
        return Err(cursor.fail(Place::of(cursor.span()), messages::for_over_numbers(&name)));
    }
    let place = Place::of(cursor.span());
    let arrays = match cursor.group(Delimiter::Parenthesis) {
        Some(g) if several => cursor.inside(g, |c| c.list(|c| c.name("the name of a net array")))?,
        Some(_) => return Err(cursor.fail(place, messages::zipped_loop(1))),
        None => vec![cursor.name("the name of a net array")?],
    };
    let array = arrays.first().map(ToString::to_string).unwrap_or_default();
    if let (true, Some(method)) = (cursor.is_punct("."), cursor.ident_at(1)) {
        let message = match method.to_string() {
            _ if names.len() > 1 => messages::counted_loop(&name, &array),
            method => messages::loop_over_method(&name, &array, &method),
        };
        return Err(cursor.fail(Place::of(method.span()), message));
    }
    let counts = ["i", "j", "k", "n", "idx", "index"].contains(&name.as_str());
    if counts && names.len() == 2 && arrays.len() == 1 {
        return Err(cursor.fail(place, messages::counted_loop(&name, &array)));
    }
    if cursor.is_word("over") {
        cursor.at += 2;
        let text = cursor.text_since(start);
        cursor.fail(place, messages::for_over_axis(&text));
        braced(cursor)?;
        // It may have been the value of the block.
        if cursor.done() {
            b.tail = Some(Box::new(nothing(place)));
        }
        return Ok(());
    }
    if arrays.len() != names.len() || names.is_empty() {
        return Err(cursor.fail(place, messages::zipped_loop(names.len())));
    }
    let Some(g) = cursor.group(Delimiter::Brace) else { return Err(cursor.expected("`{ .. }`")) };
    b.stmts.push(Stmt::For(names, arrays, cursor.inside(g, block)?));
    Ok(())
}

/// `repeat i in 0..N { .. }`
fn repeat(cursor: &mut Cursor<'_>, block: &mut Block) -> Parsed<()> {
    cursor.at += 1;
    let name = cursor.name("a name after `repeat`")?;
    cursor.at += 1;
    let start = cursor.at;
    let from = exprs::expr(cursor)?;
    index::inclusive(cursor, start)?;
    cursor.expect("..", "between the first iteration and the end")?;
    let to = exprs::expr(cursor)?;
    block.stmts.push(Stmt::Repeat(name, Box::new((from, to)), braced(cursor)?));
    Ok(())
}

/// Whether `minimize` begins a statement, and is no name: a value follows, and `with` before the `;`.
fn is_minimize(cursor: &Cursor<'_>) -> bool {
    let rest = || {
        (1..)
            .map_while(|i| cursor.peek_at(i))
            .take_while(|t| !matches!(t, TokenTree::Punct(p) if p.as_char() == ';'))
    };
    let value = rest().next().is_some_and(|t| !matches!(t, TokenTree::Punct(_)));
    value && (cursor.ident_at(1).is_some() || rest().any(|t| matches!(t, TokenTree::Ident(i) if i == "with")))
}

/// `minimize loss with adamw(lr = lr);`
fn minimize(cursor: &mut Cursor<'_>, block: &mut Block) -> Parsed<()> {
    let start = cursor.at;
    cursor.at += 1;
    let loss = exprs::expr(cursor)?;
    if !cursor.eat_word("with") {
        return Err(cursor.expected("`with` and an optimiser"));
    }
    if cursor.peek_ident().is_none() {
        return Err(cursor.expected("an optimiser such as `adamw(lr = lr)`"));
    }
    let optimiser = exprs::callee(cursor)?;
    let Some(g) = cursor.group(Delimiter::Parenthesis) else {
        return Err(cursor.expected("`(lr = ..)` after the optimiser"));
    };
    let args = cursor.inside(g, |cursor| cursor.list(exprs::argument))?;
    let place = cursor.since(start);
    end_of(cursor, "`minimize`")?;
    block.stmts.push(Stmt::Minimize(Box::new(Minimize { loss, optimiser, args, place })));
    Ok(())
}

/// A value that did not parse.
fn nothing(place: Place) -> Expr {
    Expr { kind: ExprKind::Poison, place, text: String::new(), paren: false, depth: 0 }
}

/// What did not parse still declares its names, so that their uses are not errors too.
fn poison(cursor: &mut Cursor<'_>, start: usize, items: usize, block: &mut Block) {
    let here = Place::of(cursor.tokens.get(start).map_or(cursor.end, |t| t.span()));
    let nothing = || nothing(here);
    if items::poison(cursor, start, items, &mut block.items) {
        return;
    }
    let mut probe = Cursor {
        tokens: cursor.tokens,
        at: start,
        end: cursor.end,
        errors: cursor.errors,
        depth: cursor.depth,
    };
    let word = probe.peek_ident().map(ToString::to_string).unwrap_or_default();
    match word.as_str() {
        "let" => {
            probe.at += 1;
            let mutable = probe.eat_word("mut");
            let mut names: Vec<Ident> = probe.peek_ident().cloned().into_iter().collect();
            if let Some(g) = probe.peek_group(Delimiter::Parenthesis) {
                let idents = super::flat(g.stream()).into_iter();
                names = idents
                    .filter_map(|t| if let TokenTree::Ident(i) = t { Some(i) } else { None })
                    .filter(|i| i != "mut")
                    .collect();
            }
            let tuple = names.len() > 1;
            let mutable = vec![mutable; names.len()];
            block.stmts.push(Stmt::Let { mutable, names, tuple, ty: None, value: nothing() });
        }
        "for" | "repeat" | "minimize" => {}
        // An assignment leaves its name as it was.
        _ if probe.is_punct_at(1, "=") || compound(&probe).is_some() => {}
        _ => block.tail = Some(Box::new(nothing())),
    }
}

/// A block in an expression.
pub fn braced(cursor: &mut Cursor<'_>) -> Parsed<Block> {
    match cursor.group(Delimiter::Brace) {
        Some(g) => cursor.inside(g, block),
        None => Err(cursor.expected("`{ .. }`")),
    }
}
