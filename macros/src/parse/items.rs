//! Items: weights, nets, states; and the entry points of a network that has several.

use super::attrs::{Attrs, attrs, comment};
use super::header::{clauses, dims, signature, ty, visibility};
use super::{Cursor, Parsed, blocks, exprs};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, TokenTree};
use quote::ToTokens;
use syn::Path;

/// The words that begin an item.
pub const ITEMS: [&str; 5] = ["param", "buffer", "const", "net", "state"];

/// What a network without a signature of its own holds: items and entry points.
pub fn members(cursor: &mut Cursor<'_>, network: &mut Network) -> Parsed<()> {
    while !cursor.done() {
        let (start, items) = (cursor.at, network.items.len());
        if member(cursor, network).is_err() {
            poison(cursor, start, items, &mut network.items);
            cursor.recover(start);
            network.lost.extend(cursor.names_since(start));
        }
    }
    if network.entries.is_empty() && !network.broken_header {
        let name = network.name.to_string();
        return Err(cursor.fail(Place::of(network.name.span()), messages::no_entry_point(&name)));
    }
    Ok(())
}

fn member(cursor: &mut Cursor<'_>, network: &mut Network) -> Parsed<()> {
    if cursor.eat(";").is_some() {
        return Ok(());
    }
    if comment(cursor) {
        return Ok(());
    }
    let attrs = attrs(cursor);
    if ITEMS.iter().any(|w| cursor.is_word(w)) {
        return item(cursor, attrs, &mut network.items);
    }
    let start = cursor.at;
    let vis = visibility(cursor);
    let train = cursor.eat_word("train");
    if !cursor.eat_word("fn") {
        return Err(cursor.expected("`param`, `buffer`, `const`, `net`, `state` or `fn`"));
    }
    attrs.before_entry(cursor);
    let entry = entry(cursor, start, attrs, train);
    // A network whose interface is not known is not checked.
    network.broken_header |= entry.is_err();
    network.entries.push(Entry { vis, ..entry? });
    Ok(())
}

fn entry(cursor: &mut Cursor<'_>, start: usize, attrs: Attrs, train: bool) -> Parsed<Entry> {
    let name = cursor.name("the name of the entry point")?;
    let dims = if cursor.is_punct("<") { dims(cursor)? } else { Vec::new() };
    let entry = signature(cursor, &name)?;
    let header = crate::print::header(cursor.tokens.get(start..cursor.at).unwrap_or_default());
    if cursor.is_word("where") {
        let place = Place::of(cursor.span());
        clauses(cursor)?;
        cursor.fail(place, messages::where_of_entry(&name.to_string()));
    }
    let Some(g) = cursor.group(Delimiter::Brace) else { return Err(cursor.expected("the body `{ .. }`")) };
    let body = cursor.inside(g, blocks::block)?;
    let words = cursor.words_since(start).iter().map(ToString::to_string).collect();
    Ok(Entry { docs: attrs.docs, name, train, dims, header, body, words, ..entry })
}

/// An item after its attributes.
pub fn item(cursor: &mut Cursor<'_>, attrs: Attrs, items: &mut Vec<Item>) -> Parsed<()> {
    attrs.before_item(cursor);
    let word = cursor.peek_ident().map(ToString::to_string).unwrap_or_default();
    cursor.at += 1;
    let name = cursor.name(&format!("a name after `{word}`"))?;
    cursor.expect(":", &format!("after the name of the {word}"))?;
    let kind = match word.as_str() {
        "net" => net(cursor)?,
        "state" => state(cursor)?,
        word => {
            let ty = ty(cursor)?;
            let init = if cursor.eat("=").is_some() { Some(exprs::expr(cursor)?) } else { None };
            match word {
                "buffer" => ItemKind::Buffer(ty, init),
                "const" => ItemKind::Const(ty, init),
                _ => ItemKind::Param(ty, init),
            }
        }
    };
    blocks::end_of(cursor, &format!("`{word} {name}`"))?;
    items.push(Item { name, attrs: attrs.item, kind });
    Ok(())
}

fn state(cursor: &mut Cursor<'_>) -> Parsed<ItemKind> {
    let ty = ty(cursor)?;
    if cursor.is_punct("=") {
        return Err(cursor.fail(Place::of(cursor.span()), messages::state_begins()));
    }
    let keeps_last = cursor.eat_word("last");
    let grows = if keeps_last || cursor.eat_word("grow") {
        Some(Growth { dim: cursor.name("the dimension it grows along")?, keeps_last })
    } else {
        None
    };
    Ok(ItemKind::State(ty, grows))
}

fn net(cursor: &mut Cursor<'_>) -> Parsed<ItemKind> {
    let Some(g) = cursor.group(Delimiter::Bracket) else { return Ok(ItemKind::Net(net_use(cursor)?, None)) };
    cursor.whole(g, |cursor| {
        let used = net_use(cursor)?;
        cursor.expect(";", "and the number of iterations")?;
        Ok(ItemKind::Net(used, Some(exprs::expr(cursor)?)))
    })
}

/// `models::Encoder<D, H = 4 * D>(bias = false)`
fn net_use(cursor: &mut Cursor<'_>) -> Parsed<Use> {
    let start = cursor.at;
    let Ok(path) = cursor.syn(Path::parse_mod_style) else {
        return Err(cursor.expected("the name of a network"));
    };
    let mut used = Use {
        path: path.into_token_stream(),
        text: cursor.text_since(start),
        shown: String::new(),
        single: cursor.at == start + 1,
        place: cursor.since(start),
        dims: Vec::new(),
        options: Vec::new(),
    };
    if cursor.eat("<").is_some() {
        loop {
            if cursor.eat(">").is_some() {
                break;
            }
            used.dims.push(exprs::arg(cursor)?);
            if let (true, Some(inner)) = (cursor.is_punct("<"), used.dims.last()) {
                return Err(cursor.fail(inner.place, messages::nested_networks(&inner.value.text)));
            }
            if cursor.eat(",").is_none() && !cursor.is_punct(">") {
                return Err(cursor.expected("`,` or `>`"));
            }
        }
    }
    if let Some(g) = cursor.group(Delimiter::Parenthesis) {
        used.options = cursor.inside(g, |o| o.list(exprs::argument))?;
    }
    used.shown = cursor.text_since(start);
    Ok(used)
}

/// An item that did not parse still declares its name, so that its uses are not errors too.
/// Whether one began at `start`.
pub fn poison(cursor: &Cursor<'_>, start: usize, items: usize, list: &mut Vec<Item>) -> bool {
    let mut at = start;
    // Attributes before an item.
    while cursor.tokens.get(at).is_some_and(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == '#')) {
        at += 2;
    }
    let word = |i: usize| match cursor.tokens.get(i) {
        Some(TokenTree::Ident(i)) => Some(i),
        _ => None,
    };
    if !word(at).is_some_and(|w| ITEMS.iter().any(|k| w == k)) {
        return false;
    }
    if let (Some(name), true) = (word(at + 1), list.len() == items) {
        list.push(Item { name: name.clone(), attrs: ItemAttrs::default(), kind: ItemKind::Broken });
    }
    true
}
