//! A network's header: name, dims, options, signature, `where`.

use super::attrs::attrs;
use super::{Cursor, Failed, Parsed};
use crate::ast::*;
use crate::errors::{Errors, Place};
use crate::messages;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeSet;
use syn::Visibility;
use syn::parse::Parse;
use tancho_ir::graph::Relation;

/// Reads a network. Fails only where there is no name; a broken header still gives a network.
pub fn network(cursor: &mut Cursor<'_>) -> Parsed<Network> {
    let attrs = attrs(cursor);
    attrs.before_network(cursor);
    let start = cursor.at;
    let vis = visibility(cursor);
    if let Some(word) =
        ["fn", "struct", "enum", "mod", "impl", "type", "use"].into_iter().find(|w| cursor.is_word(w))
    {
        return Err(cursor.fail(Place::of(cursor.span()), messages::no_network(word)));
    }
    let name = cursor.name("the name of a network")?;
    let mut n = Network {
        docs: attrs.docs,
        unused_weights: attrs.unused_weights,
        vis,
        name,
        dims: Vec::new(),
        options: Vec::new(),
        wheres: Vec::new(),
        header: String::new(),
        items: Vec::new(),
        entries: Vec::new(),
        lost: Vec::new(),
        short: true,
        broken_header: false,
        broken_body: false,
    };
    let head = head(cursor, &mut n);
    if head.is_err() {
        n.broken_header = true;
        while !cursor.done() && cursor.peek_group(Delimiter::Brace).is_none() {
            cursor.at += 1;
        }
        n.lost = cursor.names_since(start);
    }
    n.header = crate::print::header(cursor.tokens.get(start..cursor.at).unwrap_or_default());
    let Some(g) = cursor.group(Delimiter::Brace) else {
        if !n.broken_header {
            cursor.expected("the body `{ .. }`");
        }
        n.broken_header = true;
        return Ok(n);
    };
    let before = cursor.errors.count();
    match head {
        Ok(Some(entry)) => match cursor.inside(g, super::blocks::block) {
            Ok(body) => n.entries.push(Entry { header: n.header.clone(), body, ..entry }),
            Err(Failed) => n.broken_header = true,
        },
        Ok(None) => {
            n.short = false;
            if cursor.inside(g, |cursor| super::items::members(cursor, &mut n)).is_err() {
                n.broken_header = true;
            }
        }
        // What the header promises is not known: the body is read for editors only, and not checked.
        Err(Failed) => {
            let quiet = Errors::default();
            let tokens = super::flat(g.stream());
            if let Ok(body) =
                super::blocks::block(&mut Cursor::new(&tokens, g.span_close(), &quiet, cursor.depth))
            {
                n.entries.push(Entry { body, ..Entry::unknown(&n.name) });
            }
            quiet.finish(&[]);
        }
    }
    n.broken_body = cursor.errors.count() > before;
    Ok(n)
}

/// `pub`, `pub(crate)`, or nothing.
pub fn visibility(cursor: &mut Cursor<'_>) -> TokenStream {
    cursor.syn(Visibility::parse).map(Visibility::into_token_stream).unwrap_or_default()
}

/// Dims, options, signature and `where`; no entry point if the network has none of its own.
fn head(cursor: &mut Cursor<'_>, network: &mut Network) -> Parsed<Option<Entry>> {
    if cursor.is_punct("<") {
        network.dims = dims(cursor)?;
    }
    if let Some(g) = cursor.peek_group(Delimiter::Parenthesis)
        && begins_options(g)
    {
        cursor.at += 1;
        network.options = cursor.inside(g, |o| o.list(option))?;
    }
    let entry = if cursor.peek_group(Delimiter::Brace).is_some() || cursor.is_word("where") {
        None
    } else {
        Some(signature(cursor, &network.name)?)
    };
    network.wheres = clauses(cursor)?;
    Ok(entry)
}

