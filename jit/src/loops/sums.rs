//! Rows of sums in memory: a row of partial sums, one of their totals and one of what these lost to rounding,
//! as of [`Total`](crate::lanes::Total).

use super::program::{InPlace, load, map, push, store};
use crate::lanes::{Bin, Cmp, Derived, Inst, Program, Ptr, Reg, derive};
use crate::spec::extents::whole_panels;

/// Pointers to the three rows behind pointer argument `arg`.
fn rows(width: i64, derived: &mut Vec<Derived>, arg: u16) -> [Ptr; 3] {
    let apart = whole_panels(width);
    [Ptr::Arg(arg), derive(derived, arg, apart), derive(derived, arg, 2 * apart)]
}

/// Clears the sums in their place. The program has the pointers of [`InPlace`].
pub fn clear(width: i64) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let zero = push(&mut body, Inst::Float(0));
    for ptr in rows(width, &mut derived, InPlace::ROW) {
        store(&mut body, ptr, zero);
    }
    map(width, 1, derived, body)
}

/// Adds the partial sums to their totals in their place. The program has the pointers of [`InPlace`].
pub fn add_part(width: i64) -> Program {
    let (mut body, mut derived) = (Vec::new(), Vec::new());
    let rows = rows(width, &mut derived, InPlace::ROW);
    let [part, total, lost] = rows.map(|ptr| load(&mut body, ptr));
    let sum = push(&mut body, Inst::Bin(Bin::Add, total, part));
    let change = push(&mut body, Inst::Bin(Bin::Sub, sum, total));
    let error = push(&mut body, Inst::Bin(Bin::Sub, part, change));
    let lost = push(&mut body, Inst::Bin(Bin::Add, lost, error));
    let zero = push(&mut body, Inst::Float(0));
    for (ptr, value) in rows.into_iter().zip([zero, sum, lost]) {
        store(&mut body, ptr, value);
    }
    map(width, 1, derived, body)
}

/// An element of the whole sums behind pointer argument `arg`.
pub fn whole(width: i64, body: &mut Vec<Inst>, derived: &mut Vec<Derived>, arg: u16) -> Reg {
    let [part, total, lost] = rows(width, derived, arg).map(|ptr| load(body, ptr));
    let plain = push(body, Inst::Bin(Bin::Add, total, part));
    let all = push(body, Inst::Bin(Bin::Add, part, lost));
    let all = push(body, Inst::Bin(Bin::Add, total, all));
    // What is lost is NaN where a total is infinite.
    let valid = push(body, Inst::Cmp(Cmp::Eq, all, all));
    push(body, Inst::Select(valid, all, plain))
}
