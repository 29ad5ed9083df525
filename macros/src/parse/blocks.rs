//! Blocks: items, statements, and the value at the end.

use super::attrs::attrs;
use super::header::types;
use super::items::{self, ITEMS};
use super::{Cursor, Parsed, exprs};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, Ident, TokenTree};

/// Reads everything up to the end; what does not parse is reported and stands as poison.
pub fn block(c: &mut Cursor<'_>) -> Parsed<Block> {
    let mut b = Block { end: Some(c.end), ..Block::default() };
    while !c.done() {
        let start = c.at;
        let items = b.items.len();
        if part(c, &mut b).is_err() {
            poison(c, start, items, &mut b);
            // Whatever the block's value would have been, it was lost with the rest of the line.
            if !c.recover(start) && b.tail.is_none() {
                b.tail = Some(Box::new(nothing(Place::of(c.end))));
            }
            b.lost.extend(c.names_since(start));
        }
    }
    Ok(b)
}

/// One item, statement or value; the last without a `;` is the block's value.
fn part(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    if c.eat(";").is_some() {
        return Ok(());
    }
    if c.is_punct("#") {
        let attrs = attrs(c);
        if ITEMS.iter().any(|w| c.is_word(w)) {
            return items::item(c, attrs, &mut b.items);
        }
        if !(c.is_word("fn") || c.is_word("train")) {
            return Err(c.expected("`param`, `buffer`, `net` or `state` after an attribute"));
        }
    }
    let named = c.ident_at(1).is_some();
    let word = c.peek_ident().map(ToString::to_string).unwrap_or_default();
    match word.as_str() {
        "let" => let_stmt(c, b),
        "for" => for_stmt(c, b),
        "repeat" if named && c.word_at(2, "in") => repeat(c, b),
        "minimize" if is_minimize(c) => minimize(c, b),
        "fn" | "train" if named => {
            // What follows may call it, and would be wrong for no other reason.
            let failed = c.fail(Place::of(c.span()), messages::entry_in_body());
            while !c.done() {
                c.at += 1;
            }
            Err(failed)
        }
        "while" | "loop" | "match" | "return" | "struct" | "const" | "static" | "type" | "use" | "impl" => {
            Err(c.fail(Place::of(c.span()), messages::no_statement(&word)))
        }
        w if named && ITEMS.contains(&w) => items::item(c, Default::default(), &mut b.items),
        _ if c.ident_at(0).is_some() && c.is_punct_at(1, "=") => {
            let name = c.name("a name")?;
            c.expect("=", "in an assignment")?;
            let value = exprs::expr(c)?;
            end_of_value(c, &value, "the assignment")?;
            b.stmts.push(Stmt::Assign(name, value));
            Ok(())
        }
        _ => value(c, b),
    }
}

/// The `;` after a value, or the operator that another language has there.
fn end_of_value(c: &mut Cursor<'_>, value: &Expr, what: &str) -> Parsed<()> {
    match c.eat(";") {
        Some(_) => Ok(()),
        None => Err(exprs::no_operator(c, value).unwrap_or_else(|| c.expected(&format!("`;` after {what}")))),
    }
}

/// The `;` after something.
pub fn end_of(c: &mut Cursor<'_>, what: &str) -> Parsed<()> {
    if c.eat(";").is_some() { Ok(()) } else { Err(c.expected(&format!("`;` after {what}"))) }
}

fn value(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    let e = exprs::expr(c)?;
    if c.done() {
        b.tail = Some(Box::new(e));
    } else if c.eat(";").is_some() {
        b.stmts.push(Stmt::Value(e));
    } else {
        return Err(exprs::no_operator(c, &e)
            .unwrap_or_else(|| c.expected("an operator, `;` or the end of the block")));
    }
    Ok(())
}

/// The names of `let`'s pattern, and whether it is a tuple.
fn pattern(c: &mut Cursor<'_>) -> Parsed<(Vec<Ident>, bool)> {
    match c.group(Delimiter::Parenthesis) {
        Some(g) => Ok((c.inside(g, |p| p.list(|p| p.name("a name")))?, true)),
        None => Ok((vec![c.name("a name after `let`")?], false)),
    }
}

fn let_stmt(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    c.at += 1;
    let mutable = c.eat_word("mut");
    let (names, tuple) = pattern(c)?;
    let ty = if c.eat(":").is_some() { Some(types(c)?) } else { None };
    c.expect("=", "and a value")?;
    let value = exprs::expr(c)?;
    end_of_value(c, &value, "`let`")?;
    b.stmts.push(Stmt::Let { mutable, names, tuple, ty, value });
    Ok(())
}

