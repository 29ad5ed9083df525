//! The structs a network gives its user: declaration, dims, compiled form, session.

use super::own;
use crate::ast::Network;
use crate::plan::{Checked, DimInfo, DimKind, Sig};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use tancho_ir::DType;

/// Associated functions a constant of the same name would clash with.
const METHODS: &[&str] = &["with", "load", "init", "ir", "weights", "weights_mut", "compile"];

/// All structs of a network with their methods.
pub fn structs(n: &Network, c: &Checked) -> TokenStream {
    let names = Names {
        n,
        dims: format_ident!("{}Dims", n.name, span = n.name.span()),
        compiled: format_ident!("{}Compiled", n.name, span = n.name.span()),
        session: format_ident!("{}Session", n.name, span = n.name.span()),
        statics: statics(&c.sig),
        inputs: inputs(n, &c.sig),
        outputs: c.sig.outputs.iter().map(|t| element(t.dtype)).collect(),
    };
    let parts = [names.declaration(), names.dims(), names.compiled(), names.session()];
    parts.into_iter().collect()
}

struct Names<'a> {
    n: &'a Network,
    dims: Ident,
    compiled: Ident,
    session: Ident,
    statics: Vec<(Ident, &'a DimInfo)>,
    inputs: Vec<(Ident, TokenStream)>,
    outputs: Vec<TokenStream>,
}

/// Static dims; of two with one name (an error) only the first.
fn statics(sig: &Sig) -> Vec<(Ident, &DimInfo)> {
    let mut out: Vec<(Ident, &DimInfo)> = Vec::new();
    for d in sig.dims.iter().filter(|d| d.is_static()) {
        if !out.iter().any(|(i, _)| *i == d.name) {
            out.push((Ident::new(&d.name, own()), d));
        }
    }
    out
}

fn inputs(n: &Network, sig: &Sig) -> Vec<(Ident, TokenStream)> {
    let mut out: Vec<(Ident, TokenStream)> = Vec::new();
    for (i, (_, ty)) in n.inputs.iter().zip(&sig.inputs) {
        if !out.iter().any(|(o, _)| *o == i.name) {
            out.push((i.name.clone(), element(ty.dtype)));
        }
    }
    out
}

fn element(d: DType) -> TokenStream {
    match d {
        DType::F32 => quote_spanned!(own()=> ::core::primitive::f32),
        DType::I32 => quote_spanned!(own()=> ::core::primitive::i32),
        DType::Bool => quote_spanned!(own()=> ::core::primitive::bool),
        DType::Bf16 => quote_spanned!(own()=> ::tancho::bf16),
    }
}

