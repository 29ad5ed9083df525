//! Vector programs as Cranelift IR, 128 bits wide: the back end that every platform has.
//!
//! A row is done four lanes at a time, and its remainder lane by lane with the same body. A register tile
//! keeps its accumulators in registers.

mod map;
mod memory;
mod parts;
mod tile;

use super::marks::Mark;
use super::*;
use crate::code::{Extent, FunctionCode, Pointer, lane_order};
use cranelift::codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift::codegen::ir::types::{self, F32, F32X4, I8, I8X16, I16, I16X8, I32, I32X4, I64};
use cranelift::codegen::ir::{Function, Signature, SourceLoc, Value};
use cranelift::prelude::isa::TargetFrontendConfig;
use cranelift::prelude::*;

/// What the code depends on besides the program.
#[derive(Clone, Copy, Debug)]
pub struct ClifOptions {
    /// Whether it is for x86-64, which has one instruction for a conversion of vectors.
    pub x86: bool,
    /// Whether each access is tested against its buffer.
    pub checked: bool,
    /// Whether instructions have the marks of what they compute as their source locations.
    pub marked: bool,
}

/// The signature of a program's function: pointers and integers. In checked mode the address and size of each
/// pointer's buffer follow, then the guard.
pub fn signature(program: &Program, options: ClifOptions, call_conv: isa::CallConv) -> Signature {
    let mut count = program.ptrs + program.ints;
    if options.checked {
        count += 2 * program.ptrs + 1;
    }
    let mut signature = Signature::new(call_conv);
    signature.params = vec![AbiParam::new(I64); usize::from(count)];
    signature
}

/// Builds the function of a program.
pub fn build(
    program: &Program,
    options: ClifOptions,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) {
    let mut builder = FunctionBuilder::new(function, context);
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    let params = builder.block_params(entry).to_vec();
    let (np, ni) = (program.ptrs as usize, program.ints as usize);
    let extent = |i: usize| {
        options.checked.then(|| Extent { low: params[np + ni + 2 * i], size: params[np + ni + 2 * i + 1] })
    };
    let mut translator = Translator {
        derived: program.derived.clone(),
        ptrs: (0..np).map(|i| Pointer { addr: params[i], extent: extent(i) }).collect(),
        ints: params[np..np + ni].to_vec(),
        slots: vec![None; program.slots as usize],
        x86: options.x86,
        marked: options.marked,
        fixed_sums: program.fixed_sums,
        first_mark: 0,
    };
    let guard = if options.checked { params.last().copied() } else { None };
    let mut code = FunctionCode { builder: &mut builder, guard };
    for stmt in &program.stmts {
        translator.mark(&mut code, 0);
        translator.stmt(&mut code, stmt);
        translator.first_mark += stmt.marks();
    }
    builder.set_srcloc(SourceLoc::default());
    builder.ins().return_(&[]);
    builder.finalize(config);
}

#[derive(Clone)]
struct Translator {
    derived: Vec<Derived>,
    ptrs: Vec<Pointer>,
    ints: Vec<Value>,
    /// Row scalars, as scalars of 32 bits.
    slots: Vec<Option<Value>>,
    x86: bool,
    marked: bool,
    fixed_sums: bool,
    /// The mark of the statement at hand.
    first_mark: Mark,
}

/// Where a body stands: its element, and in a tile its row and accumulator.
#[derive(Clone, Copy)]
struct BodyPosition {
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

impl Translator {
    /// Says what the instructions that follow belong to, by its place among the marks of the statement: 0 is
    /// the statement itself.
    fn mark(&self, code: &mut FunctionCode<'_, '_>, place: usize) {
        if self.marked {
            code.builder.set_srcloc(SourceLoc::new(self.first_mark + place as Mark));
        }
    }

    fn stmt(&mut self, code: &mut FunctionCode<'_, '_>, stmt: &Stmt) {
        match stmt {
            Stmt::Scalar { body, outs } => {
                let place = BodyPosition { wide: false, index: None, plus: 0, row: 0, acc: None };
                let regs = self.body(code, body, place, &[]);
                for ScalarOutput { value, slot } in outs {
                    self.slots[usize::from(*slot)] = Some(regs[*value as usize]);
                }
            }
            Stmt::Map { len, body, reductions } => map::map(self, code, *len, body, reductions),
            Stmt::Tile(tile) => self.tile(code, tile),
        }
    }

    fn float(&self, code: &mut FunctionCode<'_, '_>, bits: u32, wide: bool) -> Value {
        if !wide {
            return code.ins().f32const(f32::from_bits(bits));
        }
        self.vector(code, F32X4, bits)
    }

    fn integer(&self, code: &mut FunctionCode<'_, '_>, i: i32, wide: bool) -> Value {
        if !wide {
            return code.ins().iconst(I32, i64::from(i as u32));
        }
        self.vector(code, I32X4, i as u32)
    }

