//! Cuts an [`Expr`] over a row into passes.
//!
//! Every reduction ends a pass over the row. A value that a later pass needs again is computed anew if that
//! is cheap. Otherwise it is kept: in the row that it is stored to anyway, or in a scratch row.

use super::expr::Expr;
use super::marks::Origins;
use super::{Inst, Len, Mem, Program, Ptr, Reg, RowReduction, ScalarOutput, Stmt, Un};
use std::collections::{BTreeMap, BTreeSet};
use tancho_ir::Value;

/// Instructions a value may cost to be computed anew instead of kept.
const CHEAP: usize = 3;

/// A row program and the scratch rows it needs as further pointers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scheduled {
    /// The program; its last `scratch_rows` pointers are scratch rows of f32.
    pub program: Program,
    /// Number of scratch rows.
    pub scratch_rows: u16,
}

struct Scheduler<'e> {
    expr: &'e Expr,
    full: Vec<bool>,
    depth: Vec<usize>,
    cost: Vec<usize>,
    needed: Vec<bool>,
    /// The scratch row or output row that each kept value is found in.
    kept: BTreeMap<Reg, Ptr>,
    slots: BTreeMap<Reg, u16>,
    next_ptr: u16,
}

/// Schedules `expr` over rows of `len` elements; its pointers are `0..ptrs`, its integers `0..ints`.
pub fn schedule(expr: &Expr, len: Len, ptrs: u16, ints: u16) -> Scheduled {
    schedule_with_origins(expr, len, ptrs, ints).0
}

/// The same, with the node of the graph that each part of the program computes.
pub fn schedule_with_origins(expr: &Expr, len: Len, ptrs: u16, ints: u16) -> (Scheduled, Origins) {
    let mut scheduler = Scheduler::new(expr, ptrs);
    // Which values must be kept is known when every pass has been made. A kept value is computed in its own
    // pass, which may need more kept values of earlier passes. So passes are made until no value is new.
    let (mut stmts, origins) = loop {
        let before = scheduler.kept.len();
        let made = scheduler.passes(len);
        if scheduler.kept.len() == before {
            break made;
        }
    };
    drop_unread(&mut stmts);
    let program = Program {
        ptrs: scheduler.next_ptr,
        ints,
        slots: scheduler.slots.len() as u16,
        derived: expr.derived.clone(),
        stmts,
        fixed_sums: false,
    };
    (Scheduled { program, scratch_rows: scheduler.next_ptr - ptrs }, origins)
}

/// Drops the row scalars that no other statement reads.
fn drop_unread(stmts: &mut [Stmt]) {
    let bodies = stmts.iter().flat_map(Stmt::body);
    let read: BTreeSet<u16> =
        bodies.filter_map(|i| if let Inst::Slot(s, _) = i { Some(*s) } else { None }).collect();
    for s in stmts {
        if let Stmt::Scalar { outs, .. } = s {
            outs.retain(|output| read.contains(&output.slot));
        }
    }
}

fn is_constant(i: &Inst) -> bool {
    matches!(i, Inst::Float(_) | Inst::Int(_) | Inst::ArgInt(_))
}

