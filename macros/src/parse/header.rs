//! A network's header: attributes, name, dims, options, signature, `where`.

use super::{Cursor, Failed, Parsed};
use crate::ast::*;
use crate::errors::{Message, Place};
use crate::messages;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, LitStr, Token, Visibility};
use tancho_ir::graph::Relation;

/// The attributes before a network or an item.
#[derive(Default)]
pub struct Attrs {
    /// Doc comments.
    pub docs: TokenStream,
    /// `#[weights("..")]`
    pub weights: Option<(String, proc_macro2::Span)>,
    /// `#[unused_weights(..)]`
    pub unused_weights: Vec<String>,
    /// The first attribute that only items have, and the first that only networks have.
    pub of_item: Option<Place>,
    /// The first attribute that only networks have.
    pub of_network: Option<Place>,
}

/// Reads a network. Fails only where there is no name; a broken header still gives a network.
pub fn network(c: &mut Cursor<'_>) -> Parsed<Network> {
    let attrs = attrs(c);
    if let Some(place) = attrs.of_item {
        c.fail(place, messages::misplaced_attribute("weights", "an item"));
    }
    let start = c.at;
    let vis = c.syn(Visibility::parse).map(Visibility::into_token_stream).unwrap_or_default();
    let name = c.name("the name of a network")?;
    let mut n = Network {
        docs: attrs.docs,
        unused_weights: attrs.unused_weights,
        vis,
        promise: Place::of(name.span()),
        name,
        dims: Vec::new(),
        options: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        wheres: Vec::new(),
        header: String::new(),
        body: Block::default(),
        broken_header: false,
        broken_body: false,
    };
    if signature(c, &mut n).is_err() {
        n.broken_header = true;
        while !c.done() && c.peek_group(Delimiter::Brace).is_none() {
            c.at += 1;
        }
    }
    n.header = crate::print::header(c.tokens.get(start..c.at).unwrap_or_default());
    let Some(g) = c.group(Delimiter::Brace) else {
        if !n.broken_header {
            c.expected("the body `{ .. }`");
        }
        n.broken_header = true;
        return Ok(n);
    };
    // A network without a signature has entry points inside: one error, said at its name.
    if !n.broken_header || !n.outputs.is_empty() {
        let before = c.errors.count();
        match c.inside(g, super::blocks::block) {
            Ok(b) => n.body = b,
            Err(Failed) => n.broken_header = true,
        }
        n.broken_body = c.errors.count() > before;
    }
    Ok(n)
}

/// Reads any attributes; a bad one is reported and left out.
pub fn attrs(c: &mut Cursor<'_>) -> Attrs {
    let mut out = Attrs::default();
    while c.is_punct("#") {
        let start = c.at;
        c.at += 1;
        if c.group(Delimiter::Bracket).is_none() {
            c.expected("`[..]` of an attribute");
            continue;
        }
        let (place, tokens) = (c.since(start), c.tokens.get(start..c.at).unwrap_or_default());
        let read = Attribute::parse_outer.parse2(tokens.iter().cloned().collect());
        if let Err(e) = read.and_then(|all| all.iter().try_for_each(|a| attr(c, a, place, &mut out))) {
            c.fail(Place::of(e.span()), Message::new(e.to_string()));
        }
    }
    out
}

fn attr(c: &Cursor<'_>, a: &Attribute, place: Place, out: &mut Attrs) -> syn::Result<()> {
    let name = a.path().to_token_stream().to_string();
    match name.as_str() {
        "doc" => a.to_tokens(&mut out.docs),
        "weights" => {
            out.of_item.get_or_insert(place);
            out.weights = a.parse_args_with(|args: ParseStream<'_>| {
                let path: LitStr = args.parse()?;
                args.parse::<Option<Token![,]>>()?;
                let more: TokenStream = args.parse()?;
                if let Some(t) = more.into_iter().next() {
                    c.fail(Place::of(t.span()), messages::not_yet(&format!("`{t}` in `#[weights(..)]`")));
                    return Ok(None);
                }
                Ok(Some((path.value(), path.span())))
            })?;
        }
        "unused_weights" => {
            out.of_network.get_or_insert(place);
            let patterns = a.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated)?;
            out.unused_weights.extend(patterns.iter().map(LitStr::value));
        }
        "frozen" | "no_decay" | "cfg" | "cfg_attr" | "allow" | "derive" => {
            c.fail(place, messages::not_yet(&format!("the attribute `{name}`")));
        }
        _ => {
            c.fail(Place::of(a.path().span()), messages::unknown_attribute(&name));
        }
    }
    Ok(())
}

fn signature(c: &mut Cursor<'_>, n: &mut Network) -> Parsed<()> {
    if c.is_punct("<") {
        n.dims = dims(c)?;
    }
    if let Some(g) = c.peek_group(Delimiter::Parenthesis)
        && begins_options(g)
    {
        c.at += 1;
        n.options = c.inside(g, |o| o.list(option))?;
    }
    let Some(g) = c.group(Delimiter::Parenthesis) else {
        if c.peek_group(Delimiter::Brace).is_some() {
            return Err(c.fail(Place::of(n.name.span()), messages::no_signature(&n.name.to_string())));
        }
        return Err(c.expected("the inputs `(x: [B, D])`"));
    };
    n.inputs = c.inside(g, |i| i.list(input))?;
    c.expect("->", "and the type of the result")?;
    let start = c.at;
    n.outputs = types(c)?;
    n.promise = c.since(start);
    if c.eat_word("where") {
        loop {
            n.wheres.push(clause(c)?);
            if c.eat(",").is_none() || c.peek_group(Delimiter::Brace).is_some() {
                break;
            }
        }
    }
    Ok(())
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
                return Err(c.expected("`..=` and an upper bound"));
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
    let Some(g) = c.group(Delimiter::Bracket) else { return Err(c.expected("a type such as `[B, D]` or `bool[B, S]`")) };
    let (open, axes) = c.inside(g, |c| {
        let open = c.eat("..").is_some();
        if open && !c.done() && c.eat(",").is_none() {
            return Err(c.expected("`,` after `..`"));
        }
        let axes = c.list(|c| {
            if c.is_punct("..") {
                return Err(c.fail(Place::of(c.span()), messages::open_axes_first()));
            }
            super::exprs::expr(c)
        })?;
        Ok((open, axes))
    })?;
    Ok(Ty { dtype, open, axes, place: c.since(start) })
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
            return Err(c.fail(zero.place, messages::remainder_not_zero()));
        }
    }
    Ok(Where { left, relation, right, place: c.since(start) })
}
