//! What editors see of a network: a function that is never called, made of the user's own identifiers.
//!
//! rust-analyzer knows nothing of the language, but it follows identifiers with the user's spans into
//! whatever a macro emits. Every name of a declaration stands here once as a Rust item or `let` and otherwise
//! as a use of it, so that hover, go to definition, rename and completion work inside the macro; made of the
//! syntax tree alone, it is there while the network has errors. Expressions become tuples of what is in them:
//! nothing that could be of a wrong type.
//!
//! Only rust-analyzer sets `cfg(rust_analyzer)`: rustc never compiles the function, so it costs no second
//! wave of errors.

use super::own;
use crate::ast::*;
use crate::walk;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use std::collections::BTreeSet;

/// ```text
/// const _: () = {
///     #[cfg(rust_analyzer)]
///     fn mlp() {
///         const D: __Dim = __Dim;
///         const up: Net<Linear> = ..;
///         let x = __Tensor;
///         (gelu, ((up, (x,)),));
///     }
/// };
/// ```
pub fn mirror(n: &Network, networks: &[Network]) -> TokenStream {
    let mut names = BTreeSet::new();
    n.entries.iter().for_each(|e| lets(&e.body, &mut names));
    let m = Mirror { networks, lets: names };
    // Items of the network may have dims of its entry points.
    let mut all: Vec<&DimDecl> = Vec::new();
    for d in n.dims.iter().chain(n.entries.iter().flat_map(|e| &e.dims)) {
        if all.iter().all(|other| other.name != d.name) {
            all.push(d);
        }
    }
    let dims = all.iter().map(|d| m.dim(d));
    let options = n.options.iter().map(|o| {
        let (name, default) = (&o.name, m.expr(&o.default));
        quote_spanned!(own()=> let #name = __Tensor; #default;)
    });
    let wheres = n.wheres.iter().flat_map(|w| [m.expr(&w.left), m.expr(&w.right)]);
    let items = m.items(&n.items);
    let hidden = n.entries.iter().filter(|e| m.is_hidden(e)).map(|e| {
        let name = &e.name;
        quote_spanned!(own()=> let #name: __Net<()> = __Net::NEW;)
    });
    let entries = n.entries.iter().map(|e| m.entry(e, n.short));
    let lost = n.lost.iter().filter(|i| is_name(i));
    quote_spanned! {own()=>
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            #[allow(warnings)]
            fn network() {
                use ::tancho::__private::ide::{Dim as __Dim, Net as __Net, Tensor as __Tensor};
                use ::tancho::__private::ide::ops::*;
                #(#dims)*
                #(#options)*
                #(#wheres;)*
                #items
                #(#hidden)*
                #(#entries)*
                #(#lost;)*
            }
        };
    }
}

struct Mirror<'a> {
    networks: &'a [Network],
    /// The names of `let`s. A net of that name is a `let` too, which a pattern can hide.
    lets: BTreeSet<String>,
}

/// The names that the `let`s of a block and of every block in it have, and the elements of scans.
fn lets(block: &Block, names: &mut BTreeSet<String>) {
    walk::block(block, &mut |e| {
        if let ExprKind::Scan(scan) = &e.kind {
            names.extend(scan.names.iter().map(ToString::to_string));
        }
    });
    walk::blocks(block, &mut |b| {
        for s in &b.stmts {
            if let Stmt::Let { names: new, .. } = s {
                names.extend(new.iter().map(ToString::to_string));
            }
        }
    });
}

/// Whether rustc would read it as a name: what editors are shown is parsed by rustc, too.
fn is_name(i: &Ident) -> bool {
    i != "gen" && syn::parse2::<Ident>(i.to_token_stream()).is_ok()
}