/// `where D % HEADS == 0, P + S <= T`, if there is a `where`.
pub fn clauses(cursor: &mut Cursor<'_>) -> Parsed<Vec<Where>> {
    let mut all = Vec::new();
    if cursor.eat_word("where") {
        loop {
            all.push(clause(cursor)?);
            if cursor.eat(",").is_none() || cursor.peek_group(Delimiter::Brace).is_some() {
                break;
            }
        }
    }
    Ok(all)
}

/// `(x: [B, D]) -> [B, D]`
pub fn signature(cursor: &mut Cursor<'_>, name: &Ident) -> Parsed<Entry> {
    let Some(g) = cursor.group(Delimiter::Parenthesis) else {
        return Err(cursor.expected("the inputs `(x: [B, D])`"));
    };
    let inputs = cursor.inside(g, |i| i.list(input))?;
    if cursor.eat("->").is_none() {
        return Err(cursor.fail(Place::of(cursor.span()), messages::result_expected()));
    }
    let start = cursor.at;
    let outputs = types(cursor)?;
    Ok(Entry { inputs, outputs, promise: cursor.since(start), ..Entry::unknown(name) })
}

impl Entry {
    /// An entry point of which nothing is known.
    fn unknown(network: &Ident) -> Entry {
        Entry {
            docs: TokenStream::new(),
            vis: TokenStream::new(),
            name: Ident::new("forward", network.span()),
            train: false,
            dims: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            promise: Place::of(network.span()),
            header: String::new(),
            body: Block::default(),
            words: BTreeSet::new(),
        }
    }
}

/// `(option name ..)`; an input may be called `option`, as `(option: [B])`.
fn begins_options(g: &proc_macro2::Group) -> bool {
    let mut words = g.stream().into_iter();
    let first = matches!(words.next(), Some(TokenTree::Ident(i)) if i == "option");
    first && matches!(words.next(), Some(TokenTree::Ident(_)))
}

/// `<B, S: ..=512, D = 768>`
pub fn dims(cursor: &mut Cursor<'_>) -> Parsed<Vec<DimDecl>> {
    cursor.expect("<", "before the dimensions")?;
    let mut out = Vec::new();
    loop {
        if cursor.eat(">").is_some() {
            return Ok(out);
        }
        if cursor.is_word("const") {
            let name = cursor.ident_at(1).map_or("D".into(), ToString::to_string);
            return Err(cursor.fail(Place::of(cursor.span()), messages::const_generic(&name)));
        }
        let name = cursor.name("the name of a dimension or `>`")?;
        let kind = if cursor.eat(":").is_some() {
            if cursor.eat("..=").is_none() {
                let place = Place::of(cursor.span());
                let after = super::exprs::expr(cursor);
                return Err(after.map_or_else(
                    |e| e,
                    |e| cursor.fail(place, messages::bound_expected(&name.to_string(), &e.text)),
                ));
            }
            DimKind::Bounded(super::exprs::expr(cursor)?)
        } else if cursor.eat("=").is_some() {
            if cursor.eat_word("_") {
                DimKind::Required
            } else {
                DimKind::Static(super::exprs::expr(cursor)?)
            }
        } else {
            DimKind::Run
        };
        out.push(DimDecl { name, kind });
        if cursor.eat(",").is_none() && !cursor.is_punct(">") {
            return Err(cursor.expected("`,` or `>`"));
        }
    }
}

fn option(cursor: &mut Cursor<'_>) -> Parsed<OptionDecl> {
    if !cursor.eat_word("option") {
        return Err(cursor.expected("`option name = value`"));
    }
    let name = cursor.name("the name of an option")?;
    cursor.expect("=", "and the default of the option")?;
    Ok(OptionDecl { name, default: super::exprs::expr(cursor)? })
}

fn input(cursor: &mut Cursor<'_>) -> Parsed<Input> {
    if let (true, Some(name)) = (cursor.is_word("mut"), cursor.ident_at(1)) {
        let message = messages::mutable_input(&name.to_string());
        return Err(cursor.fail(Place::of(cursor.span()), message));
    }
    let reference = usize::from(cursor.is_punct("&"));
    let receiver = reference + usize::from(reference == 1 && cursor.word_at(1, "mut"));
    if cursor.word_at(receiver, "self") {
        cursor.at += receiver;
        return Err(cursor.fail(Place::of(cursor.span()), messages::self_as_input()));
    }
    let name = cursor.name("the name of an input")?;
    cursor.expect(":", "and the type of the input")?;
    Ok(Input { name, ty: ty(cursor)? })
}

