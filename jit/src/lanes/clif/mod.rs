//! Lanes programs as Cranelift IR, 128 bits wide: the back end that every platform has.
//!
//! A row is done four lanes at a time, the tail lane by lane with the same body;
//! a tile keeps its accumulators in registers.

mod memory;
mod parts;
mod tile;

use super::*;
use crate::code::{Extent, FunctionCode, Pointer, lane_order};
use cranelift::codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift::codegen::ir::types::{self, F32, F32X4, I8, I8X16, I16, I16X8, I32, I32X4, I64};
use cranelift::codegen::ir::{Function, Signature, Value};
use cranelift::prelude::isa::TargetFrontendConfig;
use cranelift::prelude::*;
use parts::Sums;

/// What the code is for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// x86-64: a vector conversion that is one instruction there.
    pub x86: bool,
    /// Test each access against its buffer.
    pub checked: bool,
}

/// The signature of a program's function: pointers, integers, and in checked mode
/// low and size of each pointer's buffer and the guard.
pub fn signature(p: &Program, o: Options, call_conv: isa::CallConv) -> Signature {
    let mut n = p.ptrs + p.ints;
    if o.checked {
        n += 2 * p.ptrs + 1;
    }
    let mut s = Signature::new(call_conv);
    s.params = vec![AbiParam::new(I64); n as usize];
    s
}

/// Builds the function of a program.
pub fn build(
    p: &Program,
    o: Options,
    func: &mut Function,
    ctx: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) {
    let mut b = FunctionBuilder::new(func, ctx);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let params = b.block_params(entry).to_vec();
    let (np, ni) = (p.ptrs as usize, p.ints as usize);
    let extent = |i: usize| {
        o.checked.then(|| Extent { low: params[np + ni + 2 * i], size: params[np + ni + 2 * i + 1] })
    };
    let mut m = Emit {
        derived: p.derived.clone(),
        ptrs: (0..np).map(|i| Pointer { addr: params[i], extent: extent(i) }).collect(),
        ints: params[np..np + ni].to_vec(),
        slots: vec![None; p.slots as usize],
        x86: o.x86,
    };
    let guard = if o.checked { params.last().copied() } else { None };
    let mut code = FunctionCode { builder: &mut b, guard };
    for stmt in &p.stmts {
        m.stmt(&mut code, stmt);
    }
    b.ins().return_(&[]);
    b.finalize(config);
}

#[derive(Clone)]
struct Emit {
    derived: Vec<Derived>,
    ptrs: Vec<Pointer>,
    ints: Vec<Value>,
    /// Row scalars, as scalars of 32 bits.
    slots: Vec<Option<Value>>,
    x86: bool,
}

/// Where a body stands: its element, and in a tile its row and accumulator.
#[derive(Clone, Copy)]
struct Place {
    /// Four lanes, or one.
    wide: bool,
    /// The first element's number as a run-time value; `None` is 0.
    index: Option<Value>,
    /// Elements to add to it, known when compiling.
    plus: i64,
    row: i64,
    acc: Option<Value>,
}

fn lane_type(t: Ty, wide: bool) -> Type {
    match (t, wide) {
        (Ty::F, true) => F32X4,
        (Ty::F, false) => F32,
        (_, true) => I32X4,
        (_, false) => I32,
    }
}

impl Emit {
    fn stmt(&mut self, c: &mut FunctionCode<'_, '_>, stmt: &Stmt) {
        match stmt {
            Stmt::Once { body, outs } => {
                let place = Place { wide: false, index: None, plus: 0, row: 0, acc: None };
                let regs = self.body(c, body, place, &[]);
                for (r, s) in outs {
                    self.slots[*s as usize] = Some(regs[*r as usize]);
                }
            }
            Stmt::Map { len, body, folds } => self.map(c, *len, body, folds),
            Stmt::Tile { rows, cols, k, a, a_row, b, terms, body, .. } => {
                self.tile(c, (*rows, *cols), *k, (*a, *a_row), (*b, *terms), body)
            }
        }
    }

