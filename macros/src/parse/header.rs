//! A network's header: name, dims, options, signature, `where`.

use super::attrs::attrs;
use super::{Cursor, Failed, Parsed};
use crate::ast::*;
use crate::errors::{Errors, Place};
use crate::messages;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::Visibility;
use syn::parse::Parse;
use tancho_ir::graph::Relation;

/// Reads a network. Fails only where there is no name; a broken header still gives a network.
pub fn network(c: &mut Cursor<'_>) -> Parsed<Network> {
    let attrs = attrs(c);
    attrs.before_network(c);
    let start = c.at;
    let vis = visibility(c);
    if let Some(word) =
        ["fn", "struct", "enum", "mod", "impl", "type", "use"].into_iter().find(|w| c.is_word(w))
    {
        return Err(c.fail(Place::of(c.span()), messages::no_network(word)));
    }
    let name = c.name("the name of a network")?;
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
    let head = head(c, &mut n);
    if head.is_err() {
        n.broken_header = true;
        while !c.done() && c.peek_group(Delimiter::Brace).is_none() {
            c.at += 1;
        }
        n.lost = c.names_since(start);
    }
    n.header = crate::print::header(c.tokens.get(start..c.at).unwrap_or_default());
    let Some(g) = c.group(Delimiter::Brace) else {
        if !n.broken_header {
            c.expected("the body `{ .. }`");
        }
        n.broken_header = true;
        return Ok(n);
    };
    let before = c.errors.count();
    match head {
        Ok(Some(entry)) => match c.inside(g, super::blocks::block) {
            Ok(body) => n.entries.push(Entry { header: n.header.clone(), body, ..entry }),
            Err(Failed) => n.broken_header = true,
        },
        Ok(None) => {
            n.short = false;
            if c.inside(g, |c| super::items::members(c, &mut n)).is_err() {
                n.broken_header = true;
            }
        }
        // What the header promises is not known: the body is read for editors only, and not judged.
        Err(Failed) => {
            let quiet = Errors::default();
            let tokens = super::flat(g.stream());
            if let Ok(body) = super::blocks::block(&mut Cursor::new(&tokens, g.span_close(), &quiet, c.depth))
            {
                n.entries.push(Entry { body, ..Entry::unknown(&n.name) });
            }
            quiet.finish();
        }
    }
    n.broken_body = c.errors.count() > before;
    Ok(n)
}

/// `pub`, `pub(crate)`, or nothing.
pub fn visibility(c: &mut Cursor<'_>) -> TokenStream {
    c.syn(Visibility::parse).map(Visibility::into_token_stream).unwrap_or_default()
}

/// Dims, options, signature and `where`; no entry point if the network has none of its own.
fn head(c: &mut Cursor<'_>, n: &mut Network) -> Parsed<Option<Entry>> {
    if c.is_punct("<") {
        n.dims = dims(c)?;
    }
    if let Some(g) = c.peek_group(Delimiter::Parenthesis)
        && begins_options(g)
    {
        c.at += 1;
        n.options = c.inside(g, |o| o.list(option))?;
    }
    let entry = if c.peek_group(Delimiter::Brace).is_some() || c.is_word("where") {
        None
    } else {
        Some(signature(c, &n.name)?)
    };
    if c.eat_word("where") {
        loop {
            n.wheres.push(clause(c)?);
            if c.eat(",").is_none() || c.peek_group(Delimiter::Brace).is_some() {
                break;
            }
        }
    }
    Ok(entry)
}

/// `(x: [B, D]) -> [B, D]`
pub fn signature(c: &mut Cursor<'_>, name: &Ident) -> Parsed<Entry> {
    let Some(g) = c.group(Delimiter::Parenthesis) else { return Err(c.expected("the inputs `(x: [B, D])`")) };
    let inputs = c.inside(g, |i| i.list(input))?;
    if c.eat("->").is_none() {
        return Err(c.fail(Place::of(c.span()), messages::result_expected()));
    }
    let start = c.at;
    let outputs = types(c)?;
    Ok(Entry { inputs, outputs, promise: c.since(start), ..Entry::unknown(name) })
}

impl Entry {
    /// An entry point of which nothing is known.
    fn unknown(network: &Ident) -> Entry {
        Entry {
            docs: TokenStream::new(),
            vis: TokenStream::new(),
            name: Ident::new("forward", network.span()),
            train: false,
            inputs: Vec::new(),
            outputs: Vec::new(),
            promise: Place::of(network.span()),
            header: String::new(),
            body: Block::default(),
        }
    }
}

