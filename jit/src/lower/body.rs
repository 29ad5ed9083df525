//! The nodes of a kernel as one expression over a row, with a slot for all it reads and writes.

use super::Lower;
use super::unbound::{Unbound, UnboundGather, aligned};
use crate::CompileError;
use crate::lanes::expr::Expr;
use crate::lanes::{Bin, Cmp, Inst, Len, Local, Mem, Ptr, Reg, Ty, Un, math, norms, random};
use crate::spec::{Binding, Buffer, Slot};
use std::collections::HashMap;
use tancho_ir::op::{Op, Scalar};
use tancho_ir::{DType, Dim, Value};

/// How a node lies in the kernel's domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One element per element of the row.
    Full,
    /// One element per row; its axes are the outer ones.
    Row,
    /// One element per row; the row's axis is kept with length 1.
    Kept,
}

/// An expression under construction.
pub struct Body {
    pub expr: Expr,
    pub slots: Vec<Unbound>,
    /// Number of outer axes of the kernel.
    outer: usize,
    /// The length of the row.
    len: Len,
    /// The distance from row to row in a tile.
    row_step: Len,
    regs: HashMap<Value, Reg>,
    /// Values that are one element per row.
    per_row: HashMap<Value, bool>,
}

/// The distance from row to row of what a tile loads and stores, until [`Body::epilogue`] puts in that of its
/// slot. No loop nest has a local of this name, so that a tile with it left in cannot be called.
const ROW_STRIDE: Len = Len::Local(Local(u16::MAX));

impl Body {
    /// Work on rows of `len` elements.
    pub fn new(outer: usize, len: Len) -> Body {
        Body {
            expr: Expr::default(),
            slots: Vec::new(),
            outer,
            len,
            row_step: Len::ZERO,
            regs: HashMap::new(),
            per_row: HashMap::new(),
        }
    }

    /// Work on the accumulators of a tile, of rows of `len` elements.
    pub fn of_tile(outer: usize, len: Len) -> Body {
        Body { row_step: ROW_STRIDE, ..Body::new(outer, len) }
    }

    /// The instructions of a tile: each access has its slot's stride from row to row.
    pub fn epilogue(&self, slots: &[Slot]) -> Vec<Inst> {
        let row = |ptr: Ptr| match ptr {
            Ptr::Arg(slot) => slots[usize::from(slot)].strides.last().copied().unwrap_or(Len::ZERO),
            Ptr::Derived(_) => unreachable!("a tile's body reads and writes its slots alone"),
        };
        let with_stride = |inst: &Inst| match *inst {
            Inst::Load { ptr, step, mem, .. } => Inst::Load { ptr, step, row_step: row(ptr), mem },
            Inst::Store { ptr, step, mem, value, .. } => {
                Inst::Store { ptr, step, row_step: row(ptr), mem, value }
            }
            other => other,
        };
        self.expr.insts.iter().map(with_stride).collect()
    }

    /// Says that a value is already in a register.
    pub fn define(&mut self, v: Value, r: Reg) {
        self.regs.insert(v, r);
        self.per_row.insert(v, false);
    }

    /// A pointer of its own.
    pub fn pointer(&mut self, slot: Unbound) -> u16 {
        self.slots.push(slot);
        (self.slots.len() - 1) as u16
    }

    /// Loads from a slot; `row` for one element per element of the row.
    pub fn load(&mut self, binding: &mut Binding, slot: Unbound, row: bool) -> Reg {
        self.load_slot(binding, slot, row, false)
    }

    /// The same; with `once`, what was loaded so before is not loaded again.
    fn load_slot(&mut self, binding: &mut Binding, mut slot: Unbound, row: bool, once: bool) -> Reg {
        slot.strides = aligned(slot.strides, self.outer);
        let (step, mem) = (if row { binding.len(&slot.step) } else { Len::ZERO }, slot.mem);
        let known = self.slots.iter().position(|known| once && *known == slot);
        let ptr = known.map_or_else(|| self.pointer(slot), |i| i as u16);
        self.expr.load(ptr, step, self.row_step, mem)
    }

    /// Stores a value of the kernel into its buffer.
    pub fn store(&mut self, lower: &Lower<'_>, binding: &mut Binding, v: Value) -> Result<(), CompileError> {
        let per_row = self.per_row.get(&v).copied().unwrap_or(false);
        let mut slot = lower.whole(v)?;
        if per_row {
            self.make_per_row(&mut slot);
        }
        self.store_to(binding, v, slot, per_row);
        Ok(())
    }

    /// Stores a value of the kernel into a slot.
    pub fn store_to(&mut self, binding: &mut Binding, v: Value, mut slot: Unbound, per_row: bool) {
        slot.strides = aligned(slot.strides, self.outer);
        let (step, mem) = (if per_row { Len::ZERO } else { binding.len(&slot.step) }, slot.mem);
        let value = self.regs[&v];
        self.expr.origin = Some(v);
        let ptr = self.pointer(slot);
        self.expr.store(ptr, step, self.row_step, mem, value);
    }

