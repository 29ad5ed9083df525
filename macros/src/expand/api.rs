//! The structs a network gives its user: declaration, dims, compiled form, session.

use super::methods::{Entry, compiled, entries, session, steps};
use super::{own, training};
use crate::ast::Network;
use crate::errors::{Error, compile_error};
use crate::plan::{Checked, ItemDoc, Sig};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use std::collections::BTreeMap;
use tancho_ir::bind::{DimDecl, DimKind};

/// Associated functions a constant of the same name would clash with.
const METHODS: &[&str] =
    &["with", "load", "load_with", "load_report", "init", "ir", "weights", "weights_mut", "compile"];

/// All structs of a network with their methods. `error` is any that is reported.
pub fn structs(network: &Network, checked: &Checked, error: Option<&Error>) -> TokenStream {
    let empty = Sig::default();
    let sig = checked.sig().unwrap_or(&empty);
    let names = Names {
        network,
        dims: format_ident!("{}Dims", network.name, span = network.name.span()),
        compiled: format_ident!("{}Compiled", network.name, span = network.name.span()),
        session: format_ident!("{}Session", network.name, span = network.name.span()),
        statics: statics(sig),
        numbers: &sig.numbers,
        entries: entries(network, checked),
        items: &checked.items,
        training: format_ident!("{}Training", network.name, span = network.name.span()),
        steps: steps(network, checked),
    };
    let machine = match error.filter(|_| network.broken_header) {
        Some(error) => [names.unknown(error), TokenStream::new()],
        None => [
            compiled(network, &names.compiled, &names.session, &names.entries),
            session(network, &names.session, &names.entries),
        ],
    };
    let training =
        (!names.steps.is_empty()).then(|| training::training(network, &names.training, &names.steps));
    [names.declaration(), names.dims()].into_iter().chain(machine).chain(training).collect()
}

struct Names<'a> {
    network: &'a Network,
    dims: Ident,
    compiled: Ident,
    session: Ident,
    statics: Vec<(Ident, &'a DimDecl)>,
    numbers: &'a BTreeMap<String, i64>,
    /// The main one first.
    entries: Vec<Entry>,
    items: &'a [ItemDoc],
    training: Ident,
    /// The `train fn`s.
    steps: Vec<Entry>,
}

/// Static dims; of two with one name (an error) only the first.
fn statics(sig: &Sig) -> Vec<(Ident, &DimDecl)> {
    let mut out: Vec<(Ident, &DimDecl)> = Vec::new();
    for d in sig.declared.dims.iter().filter(|d| d.is_static()) {
        if !out.iter().any(|(i, _)| *i == d.name) {
            out.push((Ident::new(&d.name, own()), d));
        }
    }
    out
}

