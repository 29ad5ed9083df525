//! Calls of networks of other macro calls, modules and crates, checked by `cargo check`.
//!
//! A macro sees tokens, not the signature of a network that another `network!` declares. It emits what it
//! knows of a call as constant data: names, texts of shapes, and the numbers those shapes have at several
//! **samples**, choices of values for the caller's dims. Here, in `const` evaluation, the callee's run-time
//! dims are bound to those numbers, its static dims to what is given or their defaults, and each axis is
//! compared at each sample. Sample 0 is the caller's defaults, where they are known; the others are large and
//! different for every dim, so that polynomials that agree at all of them are the same. There are no more
//! than five. What cannot be evaluated (a quotient that is not exact at a sample) is left to the graph
//! builder, which compares the polynomials themselves.

mod call;
mod eval;
mod gradient;
mod net;
mod parts;
#[cfg(test)]
mod tests;
mod text;

pub use call::call;
pub use gradient::gradient;
pub use net::net;

use crate::bind::DimKind;
use crate::builder::{OptionValue, Sig};
use eval::{NOTHING, Row, SAMPLES, UNKNOWN};
use text::Text;

/// A signature with more dims is not checked here.
const MAX_DIMS: usize = 64;

/// A dim that is given where a network is used.
#[derive(Clone, Copy, Debug)]
pub struct GivenDim {
    /// Its name there; empty if it is given by position.
    pub name: &'static str,
    /// The polynomial given for it, in the caller's names.
    pub text: &'static str,
    /// Its number at each sample; -1 where it is not known.
    pub at: &'static [i64],
}

/// A network in use: what is fixed for it.
#[derive(Clone, Copy, Debug)]
pub struct ConstNet {
    /// The name of the network that uses it.
    pub caller: &'static str,
    /// The path as written.
    pub path: &'static str,
    /// The dims in `<..>`.
    pub dims: &'static [GivenDim],
    /// The options in `(..)`; of those that are passed on, the caller's default.
    pub options: &'static [(&'static str, OptionValue)],
}

/// A tensor of the caller: an argument, or a result as it is promised.
#[derive(Clone, Copy, Debug)]
pub struct ConstTensor {
    /// The input it is given for; empty if it is given by position, and for a result.
    pub input: &'static str,
    /// Its name or source text; empty for a result without a name.
    pub name: &'static str,
    /// Its type in the caller's names, `bool[B, 4*D (3072)]`.
    pub ty: &'static str,
    /// The numbers of its axes at each sample, as many as it has there.
    pub at: &'static [&'static [i64]],
}

/// A call through a net.
#[derive(Clone, Copy, Debug)]
pub struct ConstCall {
    /// The arguments in order.
    pub args: &'static [ConstTensor],
    /// The results as the caller promises them.
    pub results: &'static [ConstTensor],
}

/// What of the source is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The path of the network.
    Path,
    /// The given dim of that number.
    Dim(usize),
    /// The given option of that number.
    Option(usize),
    /// The whole call.
    Call,
    /// The argument of that number.
    Argument(usize),
    /// The promise.
    Promise,
}

/// A mistake.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    at: At,
    text: Text,
}

impl Fault {
    /// Where it is.
    pub const fn at(&self) -> At {
        self.at
    }

    /// What it is.
    pub const fn message(&self) -> &str {
        self.text.as_str()
    }
}

/// Ends the evaluation of a constant with the message of a mistake that is at this place.
///
/// # Panics
/// There is such a mistake: rustc shows it where this is called.
#[track_caller]
pub const fn report(fault: &Option<Fault>, at: At) {
    if let Some(f) = fault {
        let here = match (f.at, at) {
            (At::Dim(a), At::Dim(b))
            | (At::Option(a), At::Option(b))
            | (At::Argument(a), At::Argument(b)) => a == b,
            (At::Path, At::Path) | (At::Call, At::Call) | (At::Promise, At::Promise) => true,
            _ => false,
        };
        if here {
            panic!("{}", f.message());
        }
    }
}

const fn fault(at: At, text: Text) -> Option<Fault> {
    Some(Fault { at, text })
}

/// "`zoo::Block` in `Tower`"
const fn who(used: &ConstNet) -> Text {
    Text::new().name(used.path).and(" in ").name(used.caller)
}

/// The static dims of the callee.
#[derive(Clone, Copy)]
struct Statics {
    /// Which of the given dims stands for each of the callee's; [`DEFAULT`] where none does.
    given: [usize; MAX_DIMS],
    /// Their values; of run-time dims nothing yet.
    rows: [Row; MAX_DIMS],
}

/// No given dim.
const DEFAULT: usize = usize::MAX;

/// Values of the static dims: those given, then defaults, which may use each other in any order.
const fn statics(sig: &Sig, used: &ConstNet) -> Statics {
    let mut out = Statics { given: [DEFAULT; MAX_DIMS], rows: [NOTHING; MAX_DIMS] };
    let mut i = 0;
    while i < used.dims.len() {
        if let Some(d) = sig.target(used.dims, i) {
            out.given[d] = i;
            let mut s = 0;
            while s < SAMPLES && s < used.dims[i].at.len() {
                out.rows[d][s] = known(used.dims[i].at[s]);
                s += 1;
            }
        }
        i += 1;
    }
    let mut done = [false; MAX_DIMS];
    let mut changed = true;
    while changed {
        changed = false;
        let mut d = 0;
        while d < sig.dims.len() {
            if let DimKind::Static(text) = sig.dims[d].kind
                && out.given[d] == DEFAULT
                && !done[d]
            {
                let row = eval::eval(text, sig.dims, &out.rows);
                let mut s = 0;
                while s < SAMPLES {
                    done[d] |= row[s] != UNKNOWN;
                    s += 1;
                }
                out.rows[d] = row;
                changed |= done[d];
            }
            d += 1;
        }
    }
    out
}

/// The number as it is written, -1 where it is not known.
const fn known(n: i64) -> i64 {
    if n < 0 { UNKNOWN } else { n }
}

impl Sig {
    /// The dim of the signature that a given one is for: by name, or the next static one.
    const fn target(&self, given: &[GivenDim], number: usize) -> Option<usize> {
        if !given[number].name.is_empty() {
            return eval::find(self.dims, given[number].name);
        }
        let (mut position, mut i) = (0, 0);
        while i < number {
            position += given[i].name.is_empty() as usize;
            i += 1;
        }
        self.static_dim(position)
    }

    /// The number of the static dim at a position among the static ones.
    const fn static_dim(&self, position: usize) -> Option<usize> {
        let (mut d, mut seen) = (0, 0);
        while d < self.dims.len() {
            if self.dims[d].kind.is_static() {
                if seen == position {
                    return Some(d);
                }
                seen += 1;
            }
            d += 1;
        }
        None
    }
}
