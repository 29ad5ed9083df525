//! What can be done with a compiled network: one set of methods for every entry point.
//!
//! A network with one entry point has all methods of what it wraps, by `Deref`. With several there is no such
//! default: each is reached by its name, and forwarded methods concern all of them.

use super::own;
use super::several::{Free, all_entries, compiled_entries, fields, session_entries};
use crate::ast::{Input, Network};
use crate::plan::{Checked, OF_ALL_ENTRIES, Sig};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{quote, quote_spanned};
use tancho_ir::{ElementType, Type};

/// An entry point as methods.
pub struct Entry {
    /// The type it is built by.
    pub built: Ident,
    pub docs: TokenStream,
    pub vis: TokenStream,
    /// Whether its methods have the short form's names.
    short: bool,
    /// `run`, `run_into`, `trace`; or `encode`, `encode_into`, `trace_encode`.
    pub run: Ident,
    into: Ident,
    trace: Ident,
    pub check: Ident,
    interpret: Ident,
    pub inputs: Vec<Parameter>,
    pub outputs: Vec<Outcome>,
}

/// An input as a parameter of methods.
pub struct Parameter {
    pub name: Ident,
    /// Its element type.
    pub element: TokenStream,
    pub is_scalar: bool,
}

/// A result.
pub struct Outcome {
    /// Its element type.
    pub element: TokenStream,
    pub is_scalar: bool,
}

/// The entry points that can be run, the main one first.
pub fn entries(network: &Network, checked: &Checked) -> Vec<Entry> {
    let mut order: Vec<usize> = (0..checked.entries.len()).filter(|i| checked.is_run(*i)).collect();
    order.sort_by_key(|i| *i != checked.main);
    let built = |i: usize| super::entry_type(network, checked, i).name;
    order.into_iter().filter_map(|i| entry(network, checked, i, built(i))).collect()
}

/// The `train fn`s.
pub fn steps(network: &Network, checked: &Checked) -> Vec<Entry> {
    let built = |i: usize| super::hidden_type(network, &checked.entries[i]).name;
    checked.trained().into_iter().filter_map(|i| entry(network, checked, i, built(i))).collect()
}

fn entry(network: &Network, checked: &Checked, i: usize, built: Ident) -> Option<Entry> {
    let e = checked.entries.get(i)?;
    let decl = network.entries.get(i);
    let span = decl.map_or(own(), |d| d.name.span());
    // A network whose header does not parse has no entry point: it looks like the short form.
    let short = network.short || e.sig.declared.entry.is_empty();
    // rustc shows where a method is defined: at the network's name, and not in the whole macro.
    let name = |name: &str, long: String| match short {
        true => Ident::new(name, own().located_at(network.name.span())),
        false => Ident::new(&long, span),
    };
    let entry = &e.sig.declared.entry;
    Some(Entry {
        built,
        docs: decl.filter(|_| !short).map(documented).unwrap_or_default(),
        short,
        vis: decl.map(|d| &d.vis).filter(|v| !v.is_empty()).cloned().unwrap_or_else(|| quote!(pub)),
        run: name("run", entry.clone()),
        into: name("run_into", format!("{entry}_into")),
        trace: name("trace", format!("trace_{entry}")),
        check: name("check", format!("check_{entry}")),
        interpret: name("interpret", format!("interpret_{entry}")),
        inputs: inputs(decl.map(|d| d.inputs.as_slice()).unwrap_or_default(), &e.sig),
        outputs: e.sig.declared.outputs.iter().map(outcome).collect(),
    })
}