impl Names<'_> {
    /// What stands for the compiled network and its session where the header does not parse, so that nobody
    /// knows their methods. rustc judges nothing that is done with a type that has an error in it, and shows
    /// the same error at the same place once.
    fn unknown(&self, error: &Error) -> TokenStream {
        let Names { network, compiled, session, .. } = self;
        let (vis, error) = (&network.vis, compile_error(error));
        quote_spanned! {own()=>
            #vis type #compiled = ::tancho::__private::Unknown<{ #error }>;
            #vis type #session = #compiled;
        }
    }

    /// ```text
    /// pub struct Mlp(Model);
    /// impl Mlp { pub const D: usize = 768; pub fn load(..) .. }
    /// ```
    fn declaration(&self) -> TokenStream {
        let Names { network, compiled, .. } = self;
        let (docs, vis, name) = (&network.docs, &network.vis, &network.name);
        let header = format!("\n```text\n{}\n```{}", network.header, self.table());
        let (declared, constants, with) = (self.declared(), self.constants(), self.with());
        let defaults = self.defaults().map(|_| self.of_default_dims());
        let others = (self.entries.len() > 1).then(|| self.other_graphs());
        let compile = (0..self.entries.len())
            .map(|i| quote_spanned!(own()=> self.0.compile_entry(#i, target, &mut packs)?));
        let compile = match network.broken_header {
            true => quote_spanned!(own()=> ::core::unreachable!()),
            false => quote_spanned! {own()=>
                let mut packs = <::tancho::__private::Packs as ::core::default::Default>::default();
                ::core::result::Result::Ok(#compiled(#(#compile),*))
            },
        };
        let training = (!self.steps.is_empty()).then(|| training::compile_train(&self.training));
        let (keyword, end) = super::struct_of(network);
        quote_spanned! {own()=>
            #docs
            #[doc = #header]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #vis #keyword #name(::tancho::__private::Model) #end

            #declared

            #[allow(dead_code, non_upper_case_globals, clippy::all)]
            impl #name {
                #constants

                #with

                #defaults

                /// The graph as declared, one line per op when printed.
                pub fn ir(&self) -> &::tancho::Graph { self.0.graph() }

                #others

                /// The weights by name.
                pub fn weights(&self) -> &::tancho::Weights { self.0.weights() }

                /// What loading converted, and what of the files it did not use.
                pub fn load_report(&self) -> &::tancho::LoadReport { self.0.load_report() }

                /// The weights by name, to change them.
                pub fn weights_mut(&mut self) -> &mut ::tancho::Weights { self.0.weights_mut() }

                /// Compiles the network to machine code.
                ///
                /// # Errors
                /// The target cannot run it.
                pub fn compile(&self, target: ::tancho::Target)
                -> ::core::result::Result<#compiled, ::tancho::Error> {
                    #compile
                }

                #training
            }
        }
    }

    /// What the runtime makes a network by.
    fn declared(&self) -> TokenStream {
        let name = &self.network.name;
        let built = self.entries.iter().map(|e| &e.built);
        let steps = self.steps.iter().map(|e| &e.built);
        let objectives = (!self.steps.is_empty()).then(|| {
            quote_spanned! {own()=>
                fn objectives(
                    dims: &[(&::core::primitive::str, ::core::primitive::i64)],
                    options: &[(&::core::primitive::str, ::tancho::OptionValue)],
                ) -> ::core::result::Result<
                    ::std::vec::Vec<::tancho::__private::Objective>,
                    ::tancho::__private::BuildError,
                > {
                    ::core::result::Result::Ok(::std::vec![
                        #(::tancho::__private::objective_of::<#steps>(dims, options)?),*
                    ])
                }
            }
        });
        quote_spanned! {own()=>
            #[automatically_derived]
            impl ::tancho::__private::Declared for #name {
                fn from_model(model: ::tancho::__private::Model) -> Self { #name(model) }
                fn model(&self) -> &::tancho::__private::Model { &self.0 }
                fn model_mut(&mut self) -> &mut ::tancho::__private::Model { &mut self.0 }
                fn graphs(
                    dims: &[(&::core::primitive::str, ::core::primitive::i64)],
                    options: &[(&::core::primitive::str, ::tancho::OptionValue)],
                ) -> ::core::result::Result<
                    ::std::vec::Vec<::tancho::Graph>,
                    ::tancho::__private::BuildError,
                > {
                    ::core::result::Result::Ok(::std::vec![
                        #(::tancho::__private::graph_of::<#built>(dims, options)?),*
                    ])
                }
                #objectives
            }
        }
    }

    /// The defaults of static dims as constants: `Mlp::D`.
    fn constants(&self) -> TokenStream {
        let constant = |(i, d): &(Ident, &DimDecl)| {
            let value = Literal::usize_suffixed(self.number(d)?);
            let doc = format!("Default of the dimension `{}`.", d.name);
            Some(quote_spanned!(own()=> #[doc = #doc] pub const #i: ::core::primitive::usize = #value;))
        };
        self.statics
            .iter()
            .filter(|(_, d)| !METHODS.contains(&d.name.as_str()))
            .filter_map(constant)
            .collect()
    }

    /// `with`: the network under given dims.
    fn with(&self) -> TokenStream {
        let Names { network, dims, statics, .. } = self;
        let (name, count) = (&network.name, statics.len());
        let option = quote_spanned!(own()=> ::core::option::Option);
        let given = statics.iter().map(|(i, d)| {
            let text = &d.name;
            quote_spanned!(own()=> (#text, ::core::convert::Into::into(dims.#i)))
        });
        quote_spanned! {own()=>
            /// The network with these dimensions, before it has weights.
            pub fn with(dims: #dims) -> ::tancho::Blueprint<#name> {
                let _ = &dims;
                let given: [(&'static ::core::primitive::str, #option<::core::primitive::usize>); #count] =
                    [#(#given),*];
                let given = ::core::iter::Iterator::filter_map(
                    ::core::iter::IntoIterator::into_iter(given),
                    |(name, value)| #option::Some((name, value?)),
                );
                ::tancho::Blueprint::new(&::core::iter::Iterator::collect::<::std::vec::Vec<_>>(given))
            }
        }
    }

    /// `load` and `init`, where all static dims have defaults.
    fn of_default_dims(&self) -> TokenStream {
        let Names { network, dims, .. } = self;
        let name = &network.name;
        let result = quote_spanned!(own()=> ::core::result::Result);
        quote_spanned! {own()=>
            /// Reads the weights of the network with its default dimensions.
            ///
            /// # Errors
            /// The file cannot be read, or does not hold the weights the network declares.
            pub fn load(path: impl ::core::convert::AsRef<::std::path::Path>)
            -> #result<#name, ::tancho::Error> {
                Self::with(<#dims as ::core::default::Default>::default()).load(path)
            }

            /// The same with other names in the file.
            ///
            /// # Errors
            /// As `load`.
            pub fn load_with(
                path: impl ::core::convert::AsRef<::std::path::Path>,
                options: &::tancho::LoadOptions,
            ) -> #result<#name, ::tancho::Error> {
                Self::with(<#dims as ::core::default::Default>::default()).load_with(path, options)
            }

            /// Fills the weights of the network, with its default dimensions, from a seed.
            ///
            /// # Errors
            /// The network cannot be built.
            pub fn init(seed: ::core::primitive::u64) -> #result<#name, ::tancho::Error> {
                Self::with(<#dims as ::core::default::Default>::default()).init(seed)
            }
        }
    }

    /// A static dim's number by default.
    fn number(&self, decl: &DimDecl) -> Option<usize> {
        usize::try_from(*self.numbers.get(&decl.name)?).ok()
    }

    /// The weights and nets as a table, for the docs.
    fn table(&self) -> String {
        if self.items.is_empty() {
            return String::new();
        }
        // A line break or a bar would end the row.
        let cell = |s: &str| s.replace('|', "\\|").replace(['\n', '\r'], " ");
        let rows = self.items.iter().map(|i| {
            let docs = [i.notes.as_str(), i.docs.as_str()]
                .map(cell)
                .into_iter()
                .filter(|s| !s.is_empty())
                .collect::<Vec<_>>();
            format!("\n| `{}` | `{}` | {} |", cell(&i.path), cell(&i.what), docs.join("; "))
        });
        format!("\n\n| weights | | |\n|---|---|---|{}", rows.collect::<String>())
    }

    /// The graphs of the entry points besides the main one.
    fn other_graphs(&self) -> TokenStream {
        let names: Vec<String> = self.entries.iter().map(|e| format!("`{}`", e.run)).collect();
        let doc = format!("The graph of an entry point, by its name: {}.", names.join(", "));
        quote_spanned! {own()=>
            #[doc = #doc]
            pub fn ir_of(&self, entry: &::core::primitive::str)
            -> ::core::option::Option<&::tancho::Graph> {
                self.0.entry(entry)
            }
        }
    }

    /// The default of every field of the dims, if all have one.
    fn defaults(&self) -> Option<Vec<TokenStream>> {
        let default = |d: &DimDecl| match &d.kind {
            DimKind::Static(p) if p.as_const().is_none() => {
                Some(quote_spanned!(own()=> ::core::option::Option::None))
            }
            _ => Some(Literal::usize_suffixed(self.number(d)?).into_token_stream()),
        };
        self.statics.iter().map(|(_, d)| default(d)).collect()
    }

    /// `Serialize` and `Deserialize` of the dims, by their names.
    fn serde(&self) -> TokenStream {
        let (dims, serde) = (&self.dims, quote_spanned!(own()=> ::tancho::__private::serde));
        let names: Vec<&str> = self.statics.iter().map(|(_, d)| d.name.as_str()).collect();
        let follows = |d: &DimDecl| matches!(&d.kind, DimKind::Static(p) if p.as_const().is_none());
        let written = self.statics.iter().map(|(i, d)| {
            let name = &d.name;
            let value = if follows(d) {
                quote_spanned!(own()=> self.#i)
            } else {
                quote_spanned!(own()=> ::core::option::Option::Some(self.#i))
            };
            quote_spanned!(own()=> (#name, #value))
        });
        let read = self.statics.iter().enumerate().map(|(at, (i, d))| {
            let (name, at) = (&d.name, Literal::usize_unsuffixed(at));
            if follows(d) {
                return quote_spanned!(own()=> #i: given[#at]);
            }
            let default = match self.number(d) {
                Some(n) => quote_spanned!(own()=> ::core::option::Option::Some(#n)),
                None => quote_spanned!(own()=> ::core::option::Option::None),
            };
            quote_spanned!(own()=> #i: ::tancho::__private::dims::required(&given, #at, #default, #name)?)
        });
        let result = quote_spanned!(own()=> ::core::result::Result);
        quote_spanned! {own()=>
            #[automatically_derived]
            impl #serde::Serialize for #dims {
                fn serialize<S: #serde::Serializer>(&self, to: S) -> #result<S::Ok, S::Error> {
                    ::tancho::__private::dims::serialize(&[#(#written),*], to)
                }
            }

            #[automatically_derived]
            impl<'de> #serde::Deserialize<'de> for #dims {
                fn deserialize<R: #serde::Deserializer<'de>>(from: R) -> #result<Self, R::Error> {
                    let given = ::tancho::__private::dims::deserialize(from, &[#(#names),*])?;
                    #result::Ok(#dims { #(#read),* })
                }
            }
        }
    }

    /// `pub struct MlpDims { pub D: usize, pub H: Option<usize> }`: what is made from other dims follows them
    /// unless it is given.
    fn dims(&self) -> TokenStream {
        let (vis, dims) = (&self.network.vis, &self.dims);
        let doc = format!("The static dimensions of [`{}`].", self.network.name);
        let fields = self.statics.iter().map(|(i, d)| {
            let (mut doc, mut ty) =
                (format!("The dimension `{}`.", d.name), quote_spanned!(own()=> ::core::primitive::usize));
            if let DimKind::Static(p) = &d.kind
                && p.as_const().is_none()
            {
                doc.push_str(&format!(" `None`: `{p}`."));
                ty = quote_spanned!(own()=> ::core::option::Option<#ty>);
            }
            quote_spanned!(own()=> #[doc = #doc] pub #i: #ty)
        });
        let default = self.defaults().map(|values| {
            let fields = self.statics.iter().zip(values).map(|((i, _), v)| quote!(#i: #v));
            quote_spanned! {own()=>
                #[automatically_derived]
                impl ::core::default::Default for #dims {
                    fn default() -> Self { #dims { #(#fields),* } }
                }
            }
        });
        let serde = cfg!(feature = "serde").then(|| self.serde());
        quote_spanned! {own()=>
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #[allow(non_snake_case)]
            #vis struct #dims { #(#fields),* }
            #default
            #serde
        }
    }
}
