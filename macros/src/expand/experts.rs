//! Mixtures of experts.

use super::body::{Emit, net_var, var};
use super::own;
use crate::plan::ExpertsPlan;
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

impl Emit<'_> {
    /// ```text
    /// s.begin_experts(v1, &[(v0, 1)])?;
    /// for i in s.iterations("0", "EXPERTS")? {
    ///     s.begin_iteration("i", i, false);
    ///     let n0 = s.net("experts.{i}", ..)?;
    ///     let rows = s.begin_expert()?;
    ///     let made = s.call::<Expert>(&n0, &rows)?;
    ///     s.end_expert(&made)?;
    ///     s.end_iteration();
    /// }
    /// let Ok([v2]) = <[Value; 1]>::try_from(s.end_experts()?) else { .. };
    /// ```
    pub(super) fn experts(&self, plan: &ExpertsPlan) -> TokenStream {
        let (scope, ids, count, path) = (self.scope, var(plan.ids), plan.count.to_string(), &plan.path);
        let args = plan.args.iter().map(|(v, row)| {
            let v = var(*v);
            quote!((#v, #row))
        });
        let named = |name: &str| Ident::new(name, own());
        let (number, rows, made) = (named("__tancho_i"), named("__tancho_rows"), named("__tancho_made"));
        let (declare, net) = (self.net(&plan.net), net_var(plan.net.id));
        let run = quote_spanned! {own()=> {
            #scope.begin_experts(#ids, &[#(#args),*])?;
            for #number in #scope.iterations("0", #count)? {
                #scope.begin_iteration("i", #number, false);
                #declare
                let #rows = #scope.begin_expert()?;
                let #made = #scope.call::<#path>(&#net, &#rows)?;
                #scope.end_expert(&#made)?;
                #scope.end_iteration();
            }
            #scope.end_experts()?
        } };
        self.take(&[plan.out], run)
    }
}