    /// Adds a register to what a slot has, element by element; gives the slot's number.
    pub fn add_to(&mut self, binding: &mut Binding, v: Value, slot: Unbound, x: Reg) -> u16 {
        let (step, mem) = (binding.len(&slot.step), slot.mem);
        self.expr.origin = Some(v);
        let ptr = self.pointer(slot);
        let before = self.expr.load(ptr, step, self.row_step, mem);
        let sum = self.expr.add(before, x);
        self.expr.store(ptr, step, self.row_step, mem, sum);
        ptr
    }

    /// A slot of rows: the last axis is an outer one, unless it is the kept axis of length 1.
    fn make_per_row(&self, slot: &mut Unbound) {
        if slot.strides.len() < self.outer {
            slot.strides.push(slot.step.clone());
        }
        slot.step = Dim::constant(0);
    }

    /// The register of an operand: computed here, stretched from here, or loaded.
    pub fn operand(
        &mut self,
        lower: &Lower<'_>,
        binding: &mut Binding,
        v: Value,
        level: Level,
    ) -> Result<Reg, CompileError> {
        if let Some(&r) = self.regs.get(&v) {
            return Ok(r);
        }
        let node = lower.graph.node(v);
        if let (Op::Expand(_), Some(&r)) = (&node.op, node.args.first().and_then(|p| self.regs.get(p))) {
            return Ok(r);
        }
        self.external(lower, binding, v, level)
    }

    /// Loads a value that another kernel stored, or makes a constant.
    pub fn external(
        &mut self,
        lower: &Lower<'_>,
        binding: &mut Binding,
        v: Value,
        level: Level,
    ) -> Result<Reg, CompileError> {
        let node = lower.graph.node(v);
        match &node.op {
            Op::Const(c) => return Ok(self.constant(*c)),
            Op::DimValue(d) => {
                let n = binding.len(d);
                let n = self.expr.push(Inst::ArgInt(n));
                return Ok(self.expr.un(Un::ToFloat, n));
            }
            Op::Gather if !lower.stored(v) => return self.gather(lower, binding, v),
            _ => {}
        }
        let access = lower.access(v)?;
        let root = access.root;
        let mut slot = lower.slot(v, access);
        if level == Level::Row && node.ty.rank() > 0 {
            slot.strides.push(std::mem::take(&mut slot.step));
        }
        if level != Level::Full {
            slot.step = Dim::constant(0);
        }
        // A state can be updated in place if no load of it comes after the store.
        let once = matches!(lower.graph.node(root).op, Op::State(_));
        Ok(self.load_slot(binding, slot, level == Level::Full, once))
    }

    /// Rows of a table by ids; the kernel's last axis is the table's.
    pub fn gather(
        &mut self,
        lower: &Lower<'_>,
        binding: &mut Binding,
        v: Value,
    ) -> Result<Reg, CompileError> {
        let [table, ids] = lower.graph.node(v).args[..] else {
            return Err(lower.unsupported(v, "a gather has two arguments"));
        };
        let (t, i) = (lower.access(table)?, lower.access(ids)?);
        let rank = lower.graph.ty(ids).rank();
        let mut slot = lower.slot(table, t);
        let rows = lower.graph.ty(table).shape[0].clone();
        let row_stride =
            if slot.strides.is_empty() { std::mem::take(&mut slot.step) } else { slot.strides.remove(0) };
        // Axes of the result: those of the ids, then the table's after the first.
        let mut strides = vec![Dim::constant(0); rank];
        strides.append(&mut slot.strides);
        slot.strides = aligned(strides, self.outer);
        let mut ids_strides = i.strides;
        ids_strides.resize(slot.strides.len(), Dim::constant(0));
        let ids = Unbound {
            buffer: Buffer::Value(i.root),
            mem: Mem::I32,
            offset: i.offset,
            strides: ids_strides,
            step: Dim::constant(0),
            gather: None,
            block: false,
        };
        slot.gather = Some(UnboundGather { ids: Box::new(ids), rows, row_stride });
        Ok(self.load(binding, slot, true))
    }

    fn constant(&mut self, c: Scalar) -> Reg {
        match c {
            Scalar::F32(n) => self.expr.float(n.0 as f32),
            Scalar::I32(i) => self.expr.int(i),
            Scalar::Bool(x) => {
                let zero = self.expr.int(0);
                self.expr.cmp(if x { Cmp::Eq } else { Cmp::Ne }, zero, zero)
            }
        }
    }

