//! Values of bool: `||`, then `&&`, then comparisons, whose sides are sums. Dims have none of them.

use super::exprs::{expr, make};
use super::{Cursor, Failed, Parsed};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::TokenTree;
use tancho_ir::op::Binary;

/// The longer ones first.
const COMPARISONS: [(&str, Binary); 6] = [
    ("<=", Binary::Le),
    (">=", Binary::Ge),
    ("==", Binary::Eq),
    ("!=", Binary::Ne),
    ("<", Binary::Lt),
    (">", Binary::Gt),
];

/// A value of a body: a sum, a comparison, or comparisons joined by `&&` and `||`.
pub fn value(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    joined(cursor, "||", Binary::Or, |c| joined(c, "&&", Binary::And, comparison))
}

fn joined(
    cursor: &mut Cursor<'_>,
    sign: &str,
    op: Binary,
    part: impl Fn(&mut Cursor<'_>) -> Parsed<Expr>,
) -> Parsed<Expr> {
    let start = cursor.at;
    let mut left = part(cursor)?;
    while cursor.eat(sign).is_some() {
        let right = part(cursor)?;
        left = logic(cursor, start, op, left, right)?;
    }
    Ok(left)
}

fn comparison(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let start = cursor.at;
    let left = expr(cursor)?;
    compared_with(cursor, start, left)
}

/// The other side of a comparison, if there is one. Its frame is not on the stack while the first is read.
#[inline(never)]
fn compared_with(cursor: &mut Cursor<'_>, start: usize, left: Expr) -> Parsed<Expr> {
    if let (ExprKind::Name(n), true) = (&left.kind, cursor.is_punct("<"))
        && cursor.ident_at(1).is_some()
        && cursor.is_punct_at(2, "=")
    {
        return Err(cursor.fail(left.place, messages::dims_at_a_call(&n.to_string())));
    }
    let Some(op) = compared(cursor) else { return Ok(left) };
    let right = expr(cursor)?;
    let middle = right.text.clone();
    let whole = logic(cursor, start, op, left, right)?;
    let at = cursor.span();
    match compared(cursor) {
        Some(_) => Err(cursor.fail(Place::of(at), messages::chained_comparison(&whole.text, &middle))),
        None => Ok(whole),
    }
}

fn compared(cursor: &mut Cursor<'_>) -> Option<Binary> {
    COMPARISONS.iter().find(|(sign, _)| cursor.eat(sign).is_some()).map(|(_, op)| *op)
}

fn logic(cursor: &Cursor<'_>, start: usize, op: Binary, left: Expr, right: Expr) -> Parsed<Expr> {
    let depth = left.depth.max(right.depth);
    make(cursor, start, ExprKind::Logic(op, Box::new(left), Box::new(right)), depth)
}

/// Reports an operator after a value that other languages have and this one has not.
pub fn no_operator(cursor: &Cursor<'_>, left: &Expr) -> Option<Failed> {
    const SIGNS: [&str; 4] = ["%", "&", "|", "?"];
    const WORDS: [&str; 2] = ["and", "or"];
    let is = |s: &&str| matches!(cursor.peek(), Some(TokenTree::Punct(p)) if s.chars().eq([p.as_char()]));
    let op = SIGNS.into_iter().find(is).or(WORDS.into_iter().find(|w| cursor.is_word(w)))?;
    Some(cursor.fail(Place::of(cursor.span()), messages::no_operator(op, &left.text)))
}

/// Reports what stands where a value is expected, and is a habit from elsewhere.
pub fn habit(cursor: &Cursor<'_>) -> Option<Failed> {
    let here = Place::of(cursor.span());
    if cursor.is_punct("|") || cursor.is_punct("||") || cursor.is_word("move") {
        return Some(cursor.fail(here, messages::closure()));
    }
    if cursor.is_punct("&") {
        return Some(cursor.fail(here, messages::reference()));
    }
    None
}
