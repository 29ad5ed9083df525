//! Walks over the syntax tree: every expression of a network, each with those inside of it.

use crate::ast::*;
use proc_macro2::Ident;

/// What is done with an expression.
type Visit<'v, 'e> = &'v mut dyn FnMut(&'e Expr);

/// Every expression of an entry point: of its types and its body.
pub fn entry<'e>(entry: &'e Entry, visit: Visit<'_, 'e>) {
    entry.inputs.iter().for_each(|i| ty(&i.ty, visit));
    entry.outputs.iter().for_each(|t| ty(t, visit));
    block(&entry.body, visit);
}

/// Every expression of some items.
pub fn items<'e>(items: &'e [Item], visit: Visit<'_, 'e>) {
    for i in items {
        if let Some((from, to)) = &i.attrs.rows {
            expr(from, visit);
            expr(to, visit);
        }
        match &i.kind {
            ItemKind::Param(t, init) | ItemKind::Buffer(t, init) | ItemKind::Const(t, init) => {
                ty(t, visit);
                init.iter().for_each(|e| expr(e, visit));
            }
            ItemKind::State(t, _) => ty(t, visit),
            ItemKind::Net(used, count) => {
                args(&used.dims, visit);
                args(&used.options, visit);
                count.iter().for_each(|e| expr(e, visit));
            }
            ItemKind::Broken => {}
        }
    }
}

/// Every expression of a block, of its items too.
pub fn block<'e>(b: &'e Block, visit: Visit<'_, 'e>) {
    items(&b.items, visit);
    for s in &b.stmts {
        stmt(s, visit);
    }
    b.tail.iter().for_each(|e| expr(e, visit));
}

/// A block, and every block in it: of loops, and of expressions.
pub fn blocks<'e>(b: &'e Block, visit: &mut dyn FnMut(&'e Block)) {
    with_loops(b, visit);
    block(b, &mut |e| match &e.kind {
        ExprKind::Residual(_, body) => with_loops(body, visit),
        ExprKind::Scan(scan) => with_loops(&scan.body, visit),
        ExprKind::If(_, then, otherwise) => {
            with_loops(then, visit);
            with_loops(otherwise, visit);
        }
        _ => {}
    });
}

/// A block, and the blocks of the loops in it.
fn with_loops<'e>(b: &'e Block, visit: &mut dyn FnMut(&'e Block)) {
    visit(b);
    for s in &b.stmts {
        if let Stmt::For(_, _, inner) | Stmt::Repeat(_, _, inner) = s {
            with_loops(inner, visit);
        }
    }
}

/// The items of a block and of every block in it.
pub fn items_of<'e>(b: &'e Block, visit: &mut dyn FnMut(&'e Item)) {
    blocks(b, &mut |inner| inner.items.iter().for_each(&mut *visit));
}

/// The names that a block and every block in it assign to.
pub fn assigned<'e>(b: &'e Block, visit: &mut dyn FnMut(&'e Ident)) {
    let mut assign = |s: &'e Stmt| {
        if let Stmt::Assign(name, _) = s {
            visit(name);
        }
    };
    blocks(b, &mut |inner| inner.stmts.iter().for_each(&mut assign));
}

fn stmt<'e>(s: &'e Stmt, visit: Visit<'_, 'e>) {
    match s {
        Stmt::Let { ty: types, value, .. } => {
            types.iter().flatten().for_each(|t| ty(t, visit));
            expr(value, visit);
        }
        Stmt::Assign(_, value) | Stmt::Value(value) => expr(value, visit),
        Stmt::For(_, _, body) => block(body, visit),
        Stmt::Repeat(_, ends, body) => {
            expr(&ends.0, visit);
            expr(&ends.1, visit);
            block(body, visit);
        }
        Stmt::Minimize(m) => {
            expr(&m.loss, visit);
            args(&m.args, visit);
        }
    }
}

fn ty<'e>(t: &'e Ty, visit: Visit<'_, 'e>) {
    t.axes.iter().for_each(|a| expr(a, visit));
}

fn args<'e>(list: &'e [Arg], visit: Visit<'_, 'e>) {
    list.iter().for_each(|a| expr(&a.value, visit));
}

/// An expression, then its parts.
pub fn expr<'e>(e: &'e Expr, visit: Visit<'_, 'e>) {
    visit(e);
    match &e.kind {
        ExprKind::Poison
        | ExprKind::Name(_)
        | ExprKind::Number(..)
        | ExprKind::Bool(_)
        | ExprKind::Leading => {}
        ExprKind::Neg(x) | ExprKind::Not(x) | ExprKind::Transpose(x) => expr(x, visit),
        ExprKind::Binary(_, a, b) | ExprKind::Logic(_, a, b) | ExprKind::Power(a, b) => {
            expr(a, visit);
            expr(b, visit);
        }
        ExprKind::Index(x, list) => {
            expr(x, visit);
            let ends = list.iter().flat_map(|i| [&i.start, &i.end, &i.step]);
            ends.flatten().for_each(|e| expr(e, visit));
        }
        ExprKind::Method(x, _, list) => {
            expr(x, visit);
            args(list, visit);
        }
        ExprKind::Call(_, list) => args(list, visit),
        ExprKind::Element(_, index, list) => {
            expr(index, visit);
            args(list, visit);
        }
        ExprKind::Residual(x, body) => {
            expr(x, visit);
            block(body, visit);
        }
        ExprKind::Scan(scan) => {
            scan.sequences.iter().for_each(|e| expr(e, visit));
            expr(&scan.over, visit);
            block(&scan.body, visit);
        }
        ExprKind::If(conds, then, otherwise) => {
            for c in conds {
                if let Cond::Equal(sides) = c {
                    expr(&sides.0, visit);
                    expr(&sides.1, visit);
                }
            }
            block(then, visit);
            block(otherwise, visit);
        }
        ExprKind::Rearrange(x, _, _, sizes) => {
            expr(x, visit);
            args(sizes, visit);
        }
        ExprKind::Tuple(list) | ExprKind::List(list) => list.iter().for_each(|e| expr(e, visit)),
    }
}
