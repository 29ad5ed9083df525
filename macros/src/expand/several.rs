//! What a compiled network or a session of several entry points has besides the methods of each.

use super::own;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{quote, quote_spanned};
use std::collections::BTreeSet;

/// The method names of a type that are still free. An entry point whose name is taken is an error of the
/// checker already, which rustc need not repeat.
#[derive(Default)]
pub struct Free(BTreeSet<String>);

impl Free {
    /// Takes a name if it is free.
    pub fn take(&mut self, name: &Ident) -> bool {
        self.0.insert(name.to_string())
    }

    /// The same for a method that every network has.
    pub fn own(&mut self, name: &str) -> bool {
        self.0.insert(name.into())
    }
}

/// Numbers of tuple fields.
pub fn fields(n: usize) -> impl Iterator<Item = Literal> {
    (0..n).map(Literal::usize_unsuffixed)
}

/// The parts of a compiled network with several entry points, and what they have in common.
pub fn compiled_entries(names: &[String], free: &mut Free) -> TokenStream {
    let count = names.len();
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
pub fn session_entries(names: &[String], free: &mut Free) -> TokenStream {
    let count = names.len();
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

/// What a session of several entry points does with the states and buffers of all of them. The states are
/// kept together, and the first entry point that has a state or dim is asked.
///
/// ```text
/// pub fn rows(&self, dim: &str) -> Result<usize, Error> {
///     match self.0.rows(dim) { Err(Error::NoState { .. }) => {} other => return other }
///     match self.1.rows(dim) { Err(Error::NoState { .. }) => {} other => return other }
///     self.0.rows(dim)
/// }
/// ```
pub fn all_entries(n: usize) -> TokenStream {
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
    let state = first_that_has(quote_spanned!(own()=> state(name)));
    let all = fields(n);
    quote_spanned! {own()=>
        /// The rows that states have along a dim they grow along, such as the cached positions of a decoder.
        ///
        /// # Errors
        /// No state grows along it.
        pub fn rows(&self, dim: &str) -> ::core::result::Result<usize, ::tancho::Error> { #rows }

        /// Forgets all rows but the first along a dim that states grow along, to go on from there with
        /// others.
        ///
        /// # Errors
        /// No state grows along it, or there are fewer rows.
        pub fn truncate(&mut self, dim: &str, rows: usize)
        -> ::core::result::Result<(), ::tancho::Error> {
            #truncate
        }

        /// What a state holds now; `None` before the first run that has it.
        ///
        /// # Errors
        /// There is no state of that name.
        pub fn state(&self, name: &str)
        -> ::core::result::Result<::core::option::Option<::tancho::Tensor>, ::tancho::Error> {
            #state
        }

        /// Bytes of working memory that all entry points hold now.
        pub fn memory_bytes(&self) -> usize { ::tancho::Session::memory_together(&[#(&self.#all),*]) }
    }
}
