//! Part of the crate `tancho`; use that. The macro `network!`.
//!
//! There are three stages. `parse` makes a syntax tree (`ast`) of tokens. `check` resolves names,
//! dims, ops and shapes of the tree into plans (`plan`). `expand` prints plans as Rust, with the
//! names, visibility and docs of the tree, and never fails. No stage imports another: what two of
//! them need is in `ast`, in `plan` or in the table of ops.
//!
//! Errors of every stage are collected and reported together; what has an error is still
//! emitted with its full interface, so that the user's other code keeps its meaning.

#![forbid(unsafe_code)]

mod ast;
mod check;
mod errors;
mod expand;
mod forms;
mod messages;
mod parse;
mod plan;
mod print;
mod root;
mod show;
mod suggest;
#[cfg(test)]
mod tests;
mod walk;

use errors::{Error, Errors, Message, Place, compile_error};
use proc_macro2::{Span, TokenStream};
use tancho_ir::prelude::PRELUDE;

/// Declares neural networks; shapes are checked when the crate is compiled. The tokens begin with the path of
/// the crate `tancho`, `$crate`.
#[proc_macro]
pub fn network(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let (root, input) = root::take(input.into());
    let out = run(input, &prelude(), false);
    match root.filter(|_| !root::is_by_name()) {
        Some(root) => root::put(out, &root).into(),
        None => out.into(),
    }
}

/// The networks of the prelude, for the crate `tancho` to emit once.
#[doc(hidden)]
#[proc_macro]
pub fn __prelude(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(prelude(), &TokenStream::new(), true).into()
}

/// The ops as documented functions that do nothing, for editors to look up.
#[doc(hidden)]
#[proc_macro]
pub fn __ops(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand::ops().into()
}

/// The prelude's text as tokens.
fn prelude() -> TokenStream {
    PRELUDE.parse().unwrap_or_default()
}

/// Networks to Rust, with an error for each mistake.
fn run(input: TokenStream, prelude: &TokenStream, borrowed: bool) -> TokenStream {
    let (mut out, errors) = stages(input, prelude, borrowed);
    out.extend(errors.iter().map(compile_error));
    out
}

/// The three stages: what is emitted, and all errors.
fn stages(input: TokenStream, prelude: &TokenStream, borrowed: bool) -> (TokenStream, Vec<Error>) {
    let errors = Errors::default();
    let networks = parse::networks(input, &errors);
    if networks.is_empty() && errors.count() == 0 {
        errors.push(
            Place::of(Span::call_site()),
            Message::new("expected a network").help("`Name<B, D = 768>(x: [B, D]) -> [B, D] { .. }`"),
        );
    }
    let library = known(prelude.clone());
    let checked = check::check(&networks, &library, &errors);
    let begin: Vec<Place> = networks.iter().map(|n| Place::of(n.name.span())).collect();
    let errors = errors.finish(&begin);
    let expanded = expand::expand(&networks, &checked, borrowed, errors.first());
    (
        expanded.into_iter().inspect(|(name, out)| show::if_asked(name, out)).map(|(_, out)| out).collect(),
        errors,
    )
}

/// The networks of the prelude, whose signatures every macro call knows.
fn known(prelude: TokenStream) -> Vec<ast::Network> {
    let errors = Errors::default();
    let networks = parse::networks(prelude, &errors);
    errors.finish(&[]);
    networks
}
