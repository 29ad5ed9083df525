//! Networks of other macro calls: a constant for each, and a check of each use that rustc evaluates.

use super::own;
use super::sig::{integer, option_value};
use crate::errors::Place;
use crate::plan::{Body, Foreign, ForeignCall, ForeignNet, Home, NetPlan, Sampled, StepKind};
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};

/// The constant that holds a foreign network.
pub fn callee(net: usize) -> Ident {
    format_ident!("__TANCHO_N{}", net, span = own())
}

/// What is fixed for it.
fn fixed(net: usize) -> Ident {
    format_ident!("__TANCHO_U{}", net, span = own())
}

/// The mistake in that, if there is one.
fn fault(net: usize) -> Ident {
    format_ident!("__TANCHO_F{}", net, span = own())
}

/// The constants and checks of a body. The user's path stands in them once, so that what is wrong with it is
/// one error.
///
/// ```text
/// const __TANCHO_N0: NetworkRef = NetworkRef {
///     sig: &<models::Encoder as Network>::SIG,
///     build: <models::Encoder as Network>::build,
/// };
/// const __TANCHO_U0: ConstNet = ConstNet { caller: "Tower", path: "models::Encoder", dims: &[..], .. };
/// const __TANCHO_F0: Option<Fault> = net(__TANCHO_N0.sig, &__TANCHO_U0);
/// const _: () = { report(&__TANCHO_F0, At::Path); };
/// const _: () = {
///     const __TANCHO_F: Option<Fault> = call(&__TANCHO_F0, ..);
///     report(&__TANCHO_F, At::Argument(0));
///     ..
/// };
/// ```
pub fn checks(body: &Body, caller: &str) -> TokenStream {
    let (mut out, mut seen) = (TokenStream::new(), Vec::new());
    block(body, caller, &mut seen, &mut out);
    out
}

fn block<'a>(b: &'a Body, caller: &str, seen: &mut Vec<&'a NetPlan>, out: &mut TokenStream) {
    for s in &b.steps {
        match &s.kind {
            StepKind::Net(n) => net(n, caller, seen, out),
            StepKind::Loop { nets, body, .. } => {
                nets.iter().for_each(|n| net(n, caller, seen, out));
                block(body, caller, seen, out);
            }
            StepKind::If { then, otherwise, .. } => {
                block(then, caller, seen, out);
                block(otherwise, caller, seen, out);
            }
            StepKind::Call { home: Home::Net(id), foreign: Some((call, _)), .. } => {
                if let Some(n) = seen.iter().find(|n| n.id == *id) {
                    out.extend(check_call(n, call, caller));
                }
            }
            _ => {}
        }
    }
}

