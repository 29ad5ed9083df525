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
    pub fn before_network(&self, cursor: &Cursor<'_>) {
        if let Some((name, place)) = self.of_item {
            cursor.fail(place, messages::misplaced_attribute(name, "an item"));
        }
    }

    /// Reports attributes that do not belong before an item.
    pub fn before_item(&self, cursor: &Cursor<'_>) {
        if let Some((name, place)) = self.of_network {
            cursor.fail(place, messages::misplaced_attribute(name, "a network"));
        }
    }

    /// Reports attributes that do not belong before an entry point.
    pub fn before_entry(&self, cursor: &Cursor<'_>) {
        self.before_network(cursor);
        self.before_item(cursor);
    }
}

/// Reports `# words`, a comment of another language, and goes to the next line. Whether there was one.
pub fn comment(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at;
    if !cursor.is_punct("#") || cursor.ident_at(1).is_none() {
        return false;
    }
    let line = cursor.span().start().line;
    while cursor.peek().is_some_and(|t| t.span().start().line == line) {
        cursor.at += 1;
    }
    // The whole of a body that stands on one line is no comment.
    cursor.at = cursor.at.max(start + 2);
    cursor.fail(cursor.since(start), messages::comment());
    true
}

/// Reads any attributes; a bad one is reported and left out.
pub fn attrs(cursor: &mut Cursor<'_>) -> Attrs {
    let mut out = Attrs::default();
    while cursor.is_punct("#") {
        let start = cursor.at;
        cursor.at += 1;
        let Some(g) = cursor.group(Delimiter::Bracket) else {
            cursor.expected("`[..]` of an attribute");
            continue;
        };
        let place = cursor.since(start);
        // `weights` has arguments of the language's own; everything else is Rust's.
        let name = g.stream().into_iter().next();
        if matches!(&name, Some(TokenTree::Ident(i)) if i == "weights") {
            out.of_item.get_or_insert(("weights", place));
            match cursor.inside(g, |cursor| weights(cursor, &mut out.item)) {
                Ok(()) | Err(Failed) => continue,
            }
        }
        let tokens = cursor.tokens.get(start..cursor.at).unwrap_or_default();
        let read = Attribute::parse_outer.parse2(tokens.iter().cloned().collect());
        if let Err(e) = read.and_then(|all| all.iter().try_for_each(|a| attr(cursor, a, place, &mut out))) {
            cursor.fail(Place::of(e.span()), Message::new(e.to_string()));
        }
    }
    out
}

/// `weights("path.{i}", transposed, rows = 0..D)`
fn weights(cursor: &mut Cursor<'_>, out: &mut ItemAttrs) -> Parsed<()> {
    cursor.at += 1;
    let Some(g) = cursor.group(Delimiter::Parenthesis) else {
        return Err(cursor.fail(
            Place::of(cursor.tokens.first().map_or(cursor.end, TokenTree::span)),
            messages::weights_attribute(),
        ));
    };
    if !cursor.done() {
        return Err(cursor.expected("`]`"));
    }
    cursor.inside(g, |cursor| {
        match cursor.peek() {
            Some(TokenTree::Literal(l)) => match Lit::new(l.clone()) {
                Lit::Str(path) => out.path = Some((path.value(), path.span())),
                _ => return Err(cursor.expected("the path in quotes")),
            },
            Some(TokenTree::Ident(_)) => {
                let start = cursor.at;
                while !cursor.done() && !cursor.is_punct(",") {
                    cursor.at += 1;
                }
                let path = cursor.text_since(start);
                return Err(cursor.fail(cursor.since(start), messages::unquoted_path(&path)));
            }
            _ => return Err(cursor.expected("the path in quotes")),
        }
        cursor.at += 1;
        while !cursor.done() {
            cursor.expect(",", "after the path")?;
            if cursor.done() {
                break;
            }
            let span = cursor.span();
            if cursor.eat_word("transposed") {
                out.transposed = Some(span);
            } else if cursor.eat_word("rows") {
                cursor.expect("=", "after `rows`")?;
                let start = super::exprs::expr(cursor)?;
                cursor.expect("..", "between the first row and the end")?;
                out.rows = Some((start, super::exprs::expr(cursor)?));
            } else {
                return Err(cursor.expected("`transposed` or `rows = a..b`"));
            }
        }
        Ok(())
    })
}

fn attr(cursor: &Cursor<'_>, a: &Attribute, place: Place, out: &mut Attrs) -> syn::Result<()> {
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
            cursor.fail(place, messages::foreign_attribute(&name));
        }
        _ => {
            cursor.fail(Place::of(a.path().span()), messages::unknown_attribute(&name));
        }
    }
    Ok(())
}
