//! What a network is trained with: `compile_train`, and a type with a method for each `train fn`.

use super::methods::{Entry, Parameter};
use super::own;
use crate::ast::Network;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{quote, quote_spanned};

/// The methods of the declaration.
pub fn compile_train(training: &Ident) -> TokenStream {
    quote_spanned! {own()=>
        /// Compiles the steps of training to machine code, from the weights as they are.
        ///
        /// # Errors
        /// An op between a weight and the loss has no gradient, a weight has no path to the loss, or the
        /// target cannot run it.
        pub fn compile_train(&self, target: ::tancho::Target)
        -> ::core::result::Result<#training, ::tancho::Error> {
            self.compile_train_with(target, &::core::default::Default::default())
        }

        /// The same with options: threads, groups of weights, accumulation of gradients.
        ///
        /// # Errors
        /// As `compile_train`, or an option fits no weight.
        pub fn compile_train_with(
            &self,
            target: ::tancho::Target,
            options: &::tancho::train::TrainOptions,
        ) -> ::core::result::Result<#training, ::tancho::Error> {
            ::core::result::Result::Ok(#training(self.0.compile_train(target, options)?))
        }
    }
}

/// `pub struct MlpTraining(Trainer);`
pub fn training(network: &Network, name: &Ident, steps: &[Entry]) -> TokenStream {
    let (vis, of) = (&network.vis, &network.name);
    let doc = format!(
        "[`{of}`] in training: its weights, what the optimiser keeps for them, and a method for each `train fn`."
    );
    let methods = steps.iter().enumerate().map(|(i, e)| e.step(&Literal::usize_unsuffixed(i)));
    let (keyword, end) = super::struct_of(network);
    quote_spanned! {own()=>
        #[doc = #doc]
        #[derive(::core::fmt::Debug)]
        #vis #keyword #name(::tancho::train::Trainer) #end

        #[automatically_derived]
        impl ::core::ops::Deref for #name {
            type Target = ::tancho::train::Trainer;
            fn deref(&self) -> &::tancho::train::Trainer { &self.0 }
        }

        #[automatically_derived]
        impl ::core::ops::DerefMut for #name {
            fn deref_mut(&mut self) -> &mut ::tancho::train::Trainer { &mut self.0 }
        }

        #[allow(dead_code, clippy::all)]
        impl #name {
            /// The network with the weights as they are now.
            ///
            /// # Errors
            /// Memory is short.
            pub fn network(&self) -> ::core::result::Result<#of, ::tancho::Error> {
                ::core::result::Result::Ok(
                    <#of as ::tancho::__private::Declared>::from_model(self.0.model()?),
                )
            }

            #(#methods)*
        }
    }
}

impl Entry {
    /// A step, and its comparison with the interpreter.
    fn step(&self, at: &Literal) -> TokenStream {
        let Entry { docs, vis, run, check, .. } = self;
        let parameters: Vec<TokenStream> = self.inputs.iter().map(parameter).collect();
        let arguments: Vec<TokenStream> = self.inputs.iter().map(argument).collect();
        let (types, values): (Vec<TokenStream>, Vec<TokenStream>) = self
            .outputs
            .iter()
            .enumerate()
            .map(|(i, out)| {
                let element = &out.element;
                match out.is_scalar {
                    true => (quote!(#element), quote_spanned!(own()=> self.0.scalar::<#element>(#at, #i)?)),
                    false => (
                        quote_spanned!(own()=> ::tancho::View<'_, #element>),
                        quote_spanned!(own()=> self.0.output::<#element>(#at, #i)?),
                    ),
                }
            })
            .unzip();
        let (types, values) = match self.outputs.len() {
            1 => (quote!(#(#types)*), quote!(#(#values)*)),
            _ => (quote!((#(#types),*)), quote!((#(#values),*))),
        };
        quote_spanned! {own()=>
            #docs
            /// Makes one step, and gives what the `train fn` returns. A step whose loss or gradients are not
            /// finite leaves the weights and what the optimiser keeps as they were, to the last bit.
            ///
            /// # Errors
            /// The inputs do not fit the signature, or the loss or a gradient is not finite.
            #vis fn #run(&mut self, #(#parameters),*) -> ::core::result::Result<#types, ::tancho::Error> {
                self.0.step(#at, &[#(#arguments),*])?;
                ::core::result::Result::Ok(#values)
            }

            /// Makes the step by machine code and by the reference interpreter, from the weights as they are
            /// and without changing them, and compares every gradient and all that the step changes.
            ///
            /// # Errors
            /// The inputs do not fit the signature.
            #vis fn #check(&self, #(#parameters),*)
            -> ::core::result::Result<::tancho::Report, ::tancho::Error> {
                self.0.check_step(#at, &[#(#arguments),*])
            }
        }
    }
}

/// `x: View<'_, f32>`; of a scalar `lr: f32`.
fn parameter(p: &Parameter) -> TokenStream {
    let Parameter { name, element, is_scalar } = p;
    let here = own().located_at(name.span());
    match is_scalar {
        true => quote_spanned!(here=> #name: #element),
        false => quote_spanned!(here=> #name: ::tancho::View<'_, #element>),
    }
}

fn argument(p: &Parameter) -> TokenStream {
    let name = &p.name;
    match p.is_scalar {
        true => quote_spanned! {own()=>
            ::core::convert::Into::into(
                ::tancho::AsView::view(::core::slice::from_ref(&#name), []),
            )
        },
        false => quote_spanned!(own()=> ::core::convert::Into::into(#name)),
    }
}
