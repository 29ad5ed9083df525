//! Plans to Rust. Never fails: whatever is wrong is reported by the stages before.

mod api;
mod body;
mod experts;
mod foreign;
mod methods;
mod mirror;
mod ops;
mod scans;
mod several;
mod sig;
mod training;

#[cfg(test)]
pub use mirror::mirror;
pub use ops::ops;

use crate::ast::Network;
use crate::errors::Error;
use crate::plan::{self, Checked, CheckedEntry, GENERATED};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// Everything a macro call emits, network by network.
///
/// With `borrowed` the ops of a body carry the source of the call they are made for: what
/// the user wrote is `up(x)`, not the prelude's body of `Linear`. `error` is any that is reported.
pub fn expand(
    networks: &[Network],
    checked: &[Checked],
    borrowed: bool,
    error: Option<&Error>,
) -> Vec<(String, TokenStream)> {
    let mut out: Vec<(String, TokenStream)> = Vec::new();
    for (n, c) in networks.iter().zip(checked) {
        // A second network of the same name, or of one that another's types have, is an error already; its
        // item would be another.
        let own = n.name.to_string();
        let generated = GENERATED
            .iter()
            .filter_map(|g| own.strip_suffix(g))
            .any(|of| networks.iter().any(|other| other.name == of));
        if generated || out.iter().any(|(name, _)| *name == own) {
            continue;
        }
        let mut tokens = api::structs(n, c, error);
        for (i, e) in c.entries.iter().enumerate().filter(|(i, _)| c.is_run(*i)) {
            tokens.extend(network_impl(n, entry_type(n, c, i), i, e, borrowed));
        }
        for i in c.trained() {
            tokens.extend(network_impl(n, hidden_type(n, &c.entries[i]), i, &c.entries[i], borrowed));
        }
        tokens.extend(mirror::mirror(n, networks));
        out.push((own, tokens));
    }
    out
}

/// The span of everything that is not the user's.
fn own() -> Span {
    Span::mixed_site()
}

/// `struct` and the `;` after its fields, at the network's name: rustc points to it, and not to the whole
/// macro.
fn struct_of(network: &Network) -> (TokenStream, TokenStream) {
    let here = own().located_at(network.name.span());
    (quote_spanned!(here=> struct), quote_spanned!(here=> ;))
}

/// The type an entry point is built by: the network's own for the main one, a hidden one for each other.
fn entry_type(network: &Network, checked: &Checked, i: usize) -> Built {
    match checked.entries.get(i) {
        Some(e) if i != checked.main => hidden_type(network, e),
        _ => Built { name: network.name.clone(), declared: TokenStream::new(), is_main: true },
    }
}

/// A type that one entry point is built by.
struct Built {
    name: Ident,
    /// Its declaration, if it is not the network's own.
    declared: TokenStream,
    is_main: bool,
}

fn hidden_type(network: &Network, e: &CheckedEntry) -> Built {
    let vis = &network.vis;
    let name = plan::entry_type(&network.name.to_string(), &e.sig.declared.entry, own());
    let declared = quote_spanned! {own()=>
        #[doc(hidden)]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #[allow(non_camel_case_types, dead_code)]
        #vis enum #name {}
    };
    Built { name, declared, is_main: false }
}

/// ```text
/// impl ::tancho::__private::Network for Mlp {
///     const SIG: Sig = Sig { name: "Mlp", dims: &[..], .. };
///     fn build(s: &mut Scope<'_>, args: &[Value]) -> Result<Vec<Value>, BuildError> { .. }
/// }
/// ```
fn network_impl(n: &Network, built: Built, i: usize, e: &CheckedEntry, borrowed: bool) -> TokenStream {
    let Built { name, declared, is_main } = built;
    let inputs = n.entries.get(i).map(|e| e.inputs.as_slice()).unwrap_or_default();
    let sig = sig::constant(&e.sig, &e.flat, n.short, &n.unused_weights, inputs);
    let scope = Ident::new("__tancho_s", own());
    let args = Ident::new("__tancho_args", own());
    let body = match &e.body {
        // A step is no network that a net could be.
        _ if e.train && is_main => body::failed(&format!("`{}` has no entry point but a `train fn`", n.name)),
        Some(b) => body::function(b, &e.sig, &scope, &args, borrowed),
        None => body::failed(&format!("`{}` has errors", n.name)),
    };
    let mut checks = e.body.as_ref().map(|b| foreign::checks(b, &e.sig.declared.name)).unwrap_or_default();
    checks.extend(e.differentiated.iter().map(foreign::gradient));
    let network = quote_spanned! {own()=>
        #[automatically_derived]
        #[allow(unused, clippy::all, non_snake_case)]
        impl ::tancho::__private::Network for #name {
            const SIG: ::tancho::__private::Sig = #sig;
            fn build(
                #scope: &mut ::tancho::__private::Scope<'_>,
                #args: &[::tancho::__private::Value],
            ) -> ::core::result::Result<
                ::std::vec::Vec<::tancho::__private::Value>,
                ::tancho::__private::BuildError,
            > {
                #body
            }
        }
    };
    if checks.is_empty() {
        return quote_spanned!(own()=> #declared #network);
    }
    quote_spanned!(own()=> #declared #[allow(clippy::all)] const _: () = { #checks #network };)
}
