//! Items: weights, nets, states; and the entry points of a network that has several.

use super::attrs::{Attrs, attrs};
use super::header::{signature, ty, visibility};
use super::{Cursor, Parsed, blocks, exprs};
use crate::ast::*;
use crate::messages;
use proc_macro2::{Delimiter, TokenTree};
use quote::ToTokens;
use syn::Path;

/// The words that begin an item.
pub const ITEMS: [&str; 4] = ["param", "buffer", "net", "state"];

/// What a network without a signature of its own holds: items and entry points.
pub fn members(c: &mut Cursor<'_>, n: &mut Network) -> Parsed<()> {
    while !c.done() {
        let (start, items) = (c.at, n.items.len());
        if member(c, n).is_err() {
            poison(c, start, items, &mut n.items);
            c.recover(start);
            n.lost.extend(c.names_since(start));
        }
    }
    if n.entries.is_empty() && !n.broken_header {
        let name = n.name.to_string();
        return Err(c.fail(crate::errors::Place::of(n.name.span()), messages::no_entry_point(&name)));
    }
    Ok(())
}

fn member(c: &mut Cursor<'_>, n: &mut Network) -> Parsed<()> {
    if c.eat(";").is_some() {
        return Ok(());
    }
    let attrs = attrs(c);
    if ITEMS.iter().any(|w| c.is_word(w)) {
        return item(c, attrs, &mut n.items);
    }
    let start = c.at;
    let vis = visibility(c);
    let train = c.eat_word("train");
    if !c.eat_word("fn") {
        return Err(c.expected("`param`, `buffer`, `net`, `state` or `fn`"));
    }
    attrs.before_entry(c);
    let entry = entry(c, start, attrs, train);
    // A network whose interface is not known is not judged.
    n.broken_header |= entry.is_err();
    n.entries.push(Entry { vis, ..entry? });
    Ok(())
}

fn entry(c: &mut Cursor<'_>, start: usize, attrs: Attrs, train: bool) -> Parsed<Entry> {
    let name = c.name("the name of the entry point")?;
    let entry = signature(c, &name)?;
    let header = crate::print::header(c.tokens.get(start..c.at).unwrap_or_default());
    let Some(g) = c.group(Delimiter::Brace) else { return Err(c.expected("the body `{ .. }`")) };
    let body = c.inside(g, blocks::block)?;
    Ok(Entry { docs: attrs.docs, name, train, header, body, ..entry })
}

/// An item after its attributes.
pub fn item(c: &mut Cursor<'_>, attrs: Attrs, items: &mut Vec<Item>) -> Parsed<()> {
    attrs.before_item(c);
    let word = c.peek_ident().map(ToString::to_string).unwrap_or_default();
    c.at += 1;
    let name = c.name(&format!("a name after `{word}`"))?;
    c.expect(":", &format!("after the name of the {word}"))?;
    let kind = match word.as_str() {
        "net" => net(c)?,
        "state" => state(c)?,
        word => {
            let ty = ty(c)?;
            let init = if c.eat("=").is_some() { Some(exprs::expr(c)?) } else { None };
            if word == "buffer" { ItemKind::Buffer(ty, init) } else { ItemKind::Param(ty, init) }
        }
    };
    blocks::end_of(c, &format!("`{word} {name}`"))?;
    items.push(Item { name, attrs: attrs.item, kind });
    Ok(())
}

fn state(c: &mut Cursor<'_>) -> Parsed<ItemKind> {
    let ty = ty(c)?;
    let grows = if c.eat_word("grow") { Some(c.name("the dimension it grows along")?) } else { None };
    Ok(ItemKind::State(ty, grows))
}

fn net(c: &mut Cursor<'_>) -> Parsed<ItemKind> {
    let Some(g) = c.group(Delimiter::Bracket) else { return Ok(ItemKind::Net(net_use(c)?, None)) };
    c.whole(g, |c| {
        let used = net_use(c)?;
        c.expect(";", "and the number of iterations")?;
        Ok(ItemKind::Net(used, Some(exprs::expr(c)?)))
    })
}

/// `models::Encoder<D, H = 4 * D>(bias = false)`
fn net_use(c: &mut Cursor<'_>) -> Parsed<Use> {
    let start = c.at;
    let Ok(path) = c.syn(Path::parse_mod_style) else { return Err(c.expected("the name of a network")) };
    let mut used = Use {
        path: path.into_token_stream(),
        text: c.text_since(start),
        shown: String::new(),
        single: c.at == start + 1,
        place: c.since(start),
        dims: Vec::new(),
        options: Vec::new(),
    };
    if c.eat("<").is_some() {
        loop {
            if c.eat(">").is_some() {
                break;
            }
            used.dims.push(exprs::arg(c)?);
            if c.eat(",").is_none() && !c.is_punct(">") {
                return Err(c.expected("`,` or `>`"));
            }
        }
    }
    if let Some(g) = c.group(Delimiter::Parenthesis) {
        used.options = c.inside(g, |o| o.list(exprs::argument))?;
    }
    used.shown = c.text_since(start);
    Ok(used)
}

/// An item that did not parse still declares its name, so that its uses are not errors too.
/// Whether one began at `start`.
pub fn poison(c: &Cursor<'_>, start: usize, items: usize, list: &mut Vec<Item>) -> bool {
    let mut at = start;
    // Attributes before an item.
    while c.tokens.get(at).is_some_and(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == '#')) {
        at += 2;
    }
    let word = |i: usize| match c.tokens.get(i) {
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
