//! The signature as constant data.

use super::own;
use crate::plan::Sig;
use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use tancho_ir::Dim;
use tancho_ir::bind::DimKind;
use tancho_ir::builder::OptionValue;
use tancho_ir::graph::Relation;

/// `Sig { name: "Mlp", dims: &[DimSig { name: "D", kind: DimKind::Static("768") }], .. }`
/// `places` are line and column of each input; the entry point of the short form has no name.
pub fn constant(sig: &Sig, short: bool, unused: &[String], places: &[(u32, u32)]) -> TokenStream {
    let (name, broken) = (&sig.declared.name, sig.broken);
    let entry = if short { "" } else { sig.declared.entry.as_str() };
    let dims = sig.declared.dims.iter().map(|d| {
        let (name, kind) = (&d.name, kind(&d.kind));
        quote_spanned! {own()=>
            ::tancho::__private::DimSig { name: #name, kind: ::tancho::__private::DimKind::#kind }
        }
    });
    let options = sig.declared.options.iter().map(|(name, v)| {
        let v = option_value(*v);
        quote_spanned!(own()=> ::tancho::__private::OptionSig { name: #name, default: #v })
    });
    let inputs = sig.declared.inputs.iter().enumerate().map(|(i, (name, ty))| {
        let ty = ty.to_string();
        let (line, column) = places.get(i).copied().unwrap_or_default();
        quote_spanned! {own()=>
            ::tancho::__private::InputSig { name: #name, ty: #ty, line: #line, column: #column }
        }
    });
    let outputs = sig.declared.outputs.iter().map(ToString::to_string);
    let wheres = sig.declared.wheres.iter().map(|w| {
        let (l, r) = (w.left.to_string(), w.right.to_string());
        let relation = match w.relation {
            Relation::Equal => quote!(Equal),
            Relation::AtMost => quote!(AtMost),
            Relation::Less => quote!(Less),
            Relation::Multiple => quote!(Multiple),
        };
        quote_spanned!(own()=> (#l, ::tancho::__private::Relation::#relation, #r))
    });
    quote_spanned! {own()=>
        ::tancho::__private::Sig {
            name: #name,
            entry: #entry,
            file: ::core::file!(),
            dims: &[#(#dims),*],
            options: &[#(#options),*],
            inputs: &[#(#inputs),*],
            outputs: &[#(#outputs),*],
            wheres: &[#(#wheres),*],
            unused_weights: &[#(#unused),*],
            broken: #broken,
        }
    }
}

fn kind(kind: &DimKind<Dim>) -> TokenStream {
    match kind {
        DimKind::Run => quote!(Run),
        DimKind::Required => quote!(Required),
        DimKind::Bounded(d) => {
            let d = d.to_string();
            quote!(Bounded(#d))
        }
        DimKind::Static(d) => {
            let d = d.to_string();
            quote!(Static(#d))
        }
    }
}

/// `OptionValue::Float(1e-5)`
pub fn option_value(v: OptionValue) -> TokenStream {
    let inner = match v {
        OptionValue::Bool(b) => quote!(Bool(#b)),
        OptionValue::Int(i) => {
            let i = integer(i);
            quote!(Int(#i))
        }
        OptionValue::Float(x) => {
            let x = float(x);
            quote!(Float(#x))
        }
    };
    quote_spanned!(own()=> ::tancho::__private::OptionValue::#inner)
}

/// An `i64`; a literal itself has no sign.
pub fn integer(i: i64) -> TokenStream {
    if i == i64::MIN {
        return quote_spanned!(own()=> ::core::primitive::i64::MIN);
    }
    let size = Literal::i64_suffixed(i.saturating_abs());
    if i < 0 { quote!(-#size) } else { quote!(#size) }
}

/// An `f64`, finite.
pub fn float(x: f64) -> TokenStream {
    let size = Literal::f64_suffixed(if x.is_finite() { x.abs() } else { 0.0 });
    if x.is_sign_negative() { quote!(-#size) } else { quote!(#size) }
}