fn for_stmt(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    c.at += 1;
    let name = c.name("a name after `for`")?;
    if !c.eat_word("in") {
        return Err(c.expected("`in`"));
    }
    if matches!(c.peek(), Some(TokenTree::Literal(_))) || c.is_punct_at(1, "..") {
        return Err(c.fail(Place::of(c.span()), messages::for_over_numbers(&name.to_string())));
    }
    let array = c.name("the name of a net array")?;
    let Some(g) = c.group(Delimiter::Brace) else { return Err(c.expected("`{ .. }`")) };
    b.stmts.push(Stmt::For(name, array, c.inside(g, block)?));
    Ok(())
}

/// `repeat i in 0..N { .. }`
fn repeat(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    c.at += 1;
    let name = c.name("a name after `repeat`")?;
    c.at += 1;
    let from = exprs::expr(c)?;
    c.expect("..", "between the first iteration and the end")?;
    let to = exprs::expr(c)?;
    b.stmts.push(Stmt::Repeat(name, Box::new((from, to)), braced(c)?));
    Ok(())
}

/// Whether `minimize` begins a statement, and is no name: a value follows, and `with` before the `;`.
fn is_minimize(c: &Cursor<'_>) -> bool {
    let rest = || {
        (1..)
            .map_while(|i| c.peek_at(i))
            .take_while(|t| !matches!(t, TokenTree::Punct(p) if p.as_char() == ';'))
    };
    let value = rest().next().is_some_and(|t| !matches!(t, TokenTree::Punct(_)));
    value && (c.ident_at(1).is_some() || rest().any(|t| matches!(t, TokenTree::Ident(i) if i == "with")))
}

/// `minimize loss with adamw(lr = lr);`
fn minimize(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    let start = c.at;
    c.at += 1;
    let loss = exprs::expr(c)?;
    if !c.eat_word("with") {
        return Err(c.expected("`with` and an optimiser"));
    }
    if c.peek_ident().is_none() {
        return Err(c.expected("an optimiser such as `adamw(lr = lr)`"));
    }
    let optimiser = exprs::callee(c)?;
    let Some(g) = c.group(Delimiter::Parenthesis) else {
        return Err(c.expected("`(lr = ..)` after the optimiser"));
    };
    let args = c.inside(g, |c| c.list(exprs::argument))?;
    let place = c.since(start);
    end_of(c, "`minimize`")?;
    b.stmts.push(Stmt::Minimize(Box::new(Minimize { loss, optimiser, args, place })));
    Ok(())
}

/// A value that did not parse.
fn nothing(place: Place) -> Expr {
    Expr { kind: ExprKind::Poison, place, text: String::new(), paren: false, depth: 0 }
}

/// What did not parse still declares its names, so that their uses are not errors too.
fn poison(c: &mut Cursor<'_>, start: usize, items: usize, b: &mut Block) {
    let here = Place::of(c.tokens.get(start).map_or(c.end, |t| t.span()));
    let nothing = || nothing(here);
    if items::poison(c, start, items, &mut b.items) {
        return;
    }
    let mut probe = Cursor { tokens: c.tokens, at: start, end: c.end, errors: c.errors, depth: c.depth };
    let word = probe.peek_ident().map(ToString::to_string).unwrap_or_default();
    match word.as_str() {
        "let" => {
            probe.at += 1;
            let mutable = probe.eat_word("mut");
            let mut names: Vec<Ident> = probe.peek_ident().cloned().into_iter().collect();
            if let Some(g) = probe.peek_group(Delimiter::Parenthesis) {
                let idents = super::flat(g.stream()).into_iter();
                names =
                    idents.filter_map(|t| if let TokenTree::Ident(i) = t { Some(i) } else { None }).collect();
            }
            let tuple = names.len() > 1;
            b.stmts.push(Stmt::Let { mutable, names, tuple, ty: None, value: nothing() });
        }
        "for" | "repeat" | "minimize" => {}
        // An assignment leaves its name as it was.
        _ if probe.is_punct_at(1, "=") => {}
        _ => b.tail = Some(Box::new(nothing())),
    }
}

/// A block in an expression.
pub fn braced(c: &mut Cursor<'_>) -> Parsed<Block> {
    match c.group(Delimiter::Brace) {
        Some(g) => c.inside(g, block),
        None => Err(c.expected("`{ .. }`")),
    }
}
