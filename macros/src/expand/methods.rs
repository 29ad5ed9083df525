//! What can be done with a compiled network: one set of methods for every entry point.
//!
//! A network with one entry point has all methods of what it wraps, by `Deref`. With several there is no such
//! default: each is reached by its name, and what is forwarded speaks of all of them.

use super::own;
use crate::ast::{Input, Network};
use crate::plan::{Checked, OF_ALL_ENTRIES, Sig};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{quote, quote_spanned};
use std::collections::BTreeSet;
use tancho_ir::DType;

/// An entry point as methods.
pub struct Entry {
    /// The type it is built by.
    pub built: Ident,
    docs: TokenStream,
    vis: TokenStream,
    /// Whether its methods have the short form's names.
    short: bool,
    /// `run`, `run_into`, `trace`; or `encode`, `encode_into`, `trace_encode`.
    pub run: Ident,
    into: Ident,
    trace: Ident,
    check: Ident,
    interpret: Ident,
    inputs: Vec<(Ident, TokenStream)>,
    outputs: Vec<TokenStream>,
}

/// The entry points that can be run, the main one first.
pub fn entries(network: &Network, checked: &Checked) -> Vec<Entry> {
    let mut order: Vec<usize> = (0..checked.entries.len()).filter(|i| checked.is_built(*i)).collect();
    order.sort_by_key(|i| *i != checked.main);
    let one = |i: usize| {
        let e = checked.entries.get(i)?;
        let decl = network.entries.get(i);
        let span = decl.map_or(own(), |d| d.name.span());
        // A network whose header does not parse has no entry point: it looks like the short form.
        let short = network.short || e.sig.declared.entry.is_empty();
        let name =
            |name: &str, long: String| if short { Ident::new(name, own()) } else { Ident::new(&long, span) };
        let entry = &e.sig.declared.entry;
        Some(Entry {
            built: super::entry_type(network, checked, i).0,
            docs: decl.filter(|_| !short).map(documented).unwrap_or_default(),
            short,
            vis: decl.map(|d| &d.vis).filter(|v| !v.is_empty()).cloned().unwrap_or_else(|| quote!(pub)),
            run: name("run", entry.clone()),
            into: name("run_into", format!("{entry}_into")),
            trace: name("trace", format!("trace_{entry}")),
            check: name("check", format!("check_{entry}")),
            interpret: name("interpret", format!("interpret_{entry}")),
            inputs: inputs(decl.map(|d| d.inputs.as_slice()).unwrap_or_default(), &e.sig),
            outputs: e.sig.declared.outputs.iter().map(|t| element(t.dtype)).collect(),
        })
    };
    order.into_iter().filter_map(one).collect()
}