/// The user's docs of an entry point, and its header.
fn documented(e: &crate::ast::Entry) -> TokenStream {
    let (docs, header) = (&e.docs, format!("\n```text\n{}\n```\n", e.header));
    quote_spanned!(own()=> #docs #[doc = #header])
}

fn inputs(declared: &[Input], sig: &Sig) -> Vec<Parameter> {
    let mut out: Vec<Parameter> = Vec::new();
    for (i, (_, ty)) in declared.iter().zip(&sig.declared.inputs) {
        if !out.iter().any(|p| p.name == i.name) {
            let given = i.ty.element().filter(|e| e.dtype() == ty.dtype);
            let element = element(given.unwrap_or(ty.dtype.into()));
            out.push(Parameter { name: i.name.clone(), element, is_scalar: ty.rank() == 0 });
        }
    }
    out
}

fn outcome(ty: &Type) -> Outcome {
    Outcome { element: element(ty.dtype.into()), is_scalar: ty.rank() == 0 }
}

fn element(element: ElementType) -> TokenStream {
    match element {
        ElementType::F32 => quote_spanned!(own()=> ::core::primitive::f32),
        ElementType::I32 => quote_spanned!(own()=> ::core::primitive::i32),
        ElementType::Bool => quote_spanned!(own()=> ::core::primitive::bool),
        ElementType::Bf16 => quote_spanned!(own()=> ::tancho::bf16),
        ElementType::U8 => quote_spanned!(own()=> ::core::primitive::u8),
        ElementType::U32 => quote_spanned!(own()=> ::core::primitive::u32),
        ElementType::I64 => quote_spanned!(own()=> ::core::primitive::i64),
        ElementType::F16 => quote_spanned!(own()=> ::tancho::f16),
    }
}

impl Entry {
    /// `x: View<'_, f32>` for every input.
    fn parameters(&self) -> TokenStream {
        let all = self.inputs.iter().map(|Parameter { name, element, .. }| {
            let here = own().located_at(name.span());
            quote_spanned!(here=> #name: ::tancho::View<'_, #element>)
        });
        quote!(#(#all),*)
    }

    /// `&[x.into()]`
    fn arguments(&self) -> TokenStream {
        let into = |p: &Parameter| {
            let name = &p.name;
            quote_spanned!(own()=> ::core::convert::Into::into(#name))
        };
        let all = self.inputs.iter().map(into);
        quote!(&[#(#all),*])
    }

    /// `out`, or `out0`, `out1` ..; longer where an input has that name.
    fn out_names(&self) -> Vec<Ident> {
        let one = self.outputs.len() == 1;
        (0..self.outputs.len())
            .map(|i| {
                let mut name = if one { "out".to_string() } else { format!("out{i}") };
                while self.inputs.iter().any(|p| p.name == name) {
                    name.push('_');
                }
                Ident::new(&name, own())
            })
            .collect()
    }

    /// `check` and `interpret`, and the entry point itself where there are several.
    fn compiled(&self, at: &Literal, free: &mut Free) -> TokenStream {
        let Entry { vis, run, check, interpret, .. } = self;
        let (parameters, arguments) = (self.parameters(), self.arguments());
        let itself = (!self.short && free.take(run)).then(|| {
            let doc = format!("The entry point `{run}`: its statistics, kernels and graph.");
            quote_spanned!(own()=> #[doc = #doc] #vis fn #run(&self) -> &::tancho::Compiled { &self.#at })
        });
        let check = free.take(check).then(|| {
            quote_spanned! {own()=>
                /// Runs the machine code and the reference interpreter and compares every value.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                #vis fn #check(&self, #parameters)
                -> ::core::result::Result<::tancho::Report, ::tancho::Error> {
                    self.#at.check_inputs(#arguments)
                }
            }
        });
        let interpret = free.take(interpret).then(|| {
            quote_spanned! {own()=>
                /// Runs the reference interpreter.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                #vis fn #interpret(&self, #parameters)
                -> ::core::result::Result<::std::vec::Vec<::tancho::Tensor>, ::tancho::Error> {
                    self.#at.interpret_inputs(#arguments)
                }
            }
        });
        quote!(#itself #check #interpret)
    }

    /// `run`, `run_into` and `trace`.
    fn session(&self, at: &Literal, free: &mut Free) -> TokenStream {
        let Entry { docs, vis, run, into, trace, check, .. } = self;
        let (parameters, arguments) = (self.parameters(), self.arguments());
        let elements: Vec<&TokenStream> = self.outputs.iter().map(|o| &o.element).collect();
        let views = elements.iter().map(|t| quote_spanned!(own()=> ::tancho::View<'s, #t>));
        let taken =
            elements.iter().enumerate().map(|(i, t)| quote_spanned!(own()=> self.#at.output::<#t>(#i)?));
        let (views, taken) = match self.outputs.len() {
            1 => (quote!(#(#views)*), quote!(#(#taken)*)),
            _ => (quote!((#(#views),*)), quote!((#(#taken),*))),
        };
        let outs = self.out_names();
        let slices = outs.iter().zip(&elements).map(|(o, t)| quote_spanned!(own()=> #o: &mut [#t]));
        let given = outs.iter().map(|o| quote_spanned!(own()=> ::core::convert::Into::into(#o)));
        let comma = (!self.inputs.is_empty()).then(|| quote!(,));
        let into = free.take(into).then(|| {
            quote_spanned! {own()=>
                /// Runs the network and writes the result where the caller wants it.
                ///
                /// # Errors
                /// The inputs do not fit the signature, or the result has another length.
                #vis fn #into(&mut self, #parameters #comma #(#slices),*)
                -> ::core::result::Result<(), ::tancho::Error> {
                    self.#at.run_inputs_into(#arguments, &mut [#(#given),*])
                }
            }
        });
        let trace = free.take(trace).then(|| {
            quote_spanned! {own()=>
                /// Runs the network and keeps every value that has a name, and every result.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                #vis fn #trace(&mut self, #parameters)
                -> ::core::result::Result<::tancho::Trace, ::tancho::Error> {
                    self.#at.trace_inputs(#arguments)
                }
            }
        });
        let check = free.take(check).then(|| {
            quote_spanned! {own()=>
                /// Runs the machine code and the reference interpreter from the session's states, which keep
                /// what they hold, and compares every result and state.
                ///
                /// # Errors
                /// The inputs do not fit the signature.
                #vis fn #check(&self, #parameters)
                -> ::core::result::Result<::tancho::Report, ::tancho::Error> {
                    self.#at.check_inputs(#arguments)
                }
            }
        });
        quote_spanned! {own()=>
            #docs
            /// Runs the network; the result is a view of the session's buffers.
            ///
            /// # Errors
            /// The inputs do not fit the signature.
            #vis fn #run<'s>(&'s mut self, #parameters) -> ::core::result::Result<#views, ::tancho::Error> {
                self.#at.run_inputs(#arguments)?;
                ::core::result::Result::Ok(#taken)
            }

            #into
            #trace
            #check
        }
    }
}

/// `pub struct MlpCompiled(Compiled);`
pub fn compiled(network: &Network, name: &Ident, session: &Ident, entries: &[Entry]) -> TokenStream {
    let vis = &network.vis;
    let doc = format!("[`{}`] as machine code; shared between threads.", network.name);
    let parts = entries.iter().map(|_| quote_spanned!(own()=> ::tancho::Compiled));
    let sessions = fields(entries.len()).map(|at| quote_spanned!(own()=> self.#at.session()));
    let sessions = together(entries.len(), quote_spanned!(own()=> #session(#(#sessions),*)));
    let with_threads =
        fields(entries.len()).map(|at| quote_spanned!(own()=> self.#at.session_with_threads(threads)?));
    let with_threads = together(entries.len(), quote_spanned!(own()=> #session(#(#with_threads),*)));
    let mut free = Free::default();
    for m in ["session", "session_with_threads"] {
        free.own(m);
    }
    let methods: Vec<TokenStream> =
        fields(entries.len()).zip(entries).map(|(at, e)| e.compiled(&at, &mut free)).collect();
    let of_several = (entries.len() > 1).then(|| compiled_entries(&names(entries), &mut free));
    let deref = (entries.len() == 1).then(|| {
        quote_spanned! {own()=>
            #[automatically_derived]
            impl ::core::ops::Deref for #name {
                type Target = ::tancho::Compiled;
                fn deref(&self) -> &::tancho::Compiled { &self.0 }
            }
        }
    });
    let (keyword, end) = super::struct_of(network);
    quote_spanned! {own()=>
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis #keyword #name(#(#parts),*) #end

        #deref

        #[allow(dead_code, clippy::all)]
        impl #name {
            /// Buffers to run it in, on all cores; a caller's thread has a session of its own.
            pub fn session(&self) -> #session { #sessions }

            /// The same with runs divided among `threads` threads.
            ///
            /// # Errors
            /// No threads, or too many.
            pub fn session_with_threads(&self, threads: usize)
            -> ::core::result::Result<#session, ::tancho::Error> {
                ::core::result::Result::Ok(#with_threads)
            }

            #of_several

            #(#methods)*
        }
    }
}

/// `pub struct MlpSession(Session);`
pub fn session(network: &Network, name: &Ident, entries: &[Entry]) -> TokenStream {
    let vis = &network.vis;
    let doc = format!("Buffers to run [`{}`] in; one per thread.", network.name);
    let parts = entries.iter().map(|_| quote_spanned!(own()=> ::tancho::Session));
    let resets = fields(entries.len());
    let forks = fields(entries.len()).enumerate().map(|(i, at)| match i {
        0 => quote_spanned!(own()=> self.#at.fork()?),
        _ => quote_spanned!(own()=> self.#at.as_new()),
    });
    let forks = together(entries.len(), quote_spanned!(own()=> #name(#(#forks),*)));
    let mut free = Free::default();
    for e in entries {
        free.take(&e.run);
    }
    let fork = free.own("fork").then(|| {
        quote_spanned! {own()=>
            /// Another session that goes on from where this one is, with states of its own.
            ///
            /// # Errors
            /// Memory is short.
            pub fn fork(&self) -> ::core::result::Result<Self, ::tancho::Error> {
                ::core::result::Result::Ok(#forks)
            }
        }
    });
    let reset = free.own("reset").then(|| {
        quote_spanned! {own()=>
            /// Forgets what earlier runs left in the states.
            pub fn reset(&mut self) { #(self.#resets.reset();)* }
        }
    });
    let methods: Vec<TokenStream> =
        fields(entries.len()).zip(entries).map(|(at, e)| e.session(&at, &mut free)).collect();
    let clash = entries.iter().any(|e| OF_ALL_ENTRIES.iter().any(|m| e.run == m));
    let all = (entries.len() > 1 && !clash).then(|| all_entries(entries.len()));
    let of_several = (entries.len() > 1).then(|| session_entries(&names(entries), &mut free));
    let deref = (entries.len() == 1).then(|| {
        quote_spanned! {own()=>
            #[automatically_derived]
            impl ::core::ops::Deref for #name {
                type Target = ::tancho::Session;
                fn deref(&self) -> &::tancho::Session { &self.0 }
            }

            #[automatically_derived]
            impl ::core::ops::DerefMut for #name {
                fn deref_mut(&mut self) -> &mut ::tancho::Session { &mut self.0 }
            }
        }
    });
    let (keyword, end) = super::struct_of(network);
    quote_spanned! {own()=>
        #[doc = #doc]
        #[derive(::core::fmt::Debug)]
        #vis #keyword #name(#(#parts),*) #end

        #deref

        #[allow(dead_code, clippy::all)]
        impl #name {
            #fork
            #reset
            #all
            #of_several

            #(#methods)*
        }
    }
}

/// Sessions of several entry points, which keep their states together.
fn together(count: usize, made: TokenStream) -> TokenStream {
    if count < 2 {
        return made;
    }
    let all = fields(count);
    quote_spanned! {own()=> {
        let mut made = #made;
        ::tancho::Session::keep_together(&mut [#(&mut made.#all),*]);
        made
    }}
}

/// Names of entry points as literals.
fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| e.run.to_string().trim_start_matches("r#").to_string()).collect()
}
