//! What stands in `x[..]`.

use super::exprs::{expr, named};
use super::{Cursor, Parsed};
use crate::ast::Index;
use crate::errors::Place;
use crate::messages;
use proc_macro2::TokenTree;

/// An index of an axis, or a range of them.
pub fn index(cursor: &mut Cursor<'_>) -> Parsed<Index> {
    let start = cursor.at;
    let axis = named(cursor);
    if cursor.is_punct("..") && cursor.is_punct_at(2, ".") {
        let place =
            Place { first: cursor.span(), last: cursor.peek_at(2).map_or(cursor.span(), TokenTree::span) };
        return Err(cursor.fail(place, messages::three_dots()));
    }
    if let Some(word) = cursor.peek_ident().filter(|i| *i == "None" || *i == "newaxis") {
        return Err(cursor.fail(Place::of(word.span()), messages::new_axis(&word.to_string())));
    }
    if cursor.is_punct(":") {
        return Err(cursor.fail(Place::of(cursor.span()), messages::colon_in_index()));
    }
    let begin = cursor.at;
    let open = cursor.is_punct("..") || cursor.is_punct("..=");
    let first = if open { None } else { Some(expr(cursor)?) };
    if cursor.is_punct(":") {
        return Err(cursor.fail(Place::of(cursor.span()), messages::colon_in_index()));
    }
    inclusive(cursor, begin)?;
    let range = cursor.eat("..").is_some();
    let end = if range && !cursor.done() && !cursor.is_punct(",") && !cursor.is_word("step") {
        Some(expr(cursor)?)
    } else {
        None
    };
    let step = if range && cursor.eat_word("step") { Some(expr(cursor)?) } else { None };
    Ok(Index { axis, start: first, end, range, step, place: cursor.since(start) })
}

/// Reports `..=` where a range has `..`; its beginning was read from `start` on.
pub fn inclusive(cursor: &mut Cursor<'_>, start: usize) -> Parsed<()> {
    if !cursor.is_punct("..=") {
        return Ok(());
    }
    let from = if cursor.at == start { "0".to_string() } else { cursor.text_since(start) };
    cursor.at += 3;
    let to = expr(cursor)?;
    Err(cursor.fail(cursor.since(start), messages::inclusive_range(&from, &to.text)))
}
