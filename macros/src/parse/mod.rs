//! Tokens to the syntax tree. It checks no names and no shapes. After an error it goes on at the next `;`.

mod attrs;
mod blocks;
mod exprs;
mod header;
mod index;
mod items;
mod logic;
mod with_block;

use crate::ast::Network;
use crate::errors::{Errors, Message, Place};
use crate::messages;
use crate::print;
use proc_macro2::{Delimiter, Group, Ident, Spacing, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};

/// Expressions and blocks nested deeper than this are an error: every walk over them recurses.
const MAX_DEPTH: usize = 128;

/// Something did not parse; the error is already reported.
#[derive(Debug)]
pub struct Failed;

/// A parsed part, or a reported failure.
pub type Parsed<T> = Result<T, Failed>;

/// All networks of a macro call.
pub fn networks(input: TokenStream, errors: &Errors) -> Vec<Network> {
    let tokens = flat(input);
    let mut c = Cursor::new(&tokens, Span::call_site(), errors, 0);
    let mut out = Vec::new();
    while !c.done() {
        let start = c.at;
        match header::network(&mut c) {
            Ok(n) => out.push(n),
            Err(Failed) => c.skip_past_braces(),
        }
        // The loop ends even if nothing was read.
        if c.at == start {
            c.at += 1;
        }
    }
    out
}

/// The token trees of a stream; groups without delimiters (a `macro_rules!` fragment) are opened.
fn flat(stream: TokenStream) -> Vec<TokenTree> {
    let mut out = Vec::new();
    let mut open = vec![stream.into_iter()];
    while let Some(iter) = open.last_mut() {
        match iter.next() {
            Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::None => {
                open.push(g.stream().into_iter())
            }
            Some(t) => out.push(t),
            None => {
                open.pop();
            }
        }
    }
    out
}

/// A place in a list of token trees.
pub struct Cursor<'a> {
    tokens: &'a [TokenTree],
    at: usize,
    /// The closing delimiter, to point at when something is missing at the end.
    end: Span,
    errors: &'a Errors,
    depth: usize,
}