/// One type, or several in parentheses.
pub fn types(cursor: &mut Cursor<'_>) -> Parsed<Vec<Ty>> {
    match cursor.group(Delimiter::Parenthesis) {
        Some(g) => {
            let all = cursor.inside(g, |t| t.list(ty))?;
            if all.is_empty() {
                Err(cursor.fail(Place::of(g.span()), messages::empty_tuple()))
            } else {
                Ok(all)
            }
        }
        None => Ok(vec![ty(cursor)?]),
    }
}

/// `bool[.., B, 4 * D]`
pub fn ty(cursor: &mut Cursor<'_>) -> Parsed<Ty> {
    let start = cursor.at;
    let dtype = cursor.peek_ident().cloned();
    cursor.at += usize::from(dtype.is_some());
    let Some(g) = cursor.group(Delimiter::Bracket) else {
        let found = dtype.map(|i| i.to_string()).or_else(|| cursor.is_punct("&").then(|| "&".to_string()));
        return Err(match found {
            Some(found) => {
                let place = Place::of(cursor.tokens.get(start).map_or(cursor.end, TokenTree::span));
                cursor.fail(place, messages::no_type(&found))
            }
            None => cursor.expected("a type such as `[B, D]` or `bool[B, S]`"),
        });
    };
    let (open, axes) = cursor.inside(g, |cursor| {
        let open = super::exprs::leading(cursor)?;
        let axes = cursor.list(|cursor| {
            if cursor.is_punct("..") {
                return Err(cursor.fail(Place::of(cursor.span()), messages::open_axes_first()));
            }
            let axis = super::exprs::expr(cursor)?;
            if cursor.is_punct(";") {
                return Err(cursor.fail(Place::of(cursor.span()), messages::rust_array()));
            }
            Ok(axis)
        })?;
        Ok((open, axes))
    })?;
    Ok(Ty { dtype, open, axes, text: cursor.text_since(start), place: cursor.since(start) })
}

fn clause(cursor: &mut Cursor<'_>) -> Parsed<Where> {
    let start = cursor.at;
    let left = super::exprs::expr(cursor)?;
    let relation = if cursor.eat("%").is_some() {
        Relation::Multiple
    } else if cursor.eat("==").is_some() {
        Relation::Equal
    } else if cursor.eat("<=").is_some() {
        Relation::AtMost
    } else if cursor.eat("<").is_some() {
        Relation::Less
    } else {
        return Err(
            turned(cursor, start, &left).unwrap_or_else(|| cursor.expected("`==`, `<=`, `<` or `% .. == 0`"))
        );
    };
    let right = super::exprs::expr(cursor)?;
    if relation == Relation::Multiple {
        if cursor.eat("==").is_none() {
            return Err(cursor.expected("`== 0` after a remainder"));
        }
        let zero = super::exprs::expr(cursor)?;
        if !matches!(zero.kind, ExprKind::Number(_, Some(0))) {
            return Err(
                cursor.fail(zero.place, messages::remainder_not_zero(&left.text, &right.text, &zero.text))
            );
        }
    }
    Ok(Where { left, relation, right, place: cursor.since(start) })
}

/// `D > 0` and `S >= T`, which stand the other way round in a promise.
fn turned(cursor: &mut Cursor<'_>, start: usize, left: &Expr) -> Option<Failed> {
    let (sign, relation) = [(">=", "<="), (">", "<")].into_iter().find(|(s, _)| cursor.is_punct(s))?;
    cursor.at += sign.len();
    let right = match super::exprs::expr(cursor) {
        Ok(right) => right,
        Err(failed) => return Some(failed),
    };
    let message = messages::turned_relation(sign, &left.text, relation, &right.text);
    Some(cursor.fail(cursor.since(start), message))
}