    fn map(&mut self, c: &mut FunctionCode<'_, '_>, len: Len, body: &[Inst], folds: &[(Fold, Reg, u16)]) {
        // Several vectors a turn hide the latency of a fold; long bodies hide it themselves.
        let unroll: i64 = if body.len() <= 12 { 4 } else { 1 };
        let block = 4 * unroll;
        let n = c.len(len, &self.ints);
        let known = if let Len::Const(n) = len { Some(n) } else { None };
        let zero = c.int(0);
        let start: Vec<Value> = folds.iter().map(|(k, ..)| self.identity(c, *k, true)).collect();

        let hoisted = [self.invariants(c, body, false), self.invariants(c, body, true)];
        let known_lane = |wide: bool| hoisted[usize::from(wide)].as_slice();
        let mut wide = start.clone();
        let mut done = zero;
        let sums: Vec<usize> = (0..folds.len()).filter(|j| folds[*j].0 == Fold::Sum).collect();
        let mut parts = None;
        if known.is_none_or(|n| n >= block) {
            let end = c.ins().band_imm_s(n, -block);
            let many: Vec<Value> = (0..unroll).flat_map(|_| start.iter().copied()).collect();
            let none = self.float(c, 0, true);
            let p = Sums::new(c, (end, known), block, sums.len(), none);
            let mut add = |c: &mut FunctionCode<'_, '_>, acc: &[Value]| {
                let part = |j: &usize| {
                    (1..unroll as usize).fold(acc[*j], |sum, u| c.ins().fadd(sum, acc[u * folds.len() + j]))
                };
                let partial: Vec<Value> = sums.iter().map(part).collect();
                p.add(c, &partial);
                acc.iter()
                    .enumerate()
                    .map(|(i, x)| if folds[i % folds.len()].0 == Fold::Sum { none } else { *x })
                    .collect()
            };
            let out = p.run(c, (end, block), &many, &mut add, &mut |c, i, acc| {
                let mut next = Vec::new();
                for u in 0..unroll {
                    let place = Place { wide: true, index: Some(i), plus: 4 * u, row: 0, acc: None };
                    let regs = self.body(c, body, place, known_lane(true));
                    let mine = &acc[u as usize * folds.len()..];
                    next.extend(
                        folds.iter().zip(mine).map(|((k, r, _), a)| self.fold(c, *k, *a, regs[*r as usize])),
                    );
                }
                next
            });
            wide = out[..folds.len()].to_vec();
            for u in 1..unroll as usize {
                for (j, (k, ..)) in folds.iter().enumerate() {
                    wide[j] = self.fold(c, *k, wide[j], out[u * folds.len() + j]);
                }
            }
            done = end;
            parts = Some(p);
        }
        if unroll > 1 && known.is_none_or(|n| n % block >= 4) {
            let end = c.ins().band_imm_s(n, -4);
            wide = c.for_range(done, end, 4, &wide, &mut |c, i, acc| {
                let regs = self.body(
                    c,
                    body,
                    Place { wide: true, index: Some(i), plus: 0, row: 0, acc: None },
                    known_lane(true),
                );
                folds.iter().zip(acc).map(|((k, r, _), a)| self.fold(c, *k, *a, regs[*r as usize])).collect()
            });
            done = end;
        }
        if let Some(p) = parts {
            let last: Vec<Value> = sums.iter().map(|j| wide[*j]).collect();
            sums.iter().zip(p.with(c, &last)).for_each(|(j, sum)| wide[*j] = sum);
        }
        let mut narrow: Vec<Value> =
            folds.iter().zip(&wide).map(|((k, ..), v)| self.across(c, *k, *v)).collect();
        if known.is_none_or(|n| n % 4 != 0) {
            narrow = c.for_range(done, n, 1, &narrow, &mut |c, i, acc| {
                let regs = self.body(
                    c,
                    body,
                    Place { wide: false, index: Some(i), plus: 0, row: 0, acc: None },
                    known_lane(false),
                );
                folds.iter().zip(acc).map(|((k, r, _), a)| self.fold(c, *k, *a, regs[*r as usize])).collect()
            });
        }
        for ((_, _, slot), v) in folds.iter().zip(narrow) {
            self.slots[*slot as usize] = Some(v);
        }
    }

