//! A network's header: attributes, name, dims, options, signature, `where`.

use super::{Cursor, Failed, Parsed};
use crate::ast::*;
use crate::errors::Place;
use crate::messages;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
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
    let vis = visibility(c);
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

fn visibility(c: &mut Cursor<'_>) -> TokenStream {
    let start = c.at;
    if c.eat_word("pub") {
        let restricted = c.peek_group(Delimiter::Parenthesis).is_some() && c.ident_at(1).is_some();
        c.at += usize::from(restricted);
    }
    c.tokens.get(start..c.at).unwrap_or_default().iter().cloned().collect()
}

/// Reads any attributes; a bad one is reported and left out.
pub fn attrs(c: &mut Cursor<'_>) -> Attrs {
    let mut out = Attrs::default();
    while c.is_punct("#") {
        let start = c.at;
        c.at += 1;
        let Some(g) = c.group(Delimiter::Bracket) else {
            c.expected("`[..]` of an attribute");
            continue;
        };
        let place = c.since(start);
        let tokens = c.tokens.get(start..c.at).unwrap_or_default();
        let _ = c.inside(g, |a| attr(a, place, tokens, &mut out));
    }
    out
}

fn attr(a: &mut Cursor<'_>, place: Place, tokens: &[TokenTree], out: &mut Attrs) -> Parsed<()> {
    let Some(name) = a.peek_ident() else { return Err(a.expected("the name of an attribute")) };
    a.at += 1;
    match name.to_string().as_str() {
        "doc" => {
            out.docs.extend(tokens.iter().cloned());
            Ok(())
        }
        "weights" => {
            out.of_item.get_or_insert(place);
            let Some(g) = a.group(Delimiter::Parenthesis) else { return Err(a.expected("`(\"path\")`")) };
            a.inside(g, |a| {
                let path = string(a)?;
                if a.done() || (a.eat(",").is_some() && a.done()) {
                    out.weights = Some(path);
                    return Ok(());
                }
                let what = a.peek().map(ToString::to_string).unwrap_or_default();
                Err(a.fail(Place::of(a.span()), messages::not_yet(&format!("`{what}` in `#[weights(..)]`"))))
            })
        }
        "unused_weights" => {
            out.of_network.get_or_insert(place);
            let Some(g) = a.group(Delimiter::Parenthesis) else { return Err(a.expected("`(\"pattern\")`")) };
            out.unused_weights.extend(a.inside(g, |a| a.list(|a| string(a).map(|s| s.0)))?);
            Ok(())
        }
        other @ ("frozen" | "no_decay" | "cfg" | "cfg_attr" | "allow" | "derive") => {
            Err(a.fail(place, messages::not_yet(&format!("the attribute `{other}`"))))
        }
        other => Err(a.fail(Place::of(name.span()), messages::unknown_attribute(other))),
    }
}

/// A string literal's value. Escapes beyond `\"` and `\\` have no place in a weight's name.
fn string(c: &mut Cursor<'_>) -> Parsed<(String, proc_macro2::Span)> {
    let Some(TokenTree::Literal(l)) = c.peek() else { return Err(c.expected("a string")) };
    let text = l.to_string();
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return Err(c.expected("a string in plain quotes")) };
    c.at += 1;
    Ok((inner.replace("\\\"", "\"").replace("\\\\", "\\"), l.span()))
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