impl Names<'_> {
    /// ```text
    /// pub struct Mlp(Model);
    /// impl Mlp { pub const D: usize = 768; pub fn load(..) .. }
    /// ```
    fn declaration(&self) -> TokenStream {
        let Names { n, dims, compiled, .. } = self;
        let (docs, vis, name) = (&n.docs, &n.vis, &n.name);
        let header = format!("\n```text\n{}\n```", n.header);
        let result = quote_spanned!(own()=> ::core::result::Result);
        let option = quote_spanned!(own()=> ::core::option::Option);
        let count = self.statics.len();
        let given = self.statics.iter().map(|(i, d)| {
            let text = &d.name;
            quote_spanned!(own()=> (#text, ::core::convert::Into::into(dims.#i)))
        });
        let constants = self.statics.iter().filter(|(_, d)| !METHODS.contains(&d.name.as_str())).filter_map(|(i, d)| {
            let value = Literal::usize_suffixed(usize::try_from(d.value?).ok()?);
            let doc = format!("Default of the dimension `{}`.", d.name);
            Some(quote_spanned!(own()=> #[doc = #doc] pub const #i: ::core::primitive::usize = #value;))
        });
        let defaults = self.defaults().map(|_| {
            quote_spanned! {own()=>
                /// Reads the weights of the network with its default dimensions.
                ///
                /// # Errors
                /// The file cannot be read, or does not hold the weights the network declares.
                pub fn load(path: impl ::core::convert::AsRef<::std::path::Path>) -> #result<#name, ::tancho::Error> {
                    Self::with(<#dims as ::core::default::Default>::default()).load(path)
                }

                /// Fills the weights of the network, with its default dimensions, from a seed.
                ///
                /// # Errors
                /// The network cannot be built.
                pub fn init(seed: ::core::primitive::u64) -> #result<#name, ::tancho::Error> {
                    Self::with(<#dims as ::core::default::Default>::default()).init(seed)
                }
            }
        });
        quote_spanned! {own()=>
            #docs
            #[doc = #header]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #vis struct #name(::tancho::__private::Model);

            #[automatically_derived]
            impl ::tancho::__private::Declared for #name {
                fn from_model(model: ::tancho::__private::Model) -> Self { #name(model) }
                fn model(&self) -> &::tancho::__private::Model { &self.0 }
                fn model_mut(&mut self) -> &mut ::tancho::__private::Model { &mut self.0 }
            }

            #[allow(dead_code, non_upper_case_globals, clippy::all)]
            impl #name {
                #(#constants)*

                /// The network with these dimensions, before it has weights.
                pub fn with(dims: #dims) -> ::tancho::Blueprint<#name> {
                    let _ = &dims;
                    let given: [(&'static ::core::primitive::str, #option<::core::primitive::usize>); #count] = [#(#given),*];
                    let given = ::core::iter::Iterator::filter_map(
                        ::core::iter::IntoIterator::into_iter(given),
                        |(name, value)| #option::Some((name, value?)),
                    );
                    ::tancho::Blueprint::new(&::core::iter::Iterator::collect::<::std::vec::Vec<_>>(given))
                }

                #defaults

                /// The graph as declared, one line per op when printed.
                pub fn ir(&self) -> &::tancho::Graph { self.0.graph() }

                /// The weights by name.
                pub fn weights(&self) -> &::tancho::Weights { self.0.weights() }

                /// The weights by name, to change them.
                pub fn weights_mut(&mut self) -> &mut ::tancho::Weights { self.0.weights_mut() }

                /// Compiles the network to machine code.
                ///
                /// # Errors
                /// The target cannot run it.
                pub fn compile(&self, target: ::tancho::Target) -> #result<#compiled, ::tancho::Error> {
                    ::core::result::Result::Ok(#compiled(self.0.compile(target)?))
                }
            }
        }
    }

    /// The default of every field of the dims, if all have one.
    fn defaults(&self) -> Option<Vec<TokenStream>> {
        let default = |d: &DimInfo| match &d.kind {
            DimKind::Static(p) if p.as_const().is_none() => Some(quote_spanned!(own()=> ::core::option::Option::None)),
            _ => Some(Literal::usize_suffixed(usize::try_from(d.value?).ok()?).into_token_stream()),
        };
        self.statics.iter().map(|(_, d)| default(d)).collect()
    }

    /// `pub struct MlpDims { pub D: usize, pub H: Option<usize> }`: what is made from other dims follows them unless it is given.
    fn dims(&self) -> TokenStream {
        let (vis, dims) = (&self.n.vis, &self.dims);
        let doc = format!("The static dimensions of [`{}`].", self.n.name);
        let fields = self.statics.iter().map(|(i, d)| {
            let (mut doc, mut ty) = (format!("The dimension `{}`.", d.name), quote_spanned!(own()=> ::core::primitive::usize));
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
        quote_spanned! {own()=>
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #[allow(non_snake_case)]
            #vis struct #dims { #(#fields),* }
            #default
        }
    }

    /// `x: View<'_, f32>` for every input.
    fn parameters(&self) -> TokenStream {
        let all = self.inputs.iter().map(|(i, t)| quote_spanned!(own()=> #i: ::tancho::View<'_, #t>));
        quote!(#(#all),*)
    }

    /// `&[x.into()]`
    fn arguments(&self) -> TokenStream {
        let all = self.inputs.iter().map(|(i, _)| quote_spanned!(own()=> ::core::convert::Into::into(#i)));
        quote!(&[#(#all),*])
    }

    /// `pub struct MlpCompiled(Compiled);`
    fn compiled(&self) -> TokenStream {
        let Names { n, compiled, session, .. } = self;
        let vis = &n.vis;
        let doc = format!("[`{}`] as machine code; shared between threads.", n.name);
        let (parameters, arguments) = (self.parameters(), self.arguments());
        quote_spanned! {own()=>
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            #vis struct #compiled(::tancho::Compiled);

            #[automatically_derived]
            impl ::core::ops::Deref for #compiled {
                type Target = ::tancho::Compiled;
                fn deref(&self) -> &::tancho::Compiled { &self.0 }
            }

            #[allow(dead_code, clippy::all)]
            impl #compiled {
                /// Buffers to run in, on all cores; a caller's thread has a session of its own.
                pub fn session(&self) -> #session { #session(self.0.session()) }

                /// The same with runs divided among `threads` threads.
                ///
                /// # Errors
                /// No threads, or too many.
                pub fn session_with_threads(&self, threads: usize) -> ::core::result::Result<#session, ::tancho::Error> {
                    ::core::result::Result::Ok(#session(self.0.session_with_threads(threads)?))
                }

                /// Runs the machine code and the reference interpreter and compares every value.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                pub fn check(&self, #parameters) -> ::core::result::Result<::tancho::Report, ::tancho::Error> {
                    self.0.check_inputs(#arguments)
                }

                /// Runs the reference interpreter.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                pub fn interpret(&self, #parameters) -> ::core::result::Result<::std::vec::Vec<::tancho::Tensor>, ::tancho::Error> {
                    self.0.interpret_inputs(#arguments)
                }
            }
        }
    }

    /// `pub struct MlpSession(Session);`
    fn session(&self) -> TokenStream {
        let Names { n, session, .. } = self;
        let vis = &n.vis;
        let doc = format!("Buffers to run [`{}`] in; one per thread.", n.name);
        let (parameters, arguments) = (self.parameters(), self.arguments());
        let views = self.outputs.iter().map(|t| quote_spanned!(own()=> ::tancho::View<'s, #t>));
        let taken = self.outputs.iter().enumerate().map(|(i, t)| quote_spanned!(own()=> self.0.output::<#t>(#i)));
        let (views, taken) = match self.outputs.len() {
            1 => (quote!(#(#views)*), quote!(#(#taken)*)),
            _ => (quote!((#(#views),*)), quote!((#(#taken),*))),
        };
        let outs = self.out_names();
        let slices = outs.iter().zip(&self.outputs).map(|(o, t)| quote_spanned!(own()=> #o: &mut [#t]));
        let given = outs.iter().map(|o| quote_spanned!(own()=> ::tancho::__private::OutputMut::from(#o)));
        let comma = (!self.inputs.is_empty()).then(|| quote!(,));
        quote_spanned! {own()=>
            #[doc = #doc]
            #[derive(::core::fmt::Debug)]
            #vis struct #session(::tancho::Session);

            #[automatically_derived]
            impl ::core::ops::Deref for #session {
                type Target = ::tancho::Session;
                fn deref(&self) -> &::tancho::Session { &self.0 }
            }

            #[automatically_derived]
            impl ::core::ops::DerefMut for #session {
                fn deref_mut(&mut self) -> &mut ::tancho::Session { &mut self.0 }
            }

            #[allow(dead_code, clippy::all)]
            impl #session {
                /// Runs the network; the result is a view of the session's buffers.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                pub fn run<'s>(&'s mut self, #parameters) -> ::core::result::Result<#views, ::tancho::Error> {
                    self.0.run_inputs(#arguments)?;
                    ::core::result::Result::Ok(#taken)
                }

                /// Runs the network and writes the result where the caller wants it.
                ///
                /// # Errors
                /// The inputs do not fit the signature, or the result has another length.
                pub fn run_into(&mut self, #parameters #comma #(#slices),*) -> ::core::result::Result<(), ::tancho::Error> {
                    self.0.run_inputs_into(#arguments, &mut [#(#given),*])
                }

                /// Runs the network and keeps the value and time of every op.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                pub fn trace(&mut self, #parameters) -> ::core::result::Result<::tancho::Trace, ::tancho::Error> {
                    self.0.trace_inputs(#arguments)
                }
            }
        }
    }

    /// `out`, or `out0`, `out1` ..; longer where an input has that name.
    fn out_names(&self) -> Vec<Ident> {
        let one = self.outputs.len() == 1;
        (0..self.outputs.len())
            .map(|i| {
                let mut name = if one { "out".to_string() } else { format!("out{i}") };
                while self.inputs.iter().any(|(n, _)| *n == name) {
                    name.push('_');
                }
                Ident::new(&name, own())
            })
            .collect()
    }
}