    fn identity(&self, c: &mut FunctionCode<'_, '_>, k: Fold, wide: bool) -> Value {
        let bits = k.identity();
        match k.ty() {
            Ty::F => self.float(c, bits, wide),
            _ => self.integer(c, bits as i32, wide),
        }
    }

    fn float(&self, c: &mut FunctionCode<'_, '_>, bits: u32, wide: bool) -> Value {
        if !wide {
            return c.ins().f32const(f32::from_bits(bits));
        }
        self.vector(c, F32X4, bits)
    }

    fn integer(&self, c: &mut FunctionCode<'_, '_>, i: i32, wide: bool) -> Value {
        if !wide {
            return c.ins().iconst(I32, i64::from(i as u32));
        }
        self.vector(c, I32X4, i as u32)
    }

    /// Four equal lanes from the constant pool.
    fn vector(&self, c: &mut FunctionCode<'_, '_>, ty: Type, bits: u32) -> Value {
        let bytes: Vec<u8> = (0..4).flat_map(|_| bits.to_le_bytes()).collect();
        let constant = c.builder.func.dfg.constants.insert(bytes.into());
        c.ins().vconst(ty, constant)
    }

    fn is_wide(c: &FunctionCode<'_, '_>, v: Value) -> bool {
        c.builder.func.dfg.value_type(v).is_vector()
    }

    fn fold(&self, c: &mut FunctionCode<'_, '_>, k: Fold, acc: Value, x: Value) -> Value {
        match k {
            Fold::Sum => c.ins().fadd(acc, x),
            Fold::Max => self.bin(c, Bin::Max, x, acc),
            Fold::MaxNan | Fold::MinNan => {
                let order = if k == Fold::MaxNan { Cmp::Gt } else { Cmp::Lt };
                let more = self.cmp(c, order, acc, x, Ty::F);
                let nan = self.cmp(c, Cmp::Ne, acc, acc, Ty::F);
                let keep = c.ins().bor(more, nan);
                self.select(c, keep, acc, x)
            }
            Fold::ISum => c.ins().iadd(acc, x),
            Fold::IMax => c.ins().smax(acc, x),
            Fold::IMin => c.ins().smin(acc, x),
        }
    }

    /// Four lanes folded into one.
    fn across(&self, c: &mut FunctionCode<'_, '_>, k: Fold, v: Value) -> Value {
        let lanes: Vec<Value> = (0..4u8).map(|i| c.ins().extractlane(v, i)).collect();
        let (a, b) = (self.fold(c, k, lanes[0], lanes[1]), self.fold(c, k, lanes[2], lanes[3]));
        self.fold(c, k, a, b)
    }

    fn cast(&self, c: &mut FunctionCode<'_, '_>, v: Value, to: Type) -> Value {
        if c.builder.func.dfg.value_type(v) == to { v } else { c.ins().bitcast(to, lane_order(), v) }
    }

