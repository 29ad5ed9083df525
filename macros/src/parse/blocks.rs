//! Blocks: items, statements, and the value at the end.

use super::header::{Attrs, attrs, ty, types};
use super::{Cursor, Parsed, exprs};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, Ident};
use quote::ToTokens;
use syn::Path;

/// Words of the language that begin what is not built yet.
const LATER: &[&str] = &["buffer", "state", "repeat", "minimize", "train", "fn"];

/// Reads everything up to the end; what does not parse is reported and stands as poison.
pub fn block(c: &mut Cursor<'_>) -> Parsed<Block> {
    let mut b = Block { end: Some(c.end), ..Block::default() };
    while !c.done() {
        let start = c.at;
        let items = b.items.len();
        if part(c, &mut b).is_err() {
            poison(c, start, items, &mut b);
            c.recover(start);
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
        if let Some(place) = attrs.of_network {
            c.fail(place, messages::misplaced_attribute("unused_weights", "a network"));
        }
        let known = ["param", "net"].iter().any(|w| c.is_word(w)) || LATER.iter().any(|w| c.is_word(w));
        return if known { item(c, attrs, b) } else { Err(c.expected("`param` or `net` after an attribute")) };
    }
    let word = c.peek_ident().map(ToString::to_string).unwrap_or_default();
    let named = c.ident_at(1).is_some();
    match word.as_str() {
        "let" => let_stmt(c, b),
        "for" => for_stmt(c, b),
        "param" | "net" if named => item(c, Attrs::default(), b),
        w if named && LATER.contains(&w) => item(c, Attrs::default(), b),
        "minimize" => item(c, Attrs::default(), b),
        _ if c.ident_at(0).is_some() && c.is_punct_at(1, "=") => {
            let name = c.name("a name")?;
            c.expect("=", "in an assignment")?;
            let value = exprs::expr(c)?;
            end_of(c, "the assignment")?;
            b.stmts.push(Stmt::Assign(name, value));
            Ok(())
        }
        _ => value(c, b),
    }
}

fn end_of(c: &mut Cursor<'_>, what: &str) -> Parsed<()> {
    if c.eat(";").is_some() { Ok(()) } else { Err(c.expected(&format!("`;` after {what}"))) }
}

fn value(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    let e = exprs::expr(c)?;
    if c.done() {
        b.tail = Some(Box::new(e));
    } else if c.eat(";").is_some() {
        b.stmts.push(Stmt::Value(e));
    } else {
        return Err(c.expected("an operator, `;` or the end of the block"));
    }
    Ok(())
}

fn item(c: &mut Cursor<'_>, attrs: Attrs, b: &mut Block) -> Parsed<()> {
    let start = c.at;
    let word = c.peek_ident().map(ToString::to_string).unwrap_or_default();
    if LATER.contains(&word.as_str()) {
        // A state's name is used below: it stands as something broken, not as unknown.
        if let (Some(name), "state" | "buffer") = (c.ident_at(1), word.as_str()) {
            b.items.push(Item { name: name.clone(), weights: None, kind: ItemKind::Broken });
        }
        let what = if word == "train" { "train fn".into() } else { word };
        c.fail(Place::of(c.span()), messages::not_yet(&format!("`{what}`")));
        skip_unsupported(c);
        return Ok(());
    }
    c.at = start + 1;
    let name = c.name(&format!("a name after `{word}`"))?;
    c.expect(":", &format!("after the name of the {word}"))?;
    let kind = if word == "param" { param(c)? } else { net(c)? };
    end_of(c, &format!("`{word} {name}`"))?;
    b.items.push(Item { name, weights: attrs.weights, kind });
    Ok(())
}

/// Past the `;` or the `{ .. }` of something that is only named in its error.
fn skip_unsupported(c: &mut Cursor<'_>) {
    while !c.done() {
        if c.eat(";").is_some() || c.group(Delimiter::Brace).is_some() {
            return;
        }
        c.at += 1;
    }
}

fn param(c: &mut Cursor<'_>) -> Parsed<ItemKind> {
    let ty = ty(c)?;
    let init = if c.eat("=").is_some() { Some(exprs::expr(c)?) } else { None };
    Ok(ItemKind::Param(ty, init))
}

fn net(c: &mut Cursor<'_>) -> Parsed<ItemKind> {
    let Some(g) = c.group(Delimiter::Bracket) else { return Ok(ItemKind::Net(net_use(c)?, None)) };
    c.whole(g, |c| {
        let used = net_use(c)?;
        c.expect(";", "and the number of turns")?;
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
        used.options = c.inside(g, |o| o.list(exprs::arg))?;
    }
    Ok(used)
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
    end_of(c, "`let`")?;
    b.stmts.push(Stmt::Let { mutable, names, tuple, ty, value });
    Ok(())
}

fn for_stmt(c: &mut Cursor<'_>, b: &mut Block) -> Parsed<()> {
    c.at += 1;
    let name = c.name("a name after `for`")?;
    if !c.eat_word("in") {
        return Err(c.expected("`in`"));
    }
    let array = c.name("the name of a net array")?;
    let Some(g) = c.group(Delimiter::Brace) else { return Err(c.expected("`{ .. }`")) };
    b.stmts.push(Stmt::For(name, array, c.inside(g, block)?));
    Ok(())
}

/// What did not parse still declares its names, so that their uses are not errors too.
fn poison(c: &mut Cursor<'_>, start: usize, items: usize, b: &mut Block) {
    let here = Place::of(c.tokens.get(start).map_or(c.end, |t| t.span()));
    let nothing = || Expr { kind: ExprKind::Poison, place: here, text: String::new(), paren: false, depth: 0 };
    let mut at = start;
    // Attributes before an item.
    while c.tokens.get(at).is_some_and(|t| matches!(t, proc_macro2::TokenTree::Punct(p) if p.as_char() == '#')) {
        at += 2;
    }
    let mut probe = Cursor { tokens: c.tokens, at, end: c.end, errors: c.errors, depth: c.depth };
    let word = probe.peek_ident().map(ToString::to_string).unwrap_or_default();
    match word.as_str() {
        "param" | "net" => {
            if let (Some(name), true) = (probe.ident_at(1), b.items.len() == items) {
                b.items.push(Item { name: name.clone(), weights: None, kind: ItemKind::Broken });
            }
        }
        "let" => {
            probe.at += 1;
            let mutable = probe.eat_word("mut");
            let mut names: Vec<Ident> = probe.peek_ident().cloned().into_iter().collect();
            if let Some(g) = probe.peek_group(Delimiter::Parenthesis) {
                let idents = super::flat(g.stream()).into_iter();
                names = idents.filter_map(|t| if let proc_macro2::TokenTree::Ident(i) = t { Some(i) } else { None }).collect();
            }
            let tuple = names.len() > 1;
            b.stmts.push(Stmt::Let { mutable, names, tuple, ty: None, value: nothing() });
        }
        "for" => {}
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
