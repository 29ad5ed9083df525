//! Plans to Rust. Never fails: whatever is wrong is reported by the stages before.

mod api;
mod body;
mod sig;

use crate::ast::Network;
use crate::errors::Place;
use crate::plan::Checked;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// Everything a macro call emits.
///
/// With `borrowed` the ops of a body carry the source of the call they are made for: what
/// the user wrote is `up(x)`, not the prelude's body of `Linear`.
pub fn expand(networks: &[Network], checked: &[Checked], borrowed: bool) -> TokenStream {
    let mut seen: Vec<String> = Vec::new();
    let mut out = TokenStream::new();
    for (n, c) in networks.iter().zip(checked) {
        // A second network of the same name is an error already; its item would be another.
        if seen.contains(&c.sig.name) {
            continue;
        }
        seen.push(c.sig.name.clone());
        out.extend(api::structs(n, c));
        out.extend(network_impl(n, c, borrowed));
    }
    out
}

/// The span of everything that is not the user's.
fn own() -> Span {
    Span::mixed_site()
}

/// ```text
/// impl ::tancho::__private::Network for Mlp {
///     const SIG: Sig = Sig { name: "Mlp", dims: &[..], .. };
///     fn build(s: &mut Scope<'_>, args: &[Value]) -> Result<Vec<Value>, BuildError> { .. }
/// }
/// ```
fn network_impl(n: &Network, c: &Checked, borrowed: bool) -> TokenStream {
    let name = &n.name;
    let places: Vec<(u32, u32)> = n.inputs.iter().map(|i| Place::of(i.name.span()).line_column()).collect();
    let sig = sig::constant(&c.sig, &n.unused_weights, &places);
    let scope = Ident::new("__tancho_s", own());
    let args = Ident::new("__tancho_args", own());
    let body = match &c.body {
        Some(b) => body::function(b, &c.sig, &scope, &args, borrowed),
        None => body::failed(&format!("`{}` has errors", c.sig.name)),
    };
    quote_spanned! {own()=>
        #[automatically_derived]
        #[allow(unused, clippy::all, non_snake_case)]
        impl ::tancho::__private::Network for #name {
            const SIG: ::tancho::__private::Sig = #sig;
            fn build(
                #scope: &mut ::tancho::__private::Scope<'_>,
                #args: &[::tancho::__private::Value],
            ) -> ::core::result::Result<::std::vec::Vec<::tancho::__private::Value>, ::tancho::__private::BuildError> {
                #body
            }
        }
    }
}
