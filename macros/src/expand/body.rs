//! The body as straight Rust: one statement a step.

use super::sig::{float, integer, option_value};
use super::{foreign, own};
use crate::plan::{
    Axis, Body, Count, ForeignCall, Given, Home, NetPlan, OptionPlan, Sig, Step, StepKind, Test, Val,
};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use tancho_ir::builder::{Attributes, OptionValue, scalar_for};
use tancho_ir::graph::Init;
use tancho_ir::op::{Op, Scalar};
use tancho_ir::table::{Attr, name_of, present_params};
use tancho_ir::{DType, Dim, Type};

/// ```text
/// s.file(file!());
/// let &[v0] = args else { return Err(..) };
/// s.at("x @ w.t", 9, 20);
/// let v2 = s.op("matmul", &[("a", v0), ("b", v1)], &[])?;
/// Ok(vec![v2])
/// ```
pub fn function(block: &Body, sig: &Sig, scope: &Ident, args: &Ident, borrowed: bool) -> TokenStream {
    let e = Emit { scope, borrowed };
    let file = (!borrowed).then(|| quote_spanned!(own()=> #scope.file(::core::file!());));
    let inputs = (0..sig.declared.inputs.len()).map(var);
    let steps = e.steps(&block.steps);
    let results = block.results.iter().map(|v| var(*v));
    let wrong = failed(&format!("`{}` takes {} inputs", sig.declared.name, sig.declared.inputs.len()));
    quote_spanned! {own()=>
        use ::tancho::__private::AttrRef as __TanchoAttr;
        #file
        let &[#(#inputs),*] = #args else { #wrong };
        #steps
        ::core::result::Result::Ok(::std::vec![#(#results),*])
    }
}

/// `return Err(BuildError { .. });`
pub fn failed(message: &str) -> TokenStream {
    quote_spanned! {own()=>
        return ::core::result::Result::Err(::tancho::__private::BuildError {
            message: ::core::convert::Into::into(#message),
            source: ::core::default::Default::default(),
        });
    }
}

pub(super) fn var(v: Val) -> Ident {
    format_ident!("__tancho_v{}", v, span = own())
}

pub(super) fn net_var(id: usize) -> Ident {
    format_ident!("__tancho_n{}", id, span = own())
}

pub(super) struct Emit<'a> {
    pub(super) scope: &'a Ident,
    borrowed: bool,
}

/// `Option::Some(..)`, or `Option::None`.
fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote_spanned!(own()=> ::core::option::Option::Some(#value)),
        None => quote_spanned!(own()=> ::core::option::Option::None),
    }
}

impl Emit<'_> {
    pub(super) fn steps(&self, steps: &[Step]) -> TokenStream {
        let mut out = TokenStream::new();
        let mut before = None;
        for s in steps {
            let (line, column) = s.place.line_column();
            let at = Some((s.text.as_str(), line, column));
            let plain = matches!(
                s.kind,
                StepKind::Name { .. }
                    | StepKind::Slot { .. }
                    | StepKind::Read { .. }
                    | StepKind::Assign { .. }
            );
            if !plain && !self.borrowed && at != before {
                let (scope, text) = (self.scope, &s.text);
                out.extend(quote_spanned!(own()=> #scope.at(#text, #line, #column);));
                before = at;
            }
            out.extend(self.step(s));
            if matches!(
                s.kind,
                StepKind::If { .. } | StepKind::Loop { .. } | StepKind::Scan(_) | StepKind::Experts(_)
            ) {
                before = None;
            }
        }
        out
    }

    fn step(&self, step: &Step) -> TokenStream {
        let scope = self.scope;
        match &step.kind {
            StepKind::Param { out, name, path, ty, init, attributes: a } => {
                let (out, ty, init, a) = (var(*out), ty.to_string(), init_value(init), attributes(a));
                quote_spanned!(own()=> let #out = #scope.param(#name, #path, #ty, #init, &#a)?;)
            }
            StepKind::ConstItem { out, name, path, ty, table } => {
                let (v, ty, table) = (var(*out), ty.to_string(), self::table(table));
                quote_spanned!(own()=> let #v = #scope.declare_constant(#name, #path, #ty, #table)?;)
            }
            StepKind::State { out, slot, path, ty, grows, keeps_last } => {
                let (out, slot, ty) = (var(*out), var(*slot), ty.to_string());
                let grows = option(grows.map(|axis| quote!(#axis)));
                let args = quote!(#path, #ty, #grows, #keeps_last);
                quote_spanned!(own()=> let (#out, mut #slot) = #scope.state(#args)?;)
            }
            StepKind::Push { out, state, rows } => {
                let (out, state, rows) = (var(*out), var(*state), var(*rows));
                quote_spanned!(own()=> let #out = #scope.push(#state, #rows)?;)
            }
            StepKind::Keep { state, slot, from } => {
                let (state, slot, from) = (var(*state), var(*slot), var(*from));
                quote_spanned!(own()=> #slot = #from; #scope.keep(#state, #from)?;)
            }
            StepKind::Net(n) => self.net(n),
            StepKind::Within { array, index, count } => {
                let wrong =
                    failed(&format!("`{array}` has {count} nets, none of them with the number {index}"));
                let (index, count) = (index.to_string(), count.to_string());
                quote_spanned!(own()=> if #scope.count(#index)? >= #scope.count(#count)? { #wrong })
            }
            StepKind::Op { out, op, args, options } => self.op(*out, op, args, options),
            StepKind::Constant { out, dtype, value } => self.constant(*out, *dtype, value),
            StepKind::Call { outs, home: Home::Net(net), args, foreign: Some((call, types)), .. } => {
                self.call_foreign(outs, *net, args, call, types)
            }
            StepKind::Call { outs, path, home, args, .. } => self.call(outs, path, *home, args),
            StepKind::Minimize { loss, rate, optimizer, settings: s } => {
                self.minimize([*loss, *rate], optimizer, s)
            }
            StepKind::Pick { out, from, axis, index } => {
                let (out, v, axis, index) =
                    (var(*out), var(*from), self.axis(*axis, *from), index.to_string());
                let axis_var = Ident::new("__tancho_axis", own());
                quote_spanned!(own()=> let #axis_var = #axis; let #out = #scope.pick(#v, #axis_var, #index)?;)
            }
            StepKind::Split { outs, from, axis, parts } => {
                let (v, axis, parts) = (var(*from), self.axis(*axis, *from), parts.to_string());
                let axis_var = Ident::new("__tancho_axis", own());
                let taken = self.take(outs, quote_spanned!(own()=> #scope.split(#v, #axis_var, #parts)?));
                quote_spanned!(own()=> let #axis_var = #axis; #taken)
            }
            StepKind::Slot { out, from } => {
                let (out, from) = (var(*out), var(*from));
                quote_spanned!(own()=> let mut #out = #from;)
            }
            StepKind::Read { out, from } => {
                let (out, from) = (var(*out), var(*from));
                quote_spanned!(own()=> let #out = #from;)
            }
            StepKind::Assign { slot, from } => {
                let (slot, from) = (var(*slot), var(*from));
                quote_spanned!(own()=> #slot = #from;)
            }
            StepKind::Name { of, name } => {
                let of = var(*of);
                quote_spanned!(own()=> #scope.name(#of, #name);)
            }
            StepKind::If { tests, then, otherwise, outs } => {
                let tests = tests.iter().map(|t| self.test(t));
                let (then, otherwise) = (self.block(then), self.block(otherwise));
                let outs = outs.iter().map(|v| var(*v));
                quote_spanned!(own()=> let (#(#outs,)*) = if #(#tests)&&* { #then } else { #otherwise };)
            }
            StepKind::Loop { count, nets, body } => self.repeated(count, nets, body),
            StepKind::Scan(scan) => self.scan(scan),
            StepKind::Experts(plan) => self.experts(plan),
        }
    }

    /// The iterations of a loop.
    fn repeated(&self, count: &Count, nets: &[NetPlan], body: &Body) -> TokenStream {
        let scope = self.scope;
        let (number, name, is_dim) = (Ident::new("__tancho_i", own()), &count.name, count.is_dim);
        let (from, to) = (count.from.to_string(), count.to.to_string());
        let nets = nets.iter().map(|n| self.net(n));
        let body = self.steps(&body.steps);
        quote_spanned! {own()=>
            for #number in #scope.iterations(#from, #to)? {
                #scope.begin_iteration(#name, #number, #is_dim);
                #(#nets)*
                #body
                #scope.end_iteration();
            }
        }
    }

    fn block(&self, body: &Body) -> TokenStream {
        let steps = self.steps(&body.steps);
        let results = body.results.iter().map(|v| var(*v));
        quote_spanned!(own()=> #steps (#(#results,)*))
    }

    fn test(&self, t: &Test) -> TokenStream {
        let scope = self.scope;
        match t {
            Test::Flag(name, true) => quote_spanned!(own()=> #scope.flag(#name)?),
            Test::Flag(name, false) => quote_spanned!(own()=> !#scope.flag(#name)?),
            Test::Equal(a, b) => {
                let (a, b) = (a.to_string(), b.to_string());
                quote_spanned!(own()=> #scope.dim(#a)? == #scope.dim(#b)?)
            }
        }
    }

    /// `let n0 = s.net("up", &[("IN", "D")], &[("bias", OptionValue::Bool(false))], &Attributes::NONE)?;`
    pub(super) fn net(&self, net: &NetPlan) -> TokenStream {
        let (scope, out, path) = (self.scope, net_var(net.id), &net.path);
        let dims = net.dims.iter().map(|(name, d): &(String, Dim)| {
            let d = d.to_string();
            quote!((#name, #d))
        });
        let options = net.options.iter().map(|(name, v)| {
            let v = self.given(v);
            quote!((#name, #v))
        });
        let attributes = attributes(&net.attributes);
        quote_spanned!(own()=> let #out = #scope.net(#path, &[#(#dims),*], &[#(#options),*], &#attributes)?;)
    }

    /// `s.minimize(v9, v2, "adamw", &[("weight_decay", OptionValue::Float(0.01))])?;`
    fn minimize(&self, of: [Val; 2], optimizer: &str, settings: &[(&'static str, Given)]) -> TokenStream {
        let (scope, [loss, rate]) = (self.scope, of.map(var));
        let settings = settings.iter().map(|(name, given)| {
            let value = self.given(given);
            quote_spanned!(own()=> (#name, #value))
        });
        quote_spanned!(own()=> #scope.minimize(#loss, #rate, #optimizer, &[#(#settings),*])?;)
    }

    fn given(&self, value: &Given) -> TokenStream {
        let scope = self.scope;
        match value {
            Given::Value(v) => option_value(*v),
            Given::Of(option) => quote_spanned!(own()=> #scope.option(#option)?),
        }
    }

    fn op(&self, out: Val, op: &Op, args: &[Val], options: &[(&'static str, OptionPlan)]) -> TokenStream {
        let (scope, result, name) = (self.scope, var(out), name_of(op));
        let args = present_params(op, args.len()).into_iter().zip(args).map(|(n, v)| {
            let v = var(*v);
            quote!((#n, #v))
        });
        let options = options.iter().map(|(n, value)| {
            let value = self.option(value);
            quote_spanned!(own()=> (#n, __TanchoAttr::#value))
        });
        quote_spanned!(own()=> let #result = #scope.op(#name, &[#(#args),*], &[#(#options),*])?;)
    }

    /// `Axes(&[1])`, a variant of `AttrRef`.
    fn option(&self, value: &OptionPlan) -> TokenStream {
        let scope = self.scope;
        match value {
            OptionPlan::Fixed(Attr::Axes(axes)) => quote!(Axes(&[#(#axes),*])),
            OptionPlan::AxesFromEnd(axes) => quote!(AxesFromEnd(&[#(#axes),*])),
            OptionPlan::Permuted(axes) => quote!(Permuted(&[#(#axes),*])),
            OptionPlan::Fixed(Attr::Dim(d)) => {
                let d = d.to_string();
                quote!(Dim(#d))
            }
            OptionPlan::Fixed(Attr::Dims(dims)) => {
                let dims = dims.iter().map(Dim::to_string);
                quote!(Dims(&[#(#dims),*]))
            }
            OptionPlan::Fixed(Attr::Float(x)) => {
                let x = float(*x);
                quote!(Float(#x))
            }
            OptionPlan::Fixed(Attr::Int(i)) => {
                let i = integer(i64::from(*i));
                quote_spanned!(own()=> Int((#i) as ::core::primitive::i32))
            }
            OptionPlan::Fixed(Attr::Bool(b)) => quote!(Bool(#b)),
            OptionPlan::Fixed(Attr::Word(w)) => quote!(Word(#w)),
            OptionPlan::Of(option) => quote_spanned!(own()=> Of(#scope.option(#option)?)),
            OptionPlan::Formula(postfix) => quote!(Formula(#postfix)),
        }
    }

    pub(super) fn axis(&self, axis: Axis, of: Val) -> TokenStream {
        let (scope, v) = (self.scope, var(of));
        match axis {
            Axis::At(n) => quote!(#n),
            Axis::FromEnd(n) => quote_spanned!(own()=> #scope.type_of(#v).rank().saturating_sub(#n)),
        }
    }

    fn constant(&self, out: Val, dtype: DType, value: &Given) -> TokenStream {
        let (scope, out) = (self.scope, var(out));
        match value {
            Given::Value(v) => {
                let scalar = scalar(scalar_for(dtype, *v), *v);
                quote_spanned!(own()=> let #out = #scope.constant(::tancho::__private::Scalar::#scalar)?;)
            }
            Given::Of(option) => {
                let wrong = failed(&format!("the option `{option}` cannot be {dtype}"));
                let name = match dtype {
                    DType::F32 => quote!(F32),
                    DType::Bf16 => quote!(Bf16),
                    DType::I32 => quote!(I32),
                    DType::Bool => quote!(Bool),
                };
                let c = Ident::new("__tancho_c", own());
                quote_spanned! {own()=>
                    let ::core::option::Option::Some(#c) =
                        ::tancho::__private::scalar_for(::tancho::DType::#name, #scope.option(#option)?)
                    else { #wrong };
                    let #out = #scope.constant(#c)?;
                }
            }
        }
    }

    fn call(&self, outs: &[Val], path: &TokenStream, home: Home, args: &[Val]) -> TokenStream {
        let scope = self.scope;
        let args = args.iter().map(|v| var(*v));
        let n = Ident::new("__tancho_n", own());
        let (declare, net) = match home {
            Home::Net(id) => (TokenStream::new(), net_var(id)),
            // A network without weights needs no home for them.
            Home::Nowhere => (quote_spanned!(own()=> let #n = ::tancho::__private::Net::default();), n),
            Home::Here => (quote_spanned!(own()=> let #n = #scope.here();), n),
        };
        let taken = self.take(outs, quote_spanned!(own()=> #scope.call::<#path>(&#net, &[#(#args),*])?));
        quote_spanned!(own()=> #declare #taken)
    }

    fn call_foreign(
        &self,
        outs: &[Val],
        net: usize,
        args: &[Val],
        call: &ForeignCall,
        types: &[Type],
    ) -> TokenStream {
        let (scope, callee, net) = (self.scope, foreign::callee(net), net_var(net));
        let args = call.args.iter().zip(args).map(|(a, v)| {
            let (name, v) = (&a.input, var(*v));
            quote!((#name, #v))
        });
        let taken =
            self.take(outs, quote_spanned!(own()=> #scope.call_foreign(&#callee, &#net, &[#(#args),*])?));
        let checks = types.iter().zip(outs).map(|(ty, v)| {
            let (ty, v) = (ty.to_string(), var(*v));
            quote_spanned!(own()=> #scope.expect(#v, #ty)?;)
        });
        quote_spanned!(own()=> #taken #(#checks)*)
    }

    /// Several results out of the vector they come in.
    pub(super) fn take(&self, outs: &[Val], from: TokenStream) -> TokenStream {
        let n = outs.len();
        let wrong = failed(&format!("expected {n} results"));
        let outs = outs.iter().map(|v| var(*v));
        quote_spanned! {own()=>
            let ::core::result::Result::Ok([#(#outs),*]) =
                <[::tancho::__private::Value; #n] as ::core::convert::TryFrom<_>>::try_from(#from)
            else { #wrong };
        }
    }
}

/// `Attributes { frozen: true, rows: Some(("0", "D")), ..Attributes::NONE }`
fn attributes(a: &Attributes<Dim>) -> TokenStream {
    let flags =
        [(a.buffer, "buffer"), (a.frozen, "frozen"), (a.no_decay, "no_decay"), (a.transposed, "transposed")];
    let flags = flags.iter().filter(|(set, _)| *set).map(|(_, name)| {
        let name = Ident::new(name, own());
        quote!(#name: true,)
    });
    let rows = a.rows.as_ref().map(|(a, b)| {
        let (a, b) = (a.to_string(), b.to_string());
        quote_spanned!(own()=> rows: ::core::option::Option::Some((#a, #b)),)
    });
    let set = quote!(#(#flags)* #rows);
    if set.is_empty() {
        return quote_spanned!(own()=> ::tancho::__private::Attributes::NONE);
    }
    quote_spanned!(own()=> ::tancho::__private::Attributes { #set ..::tancho::__private::Attributes::NONE })
}

fn scalar(c: Option<Scalar>, v: OptionValue) -> TokenStream {
    match (c, v) {
        (Some(Scalar::I32(i)), _) => {
            let i = integer(i64::from(i));
            quote_spanned!(own()=> I32((#i) as ::core::primitive::i32))
        }
        (Some(Scalar::Bool(b)), _) => quote!(Bool(#b)),
        (Some(Scalar::F32(x)), _) => {
            let x = float(x.0);
            quote_spanned!(own()=> F32(::tancho::__private::Number(#x)))
        }
        // The check stage lets no other value through.
        (None, _) => quote!(Bool(false)),
    }
}

/// The table of a constant, if it has one.
fn table(table: &Option<(Vec<usize>, String)>) -> TokenStream {
    match table {
        Some((shape, numbers)) => {
            quote_spanned!(own()=> ::core::option::Option::Some((&[#(#shape),*], #numbers)))
        }
        None => quote_spanned!(own()=> ::core::option::Option::None),
    }
}

fn init_value(init: &Init) -> TokenStream {
    let inner = match init {
        // A constant is declared by a step of its own.
        Init::Zeros | Init::Table(_) | Init::Given => quote!(Zeros),
        Init::Ones => quote!(Ones),
        Init::Xavier => quote!(Xavier),
        Init::Normal(s) => {
            let s = float(*s);
            quote!(Normal(#s))
        }
        Init::Uniform(a, b) => {
            let (a, b) = (float(*a), float(*b));
            quote!(Uniform(#a, #b))
        }
    };
    quote_spanned!(own()=> ::tancho::__private::Init::#inner)
}
