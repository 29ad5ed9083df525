//! Attributes before a network, an entry point or an item.

use super::{Cursor, Failed, Parsed};
use crate::ast::ItemAttrs;
use crate::errors::{Message, Place};
use crate::messages;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token};

/// The attributes before something.
#[derive(Default)]
pub struct Attrs {
    /// Doc comments.
    pub docs: TokenStream,
    /// What items have.
    pub item: ItemAttrs,
    /// `#[unused_weights(..)]`
    pub unused_weights: Vec<String>,
    /// The first attribute that only items have, by name.
    pub of_item: Option<(&'static str, Place)>,
    /// The first attribute that only networks have.
    pub of_network: Option<(&'static str, Place)>,
}

impl Attrs {
    /// Reports attributes that do not belong before a network.
    pub fn before_network(&self, c: &Cursor<'_>) {
        if let Some((name, place)) = self.of_item {
            c.fail(place, messages::misplaced_attribute(name, "an item"));
        }
    }

    /// Reports attributes that do not belong before an item.
    pub fn before_item(&self, c: &Cursor<'_>) {
        if let Some((name, place)) = self.of_network {
            c.fail(place, messages::misplaced_attribute(name, "a network"));
        }
    }

    /// Reports attributes that do not belong before an entry point.
    pub fn before_entry(&self, c: &Cursor<'_>) {
        self.before_network(c);
        self.before_item(c);
    }
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
        // `weights` has arguments of the language's own; everything else is Rust's.
        let name = g.stream().into_iter().next();
        if matches!(&name, Some(TokenTree::Ident(i)) if i == "weights") {
            out.of_item.get_or_insert(("weights", place));
            match c.inside(g, |c| weights(c, &mut out.item)) {
                Ok(()) | Err(Failed) => continue,
            }
        }
        let tokens = c.tokens.get(start..c.at).unwrap_or_default();
        let read = Attribute::parse_outer.parse2(tokens.iter().cloned().collect());
        if let Err(e) = read.and_then(|all| all.iter().try_for_each(|a| attr(c, a, place, &mut out))) {
            c.fail(Place::of(e.span()), Message::new(e.to_string()));
        }
    }
    out
}

/// `weights("path.{i}", transposed, rows = 0..D)`
fn weights(c: &mut Cursor<'_>, out: &mut ItemAttrs) -> Parsed<()> {
    c.at += 1;
    let Some(g) = c.group(Delimiter::Parenthesis) else {
        return Err(c.fail(
            Place::of(c.tokens.first().map_or(c.end, TokenTree::span)),
            messages::weights_attribute(),
        ));
    };
    if !c.done() {
        return Err(c.expected("`]`"));
    }
    c.inside(g, |c| {
        match c.peek() {
            Some(TokenTree::Literal(l)) => match Lit::new(l.clone()) {
                Lit::Str(path) => out.path = Some((path.value(), path.span())),
                _ => return Err(c.expected("the path in quotes")),
            },
            _ => return Err(c.expected("the path in quotes")),
        }
        c.at += 1;
        while !c.done() {
            c.expect(",", "after the path")?;
            if c.done() {
                break;
            }
            let span = c.span();
            if c.eat_word("transposed") {
                out.transposed = Some(span);
            } else if c.eat_word("rows") {
                c.expect("=", "after `rows`")?;
                let start = super::exprs::expr(c)?;
                c.expect("..", "between the first row and the end")?;
                out.rows = Some((start, super::exprs::expr(c)?));
            } else {
                return Err(c.expected("`transposed` or `rows = a..b`"));
            }
        }
        Ok(())
    })
}

fn attr(c: &Cursor<'_>, a: &Attribute, place: Place, out: &mut Attrs) -> syn::Result<()> {
    let name = a.path().to_token_stream().to_string();
    match name.as_str() {
        "doc" => {
            a.to_tokens(&mut out.docs);
            if let Meta::NameValue(v) = &a.meta
                && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &v.value
            {
                out.item.docs.push(text.value());
            }
        }
        "unused_weights" => {
            out.of_network.get_or_insert(("unused_weights", place));
            let patterns = a.parse_args_with(Punctuated::<LitStr, Token![,]>::parse_terminated)?;
            out.unused_weights.extend(patterns.iter().map(LitStr::value));
        }
        "frozen" => {
            a.meta.require_path_only()?;
            out.of_item.get_or_insert(("frozen", place));
            out.item.frozen = Some(place);
        }
        "no_decay" => {
            a.meta.require_path_only()?;
            out.of_item.get_or_insert(("no_decay", place));
            out.item.no_decay = Some(place);
        }
        "cfg" | "cfg_attr" | "allow" | "derive" => {
            c.fail(place, messages::foreign_attribute(&name));
        }
        _ => {
            c.fail(Place::of(a.path().span()), messages::unknown_attribute(&name));
        }
    }
    Ok(())
}