/// The user's docs of an entry point, and its header.
fn documented(e: &crate::ast::Entry) -> TokenStream {
    let (docs, header) = (&e.docs, format!("\n```text\n{}\n```\n", e.header));
    quote_spanned!(own()=> #docs #[doc = #header])
}

fn inputs(declared: &[Input], sig: &Sig) -> Vec<(Ident, TokenStream)> {
    let mut out: Vec<(Ident, TokenStream)> = Vec::new();
    for (i, (_, ty)) in declared.iter().zip(&sig.declared.inputs) {
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

impl Entry {
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
        let views = self.outputs.iter().map(|t| quote_spanned!(own()=> ::tancho::View<'s, #t>));
        let taken =
            self.outputs.iter().enumerate().map(|(i, t)| quote_spanned!(own()=> self.#at.output::<#t>(#i)?));
        let (views, taken) = match self.outputs.len() {
            1 => (quote!(#(#views)*), quote!(#(#taken)*)),
            _ => (quote!((#(#views),*)), quote!((#(#taken),*))),
        };
        let outs = self.out_names();
        let slices = outs.iter().zip(&self.outputs).map(|(o, t)| quote_spanned!(own()=> #o: &mut [#t]));
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

/// The method names of a type that are still free. An entry point whose name is taken is an error of the
/// checker already, which rustc need not repeat.
#[derive(Default)]
struct Free(BTreeSet<String>);

impl Free {
    /// Takes a name if it is free.
    fn take(&mut self, name: &Ident) -> bool {
        self.0.insert(name.to_string())
    }

    /// The same for a method that every network has.
    fn own(&mut self, name: &str) -> bool {
        self.0.insert(name.into())
    }
}

/// Numbers of tuple fields.
fn fields(n: usize) -> impl Iterator<Item = Literal> {
    (0..n).map(Literal::usize_unsuffixed)
}

/// `pub struct MlpCompiled(Compiled);`
pub fn compiled(network: &Network, name: &Ident, session: &Ident, entries: &[Entry]) -> TokenStream {
    let vis = &network.vis;
    let doc = format!("[`{}`] as machine code; shared between threads.", network.name);
    let parts = entries.iter().map(|_| quote_spanned!(own()=> ::tancho::Compiled));
    let sessions = fields(entries.len()).map(|at| quote_spanned!(own()=> self.#at.session()));
    let with_threads =
        fields(entries.len()).map(|at| quote_spanned!(own()=> self.#at.session_with_threads(threads)?));
    let mut free = Free::default();
    for m in ["session", "session_with_threads"] {
        free.own(m);
    }
    let methods: Vec<TokenStream> =
        fields(entries.len()).zip(entries).map(|(at, e)| e.compiled(&at, &mut free)).collect();
    let of_several = (entries.len() > 1).then(|| compiled_entries(entries, &mut free));
    let deref = (entries.len() == 1).then(|| {
        quote_spanned! {own()=>
            #[automatically_derived]
            impl ::core::ops::Deref for #name {
                type Target = ::tancho::Compiled;
                fn deref(&self) -> &::tancho::Compiled { &self.0 }
            }
        }
    });
    quote_spanned! {own()=>
        #[doc = #doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #name(#(#parts),*);

        #deref

        #[allow(dead_code, clippy::all)]
        impl #name {
            /// Buffers to run it in, on all cores; a caller's thread has a session of its own.
            pub fn session(&self) -> #session { #session(#(#sessions),*) }

            /// The same with runs divided among `threads` threads.
            ///
            /// # Errors
            /// No threads, or too many.
            pub fn session_with_threads(&self, threads: usize)
            -> ::core::result::Result<#session, ::tancho::Error> {
                ::core::result::Result::Ok(#session(#(#with_threads),*))
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
    let (forks, resets) = (fields(entries.len()), fields(entries.len()));
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
                ::core::result::Result::Ok(#name(#(self.#forks.fork()?),*))
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
    let of_several = (entries.len() > 1).then(|| session_entries(entries, &mut free));
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
    quote_spanned! {own()=>
        #[doc = #doc]
        #[derive(::core::fmt::Debug)]
        #vis struct #name(#(#parts),*);

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

/// Names of entry points as literals.
fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|e| e.run.to_string().trim_start_matches("r#").to_string()).collect()
}

/// The parts of a compiled network with several entry points, and what they have in common.
fn compiled_entries(entries: &[Entry], free: &mut Free) -> TokenStream {
    let (names, count) = (names(entries), entries.len());
    let (at, by_name) = (fields(count), fields(count));
    let all = free.own("entries").then(|| {
        quote_spanned! {own()=>
            /// The entry points by name, the main one first.
            pub fn entries(&self) -> [(&'static ::core::primitive::str, &::tancho::Compiled); #count] {
                [#((#names, &self.#at)),*]
            }
        }
    });
    let one = free.own("entry").then(|| {
        quote_spanned! {own()=>
            /// The entry point of that name.
            pub fn entry(&self, name: &::core::primitive::str)
            -> ::core::option::Option<&::tancho::Compiled> {
                match name {
                    #(#names => ::core::option::Option::Some(&self.#by_name),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    });
    let weights = free.own("weights").then(|| {
        quote_spanned! {own()=>
            /// The weights, which all entry points share.
            pub fn weights(&self) -> &::tancho::Weights { self.0.weights() }
        }
    });
    quote!(#all #one #weights)
}

/// The parts of a session of several entry points, and what concerns all of them.
fn session_entries(entries: &[Entry], free: &mut Free) -> TokenStream {
    let (names, count) = (names(entries), entries.len());
    let (at, by_name, by_name_mut, each) = (fields(count), fields(count), fields(count), fields(count));
    let all = free.own("entries").then(|| {
        quote_spanned! {own()=>
            /// The sessions of the entry points by name, the main one first: `entries()[0].1.profile()`.
            pub fn entries(&self) -> [(&'static ::core::primitive::str, &::tancho::Session); #count] {
                [#((#names, &self.#at)),*]
            }
        }
    });
    let one = free.own("entry").then(|| {
        quote_spanned! {own()=>
            /// The session of the entry point of that name, with its results, its profile and its states.
            pub fn entry(&self, name: &::core::primitive::str) -> ::core::option::Option<&::tancho::Session> {
                match name {
                    #(#names => ::core::option::Option::Some(&self.#by_name),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    });
    let one_mut = free.own("entry_mut").then(|| {
        quote_spanned! {own()=>
            /// The same, to change.
            pub fn entry_mut(&mut self, name: &::core::primitive::str)
            -> ::core::option::Option<&mut ::tancho::Session> {
                match name {
                    #(#names => ::core::option::Option::Some(&mut self.#by_name_mut),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    });
    let profiling = free.own("set_profiling").then(|| {
        quote_spanned! {own()=>
            /// Begins (anew) or ends to measure the time of each kernel of every entry point; the profile of
            /// each is that of its session, see `entry`.
            pub fn set_profiling(&mut self, on: ::core::primitive::bool) { #(self.#each.set_profiling(on);)* }
        }
    });
    let threads = free.own("threads").then(|| {
        quote_spanned! {own()=>
            /// Among how many threads a run is divided.
            pub fn threads(&self) -> ::core::primitive::usize { self.0.threads() }
        }
    });
    quote!(#all #one #one_mut #profiling #threads)
}

/// What a session of several entry points does with the states and buffers of all of them: a state belongs to
/// one, or each has one of its own for a net that they share, and what has run is asked first.
///
/// ```text
/// pub fn rows(&self, dim: &str) -> Result<usize, Error> {
///     match self.0.rows(dim) { Err(Error::NoState { .. }) => {} other => return other }
///     match self.1.rows(dim) { Err(Error::NoState { .. }) => {} other => return other }
///     self.0.rows(dim)
/// }
/// ```
fn all_entries(n: usize) -> TokenStream {
    let first_that_has = |call: TokenStream| {
        let at = fields(n);
        quote_spanned! {own()=>
            #(match self.#at.#call {
                ::core::result::Result::Err(::tancho::Error::NoState { .. }) => {}
                other => return other,
            })*
            self.0.#call
        }
    };
    let rows = first_that_has(quote_spanned!(own()=> rows(dim)));
    let truncate = first_that_has(quote_spanned!(own()=> truncate(dim, rows)));
    let (held, known, bytes) = (fields(n), fields(n), fields(n));
    quote_spanned! {own()=>
        /// The rows that states have along a dim, of the first entry point whose states grow along it.
        ///
        /// # Errors
        /// No state grows along it.
        pub fn rows(&self, dim: &str) -> ::core::result::Result<usize, ::tancho::Error> { #rows }

        /// Forgets all rows but the first along a dim, of the first entry point whose states grow along it.
        ///
        /// # Errors
        /// No state grows along it, or there are fewer rows.
        pub fn truncate(&mut self, dim: &str, rows: usize)
        -> ::core::result::Result<(), ::tancho::Error> {
            #truncate
        }

        /// What a state holds now; `None` before the first run.
        ///
        /// # Errors
        /// There is no state of that name.
        pub fn state(&self, name: &str)
        -> ::core::result::Result<::core::option::Option<::tancho::Tensor>, ::tancho::Error> {
            #(if let ::core::result::Result::Ok(::core::option::Option::Some(held)) = self.#held.state(name) {
                return ::core::result::Result::Ok(::core::option::Option::Some(held));
            })*
            #(if self.#known.state(name).is_ok() {
                return ::core::result::Result::Ok(::core::option::Option::None);
            })*
            self.0.state(name)
        }

        /// Bytes of working memory that all entry points hold now.
        pub fn memory_bytes(&self) -> usize { 0 #(+ self.#bytes.memory_bytes())* }
    }
}
