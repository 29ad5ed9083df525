//! What is fixed for a net: dims, options, and the `where` clauses that speak of static dims alone.

use super::eval::{UNKNOWN, eval, same};
use super::text::Text;
use super::{At, ConstNet, Fault, MAX_DIMS, fault, statics, who};
use crate::bind::{DimKind, option_takes};
use crate::builder::Sig;
use crate::graph::Relation;

/// The first mistake in what is fixed for a net.
pub const fn net(sig: &Sig, used: &ConstNet) -> Option<Fault> {
    if sig.broken || sig.dims.len() > MAX_DIMS {
        return None;
    }
    if let Some(f) = dims(sig, used) {
        return Some(f);
    }
    if let Some(f) = options(sig, used) {
        return Some(f);
    }
    let rows = statics(sig, used).rows;
    let mut i = 0;
    while i < sig.wheres.len() {
        let (l, relation, r) = sig.wheres[i];
        let (a, b) = (eval(l, sig.dims, &rows)[0], eval(r, sig.dims, &rows)[0]);
        if a != UNKNOWN && b != UNKNOWN && !relation.holds(a, b) {
            return fault(
                At::Path,
                requires(who(used), l, relation, r).values("\n  ", [l, r], sig.dims, &rows),
            );
        }
        i += 1;
    }
    None
}

/// " requires D % HEADS == 0, which does not hold here"
const fn requires(who: Text, l: &str, relation: Relation, r: &str) -> Text {
    let (between, after) = relation.written();
    who.and(" requires ").and(l).and(between).and(r).and(after).and(", which does not hold here")
}

const fn dims(sig: &Sig, used: &ConstNet) -> Option<Fault> {
    let mut seen = [false; MAX_DIMS];
    let mut i = 0;
    while i < used.dims.len() {
        let (at, name) = (At::Dim(i), used.dims[i].name);
        match sig.target(used.dims, i) {
            None if name.is_empty() => {
                return fault(at, their_dims(who(used).and(" is given more dimensions than it has"), sig));
            }
            None => return fault(at, their_dims(who(used).and(" has no dimension ").name(name), sig)),
            Some(d) if !sig.dims[d].kind.is_static() => {
                let t = Text::new()
                    .and("dimension ")
                    .name(name)
                    .and(" of ")
                    .name(used.path)
                    .and(" is taken from its inputs at each call");
                return fault(at, t.and("\nhelp: leave it out"));
            }
            Some(d) => {
                if seen[d] {
                    return fault(at, Text::new().name(sig.dims[d].name).and(" is given twice"));
                }
                seen[d] = true;
            }
        }
        i += 1;
    }
    let mut d = 0;
    while d < sig.dims.len() {
        if matches!(sig.dims[d].kind, DimKind::Required) && !seen[d] {
            let name = sig.dims[d].name;
            let t = who(used).and(" needs its dimension ").name(name);
            return fault(
                At::Path,
                t.and("\nhelp: for example `").and(used.path).and("<").and(name).and(" = ..>`"),
            );
        }
        d += 1;
    }
    None
}

const fn their_dims(t: Text, sig: &Sig) -> Text {
    let (mut t, mut position) = (t, 0);
    while let Some(d) = sig.static_dim(position) {
        let last = position > 0 && sig.static_dim(position + 1).is_none();
        t = t
            .and(if position == 0 {
                "\nhelp: its static dimensions are "
            } else if last {
                " and "
            } else {
                ", "
            })
            .name(sig.dims[d].name);
        position += 1;
    }
    if position == 0 { t.and("\nhelp: all its dimensions are taken from its inputs") } else { t }
}

const fn options(sig: &Sig, used: &ConstNet) -> Option<Fault> {
    let mut i = 0;
    while i < used.options.len() {
        let (name, value) = used.options[i];
        let Some(o) = option(sig, name) else {
            let mut t = who(used).and(" has no option ").name(name);
            let mut o = 0;
            while o < sig.options.len() {
                let last = o > 0 && o + 1 == sig.options.len();
                t = t
                    .and(if o == 0 {
                        "\nhelp: it has "
                    } else if last {
                        " and "
                    } else {
                        ", "
                    })
                    .name(sig.options[o].name);
                o += 1;
            }
            return fault(At::Option(i), if o == 0 { t.and("\nhelp: it has no options at all") } else { t });
        };
        if let Some(takes) = option_takes(sig.options[o].default, value) {
            let t = Text::new().name(name).and(" of ").name(used.path).and(" takes ").and(takes);
            return fault(At::Option(i), t);
        }
        i += 1;
    }
    None
}

const fn option(sig: &Sig, name: &str) -> Option<usize> {
    let mut i = 0;
    while i < sig.options.len() {
        if same(sig.options[i].name, name) {
            return Some(i);
        }
        i += 1;
    }
    None
}