impl<'a> Cursor<'a> {
    fn new(tokens: &'a [TokenTree], end: Span, errors: &'a Errors, depth: usize) -> Cursor<'a> {
        Cursor { tokens, at: 0, end, errors, depth }
    }

    /// Reads the inside of a group with a cursor of its own.
    fn inside<T>(&self, group: &Group, read: impl FnOnce(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.fail(Place::of(group.span()), messages::too_deep(MAX_DEPTH)));
        }
        let tokens = flat(group.stream());
        read(&mut Cursor::new(&tokens, group.span_close(), self.errors, self.depth + 1))
    }

    /// Like [`Cursor::inside`], and nothing may be left over.
    fn whole<T>(&self, group: &Group, read: impl FnOnce(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<T> {
        self.inside(group, |c| {
            let value = read(c)?;
            if c.done() { Ok(value) } else { Err(c.expected("`,` or the end")) }
        })
    }

    /// Comma-separated parts up to the end; a trailing comma is allowed.
    fn list<T>(&mut self, mut part: impl FnMut(&mut Cursor<'a>) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut out = Vec::new();
        while !self.done() {
            out.push(part(self)?);
            if !self.done() && self.eat(",").is_none() {
                return Err(self.expected("`,`"));
            }
        }
        Ok(out)
    }

    fn done(&self) -> bool {
        self.at >= self.tokens.len()
    }

    fn peek(&self) -> Option<&'a TokenTree> {
        self.tokens.get(self.at)
    }

    fn peek_at(&self, ahead: usize) -> Option<&'a TokenTree> {
        self.tokens.get(self.at + ahead)
    }

    fn span(&self) -> Span {
        self.peek().map_or(self.end, TokenTree::span)
    }

    /// The place from token `start` to the one just read.
    fn since(&self, start: usize) -> Place {
        let first = self.tokens.get(start).map_or(self.end, TokenTree::span);
        let last = self.tokens.get(self.at.max(start + 1) - 1).map_or(first, TokenTree::span);
        Place { first, last }
    }

    /// The words from token `start` to the one just read, those in groups too.
    fn words_since(&self, start: usize) -> Vec<Ident> {
        let mut open: Vec<TokenTree> = self.tokens.get(start..self.at).unwrap_or_default().to_vec();
        let mut out = Vec::new();
        while let Some(t) = open.pop() {
            match t {
                TokenTree::Group(g) => open.extend(g.stream()),
                TokenTree::Ident(i) => out.push(i),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        out
    }

    /// Those that are names: no keywords of Rust.
    fn names_since(&self, start: usize) -> Vec<Ident> {
        let is_name = |i: &Ident| syn::parse2::<Ident>(TokenTree::from(i.clone()).into()).is_ok();
        self.words_since(start).into_iter().filter(is_name).collect()
    }

    /// The source text from token `start` to the one just read.
    fn text_since(&self, start: usize) -> String {
        print::source(self.tokens.get(start..self.at).unwrap_or_default())
    }

    /// Whether the operator `s` stands `ahead` tokens further: exactly it, not the start of a longer one.
    fn is_punct_at(&self, ahead: usize, s: &str) -> bool {
        let punct = |i: usize| match self.peek_at(ahead + i) {
            Some(TokenTree::Punct(p)) => Some(p),
            _ => None,
        };
        let n = s.len();
        let all = s.chars().enumerate().all(|(i, c)| {
            punct(i).is_some_and(|p| p.as_char() == c && (i + 1 == n || p.spacing() == Spacing::Joint))
        });
        if !all {
            return false;
        }
        let longer = punct(n - 1)
            .filter(|p| p.spacing() == Spacing::Joint)
            .and_then(|_| punct(n))
            .map(|p| format!("{s}{}", p.as_char()));
        !longer.is_some_and(|l| matches!(l.as_str(), "==" | "<=" | ".." | "->" | "&&" | "::" | "..="))
    }

    fn is_punct(&self, s: &str) -> bool {
        self.is_punct_at(0, s)
    }

    fn eat(&mut self, s: &str) -> Option<Span> {
        if !self.is_punct(s) {
            return None;
        }
        let span = self.span();
        self.at += s.len();
        Some(span)
    }

    fn expect(&mut self, s: &str, after: &str) -> Parsed<Span> {
        self.eat(s).ok_or_else(|| self.expected(&format!("`{s}` {after}")))
    }

    fn peek_ident(&self) -> Option<&'a Ident> {
        self.ident_at(0)
    }

    fn ident_at(&self, ahead: usize) -> Option<&'a Ident> {
        match self.peek_at(ahead) {
            Some(TokenTree::Ident(i)) => Some(i),
            _ => None,
        }
    }

    fn is_word(&self, word: &str) -> bool {
        self.word_at(0, word)
    }

    fn word_at(&self, ahead: usize, word: &str) -> bool {
        self.ident_at(ahead).is_some_and(|i| i == word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let is = self.is_word(word);
        self.at += usize::from(is);
        is
    }

    /// A name that the user makes up. Rust's keywords and `_` are none: names become
    /// Rust identifiers in the emitted code.
    fn name(&mut self, what: &str) -> Parsed<Ident> {
        let Some(i) = self.peek_ident() else { return Err(self.expected(what)) };
        let text = i.to_string();
        if text == "_" {
            return Err(self.expected(what));
        }
        // syn knows the keywords of all editions but `gen`.
        let keyword = syn::parse2::<Ident>(TokenTree::from(i.clone()).into()).is_err() || text == "gen";
        if keyword || text.starts_with("r#") {
            return Err(self.fail(Place::of(i.span()), messages::keyword_as_name(&text)));
        }
        if text.starts_with("__tancho") {
            return Err(self.fail(Place::of(i.span()), messages::reserved_name(&text)));
        }
        self.at += 1;
        Ok(i.clone())
    }

    /// Reads with syn, no further than the next `;` or `{ .. }`; with an error nothing is read.
    fn syn<T>(&mut self, read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<T> {
        let ends = |t: &&TokenTree| match t {
            TokenTree::Punct(p) => p.as_char() == ';',
            TokenTree::Group(g) => g.delimiter() == Delimiter::Brace,
            _ => false,
        };
        let rest: Vec<TokenTree> =
            self.tokens.iter().skip(self.at).take_while(|t| !ends(t)).cloned().collect();
        let n = rest.len();
        let (value, left) = (|s: ParseStream<'_>| Ok((read(s)?, s.parse::<TokenStream>()?)))
            .parse2(rest.into_iter().collect())?;
        self.at += n.saturating_sub(left.into_iter().count());
        Ok(value)
    }

    fn group(&mut self, delimiter: Delimiter) -> Option<&'a Group> {
        let g = self.peek_group(delimiter)?;
        self.at += 1;
        Some(g)
    }

    fn peek_group(&self, delimiter: Delimiter) -> Option<&'a Group> {
        self.group_at(0, delimiter)
    }

    fn group_at(&self, ahead: usize, delimiter: Delimiter) -> Option<&'a Group> {
        match self.peek_at(ahead) {
            Some(TokenTree::Group(g)) if g.delimiter() == delimiter => Some(g),
            _ => None,
        }
    }

    fn fail(&self, place: Place, message: Message) -> Failed {
        self.errors.push(place, message);
        Failed
    }

    fn expected(&self, what: &str) -> Failed {
        let found = self.peek().map(|t| match t {
            TokenTree::Group(g) => match g.delimiter() {
                Delimiter::Parenthesis => "(".to_string(),
                Delimiter::Bracket => "[".to_string(),
                _ => "{".to_string(),
            },
            t => t.to_string(),
        });
        let span = match self.peek() {
            Some(TokenTree::Group(g)) => g.span_open(),
            _ => self.span(),
        };
        self.fail(Place::of(span), messages::expected(what, found.as_deref()))
    }

    /// Reports a missing `;`: behind what it ends, if that is the end of its line.
    fn semicolon_expected(&self, what: &str) -> Failed {
        let message = format!("`;` after {what}");
        let before = self.at.checked_sub(1).and_then(|i| self.tokens.get(i)).map(TokenTree::span);
        match before.filter(|b| b.end().line < self.span().start().line) {
            Some(before) => {
                self.fail(Place::of(crate::errors::behind(before)), messages::expected(&message, None))
            }
            None => self.expected(&message),
        }
    }

    /// After a failure: to the next network.
    fn skip_past_braces(&mut self) {
        while let Some(t) = self.peek() {
            self.at += 1;
            if matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace) {
                return;
            }
        }
    }

    /// After a failure in a block: past the next `;` or the `{ .. }` of a loop, or to what begins a
    /// statement. Whether there was one before the end.
    fn recover(&mut self, start: usize) -> bool {
        let word = |w: &str| matches!(self.tokens.get(start), Some(TokenTree::Ident(i)) if i == w);
        let braces_end =
            ["for", "repeat", "fn", "while", "loop", "match", "struct", "impl"].iter().any(|w| word(w));
        if self.at == start {
            self.at += 1;
        }
        while !self.done() {
            if self.eat(";").is_some() || self.begins_statement() {
                return true;
            }
            let braces = self.peek_group(Delimiter::Brace).is_some();
            self.at += 1;
            if braces && braces_end {
                return true;
            }
        }
        false
    }

    fn begins_statement(&self) -> bool {
        let named = self.ident_at(1).is_some();
        const WORDS: [&str; 10] =
            ["let", "for", "repeat", "param", "buffer", "const", "net", "state", "fn", "train"];
        self.is_punct("#") || (named && WORDS.iter().any(|w| self.is_word(w)))
    }
}
