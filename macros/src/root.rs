//! The crate `tancho` by the name that it has where the macro is used.
//!
//! A user may rename the dependency, or use the macro through another crate that exports it. `network!` is a
//! macro by example around this one, which hands on `$crate`: that path is right wherever the tokens end up.
//! Where the name is `tancho`, it stays, since rustc shows the places of its errors better without `$crate`.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use std::path::Path;

/// Takes the `$crate` that the tokens of a call begin with.
pub fn take(input: TokenStream) -> (Option<Ident>, TokenStream) {
    let mut tokens = input.into_iter();
    match tokens.next() {
        Some(TokenTree::Ident(root)) if root == "$crate" => (Some(root), tokens.collect()),
        first => (None, first.into_iter().chain(tokens).collect()),
    }
}

/// Whether the manifest of the crate that is compiled calls the dependency `tancho`, so that paths need no
/// other root: their spans are those of the user's tokens then, and so are the places of rustc's errors.
pub fn is_by_name() -> bool {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(|dir| Path::new(&dir).join("Cargo.toml"));
    manifest.and_then(|path| std::fs::read_to_string(path).ok()).is_some_and(|text| names_it(&text))
}

/// Whether the text of a manifest has a dependency called `tancho`, or is its own.
fn names_it(manifest: &str) -> bool {
    manifest.lines().map(str::trim).any(|line| {
        let key = line.strip_prefix("tancho").map(str::trim_start);
        key.is_some_and(|rest| rest.starts_with(['=', '.']))
            || line.starts_with('[') && line.trim_end_matches(']').ends_with(".tancho")
            || line.split_once('=').is_some_and(|(k, v)| k.trim() == "name" && v.trim() == "\"tancho\"")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_name_the_dependency_or_another() {
        for by_name in [
            "[package]\nname = \"tancho\"",
            "[dependencies]\ntancho = \"0.1\"",
            "[dependencies]\n  tancho = { path = \"..\" }",
            "[dependencies]\ntancho.workspace = true",
            "[dependencies.tancho]\npath = \"..\"",
            "[target.'cfg(unix)'.dependencies.tancho]\nversion = \"0.1\"",
        ] {
            assert!(names_it(by_name), "{by_name}");
        }
        for other in [
            "",
            "[package]\nname = \"user\"\n[dependencies]\nnn = { package = \"tancho\", version = \"0.1\" }",
            "[dependencies.nn]\npackage = \"tancho\"",
            "[dependencies]\ntancho-extra = \"0.1\"",
        ] {
            assert!(!names_it(other), "{other}");
        }
    }

    #[test]
    fn paths_begin_at_the_root() {
        let root = Ident::new("other", proc_macro2::Span::call_site());
        let bare = |tokens: TokenStream| tokens.to_string().replace(' ', "");
        let read = |text: &str| text.parse::<TokenStream>().expect("tokens");
        let same = |a: &str, b: &str| assert_eq!(bare(put(read(a), &root)), bare(read(b)));
        same(
            "fn f(x: ::tancho::View<f32>) { ::tancho::g(&::tancho::H) }",
            "fn f(x: other::View<f32>) { other::g(&other::H) }",
        );
        same("use ::tancho::a; impl ::tancho::T for X {}", "use other::a; impl other::T for X {}");
        // No path of the crate.
        same("zoo::tancho::f(); tancho::g(); crate::tancho", "zoo::tancho::f(); tancho::g(); crate::tancho");
    }
}
