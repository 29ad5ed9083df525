//! The signature as constant data.

use super::own;
use crate::ast::Input;
use crate::errors::Place;
use crate::plan::Sig;
use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use tancho_ir::bind::DimKind;
use tancho_ir::builder::OptionValue;
use tancho_ir::graph::Relation;
use tancho_ir::{Dim, ElementType};

/// `Sig { name: "Mlp", dims: &[DimSig { name: "D", kind: DimKind::Static("768") }], .. }`
/// `written` are the inputs as the source has them; the entry point of the short form has no name.
pub fn constant(
    sig: &Sig,
    flat: &[String],
    short: bool,
    unused: &[String],
    written: &[Input],
) -> TokenStream {
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
        let written = written.get(i);
        let (line, column) = written.map(|i| Place::of(i.name.span()).line_column()).unwrap_or_default();
        let given = written.and_then(|i| i.ty.element()).filter(|e| e.is_converted()).map(converted);
        let given = match given {
            Some(given) => quote_spanned!(own()=> ::core::option::Option::Some(#given)),
            None => quote_spanned!(own()=> ::core::option::Option::None),
        };
        quote_spanned! {own()=>
            ::tancho::__private::InputSig {
                name: #name, ty: #ty, given: #given, line: #line, column: #column,
            }
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
            flat: &[#(#flat),*],
            broken: #broken,
        }
    }
}

/// `ElementType::I64`
fn converted(element: ElementType) -> TokenStream {
    let name = match element {
        ElementType::F32 => quote!(F32),
        ElementType::Bf16 => quote!(Bf16),
        ElementType::I32 => quote!(I32),
        ElementType::Bool => quote!(Bool),
        ElementType::U8 => quote!(U8),
        ElementType::U32 => quote!(U32),
        ElementType::I64 => quote!(I64),
        ElementType::F16 => quote!(F16),
    };
    quote_spanned!(own()=> ::tancho::ElementType::#name)
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
