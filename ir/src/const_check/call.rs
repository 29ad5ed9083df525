//! One call: its arguments, and what is promised of its results.

use super::eval::{NOTHING, Row, SAMPLES, UNKNOWN, eval, find, same};
use super::parts::Parts;
use super::text::{Text, is_number, next_dim, without_number};
use super::{
    At, ConstCall, ConstNet, ConstTensor, DEFAULT, Fault, MAX_DIMS, Statics, fault, known, statics, who,
};
use crate::bind::DimKind;
use crate::builder::Sig;

/// The first mistake in a call through a net, which is not judged if the net has one of its own.
pub const fn call(net: &Option<Fault>, sig: &Sig, used: &ConstNet, call: &ConstCall) -> Option<Fault> {
    if net.is_some() || sig.broken || sig.dims.len() > MAX_DIMS {
        return None;
    }
    if let Some(f) = count(sig, used, call) {
        return Some(f);
    }
    let c = BoundCall::new(sig, used, call);
    if let Some(f) = c.inputs() {
        return Some(f);
    }
    if let Some(f) = c.outputs() {
        return Some(f);
    }
    c.bounds()
}

/// The input that an argument is for.
const fn input(sig: &Sig, call: &ConstCall, arg: usize) -> Option<usize> {
    let name = call.args[arg].input;
    if name.is_empty() {
        return if arg < sig.inputs.len() { Some(arg) } else { None };
    }
    let mut i = 0;
    while i < sig.inputs.len() {
        if same(sig.inputs[i].name, name) {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// The argument for an input.
const fn argument(sig: &Sig, call: &ConstCall, number: usize) -> Option<usize> {
    let mut a = 0;
    while a < call.args.len() {
        if let Some(i) = input(sig, call, a)
            && i == number
        {
            return Some(a);
        }
        a += 1;
    }
    None
}

/// Every argument has an input of its own, and every input an argument.
const fn count(sig: &Sig, used: &ConstNet, call: &ConstCall) -> Option<Fault> {
    let (mut a, mut fits) = (0, call.args.len() == sig.inputs.len());
    while a < call.args.len() {
        match input(sig, call, a) {
            Some(i) => {
                if let Some(first) = argument(sig, call, i)
                    && first < a
                {
                    return fault(
                        At::Argument(a),
                        Text::new().name(sig.inputs[i].name).and(" is given twice"),
                    );
                }
            }
            None if call.args[a].input.is_empty() => fits = false,
            None => {
                let t = who(used).and(" has no input ").name(call.args[a].input);
                return fault(At::Argument(a), their_inputs(t, sig));
            }
        }
        a += 1;
    }
    if fits {
        return None;
    }
    let t = who(used).and(" takes ").number(sig.inputs.len() as i64).and(if sig.inputs.len() == 1 {
        " input, "
    } else {
        " inputs, "
    });
    fault(At::Call, their_inputs(t.number(call.args.len() as i64).and(" given"), sig))
}

const fn their_inputs(t: Text, sig: &Sig) -> Text {
    let (mut t, mut i) = (t.and("\n  its inputs are ("), 0);
    while i < sig.inputs.len() {
        t = t
            .and(if i > 0 { ", " } else { "" })
            .and(sig.inputs[i].name)
            .and(": ")
            .and(Parts::of(sig.inputs[i].ty).shown());
        i += 1;
    }
    t.and(")")
}

/// How a type and a tensor differ.
#[derive(Clone, Copy)]
enum Difference {
    DType,
    /// The number of axes, at that sample.
    Rank(usize),
    /// Other leading axes than the first input that has some.
    Leading,
    /// The axis of that number among those that are written.
    Axis(usize),
}

/// A call with the callee's dims bound.
pub struct BoundCall<'a> {
    sig: &'a Sig,
    used: &'a ConstNet,
    call: &'a ConstCall,
    statics: Statics,
    /// The values of the callee's dims at each sample.
    pub rows: [Row; MAX_DIMS],
    /// The argument that says what `..` stands for, and how many axes follow them there.
    leading: Option<(usize, usize)>,
}

impl<'a> BoundCall<'a> {
    /// Binds the run-time dims to the first axes where they stand alone, even to a number that is not known.
    pub const fn new(sig: &'a Sig, used: &'a ConstNet, call: &'a ConstCall) -> BoundCall<'a> {
        let statics = statics(sig, used);
        let (mut rows, mut leading, mut bound) = (statics.rows, None, [false; MAX_DIMS]);
        let mut i = 0;
        while i < sig.inputs.len() {
            let ty = Parts::of(sig.inputs[i].ty);
            if let Some(a) = argument(sig, call, i) {
                if ty.open == 1 && leading.is_none() {
                    leading = Some((a, ty.axes - 1));
                }
                let mut k = ty.open;
                while k < ty.axes {
                    if let Some(d) = find(sig.dims, ty.axis(k))
                        && !sig.dims[d].kind.is_static()
                        && !bound[d]
                    {
                        bound[d] = true;
                        rows[d] = axis(&call.args[a], ty.axes - k);
                    }
                    k += 1;
                }
            }
            i += 1;
        }
        BoundCall { sig, used, call, statics, rows, leading }
    }

    const fn value(&self, text: &str) -> Row {
        eval(text, self.sig.dims, &self.rows)
    }

    /// Compares a tensor with a type of the callee.
    const fn differ(&self, ty: &Parts<'_>, t: &ConstTensor) -> Option<Difference> {
        let have = Parts::of(t.ty);
        if ty.cut() || have.cut() {
            return None;
        }
        if !same(ty.dtype(), have.dtype()) {
            return Some(Difference::DType);
        }
        let fixed = ty.axes - ty.open;
        let mut s = 0;
        while s < t.at.len() {
            let n = t.at[s].len();
            if n < fixed || ty.open == 0 && (n != fixed || have.open == 1) {
                return Some(Difference::Rank(s));
            }
            s += 1;
        }
        if ty.open == 1 && !self.leading_agree(t, fixed) {
            return Some(Difference::Leading);
        }
        let mut k = ty.open;
        while k < ty.axes {
            let (want, have) = (self.value(ty.axis(k)), axis(t, ty.axes - k));
            let mut s = 0;
            while s < SAMPLES {
                if want[s] != have[s] && want[s] != UNKNOWN && have[s] != UNKNOWN {
                    return Some(Difference::Axis(k));
                }
                s += 1;
            }
            k += 1;
        }
        None
    }

    const fn leading_agree(&self, t: &ConstTensor, fixed: usize) -> bool {
        let Some((a, after)) = self.leading else { return true };
        let mut s = 0;
        while s < t.at.len() {
            let (first, have) = (self.call.args[a].at[s], t.at[s]);
            // The first of them may itself be too short, which is reported of it.
            if first.len() >= after {
                let lead = have.len() - fixed;
                if first.len() - after != lead {
                    return false;
                }
                let mut i = 0;
                while i < lead {
                    if first[i] != have[i] && first[i] >= 0 && have[i] >= 0 {
                        return false;
                    }
                    i += 1;
                }
            }
            s += 1;
        }
        true
    }

    const fn inputs(&self) -> Option<Fault> {
        let mut i = 0;
        while i < self.sig.inputs.len() {
            let (name, ty) = (self.sig.inputs[i].name, Parts::of(self.sig.inputs[i].ty));
            if let Some(a) = argument(self.sig, self.call, i)
                && let Some(d) = self.differ(&ty, &self.call.args[a])
            {
                let arg = &self.call.args[a];
                let t = who(self.used).and(" does not accept ").name(arg.name).and(" for ").name(name);
                let t = self.with(t.and("\n  ").name(name).and(" takes ").and(ty.shown()), &ty, d);
                let t = t.and("\n  ").name(arg.name).and(" is ").and(arg.ty);
                return fault(At::Argument(a), self.why(t, &ty, arg, d, false));
            }
            i += 1;
        }
        None
    }

    const fn outputs(&self) -> Option<Fault> {
        let (theirs, promised) = (self.sig.outputs, self.call.results);
        if theirs.len() != promised.len() {
            let n = theirs.len() as i64;
            let t = who(self.used).and(" gives ").number(n).and(if n == 1 {
                " result, not "
            } else {
                " results, not "
            });
            let (mut t, mut i) = (t.number(promised.len() as i64).and("\n  it gives "), 0);
            while i < theirs.len() {
                t = t.and(if i == 0 { "(" } else { ", " }).and(Parts::of(theirs[i]).shown());
                i += 1;
            }
            return fault(At::Promise, t.and(")"));
        }
        let mut i = 0;
        while i < theirs.len() {
            let (ty, p) = (Parts::of(theirs[i]), &promised[i]);
            if let Some(d) = self.differ(&ty, p) {
                let t = who(self.used).and(" does not give ").and(p.ty);
                let t = if p.name.is_empty() { t } else { t.and(" for ").name(p.name) };
                let t = self.with(t.and("\n  it gives ").and(ty.shown()), &ty, d);
                return fault(At::Promise, self.why(t, &ty, p, d, true));
            }
            i += 1;
        }
        None
    }

    /// " with D = 2*C": what the callee's dims of the wrong axis stand for here.
    const fn with(&self, t: Text, ty: &Parts<'_>, d: Difference) -> Text {
        let (mut t, Difference::Axis(k)) = (t, d) else { return t };
        let (text, mut at, mut lead) = (ty.axis(k), 0, " with ");
        while let Some((d, next)) = next_dim(text, at, self.sig.dims) {
            let (name, default) = (self.sig.dims[d].name, self.statics.rows[d][0]);
            at = next;
            match self.origin(d) {
                Some(from) if !same(without_number(from), name) => {
                    t = t.and(lead).and(name).and(" = ").and(from)
                }
                None if default != UNKNOWN => t = t.and(lead).and(name).and(" = ").number(default),
                _ => continue,
            }
            lead = ", ";
        }
        t
    }

    /// What a dim of the callee is in the caller's names; nothing for a default.
    const fn origin(&self, dim: usize) -> Option<&'static str> {
        if self.statics.given[dim] != DEFAULT {
            return Some(self.used.dims[self.statics.given[dim]].text);
        }
        match self.bound_by(dim) {
            Some((_, text)) if !self.sig.dims[dim].kind.is_static() && !same(text, "..") => Some(text),
            _ => None,
        }
    }

    /// The first argument with an axis that is that dim alone, and the axis in the caller's names.
    const fn bound_by(&self, dim: usize) -> Option<(usize, &'static str)> {
        let mut i = 0;
        while i < self.sig.inputs.len() {
            let (ty, mut k) = (Parts::of(self.sig.inputs[i].ty), 0);
            while k < ty.axes {
                if same(ty.axis(k), self.sig.dims[dim].name)
                    && let Some(a) = argument(self.sig, self.call, i)
                {
                    let theirs = Parts::of(self.call.args[a].ty);
                    if let Some(n) = theirs.axes.checked_sub(ty.axes - k) {
                        return Some((a, theirs.axis(n)));
                    }
                }
                k += 1;
            }
            i += 1;
        }
        None
    }

    /// The sentence on the difference itself.
    const fn why(&self, t: Text, ty: &Parts<'_>, tensor: &ConstTensor, d: Difference, promise: bool) -> Text {
        let t = t.and("\n  ");
        match d {
            Difference::DType => t
                .and(if promise { "it gives " } else { "it takes " })
                .and(ty.dtype())
                .and("; nothing is converted silently"),
            Difference::Rank(_) if Parts::of(tensor.ty).open == 1 => t.and("`..` may be any number of axes"),
            Difference::Rank(s) => {
                let (theirs, ours) = (ty.axes as i64, tensor.at[s].len() as i64);
                let (t, have, other) = if promise {
                    (t.and("it has "), theirs, ours)
                } else {
                    (t.name(tensor.name).and(" has "), ours, theirs)
                };
                t.number(have).and(if have == 1 { " axis, not " } else { " axes, not " }).number(other)
            }
            Difference::Leading => {
                t.and("the leading axes `..` are not those of the first input that has them")
            }
            Difference::Axis(k) => self.wrong_axis(t, ty, tensor, k, promise),
        }
    }

    const fn wrong_axis(
        &self,
        t: Text,
        ty: &Parts<'_>,
        tensor: &ConstTensor,
        k: usize,
        promise: bool,
    ) -> Text {
        let (from_end, theirs, want) = (ty.axes - k, Parts::of(tensor.ty), ty.axis(k));
        let Some(at) = theirs.axes.checked_sub(from_end) else { return t };
        let (have, number, default) = (theirs.axis(at), self.value(want)[0], axis(tensor, from_end)[0]);
        // The axes of a tensor with leading axes are counted from its end.
        let t = if theirs.open == 1 {
            t.and("axis -").number(from_end as i64)
        } else {
            t.and("axis ").number(at as i64)
        };
        let t = t.and(if promise { " is " } else { " must be " }).and(want);
        let t = if number != UNKNOWN && !is_number(want) { t.and(" = ").number(number) } else { t };
        let t = t.and(", not ").and(have);
        let t = if number != UNKNOWN && number == default {
            t.and("; these are equal only by default")
        } else {
            t
        };
        match find(self.sig.dims, want) {
            Some(d)
                if self.sig.dims[d].kind.is_static()
                    && default != UNKNOWN
                    && self.statics.given[d] == DEFAULT =>
            {
                t.and("\nhelp: give it: `")
                    .and(self.used.path)
                    .and("<")
                    .and(want)
                    .and(" = ")
                    .and(without_number(have))
                    .and(">`")
            }
            _ => t,
        }
    }

    /// The bounds of run-time dims, where the numbers are known.
    const fn bounds(&self) -> Option<Fault> {
        let mut d = 0;
        while d < self.sig.dims.len() {
            if let DimKind::Bounded(text) = self.sig.dims[d].kind
                && self.rows[d][0] != UNKNOWN
                && let bound = self.value(text)[0]
                && bound != UNKNOWN
                && self.rows[d][0] > bound
                && let Some((a, theirs)) = self.bound_by(d)
            {
                let t = who(self.used).and(" takes ").and(self.sig.dims[d].name).and(" up to ").and(text);
                let t = if is_number(text) { t } else { t.and(" (").number(bound).and(")") };
                return fault(At::Argument(a), t.and(", but it is ").and(theirs).and(" here"));
            }
            d += 1;
        }
        None
    }
}

/// The numbers of an axis, counted from the end from 1.
const fn axis(t: &ConstTensor, from_end: usize) -> Row {
    let (mut out, mut s) = (NOTHING, 0);
    while s < SAMPLES && s < t.at.len() {
        if t.at[s].len() >= from_end {
            out[s] = known(t.at[s][t.at[s].len() - from_end]);
        }
        s += 1;
    }
    out
}