    /// Four equal lanes from the constant pool.
    fn vector(&self, code: &mut FunctionCode<'_, '_>, ty: Type, bits: u32) -> Value {
        let bytes: Vec<u8> = (0..4).flat_map(|_| bits.to_le_bytes()).collect();
        let constant = code.builder.func.dfg.constants.insert(bytes.into());
        code.ins().vconst(ty, constant)
    }

    fn is_wide(code: &FunctionCode<'_, '_>, v: Value) -> bool {
        code.builder.func.dfg.value_type(v).is_vector()
    }

    fn cast(&self, code: &mut FunctionCode<'_, '_>, v: Value, to: Type) -> Value {
        if code.builder.func.dfg.value_type(v) == to { v } else { code.ins().bitcast(to, lane_order(), v) }
    }

    /// A comparison as a mask of 32-bit lanes.
    fn cmp(&self, code: &mut FunctionCode<'_, '_>, op: Cmp, a: Value, b: Value, ty: Ty) -> Value {
        let wide = Translator::is_wide(code, a);
        let m = if ty == Ty::F {
            let cc = match op {
                Cmp::Eq => FloatCC::Equal,
                Cmp::Ne => FloatCC::NotEqual,
                Cmp::Lt => FloatCC::LessThan,
                Cmp::Le => FloatCC::LessThanOrEqual,
                Cmp::Gt => FloatCC::GreaterThan,
                Cmp::Ge => FloatCC::GreaterThanOrEqual,
            };
            code.ins().fcmp(cc, a, b)
        } else {
            let cc = match op {
                Cmp::Eq => IntCC::Equal,
                Cmp::Ne => IntCC::NotEqual,
                Cmp::Lt => IntCC::SignedLessThan,
                Cmp::Le => IntCC::SignedLessThanOrEqual,
                Cmp::Gt => IntCC::SignedGreaterThan,
                Cmp::Ge => IntCC::SignedGreaterThanOrEqual,
            };
            code.ins().icmp(cc, a, b)
        };
        if wide { m } else { code.ins().bmask(I32, m) }
    }

    fn select(&self, code: &mut FunctionCode<'_, '_>, m: Value, a: Value, b: Value) -> Value {
        if Translator::is_wide(code, m) {
            let t = code.builder.func.dfg.value_type(a);
            let m = self.cast(code, m, t);
            code.ins().bitselect(m, a, b)
        } else {
            code.ins().select(m, a, b)
        }
    }

    fn bin(&self, code: &mut FunctionCode<'_, '_>, op: Bin, a: Value, b: Value) -> Value {
        match op {
            Bin::Add => code.ins().fadd(a, b),
            Bin::Sub => code.ins().fsub(a, b),
            Bin::Mul => code.ins().fmul(a, b),
            Bin::Div => code.ins().fdiv(a, b),
            // Written so that x86 has one instruction for it (maxps and minps).
            Bin::Max | Bin::Min => {
                let m = if op == Bin::Max {
                    self.cmp_raw(code, FloatCC::LessThan, b, a)
                } else {
                    self.cmp_raw(code, FloatCC::LessThan, a, b)
                };
                self.select(code, m, a, b)
            }
            Bin::IAdd => code.ins().iadd(a, b),
            Bin::ISub => code.ins().isub(a, b),
            Bin::IMul => code.ins().imul(a, b),
            Bin::And => code.ins().band(a, b),
            Bin::Or => code.ins().bor(a, b),
            Bin::Xor => code.ins().bxor(a, b),
            // Shifts take their amount as a scalar; see `body`.
            Bin::Shl => code.ins().ishl(a, b),
            Bin::Shr => code.ins().sshr(a, b),
            // Cranelift rotates no vectors. Amounts count modulo 32, also the negative one.
            Bin::RotateLeft => {
                let back = code.ins().ineg(b);
                let (high, low) = (code.ins().ishl(a, b), code.ins().ushr(a, back));
                code.ins().bor(high, low)
            }
        }
    }

    fn cmp_raw(&self, code: &mut FunctionCode<'_, '_>, cc: FloatCC, a: Value, b: Value) -> Value {
        code.ins().fcmp(cc, a, b)
    }

    fn un(&self, code: &mut FunctionCode<'_, '_>, op: Un, a: Value) -> Value {
        let wide = Translator::is_wide(code, a);
        let int = lane_type(Ty::I, wide);
        match op {
            Un::Sqrt => code.ins().sqrt(a),
            Un::Round => code.ins().nearest(a),
            Un::ToInt if wide && self.x86 => code.ins().x86_cvtt2dq(int, a),
            // Elsewhere a float that does not fit becomes another number; no result depends on it.
            Un::ToInt | Un::ToIntSat => code.ins().fcvt_to_sint_sat(int, a),
            Un::ToFloat => code.ins().fcvt_from_sint(lane_type(Ty::F, wide), a),
            Un::Bits => self.cast(code, a, int),
            Un::FromBits => self.cast(code, a, lane_type(Ty::F, wide)),
            Un::Not => code.ins().bnot(a),
        }
    }