    /// Adds a node of the kernel.
    pub fn node(&mut self, lower: &Lower<'_>, binding: &mut Binding, v: Value) -> Result<(), CompileError> {
        self.expr.origin = Some(v);
        let node = lower.graph.node(v);
        let reduces = matches!(node.op, Op::Reduce { .. } | Op::Argmax { .. });
        let from_row = node.args.iter().any(|a| self.per_row.get(a) == Some(&true));
        let level = if node.op.is_row_work() || !from_row {
            Level::Full
        } else if node.ty.rank() == self.outer {
            Level::Row
        } else {
            Level::Kept
        };
        let args = node
            .args
            .iter()
            .map(|a| self.operand(lower, binding, *a, level))
            .collect::<Result<Vec<_>, _>>()?;
        let r = match &node.op {
            Op::Arange { from, .. } => {
                let from = binding.len(from);
                let (index, from) = (self.expr.push(Inst::Index), self.expr.push(Inst::ArgInt(from)));
                self.expr.bin(Bin::IAdd, index, from)
            }
            Op::Powers { ratio, len } => {
                let index = self.expr.push(Inst::Index);
                math::powers(&mut self.expr, index, ratio.0, len.as_const())
            }
            _ => self.apply(lower, v, &args)?,
        };
        self.regs.insert(v, r);
        self.per_row.insert(v, reduces || level != Level::Full);
        Ok(())
    }

    fn apply(&mut self, lower: &Lower<'_>, v: Value, args: &[Reg]) -> Result<Reg, CompileError> {
        let (expr, len) = (&mut self.expr, self.len);
        let opt = |given: bool, i: usize| if given { args.get(i).copied() } else { None };
        Ok(match (&lower.graph.node(v).op, args) {
            (Op::Unary(u), [x]) => math::unary(expr, *u, *x),
            (Op::Binary(o), [x, y]) => math::binary(expr, *o, *x, *y),
            (Op::Pow(c), [x]) => math::pow(expr, *x, c.0),
            (Op::Select, [m, x, y]) => expr.select(*m, *x, *y),
            (Op::Threefry, [key0, key1, x, y]) => random::uniform(expr, [*key0, *key1], [*x, *y]),
            (Op::Cast(to), [x]) => cast(expr, *to, *x),
            (Op::Reduce { kind, masked, .. }, [x, ..]) => {
                norms::reduce(expr, *kind, *x, len, opt(*masked, 1))
            }
            (Op::Argmax { .. }, [x]) => norms::argmax(expr, *x),
            (Op::Softmax { log, .. }, [x]) => norms::softmax(expr, *x, *log),
            (Op::LayerNorm { eps, eps_on, gain, bias, .. }, [x, ..]) => norms::layer_norm(
                expr,
                *x,
                len,
                eps.0,
                *eps_on,
                opt(*gain, 1),
                opt(*bias, 1 + usize::from(*gain)),
            ),
            (Op::RmsNorm { eps, gain, .. }, [x, ..]) => norms::rms_norm(expr, *x, len, eps.0, opt(*gain, 1)),
            (Op::L2Normalize { eps, .. }, [x]) => norms::l2_normalize(expr, *x, eps.0),
            _ => return Err(lower.unsupported(v, "no row kernel computes it")),
        })
    }

    /// A load of a block or value as the row that later nodes work on.
    pub fn begin_rows(&mut self, binding: &mut Binding, v: Value, slot: Unbound) {
        self.expr.origin = Some(v);
        let r = self.load(binding, slot, true);
        self.define(v, r);
    }
}

fn cast(expr: &mut Expr, to: DType, x: Reg) -> Reg {
    let from = expr.ty(x);
    match (from, to) {
        (Ty::F, DType::F32) | (Ty::I, DType::I32) | (Ty::M, DType::Bool) => x,
        (Ty::F, DType::Bf16) => round_to_bf16(expr, x),
        (Ty::F, DType::I32) => expr.un(Un::ToIntSat, x),
        (Ty::F, DType::Bool) => {
            let zero = expr.float(0.0);
            expr.cmp(Cmp::Ne, x, zero)
        }
        (Ty::I, DType::F32) => expr.un(Un::ToFloat, x),
        (Ty::I, DType::Bf16) => {
            let f = expr.un(Un::ToFloat, x);
            round_to_bf16(expr, f)
        }
        (Ty::I, DType::Bool) => {
            let zero = expr.int(0);
            expr.cmp(Cmp::Ne, x, zero)
        }
        (Ty::M, DType::I32) => {
            let (one, zero) = (expr.int(1), expr.int(0));
            expr.select(x, one, zero)
        }
        (Ty::M, DType::F32 | DType::Bf16) => {
            let (one, zero) = (expr.float(1.0), expr.float(0.0));
            expr.select(x, one, zero)
        }
    }
}

/// The float that storing as bf16 and loading again gives: a value may be cast and used in one kernel.
fn round_to_bf16(expr: &mut Expr, x: Reg) -> Reg {
    let bits = expr.un(Un::Bits, x);
    let (s16, one, half, high) = (expr.int(16), expr.int(1), expr.int(0x7fff), expr.int(-0x1_0000));
    let odd = expr.bin(Bin::Shr, bits, s16);
    let odd = expr.bin(Bin::And, odd, one);
    let up = expr.bin(Bin::IAdd, odd, half);
    let r = expr.bin(Bin::IAdd, bits, up);
    let r = expr.bin(Bin::And, r, high);
    let r = expr.un(Un::FromBits, r);
    let nan = expr.is_nan(x);
    expr.select(nan, x, r)
}