    /// A comparison as a mask of 32-bit lanes.
    fn cmp(&self, c: &mut FunctionCode<'_, '_>, op: Cmp, a: Value, b: Value, ty: Ty) -> Value {
        let wide = Emit::is_wide(c, a);
        let m = if ty == Ty::F {
            let cc = match op {
                Cmp::Eq => FloatCC::Equal,
                Cmp::Ne => FloatCC::NotEqual,
                Cmp::Lt => FloatCC::LessThan,
                Cmp::Le => FloatCC::LessThanOrEqual,
                Cmp::Gt => FloatCC::GreaterThan,
                Cmp::Ge => FloatCC::GreaterThanOrEqual,
            };
            c.ins().fcmp(cc, a, b)
        } else {
            let cc = match op {
                Cmp::Eq => IntCC::Equal,
                Cmp::Ne => IntCC::NotEqual,
                Cmp::Lt => IntCC::SignedLessThan,
                Cmp::Le => IntCC::SignedLessThanOrEqual,
                Cmp::Gt => IntCC::SignedGreaterThan,
                Cmp::Ge => IntCC::SignedGreaterThanOrEqual,
            };
            c.ins().icmp(cc, a, b)
        };
        if wide { m } else { c.ins().bmask(I32, m) }
    }

    fn select(&self, c: &mut FunctionCode<'_, '_>, m: Value, a: Value, b: Value) -> Value {
        if Emit::is_wide(c, m) {
            let t = c.builder.func.dfg.value_type(a);
            let m = self.cast(c, m, t);
            c.ins().bitselect(m, a, b)
        } else {
            c.ins().select(m, a, b)
        }
    }

    fn bin(&self, c: &mut FunctionCode<'_, '_>, op: Bin, a: Value, b: Value) -> Value {
        match op {
            Bin::Add => c.ins().fadd(a, b),
            Bin::Sub => c.ins().fsub(a, b),
            Bin::Mul => c.ins().fmul(a, b),
            Bin::Div => c.ins().fdiv(a, b),
            // Written so that x86 has one instruction for it (maxps and minps).
            Bin::Max | Bin::Min => {
                let m = if op == Bin::Max {
                    self.cmp_raw(c, FloatCC::LessThan, b, a)
                } else {
                    self.cmp_raw(c, FloatCC::LessThan, a, b)
                };
                self.select(c, m, a, b)
            }
            Bin::IAdd => c.ins().iadd(a, b),
            Bin::ISub => c.ins().isub(a, b),
            Bin::IMul => c.ins().imul(a, b),
            Bin::And => c.ins().band(a, b),
            Bin::Or => c.ins().bor(a, b),
            Bin::Xor => c.ins().bxor(a, b),
            // Shifts take their amount as a scalar; see `body`.
            Bin::Shl => c.ins().ishl(a, b),
            Bin::Shr => c.ins().sshr(a, b),
        }
    }

    fn cmp_raw(&self, c: &mut FunctionCode<'_, '_>, cc: FloatCC, a: Value, b: Value) -> Value {
        c.ins().fcmp(cc, a, b)
    }

    fn un(&self, c: &mut FunctionCode<'_, '_>, op: Un, a: Value) -> Value {
        let wide = Emit::is_wide(c, a);
        let int = lane_type(Ty::I, wide);
        match op {
            Un::Sqrt => c.ins().sqrt(a),
            Un::Round => c.ins().nearest(a),
            Un::ToInt if wide && self.x86 => c.ins().x86_cvtt2dq(int, a),
            // Elsewhere what does not fit is another number; no result depends on it.
            Un::ToInt | Un::ToIntSat => c.ins().fcvt_to_sint_sat(int, a),
            Un::ToFloat => c.ins().fcvt_from_sint(lane_type(Ty::F, wide), a),
            Un::Bits => self.cast(c, a, int),
            Un::FromBits => self.cast(c, a, lane_type(Ty::F, wide)),
            Un::Not => c.ins().bnot(a),
        }
    }

