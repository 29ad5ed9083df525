//! Real declarations with several tokens dropped, doubled, swapped, cut off or taken from elsewhere: whatever
//! comes out, nothing panics, what is emitted is Rust, and every network that has a name still has its
//! structs.

use super::{count, damaged, errors_of};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use proptest::prelude::*;

/// Files with declarations that people wrote, or could have.
const FILES: [&str; 2] = [
    include_str!("../../../tests/language/items.rs"),
    include_str!("../../../tests/language/expressions.rs"),
];

/// The networks of all `network!` calls in the files, one after another.
fn declarations() -> Vec<TokenStream> {
    let mut out = Vec::new();
    for file in FILES {
        let tokens: Vec<TokenTree> = super::tokens(file).into_iter().collect();
        for w in tokens.windows(3) {
            if let [TokenTree::Ident(name), TokenTree::Punct(_), TokenTree::Group(g)] = w
                && name == "network"
            {
                out.extend(networks(g.stream()));
            }
        }
    }
    out
}

/// Each network of a call on its own: it ends with its braces.
fn networks(call: TokenStream) -> Vec<TokenStream> {
    let (mut out, mut one) = (Vec::new(), Vec::new());
    for t in call {
        let end = matches!(&t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace);
        one.push(t);
        if end {
            out.push(std::mem::take(&mut one).into_iter().collect());
        }
    }
    out
}

/// The token of that number in order, groups counted before what is in them.
fn token_at(stream: TokenStream, at: &mut usize) -> Option<TokenTree> {
    for t in stream {
        if *at == 0 {
            return Some(t);
        }
        *at -= 1;
        if let TokenTree::Group(g) = &t
            && let Some(found) = token_at(g.stream(), at)
        {
            return Some(found);
        }
    }
    None
}

/// The stream with the token of that number replaced.
fn replaced(stream: TokenStream, at: &mut usize, new: &TokenTree) -> TokenStream {
    let mut out = Vec::new();
    for t in stream {
        let hit = *at == 0;
        *at = at.wrapping_sub(1);
        out.push(match t {
            _ if hit => new.clone(),
            TokenTree::Group(g) => TokenTree::Group(Group::new(g.delimiter(), replaced(g.stream(), at, new))),
            t => t,
        });
    }
    out.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_panics(
        first in any::<usize>(),
        second in any::<usize>(),
        damage in prop::collection::vec((any::<usize>(), 0usize..6, any::<usize>()), 1..6),
    ) {
        let all = declarations();
        prop_assert!(all.len() > 25);
        let (mut input, other) = (all[first % all.len()].clone(), all[second % all.len()].clone());
        for (at, how, from) in damage {
            let mut left = at % count(&input).max(1);
            input = match (how, token_at(other.clone(), &mut (from % count(&other).max(1)))) {
                (5, Some(new)) => replaced(input, &mut left, &new),
                _ => damaged(input, &mut left, how % 5),
            };
        }
        input.extend(other);
        let (out, errors) = errors_of(input.clone());
        prop_assert!(!out.is_empty() || !errors.is_empty());
        // What is switched off by a cfg is parsed by rustc, too.
        let parsed = syn::parse_str::<syn::File>(&out);
        prop_assert!(parsed.is_ok(), "{}\n{input}", parsed.err().map(|e| e.to_string()).unwrap_or_default());
        prop_assert!(errors.iter().all(|e| !e.message.text.is_empty() && e.message.render().len() < 20_000), "{errors:#?}");
        if errors.is_empty() {
            prop_assert!(out.contains("impl :: tancho :: __private :: Network for"), "{input}");
        }
    }
}

#[test]
fn the_whole_files_say_nothing() {
    for d in declarations() {
        // Networks of one call use each other; alone, some of them are used by what is not there.
        let (_, errors) = errors_of(d.clone());
        assert!(errors.iter().all(|e| !e.message.text.contains("expected")), "{d}: {errors:#?}");
    }
}
