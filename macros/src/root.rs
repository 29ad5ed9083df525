//! The crate `tancho` by the name that it has where the macro is used.
//!
//! A user may rename the dependency, or use the macro through another crate that exports it. `network!` is a
//! macro by example around this one, which hands on `$crate`: that path is right wherever the tokens end up.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};

/// Takes the `$crate` that the tokens of a call begin with.
pub fn take(input: TokenStream) -> (Option<Ident>, TokenStream) {
    let mut tokens = input.into_iter();
    match tokens.next() {
        Some(TokenTree::Ident(root)) if root == "$crate" => (Some(root), tokens.collect()),
        first => (None, first.into_iter().chain(tokens).collect()),
    }
}

/// Makes each path `::tancho::..` one that begins at the root.
pub fn put(tokens: TokenStream, root: &Ident) -> TokenStream {
    let mut out: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(g) => {
                let mut inside = Group::new(g.delimiter(), put(g.stream(), root));
                inside.set_span(g.span());
                out.push(inside.into());
            }
            TokenTree::Ident(name) if name == "tancho" && is_at_start(&out) => {
                out.truncate(out.len() - 2);
                let mut here = root.clone();
                here.set_span(root.span().located_at(name.span()));
                out.push(here.into());
            }
            other => out.push(other),
        }
    }
    out.into_iter().collect()
}

/// Whether the tokens end in a `::` that begins a path.
fn is_at_start(tokens: &[TokenTree]) -> bool {
    let colon = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ':');
    let [before @ .., a, b] = tokens else { return false };
    colon(a) && colon(b) && !matches!(before.last(), Some(TokenTree::Ident(i)) if !is_keyword(i))
}

/// Whether a word may stand before a path that begins with `::`.
fn is_keyword(word: &Ident) -> bool {
    ["as", "dyn", "for", "impl", "in", "let", "match", "mut", "return", "use", "where"]
        .iter()
        .any(|k| word == k)
}
