//! The nodes of a kernel as one expression over a row, with a slot for all it reads and writes.

use super::{Lower, NONE, Wide, aligned};
use crate::CompileError;
use crate::lanes::expr::Expr;
use crate::lanes::{Bin, Cmp, Inst, Len, Mem, Reg, Ty, Un, math, norms};
use crate::spec::{Binding, Buffer};
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
    pub e: Expr,
    pub slots: Vec<Wide>,
    /// Number of outer axes of the kernel.
    outer: usize,
    /// The length of the row.
    len: Len,
    regs: HashMap<Value, Reg>,
    /// Values that are one element per row.
    per_row: HashMap<Value, bool>,
}

/// Pointers are slots; tiles need the row stride in the instruction, put in when all slots are known.
pub const ROW_STRIDE_LATER: Len = NONE;

impl Body {
    pub fn new(outer: usize, len: Len) -> Body {
        Body {
            e: Expr::default(),
            slots: Vec::new(),
            outer,
            len,
            regs: HashMap::new(),
            per_row: HashMap::new(),
        }
    }

    /// Says that a value is already in a register.
    pub fn define(&mut self, v: Value, r: Reg) {
        self.regs.insert(v, r);
        self.per_row.insert(v, false);
    }

    /// A pointer of its own.
    pub fn pointer(&mut self, w: Wide) -> u16 {
        self.slots.push(w);
        (self.slots.len() - 1) as u16
    }

    /// Loads from a slot; `row` for one element per element of the row.
    pub fn load(&mut self, b: &mut Binding, mut w: Wide, row: bool) -> Reg {
        w.strides = aligned(w.strides, self.outer);
        let (step, mem) = (if row { b.len(&w.step) } else { NONE }, w.mem);
        let ptr = self.pointer(w);
        self.e.load(ptr, step, ROW_STRIDE_LATER, mem)
    }

    /// Stores a value of the kernel into its buffer.
    pub fn store(&mut self, l: &Lower<'_>, b: &mut Binding, v: Value) -> Result<(), CompileError> {
        let per_row = self.per_row.get(&v).copied().unwrap_or(false);
        let mut w = l.whole(v)?;
        if per_row {
            self.make_per_row(&mut w);
        }
        self.store_to(b, v, w, per_row);
        Ok(())
    }

    /// Stores a value of the kernel into a slot.
    pub fn store_to(&mut self, b: &mut Binding, v: Value, mut w: Wide, per_row: bool) {
        w.strides = aligned(w.strides, self.outer);
        let (step, mem) = (if per_row { NONE } else { b.len(&w.step) }, w.mem);
        let value = self.regs[&v];
        let ptr = self.pointer(w);
        self.e.store(ptr, step, ROW_STRIDE_LATER, mem, value);
    }

    /// A slot of rows: the last axis is an outer one, unless it is the kept axis of length 1.
    fn make_per_row(&self, w: &mut Wide) {
        if w.strides.len() < self.outer {
            w.strides.push(w.step.clone());
        }
        w.step = Dim::constant(0);
    }

    /// The register of an operand: computed here, stretched from here, or loaded.
    fn operand(
        &mut self,
        l: &Lower<'_>,
        b: &mut Binding,
        v: Value,
        level: Level,
    ) -> Result<Reg, CompileError> {
        if let Some(&r) = self.regs.get(&v) {
            return Ok(r);
        }
        let node = l.g.node(v);
        if let (Op::Expand(_), Some(&r)) = (&node.op, node.args.first().and_then(|p| self.regs.get(p))) {
            return Ok(r);
        }
        self.external(l, b, v, level)
    }

    /// Loads a value that another kernel stored, or makes a constant.
    pub fn external(
        &mut self,
        l: &Lower<'_>,
        b: &mut Binding,
        v: Value,
        level: Level,
    ) -> Result<Reg, CompileError> {
        let node = l.g.node(v);
        match &node.op {
            Op::Const(c) => return Ok(self.constant(*c)),
            Op::DimValue(d) => {
                let n = b.len(d);
                let n = self.e.push(Inst::ArgInt(n));
                return Ok(self.e.un(Un::ToFloat, n));
            }
            Op::Gather if !l.stored(v) => return self.gather(l, b, v),
            _ => {}
        }
        let access = l.access(v)?;
        let mut w = l.wide(v, access);
        if level == Level::Row && node.ty.rank() > 0 {
            w.strides.push(std::mem::take(&mut w.step));
        }
        if level != Level::Full {
            w.step = Dim::constant(0);
        }
        Ok(self.load(b, w, level == Level::Full))
    }

    /// Rows of a table by ids; the kernel's last axis is the table's.
    pub fn gather(&mut self, l: &Lower<'_>, b: &mut Binding, v: Value) -> Result<Reg, CompileError> {
        let [table, ids] = l.g.node(v).args[..] else {
            return Err(l.unsupported(v, "a gather has two arguments"));
        };
        let (t, i) = (l.access(table)?, l.access(ids)?);
        let rank = l.g.ty(ids).rank();
        let mut w = l.wide(table, t);
        let rows = l.g.ty(table).shape[0].clone();
        let row_stride = if w.strides.is_empty() { std::mem::take(&mut w.step) } else { w.strides.remove(0) };
        // Axes of the result: those of the ids, then the table's after the first.
        let mut strides = vec![Dim::constant(0); rank];
        strides.append(&mut w.strides);
        w.strides = aligned(strides, self.outer);
        let mut ids_strides = i.strides;
        ids_strides.resize(w.strides.len(), Dim::constant(0));
        let ids = Wide {
            buffer: Buffer::Value(i.root),
            mem: Mem::I32,
            offset: i.offset,
            strides: ids_strides,
            step: Dim::constant(0),
            gather: None,
            block: false,
        };
        w.gather = Some((Box::new(ids), rows, row_stride));
        Ok(self.load(b, w, true))
    }