impl<'e> Scheduler<'e> {
    fn new(expr: &'e Expr, ptrs: u16) -> Scheduler<'e> {
        let n = expr.insts.len();
        let (mut full, mut depth, mut cost) = (vec![false; n], vec![0; n], vec![0; n]);
        for (i, inst) in expr.insts.iter().enumerate() {
            full[i] = match inst {
                Inst::Load { step, .. } => !step.is(0),
                // Written to every element, even if it is one value.
                Inst::Store { step, .. } if !step.is(0) => true,
                Inst::Index | Inst::Acc => true,
                Inst::Reduce(..) => false,
                _ => inst.operands().any(|r| full[r as usize]),
            };
            depth[i] = inst.operands().map(|r| depth[r as usize]).max().unwrap_or(0)
                + usize::from(matches!(inst, Inst::Reduce(..)));
            let own = match inst {
                Inst::Load { .. } => 0,
                Inst::Bin(super::Bin::Div, ..) | Inst::Un(Un::Sqrt, _) => 4,
                i if is_constant(i) => 0,
                _ => 1,
            };
            let below =
                inst.operands().filter(|r| full[*r as usize]).map(|r| cost[r as usize]).sum::<usize>();
            cost[i] = if full[i] { (own + below).min(1000) } else { 0 };
        }
        let mut needed = vec![false; n];
        for i in (0..n).rev() {
            needed[i] |= matches!(expr.insts[i], Inst::Store { .. });
            if needed[i] {
                for r in expr.insts[i].operands() {
                    needed[r as usize] = true;
                }
            }
        }
        Scheduler {
            expr,
            full,
            depth,
            cost,
            needed,
            kept: BTreeMap::new(),
            slots: BTreeMap::new(),
            next_ptr: ptrs,
        }
    }

    fn slot(&mut self, r: Reg) -> u16 {
        let next = self.slots.len() as u16;
        *self.slots.entry(r).or_insert(next)
    }

    fn passes(&mut self, len: Len) -> (Vec<Stmt>, Origins) {
        let last =
            (0..self.expr.insts.len()).filter(|&i| self.needed[i]).map(|i| self.depth[i]).max().unwrap_or(0);
        let (mut stmts, mut origins) = (Vec::new(), Vec::new());
        for pass in 0..=last {
            for (stmt, of) in self.scalars(pass).into_iter().chain(self.map(pass, len)) {
                stmts.push(stmt);
                // A statement's own mark is that of what it ends with.
                origins.push(of.last().copied().flatten());
                origins.extend(of);
            }
        }
        (stmts, origins)
    }

    /// Row scalars of depth `pass`.
    fn scalars(&mut self, pass: usize) -> Option<(Stmt, Origins)> {
        let mut body = PassBody::default();
        let mut outs = Vec::new();
        for i in 0..self.expr.insts.len() {
            let inst = self.expr.insts[i];
            let scalar = self.needed[i] && !self.full[i] && self.depth[i] == pass;
            if !scalar || is_constant(&inst) || matches!(inst, Inst::Reduce(..)) {
                continue;
            }
            let r = self.emit(i as Reg, pass, &mut body, false);
            if !matches!(inst, Inst::Store { .. }) {
                outs.push(ScalarOutput { value: r, slot: self.slot(i as Reg) });
            }
        }
        let PassBody { insts: body, origins, .. } = body;
        (!body.is_empty()).then_some((Stmt::Scalar { body, outs }, origins))
    }

    /// The pass over the row for reductions and stores of values of depth `pass`.
    fn map(&mut self, pass: usize, len: Len) -> Option<(Stmt, Origins)> {
        let mut body = PassBody::default();
        let (mut reductions, mut of_reductions) = (Vec::new(), Vec::new());
        let kept: Vec<(Reg, Ptr)> = self
            .kept
            .iter()
            .filter(|(r, _)| self.depth[**r as usize] == pass)
            .map(|(r, ptr)| (*r, *ptr))
            .collect();
        for i in 0..self.expr.insts.len() {
            if !self.needed[i] {
                continue;
            }
            match self.expr.insts[i] {
                Inst::Reduce(f, a) if self.depth[a as usize] == pass => {
                    let value = self.emit(a, pass, &mut body, true);
                    reductions.push(RowReduction { how: f, value, slot: self.slot(i as Reg) });
                    of_reductions.push(self.expr.origins[i]);
                }
                Inst::Store { .. } if self.full[i] && self.depth[i] == pass => {
                    self.emit(i as Reg, pass, &mut body, true);
                }
                _ => {}
            }
        }
        for (r, ptr) in kept {
            if self.own_row(r) != Some(ptr) {
                let value = self.emit(r, pass, &mut body, true);
                let store = Inst::Store { ptr, step: Len::ONE, row_step: Len::ZERO, mem: Mem::F32, value };
                body.push(store, self.expr.origins[r as usize]);
            }
        }
        let PassBody { insts: body, mut origins, .. } = body;
        origins.extend(of_reductions);
        (!origins.is_empty()).then_some((Stmt::Map { len, body, reductions }, origins))
    }

    /// The output row that holds a value anyway.
    fn own_row(&self, r: Reg) -> Option<Ptr> {
        self.expr.insts.iter().find_map(|i| match i {
            Inst::Store { ptr, step: Len::Const(1), mem: Mem::F32, value, .. } if *value == r => Some(*ptr),
            _ => None,
        })
    }

    /// Emits what `r` needs in the body of a pass, of the map statement if `in_map`, else of the scalar
    /// statement. A list of what is still to be emitted takes the place of a recursion, which would be as
    /// deep as the longest chain of instructions.
    fn emit(&mut self, r: Reg, pass: usize, body: &mut PassBody, in_map: bool) -> Reg {
        let mut wanted = vec![r];
        while let Some(&r) = wanted.last() {
            if body.done.contains_key(&r) {
                wanted.pop();
                continue;
            }
            let missing = self.inputs(r, pass, in_map).find(|o| !body.done.contains_key(o));
            match missing {
                Some(o) => wanted.push(o),
                None => self.emit_one(r, pass, body, in_map),
            }
        }
        body.done[&r]
    }

    /// Whether `r` is a row scalar that an earlier statement left.
    fn is_in_slot(&self, r: Reg, pass: usize, in_map: bool) -> bool {
        let (i, inst) = (r as usize, self.expr.insts[r as usize]);
        !self.full[i]
            && !is_constant(&inst)
            && (in_map || matches!(inst, Inst::Reduce(..)) || self.depth[i] < pass)
    }

    /// Whether `r` is read from the row that an earlier pass kept it in.
    fn is_in_row(&self, r: Reg, pass: usize) -> bool {
        let i = r as usize;
        self.full[i] && self.depth[i] < pass && self.cost[i] > CHEAP && self.expr.ty(r) == super::Ty::F
    }

    /// The registers that must be emitted before `r`, in order.
    fn inputs(&self, r: Reg, pass: usize, in_map: bool) -> impl Iterator<Item = Reg> + use<> {
        let computed = !self.is_in_slot(r, pass, in_map) && !self.is_in_row(r, pass);
        let inputs: BTreeSet<Reg> =
            if computed { self.expr.insts[r as usize].operands().collect() } else { BTreeSet::new() };
        inputs.into_iter()
    }

    /// Emits `r`, whose operands are emitted already.
    fn emit_one(&mut self, r: Reg, pass: usize, body: &mut PassBody, in_map: bool) {
        // What is read again belongs to the node that computed it.
        let (inst, origin) = (self.expr.insts[r as usize], self.expr.origins[r as usize]);
        let made = if self.is_in_slot(r, pass, in_map) {
            let slot = self.slot(r);
            body.push(Inst::Slot(slot, self.expr.ty(r)), origin)
        } else if self.is_in_row(r, pass) {
            let ptr = match self.kept.get(&r) {
                Some(ptr) => *ptr,
                None => {
                    let ptr = self.own_row(r).unwrap_or_else(|| {
                        self.next_ptr += 1;
                        Ptr::Arg(self.next_ptr - 1)
                    });
                    self.kept.insert(r, ptr);
                    ptr
                }
            };
            let load = Inst::Load { ptr, step: Len::Const(1), row_step: Len::Const(0), mem: Mem::F32 };
            body.push(load, origin)
        } else {
            body.push(inst.map(|o| body.done[&o]), origin)
        };
        body.done.insert(r, made);
    }
}

#[derive(Default)]
struct PassBody {
    insts: Vec<Inst>,
    origins: Origins,
    done: BTreeMap<Reg, Reg>,
}

impl PassBody {
    fn push(&mut self, i: Inst, origin: Option<Value>) -> Reg {
        self.insts.push(i);
        self.origins.push(origin);
        (self.insts.len() - 1) as Reg
    }
}