    /// Values of a body that are the same for every element, made before the loop.
    fn invariants(&self, c: &mut FunctionCode<'_, '_>, body: &[Inst], wide: bool) -> Vec<Option<Value>> {
        let constant =
            |i: &Inst| matches!(i, Inst::Float(_) | Inst::Int(_) | Inst::ArgInt(_) | Inst::Slot(..));
        // An amount to shift by is no lane value.
        let shifts = |r: usize| {
            body.iter().all(|i| {
                !i.operands().any(|o| o as usize == r) || matches!(i, Inst::Bin(Bin::Shl | Bin::Shr, ..))
            })
        };
        let make = |(r, i): (usize, &Inst)| (constant(i) && !shifts(r)).then(|| self.invariant(c, i, wide));
        body.iter().enumerate().map(make).collect()
    }

    fn invariant(&self, c: &mut FunctionCode<'_, '_>, inst: &Inst, wide: bool) -> Value {
        match *inst {
            Inst::Float(bits) => self.float(c, bits, wide),
            Inst::Int(i) => self.integer(c, i, wide),
            Inst::ArgInt(l) => {
                let n = c.len(l, &self.ints);
                let n = c.ins().ireduce(I32, n);
                if wide { c.ins().splat(I32X4, n) } else { n }
            }
            Inst::Slot(s, t) => match self.slots[s as usize] {
                Some(v) if wide => c.ins().splat(lane_type(t, true), v),
                Some(v) => v,
                None => self.integer(c, 0, wide),
            },
            _ => self.integer(c, 0, wide),
        }
    }

    /// Emits a body for the lanes at `place`; gives its registers. `known` are values made before.
    fn body(
        &self,
        c: &mut FunctionCode<'_, '_>,
        body: &[Inst],
        place: Place,
        known: &[Option<Value>],
    ) -> Vec<Value> {
        let types = body_types(body);
        let mut regs: Vec<Value> = Vec::with_capacity(body.len());
        let wide = place.wide;
        for inst in body {
            let r = |i: Reg| regs[i as usize];
            let v = match *inst {
                Inst::Float(_) | Inst::Int(_) | Inst::ArgInt(_) | Inst::Slot(..) => {
                    match known.get(regs.len()) {
                        Some(Some(v)) => *v,
                        _ => self.invariant(c, inst, wide),
                    }
                }
                Inst::Index => self.index(c, place),
                Inst::Acc => match place.acc {
                    Some(v) => v,
                    None => self.float(c, 0, wide),
                },
                Inst::Load { ptr, step, row_step, mem } => self.load(c, place, ptr, (step, row_step), mem),
                Inst::Store { ptr, step, row_step, mem, value } => {
                    self.store(c, place, ptr, (step, row_step), mem, r(value));
                    r(value)
                }
                Inst::Un(op, a) => self.un(c, op, r(a)),
                Inst::Bin(op @ (Bin::Shl | Bin::Shr), a, b) => {
                    let amount = if let Inst::Int(n) = body[b as usize] { n } else { 0 };
                    let amount = c.ins().iconst(I32, i64::from(amount));
                    self.bin(c, op, r(a), amount)
                }
                Inst::Bin(op, a, b) => self.bin(c, op, r(a), r(b)),
                Inst::Fma(a, b, d) => c.ins().fma(r(a), r(b), r(d)),
                Inst::Cmp(op, a, b) => self.cmp(c, op, r(a), r(b), types[a as usize]),
                Inst::Select(m, a, b) => self.select(c, r(m), r(a), r(b)),
                // Scheduling takes folds out of bodies.
                Inst::Fold(_, a) => r(a),
            };
            regs.push(v);
        }
        regs
    }

    fn index(&self, c: &mut FunctionCode<'_, '_>, place: Place) -> Value {
        let zero = c.int(0);
        let i = c.add_imm(place.index.unwrap_or(zero), place.plus);
        let i = c.ins().ireduce(I32, i);
        if !place.wide {
            return i;
        }
        let mut v = c.ins().splat(I32X4, i);
        for lane in 1..4u8 {
            let n = c.ins().iadd_imm_s(i, i64::from(lane));
            v = c.ins().insertlane(v, n, lane);
        }
        v
    }
}