    fn constant(&mut self, c: Scalar) -> Reg {
        match c {
            Scalar::F32(n) => self.e.c(n.0 as f32),
            Scalar::I32(i) => self.e.i(i),
            Scalar::Bool(x) => {
                let zero = self.e.i(0);
                self.e.cmp(if x { Cmp::Eq } else { Cmp::Ne }, zero, zero)
            }
        }
    }

    /// Adds a node of the kernel.
    pub fn node(&mut self, l: &Lower<'_>, b: &mut Binding, v: Value) -> Result<(), CompileError> {
        let node = l.g.node(v);
        let reduces = matches!(node.op, Op::Reduce { .. } | Op::Argmax { .. });
        let from_row = node.args.iter().any(|a| self.per_row.get(a) == Some(&true));
        let level = if node.op.is_row_work() || !from_row {
            Level::Full
        } else if node.ty.rank() == self.outer {
            Level::Row
        } else {
            Level::Kept
        };
        let args = node.args.iter().map(|a| self.operand(l, b, *a, level)).collect::<Result<Vec<_>, _>>()?;
        let r = match &node.op {
            Op::Arange { start, .. } => {
                let start = b.len(start);
                let (index, start) = (self.e.push(Inst::Index), self.e.push(Inst::ArgInt(start)));
                self.e.bin(Bin::IAdd, index, start)
            }
            Op::Powers { ratio, len } => {
                let index = self.e.push(Inst::Index);
                math::powers(&mut self.e, index, ratio.0, len.as_const())
            }
            _ => self.apply(l, v, &args)?,
        };
        self.regs.insert(v, r);
        self.per_row.insert(v, reduces || level != Level::Full);
        Ok(())
    }

    fn apply(&mut self, l: &Lower<'_>, v: Value, args: &[Reg]) -> Result<Reg, CompileError> {
        let (e, len) = (&mut self.e, self.len);
        let opt = |given: bool, i: usize| if given { args.get(i).copied() } else { None };
        Ok(match (&l.g.node(v).op, args) {
            (Op::Unary(u), [x]) => math::unary(e, *u, *x),
            (Op::Binary(o), [x, y]) => math::binary(e, *o, *x, *y),
            (Op::Pow(c), [x]) => math::pow(e, *x, c.0),
            (Op::Select, [m, x, y]) => e.select(*m, *x, *y),
            (Op::Cast(to), [x]) => cast(e, *to, *x),
            (Op::Reduce { kind, masked, .. }, [x, ..]) => norms::reduce(e, *kind, *x, len, opt(*masked, 1)),
            (Op::Argmax { .. }, [x]) => norms::argmax(e, *x),
            (Op::Softmax { log, .. }, [x]) => norms::softmax(e, *x, *log),
            (Op::LayerNorm { eps, eps_on, gain, bias, .. }, [x, ..]) => norms::layer_norm(
                e,
                *x,
                len,
                eps.0,
                *eps_on,
                opt(*gain, 1),
                opt(*bias, 1 + usize::from(*gain)),
            ),
            (Op::RmsNorm { eps, gain, .. }, [x, ..]) => norms::rms_norm(e, *x, len, eps.0, opt(*gain, 1)),
            (Op::L2Normalize { eps, .. }, [x]) => norms::l2_normalize(e, *x, eps.0),
            _ => return Err(l.unsupported(v, "no row kernel computes it")),
        })
    }

    /// A load of a block or value as the row that later nodes work on.
    pub fn begin_rows(&mut self, b: &mut Binding, v: Value, w: Wide) {
        let r = self.load(b, w, true);
        self.define(v, r);
    }
}

fn cast(e: &mut Expr, to: DType, x: Reg) -> Reg {
    let from = e.ty(x);
    match (from, to) {
        (Ty::F, DType::F32) | (Ty::I, DType::I32) | (Ty::M, DType::Bool) => x,
        (Ty::F, DType::Bf16) => round_to_bf16(e, x),
        (Ty::F, DType::I32) => e.un(Un::ToIntSat, x),
        (Ty::F, DType::Bool) => {
            let zero = e.c(0.0);
            e.cmp(Cmp::Ne, x, zero)
        }
        (Ty::I, DType::F32) => e.un(Un::ToFloat, x),
        (Ty::I, DType::Bf16) => {
            let f = e.un(Un::ToFloat, x);
            round_to_bf16(e, f)
        }
        (Ty::I, DType::Bool) => {
            let zero = e.i(0);
            e.cmp(Cmp::Ne, x, zero)
        }
        (Ty::M, DType::I32) => {
            let (one, zero) = (e.i(1), e.i(0));
            e.select(x, one, zero)
        }
        (Ty::M, DType::F32 | DType::Bf16) => {
            let (one, zero) = (e.c(1.0), e.c(0.0));
            e.select(x, one, zero)
        }
    }
}

/// The float that storing as bf16 and loading again gives: a value may be cast and used in one kernel.
fn round_to_bf16(e: &mut Expr, x: Reg) -> Reg {
    let bits = e.un(Un::Bits, x);
    let (s16, one, half, high) = (e.i(16), e.i(1), e.i(0x7fff), e.i(-0x1_0000));
    let odd = e.bin(Bin::Shr, bits, s16);
    let odd = e.bin(Bin::And, odd, one);
    let up = e.bin(Bin::IAdd, odd, half);
    let r = e.bin(Bin::IAdd, bits, up);
    let r = e.bin(Bin::And, r, high);
    let r = e.un(Un::FromBits, r);
    let nan = e.is_nan(x);
    e.select(nan, x, r)
}