fn net<'a>(net: &'a NetPlan, caller: &str, seen: &mut Vec<&'a NetPlan>, out: &mut TokenStream) {
    let Some(foreign) = net.foreign.as_ref().filter(|_| seen.iter().all(|s| s.id != net.id)) else { return };
    seen.push(net);
    let (name, used, path) = (callee(net.id), fixed(net.id), &foreign.path);
    let value = net_use(net, foreign, caller, foreign.dims.iter().map(|(at, _)| vec![*at]).collect());
    let places = foreign.dims.iter().enumerate().map(|(i, (_, place))| (quote!(Dim(#i)), *place));
    let options = foreign.options.iter().enumerate().map(|(i, (_, place))| (quote!(Option(#i)), *place));
    let places: Vec<_> = places.chain(options).chain([(quote!(Path), foreign.place)]).collect();
    let known = known(foreign.single);
    let (mistake, check) = (fault(net.id), reports(&fault(net.id), &places));
    out.extend(quote_spanned! {own()=>
        const #name: ::tancho::__private::NetworkRef = {
            #known
            ::tancho::__private::NetworkRef {
                sig: &<#path as ::tancho::__private::Network>::SIG,
                build: <#path as ::tancho::__private::Network>::build,
            }
        };
        const #used: ::tancho::__private::const_check::ConstNet = #value;
        const #mistake: ::core::option::Option<::tancho::__private::const_check::Fault> =
            ::tancho::__private::const_check::net(#name.sig, &#used);
        const _: () = { #check };
    });
}

/// rustc sees the prelude where a path is one name, and so says which of its networks has a similar one.
fn known(single: bool) -> Option<TokenStream> {
    single.then(|| {
        quote_spanned! {own()=>
            #[allow(unused_imports)]
            use ::tancho::nn::*;
        }
    })
}

/// `dims` are the numbers of the given ones.
fn net_use(net: &NetPlan, foreign: &ForeignNet, caller: &str, dims: Vec<Vec<i64>>) -> TokenStream {
    let path = &foreign.text;
    let dims = net.dims.iter().zip(dims).map(|((name, d), at)| {
        let (text, at) = (d.to_string(), at.into_iter().map(integer));
        quote_spanned! {own()=>
            ::tancho::__private::const_check::GivenDim { name: #name, text: #text, at: &[#(#at),*] }
        }
    });
    let options = net.options.iter().zip(&foreign.options).map(|((name, _), (v, _))| {
        let v = option_value(*v);
        quote!((#name, #v))
    });
    quote_spanned! {own()=>
        ::tancho::__private::const_check::ConstNet {
            caller: #caller,
            path: #path,
            dims: &[#(#dims),*],
            options: &[#(#options),*],
        }
    }
}

fn check_call(net: &NetPlan, call: &ForeignCall, caller: &str) -> TokenStream {
    let Some(foreign) = &net.foreign else { return TokenStream::new() };
    let (name, net_fault) = (callee(net.id), fault(net.id));
    let used = if net.dims.is_empty() {
        let used = fixed(net.id);
        quote!(#used)
    } else {
        net_use(net, foreign, caller, call.dims.clone())
    };
    let args = call.args.iter().map(tensor);
    let results = call.results.iter().map(tensor);
    let value = quote_spanned! {own()=>
        ::tancho::__private::const_check::call(
            &#net_fault,
            #name.sig,
            &#used,
            &::tancho::__private::const_check::ConstCall { args: &[#(#args),*], results: &[#(#results),*] },
        )
    };
    let arguments = call.args.iter().enumerate().map(|(i, a)| (quote!(Argument(#i)), a.place));
    let places: Vec<_> =
        arguments.chain([(quote!(Promise), call.promise), (quote!(Call), call.call)]).collect();
    let mistake = Ident::new("__TANCHO_F", own());
    let check = reports(&mistake, &places);
    quote_spanned! {own()=>
        const _: () = {
            const #mistake: ::core::option::Option<::tancho::__private::const_check::Fault> = #value;
            #check
        };
    }
}

/// That a `train fn` has a gradient for a result.
pub fn gradient(f: &Foreign) -> TokenStream {
    let (path, output, text) = (&f.path, f.output, &f.text);
    let known = known(f.single);
    let mistake = Ident::new("__TANCHO_F", own());
    let check = reports(&mistake, &[(quote!(Call), f.place)]);
    quote_spanned! {own()=>
        const _: () = {
            const #mistake: ::core::option::Option<::tancho::__private::const_check::Fault> =
                {
                    #known
                    let sig = &<#path as ::tancho::__private::Network>::SIG;
                    ::tancho::__private::const_check::gradient(sig, #output, #text)
                };
            #check
        };
    }
}

fn tensor(t: &Sampled) -> TokenStream {
    let (input, name, ty) = (&t.input, &t.name, &t.ty);
    let at = t.at.iter().map(|axes| {
        let axes = axes.iter().map(|n| integer(*n));
        quote!(&[#(#axes),*])
    });
    quote_spanned! {own()=>
        ::tancho::__private::const_check::ConstTensor { input: #input, name: #name, ty: #ty, at: &[#(#at),*] }
    }
}

/// In a constant, which is evaluated whenever the crate is checked: a mistake is shown where its `report` has
/// its span.
fn reports(mistake: &Ident, places: &[(TokenStream, Place)]) -> TokenStream {
    let all = places.iter().map(|(at, place)| {
        let (first, at) =
            (place.first, quote_spanned!(own()=> &#mistake, ::tancho::__private::const_check::At::#at));
        let mut arguments = Group::new(Delimiter::Parenthesis, at);
        arguments.set_span(place.last);
        let arguments = TokenTree::Group(arguments);
        quote_spanned!(first=> ::tancho::__private::const_check::report #arguments;)
    });
    all.collect()
}