impl Mirror<'_> {
    fn dim(&self, decl: &DimDecl) -> TokenStream {
        let name = &decl.name;
        let (doc, used) = match &decl.kind {
            DimKind::Run => ("A run-time dimension: taken from the inputs at each call.".to_string(), None),
            DimKind::Bounded(e) => (
                format!("A run-time dimension: taken from the inputs at each call, at most `{}`.", e.text),
                Some(e),
            ),
            DimKind::Static(e) => (
                format!("A static dimension: `{}` unless the use of the network gives another.", e.text),
                Some(e),
            ),
            DimKind::Required => {
                ("A static dimension: whoever uses the network must give it.".to_string(), None)
            }
        };
        let used = used.map(|e| self.expr(e)).unwrap_or_else(|| quote!(()));
        quote_spanned!(own()=> #[doc = #doc] const #name: __Dim = __Dim; #used;)
    }

    /// Whether a `let` has the name of an entry point, as in `let loss = loss(x);`. It would be a pattern of
    /// a constant, so that the entry point is a `let` before all of them.
    fn is_hidden(&self, e: &Entry) -> bool {
        self.lets.contains(&e.name.to_string())
    }

    fn entry(&self, e: &Entry, short: bool) -> TokenStream {
        let dims = e.dims.iter().map(|d| self.dim(d));
        let inputs = e.inputs.iter().map(|i| {
            let (name, ty) = (&i.name, self.ty(&i.ty));
            quote_spanned!(own()=> #ty; let #name = __Tensor;)
        });
        let outputs = e.outputs.iter().map(|t| self.ty(t));
        let body = self.block(&e.body);
        let name = (!short && !self.is_hidden(e)).then(|| {
            let (name, docs) = (&e.name, &e.docs);
            quote_spanned!(own()=> #docs const #name: __Net<()> = __Net::NEW;)
        });
        quote_spanned!(own()=> #name { #(#dims)* #(#inputs)* #(#outputs;)* #body; })
    }

    fn ty(&self, t: &Ty) -> TokenStream {
        let axes = t.axes.iter().map(|a| self.expr(a));
        quote_spanned!(own()=> (#(#axes,)*))
    }

    /// The items of a block: they see each other, as Rust's do.
    fn items(&self, items: &[Item]) -> TokenStream {
        items.iter().filter(|i| is_name(&i.name)).map(|i| self.item(i)).collect()
    }

    fn item(&self, i: &Item) -> TokenStream {
        let name = &i.name;
        let docs = i.attrs.docs.iter();
        let docs = quote!(#(#[doc = #docs])*);
        let rows = i.attrs.rows.iter().flat_map(|(a, b)| [self.expr(a), self.expr(b)]);
        let rows = quote!(#(#rows;)*);
        // A `let` of the name of a constant would be a pattern of that constant.
        let word_for = |shown: &str| match self.lets.contains(&name.to_string()) {
            true => quote_spanned!(own()=> let),
            false => quote_spanned!(own()=> #[doc = #shown] #docs const),
        };
        let weight = |word: &str, ty: &Ty, init: &Option<Expr>| {
            let (shown, axes) = (format!("`{word} {name}: {}`", ty.text), self.ty(ty));
            // An initial value has words of its own: `normal(0.02)` is no op.
            let init = init.as_ref().map(|e| format!(", at first `{}`", e.text)).unwrap_or_default();
            let shown = format!("{shown}{init}");
            let word = word_for(&shown);
            quote_spanned!(own()=> #word #name: __Tensor = __Tensor; #axes; #rows)
        };
        match &i.kind {
            ItemKind::Param(ty, init) => weight("param", ty, init),
            ItemKind::Buffer(ty, init) => weight("buffer", ty, init),
            ItemKind::Const(ty, table) => {
                let (constant, table) = (weight("const", ty, &None), table.iter().map(|e| self.expr(e)));
                quote_spanned!(own()=> #constant #(#table;)*)
            }
            ItemKind::State(ty, grows) => {
                let (state, grows) = (weight("state", ty, &None), grows.iter().map(|g| &g.dim));
                quote_spanned!(own()=> #state #(#grows;)*)
            }
            ItemKind::Net(used, count) => {
                let shown = format!("`net {name}: {}`", used.shown);
                let path = self.path(used);
                let inside = used.dims.iter().map(|a| self.expr(&a.value));
                let options = used.options.iter().map(|a| self.expr(&a.value));
                // The number of a net in its array.
                let number = count.as_ref().map(|_| {
                    let i = Ident::new("i", own());
                    quote_spanned!(own()=> const #i: __Dim = __Dim;)
                });
                let count = count.as_ref().map(|e| self.expr(e)).unwrap_or_else(|| quote!(()));
                let word = word_for(&shown);
                quote_spanned! {own()=>
                    #word #name: __Net<#path> = __Net::NEW;
                    { #number #(#inside;)* }
                    #(#options;)*
                    #count;
                    #rows
                }
            }
            ItemKind::Broken => quote_spanned!(own()=> const #name: __Tensor = __Tensor;),
        }
    }

    /// The type of a network: those of the prelude are known by their name alone.
    fn path(&self, used: &Use) -> TokenStream {
        let path = &used.path;
        let prelude = tancho_ir::prelude::PRELUDE.contains(&format!("pub {}<", used.text));
        if used.single && prelude && !self.networks.iter().any(|n| n.name == used.text) {
            return quote_spanned!(own()=> ::tancho::nn::#path);
        }
        path.clone()
    }

    fn block(&self, block: &Block) -> TokenStream {
        let items = self.items(&block.items);
        let stmts = block.stmts.iter().map(|s| self.stmt(s));
        let lost = block.lost.iter().filter(|i| is_name(i));
        let tail = block.tail.as_ref().map(|e| self.expr(e));
        quote_spanned!(own()=> { #items #(#stmts)* #(#lost;)* #tail })
    }

    fn stmt(&self, stmt: &Stmt) -> TokenStream {
        match stmt {
            Stmt::Let { names, ty, value, .. } => {
                let value = self.expr(value);
                let types = ty.iter().flatten().map(|t| self.ty(t));
                let names = names.iter().filter(|n| is_name(n));
                quote_spanned!(own()=> #value; #(#types;)* #(let #names = __Tensor;)*)
            }
            Stmt::Assign(name, value) => {
                let (name, value) = (self.name(name), self.expr(value));
                quote_spanned!(own()=> (#name, #value);)
            }
            Stmt::Value(e) => {
                let e = self.expr(e);
                quote_spanned!(own()=> #e;)
            }
            Stmt::For(names, arrays, body) => {
                let body = self.block(body);
                quote_spanned!(own()=> { #(let #names = #arrays;)* #body; })
            }
            Stmt::Repeat(name, ends, body) => {
                let (from, to, body) = (self.expr(&ends.0), self.expr(&ends.1), self.block(body));
                quote_spanned! {own()=>
                    { (#from, #to); #[doc = "The number of the iteration."] const #name: __Dim = __Dim; #body; }
                }
            }
            Stmt::Minimize(m) => {
                let loss = self.expr(&m.loss);
                let args = m.args.iter().map(|a| self.expr(&a.value));
                quote_spanned!(own()=> #loss; #(#args;)*)
            }
        }
    }

    fn word(word: &str, span: Span) -> TokenStream {
        Ident::new(word, span).into_token_stream()
    }

    fn args(&self, args: &[Arg]) -> TokenStream {
        let all = args.iter().map(|a| self.expr(&a.value));
        quote_spanned!(own()=> (#(#all,)*))
    }

    fn name(&self, name: &Ident) -> TokenStream {
        if is_name(name) { name.to_token_stream() } else { quote_spanned!(own()=> ()) }
    }

    /// An expression as a tuple of the names in it.
    fn expr(&self, e: &Expr) -> TokenStream {
        let parts: Vec<TokenStream> = match &e.kind {
            ExprKind::Poison | ExprKind::Number(..) | ExprKind::Bool(_) | ExprKind::Leading => {
                return quote_spanned!(own()=> ());
            }
            ExprKind::Name(name) => return self.name(name),
            ExprKind::Neg(x) | ExprKind::Not(x) | ExprKind::Transpose(x) => return self.expr(x),
            ExprKind::Binary(_, a, b) | ExprKind::Logic(_, a, b) | ExprKind::Power(a, b) => {
                vec![self.expr(a), self.expr(b)]
            }
            ExprKind::Index(x, list) => {
                let axes = list.iter().filter_map(|i| i.axis.as_ref()).map(|n| self.name(n));
                let ends =
                    list.iter().flat_map(|i| [&i.start, &i.end, &i.step]).flatten().map(|e| self.expr(e));
                std::iter::once(self.expr(x)).chain(axes).chain(ends).collect()
            }
            ExprKind::Method(x, _, args) => vec![self.expr(x), self.args(args)],
            // An initial value or a dim's `floor` is called by name too; a path is a network's.
            ExprKind::Element(name, index, args) => {
                vec![self.name(name), self.expr(index), self.args(args)]
            }
            ExprKind::Call(callee, args) => match &callee.name {
                Some(name) => vec![self.name(name), self.args(args)],
                None => vec![self.args(args)],
            },
            ExprKind::Residual(x, body) => {
                vec![Self::word("residual", e.place.first), self.expr(x), self.block(body)]
            }
            ExprKind::Scan(scan) => {
                let sequences = scan.sequences.iter().map(|e| self.expr(e));
                let over = self.expr(&scan.over);
                let names = scan.names.iter().filter(|n| is_name(n));
                let body = self.block(&scan.body);
                return quote_spanned! {own()=>
                    { (#(#sequences,)* #over); #(let #names = __Tensor;)* #body }
                };
            }
            ExprKind::If(conds, then, otherwise) => {
                let conds = conds.iter().flat_map(|c| match c {
                    Cond::Equal(sides) => vec![self.expr(&sides.0), self.expr(&sides.1)],
                    Cond::Flag(name, _) => vec![self.name(name)],
                });
                conds.chain([self.block(then), self.block(otherwise)]).collect()
            }
            ExprKind::Rearrange(x, _, _, sizes) => {
                vec![Self::word("rearrange", e.place.first), self.expr(x), self.args(sizes)]
            }
            ExprKind::Tuple(list) | ExprKind::List(list) => list.iter().map(|e| self.expr(e)).collect(),
        };
        quote_spanned!(own()=> (#(#parts,)*))
    }
}
