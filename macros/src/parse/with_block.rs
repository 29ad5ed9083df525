//! Expressions with a block: `residual(x) { .. }`, and `scan (x, g) in (xs, gs) over S backwards { .. }`, a
//! loop along an axis of values.

use super::blocks::braced;
use super::exprs::{block_depth, expr, make};
use super::logic::value;
use super::{Cursor, Parsed};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::Delimiter;

/// Whether a scan stands here, and no name of a value: names and `in` follow.
pub fn is_scan(cursor: &Cursor<'_>) -> bool {
    let names = cursor.ident_at(1).is_some() || cursor.group_at(1, Delimiter::Parenthesis).is_some();
    cursor.is_word("scan") && names && cursor.word_at(2, "in")
}

/// Reads one from its first word on.
#[inline(never)]
pub fn scan(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    cursor.at += 1;
    let place = Place::of(cursor.span());
    let names = match cursor.group(Delimiter::Parenthesis) {
        Some(g) => cursor.inside(g, |c| c.list(|c| c.name("the name of an element")))?,
        None => vec![cursor.name("the name of an element")?],
    };
    cursor.at += 1;
    let at = cursor.at;
    let one = expr(cursor)?;
    let read = cursor.since(at);
    let sequences = match one.kind {
        ExprKind::Tuple(parts) if names.len() > 1 => parts,
        _ => vec![one],
    };
    if sequences.len() != names.len() || names.is_empty() {
        return Err(cursor.fail(place.to(read), messages::scan_names(names.len(), sequences.len())));
    }
    if cursor.is_punct("..") {
        return Err(cursor.fail(read, messages::scan_of_numbers()));
    }
    if !cursor.eat_word("over") {
        return Err(cursor.fail(cursor.since(start), messages::scan_without_axis(&cursor.text_since(start))));
    }
    let over = expr(cursor)?;
    let backwards = cursor.eat_word("backwards");
    let header = cursor.since(start);
    let text = cursor.text_since(start);
    if cursor.peek_group(Delimiter::Brace).is_none() {
        return Err(cursor.expected("`{ .. }`, or `backwards` before it"));
    }
    let body = braced(cursor)?;
    let inner = sequences.iter().map(|e| e.depth).max().unwrap_or(0).max(block_depth(&body));
    let scan = Scan { names, sequences, over, backwards, body, place: header, text };
    make(cursor, start, ExprKind::Scan(Box::new(scan)), inner)
}

/// `residual(x) { .. }`
pub fn residual(cursor: &mut Cursor<'_>, start: usize) -> Parsed<Expr> {
    cursor.at += 1;
    let Some(g) = cursor.group(Delimiter::Parenthesis) else { return Err(cursor.expected("`(x)`")) };
    let stream = cursor.inside(g, |c| {
        let stream = value(c)?;
        match c.peek() {
            None => Ok(stream),
            Some(_) if c.eat(",").is_some() && !c.done() => {
                let at = c.at;
                c.at = c.tokens.len();
                Err(c.fail(c.since(at), messages::residual_branch(&stream.text, &c.text_since(at))))
            }
            Some(_) => Err(c.expected("`)`")),
        }
    })?;
    let body = braced(cursor)?;
    let depth = block_depth(&body).max(stream.depth);
    make(cursor, start, ExprKind::Residual(Box::new(stream), body), depth)
}