    /// Values of a body that are the same for every element, made before the loop.
    fn invariants(&self, code: &mut FunctionCode<'_, '_>, body: &[Inst], wide: bool) -> Vec<Option<Value>> {
        let constant =
            |i: &Inst| matches!(i, Inst::Float(_) | Inst::Int(_) | Inst::ArgInt(_) | Inst::Slot(..));
        // The amount of a shift is no value of lanes.
        let shifts = |r: usize| {
            body.iter().all(|i| {
                !i.operands().any(|o| o as usize == r)
                    || matches!(i, Inst::Bin(Bin::Shl | Bin::Shr | Bin::RotateLeft, ..))
            })
        };
        let make = |(r, i): (usize, &Inst)| {
            (constant(i) && !shifts(r)).then(|| {
                self.mark(code, 1 + r);
                self.invariant(code, i, wide)
            })
        };
        let made = body.iter().enumerate().map(make).collect();
        self.mark(code, 0);
        made
    }

    fn invariant(&self, code: &mut FunctionCode<'_, '_>, inst: &Inst, wide: bool) -> Value {
        match *inst {
            Inst::Float(bits) => self.float(code, bits, wide),
            Inst::Int(i) => self.integer(code, i, wide),
            Inst::ArgInt(l) => {
                let n = code.len(l, &self.ints);
                let n = code.ins().ireduce(I32, n);
                if wide { code.ins().splat(I32X4, n) } else { n }
            }
            Inst::Slot(s, t) => match self.slots[s as usize] {
                Some(v) if wide => code.ins().splat(lane_type(t, true), v),
                Some(v) => v,
                None => self.integer(code, 0, wide),
            },
            _ => self.integer(code, 0, wide),
        }
    }

    /// Emits a body for the lanes at `place`; gives its registers. `known` are values made before.
    fn body(
        &self,
        code: &mut FunctionCode<'_, '_>,
        body: &[Inst],
        place: BodyPosition,
        known: &[Option<Value>],
    ) -> Vec<Value> {
        let types = body_types(body);
        let mut regs: Vec<Value> = Vec::with_capacity(body.len());
        let wide = place.wide;
        for inst in body {
            self.mark(code, 1 + regs.len());
            let r = |i: Reg| regs[i as usize];
            let v = match *inst {
                Inst::Float(_) | Inst::Int(_) | Inst::ArgInt(_) | Inst::Slot(..) => {
                    match known.get(regs.len()) {
                        Some(Some(v)) => *v,
                        _ => self.invariant(code, inst, wide),
                    }
                }
                Inst::Index => self.index(code, place),
                Inst::Acc => match place.acc {
                    Some(v) => v,
                    None => self.float(code, 0, wide),
                },
                Inst::Load { ptr, step, row_step, mem } => self.load(code, place, ptr, (step, row_step), mem),
                Inst::Store { ptr, step, row_step, mem, value } => {
                    self.store(code, place, ptr, (step, row_step), mem, r(value));
                    r(value)
                }
                Inst::Un(op, a) => self.un(code, op, r(a)),
                Inst::Bin(op @ (Bin::Shl | Bin::Shr | Bin::RotateLeft), a, b) => {
                    let amount = if let Inst::Int(n) = body[b as usize] { n } else { 0 };
                    let amount = code.ins().iconst(I32, i64::from(amount));
                    self.bin(code, op, r(a), amount)
                }
                Inst::Bin(op, a, b) => self.bin(code, op, r(a), r(b)),
                Inst::Fma(a, b, d) => code.ins().fma(r(a), r(b), r(d)),
                Inst::Cmp(op, a, b) => self.cmp(code, op, r(a), r(b), types[a as usize]),
                Inst::Select(m, a, b) => self.select(code, r(m), r(a), r(b)),
                // Scheduling takes reductions out of bodies.
                Inst::Reduce(_, a) => r(a),
            };
            regs.push(v);
        }
        self.mark(code, 0);
        regs
    }

    fn index(&self, code: &mut FunctionCode<'_, '_>, place: BodyPosition) -> Value {
        let zero = code.int(0);
        let i = code.add_imm(place.index.unwrap_or(zero), place.plus);
        let i = code.ins().ireduce(I32, i);
        if !place.wide {
            return i;
        }
        let mut v = code.ins().splat(I32X4, i);
        for lane in 1..4u8 {
            let n = code.ins().iadd_imm_s(i, i64::from(lane));
            v = code.ins().insertlane(v, n, lane);
        }
        v
    }
}