/// `(option name ..)`; an input may be called `option`, as `(option: [B])`.
fn begins_options(g: &proc_macro2::Group) -> bool {
    let mut words = g.stream().into_iter();
    let first = matches!(words.next(), Some(TokenTree::Ident(i)) if i == "option");
    first && matches!(words.next(), Some(TokenTree::Ident(_)))
}

fn dims(c: &mut Cursor<'_>) -> Parsed<Vec<DimDecl>> {
    c.expect("<", "before the dimensions")?;
    let mut out = Vec::new();
    loop {
        if c.eat(">").is_some() {
            return Ok(out);
        }
        let name = c.name("the name of a dimension or `>`")?;
        let kind = if c.eat(":").is_some() {
            if c.eat("..=").is_none() {
                let place = Place::of(c.span());
                let after = super::exprs::expr(c);
                return Err(after.map_or_else(
                    |e| e,
                    |e| c.fail(place, messages::bound_expected(&name.to_string(), &e.text)),
                ));
            }
            DimKind::Bounded(super::exprs::expr(c)?)
        } else if c.eat("=").is_some() {
            if c.eat_word("_") { DimKind::Required } else { DimKind::Static(super::exprs::expr(c)?) }
        } else {
            DimKind::Run
        };
        out.push(DimDecl { name, kind });
        if c.eat(",").is_none() && !c.is_punct(">") {
            return Err(c.expected("`,` or `>`"));
        }
    }
}

fn option(c: &mut Cursor<'_>) -> Parsed<OptionDecl> {
    if !c.eat_word("option") {
        return Err(c.expected("`option name = value`"));
    }
    let name = c.name("the name of an option")?;
    c.expect("=", "and the default of the option")?;
    Ok(OptionDecl { name, default: super::exprs::expr(c)? })
}

fn input(c: &mut Cursor<'_>) -> Parsed<Input> {
    let name = c.name("the name of an input")?;
    c.expect(":", "and the type of the input")?;
    Ok(Input { name, ty: ty(c)? })
}

/// One type, or several in parentheses.
pub fn types(c: &mut Cursor<'_>) -> Parsed<Vec<Ty>> {
    match c.group(Delimiter::Parenthesis) {
        Some(g) => {
            let all = c.inside(g, |t| t.list(ty))?;
            if all.is_empty() { Err(c.fail(Place::of(g.span()), messages::empty_tuple())) } else { Ok(all) }
        }
        None => Ok(vec![ty(c)?]),
    }
}

/// `bool[.., B, 4 * D]`
pub fn ty(c: &mut Cursor<'_>) -> Parsed<Ty> {
    let start = c.at;
    let dtype = c.peek_ident().cloned();
    c.at += usize::from(dtype.is_some());
    let Some(g) = c.group(Delimiter::Bracket) else {
        return Err(c.expected("a type such as `[B, D]` or `bool[B, S]`"));
    };
    let (open, axes) = c.inside(g, |c| {
        let open = super::exprs::leading(c)?;
        let axes = c.list(|c| {
            if c.is_punct("..") {
                return Err(c.fail(Place::of(c.span()), messages::open_axes_first()));
            }
            super::exprs::expr(c)
        })?;
        Ok((open, axes))
    })?;
    Ok(Ty { dtype, open, axes, text: c.text_since(start), place: c.since(start) })
}

fn clause(c: &mut Cursor<'_>) -> Parsed<Where> {
    let start = c.at;
    let left = super::exprs::expr(c)?;
    let relation = if c.eat("%").is_some() {
        Relation::Multiple
    } else if c.eat("==").is_some() {
        Relation::Equal
    } else if c.eat("<=").is_some() {
        Relation::AtMost
    } else if c.eat("<").is_some() {
        Relation::Less
    } else {
        return Err(c.expected("`==`, `<=`, `<` or `% .. == 0`"));
    };
    let right = super::exprs::expr(c)?;
    if relation == Relation::Multiple {
        c.expect("==", "0 after a remainder")?;
        let zero = super::exprs::expr(c)?;
        if !matches!(zero.kind, ExprKind::Number(_, Some(0))) {
            return Err(c.fail(zero.place, messages::remainder_not_zero(&left.text, &right.text, &zero.text)));
        }
    }
    Ok(Where { left, relation, right, place: c.since(start) })
}
