//! Loops along an axis of values.

use super::body::{Emit, var};
use super::own;
use crate::plan::ScanPlan;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

impl Emit<'_> {
    /// ```text
    /// let Ok([v8, v9]) = <[Value; 2]>::try_from({
    ///     let Ok([v5, v2, v1]) =
    ///         <[Value; 3]>::try_from(s.begin_scan(&[("x", v0, 1)], &[("h", v2)], &[v1], false)?) else { .. };
    ///     let mut v2 = v2;
    ///     ..
    ///     s.end_scan(&[v2], &[v7])?
    /// }) else { .. };
    /// v2 = v8;
    /// ```
    ///
    /// Inside, the variables of what is carried and captured stand for values of the body.
    pub(super) fn scan(&self, scan: &ScanPlan) -> TokenStream {
        let scope = self.scope;
        let sequences = scan.sequences.iter().map(|s| {
            let (name, from, axis) = (&s.name, var(s.from), self.axis(s.axis, s.from));
            quote!((#name, #from, #axis))
        });
        let carried = scan.carried.iter().map(|c| {
            let (name, slot) = (&c.name, var(c.slot));
            quote!((#name, #slot))
        });
        let (captured, backwards) = (scan.captured.iter().map(|v| var(*v)), scan.backwards);
        let begin = quote_spanned! {own()=>
            #scope.begin_scan(&[#(#sequences),*], &[#(#carried),*], &[#(#captured),*], #backwards)?
        };
        let slots: Vec<_> = scan.carried.iter().map(|c| c.slot).collect();
        let inside: Vec<_> = (scan.sequences.iter().map(|s| s.element))
            .chain(slots.iter().copied())
            .chain(scan.captured.iter().copied())
            .collect();
        let inside = self.take(&inside, begin);
        let slots: Vec<_> = slots.into_iter().map(var).collect();
        let steps = self.steps(&scan.body.steps);
        let results = scan.body.results.iter().map(|v| var(*v));
        let run = quote_spanned! {own()=> {
            #inside
            #(let mut #slots = #slots;)*
            #steps
            #scope.end_scan(&[#(#slots),*], &[#(#results),*])?
        } };
        let lasts: Vec<_> = scan.carried.iter().map(|c| c.last).collect();
        let outs: Vec<_> = lasts.iter().chain(&scan.stacked).copied().collect();
        let taken = self.take(&outs, run);
        let after = scan.carried.iter().map(|c| {
            let (slot, last) = (var(c.slot), var(c.last));
            let keep = c.state.map(|state| {
                let state = var(state);
                quote_spanned!(own()=> #scope.keep(#state, #last)?;)
            });
            quote_spanned!(own()=> #slot = #last; #keep)
        });
        quote_spanned!(own()=> #taken #(#after)*)
    }
}
