//! Tiles of a product: accumulators in registers over the whole sum, then the epilogue.

use super::asm::{Mask, Op2, Op3, Rm, Shift, V};
use super::body::{Count, Place, Tail};
use super::parts::Sums;
use super::{Emit, Refused, Width};
use crate::lanes::{Ahead, DERIVED, Inst, Len, PART, STRIP, Terms, UNROLL};
use iced_x86::{Code, Instruction, MemoryOperand, Register};
use std::collections::BTreeMap;

/// Where a row of the left operand begins.
pub struct LeftRow {
    base: Register,
    /// A stride to add, once or twice.
    index: Option<(Register, u32)>,
    displacement: i64,
}

impl LeftRow {
    /// The element that lies so many bytes from where the row is.
    pub fn at(&self, bytes: i64) -> MemoryOperand {
        let at = self.displacement + bytes;
        match self.index {
            Some((i, scale)) => MemoryOperand::with_base_index_scale_displ_size(self.base, i, scale, at, 1),
            None => MemoryOperand::with_base_displ(self.base, at),
        }
    }
}

/// Where the left operand's rows and the right operand's strips are.
pub struct Operands {
    /// The rows of the left operand.
    pub rows: Vec<LeftRow>,
    /// Registers to move along the sum, with the bytes of one term or group.
    pub moving: Vec<(Register, i64)>,
    /// What is brought nearer, and lines of it a turn.
    pub ahead: Option<(Register, u8)>,
    /// Base register and displacement of each vector of the right operand.
    pub right: Vec<(Register, i64)>,
}

/// Registers of a tile whose right operand is bf16.
struct Halves {
    /// Ones in the upper half of each lane.
    upper: V,
    /// An element of the left operand.
    left: V,
    /// Lower and upper halves of all vectors of a row of the right operand, or of one at a time.
    vectors: Vec<(V, V)>,
}

impl Halves {
    fn new(spare: &mut Vec<V>, hold: bool, vectors: i64) -> Halves {
        let mut take = || spare.pop().unwrap_or_default();
        let (upper, left) = (take(), take());
        Halves {
            upper,
            left,
            vectors: (0..if hold { vectors } else { 1 }).map(|_| (take(), take())).collect(),
        }
    }

    fn registers(&self) -> impl Iterator<Item = V> {
        self.vectors.iter().flat_map(|(a, b)| [*a, *b]).chain([self.upper, self.left])
    }
}

impl Emit<'_> {
    pub fn tile(
        &mut self,
        shape: (u8, u8),
        (k, strip, terms): (Len, Len, Terms),
        a: (u16, Len),
        b: u16,
        body: &[Inst],
    ) -> Result<(), Refused> {
        if terms == Terms::Pairs && self.a.width == Width::Y {
            return Err(Refused("products of bf16 at 256 bits".into()));
        }
        let lines = |k: Len| match (k, terms) {
            (k, Terms::F32) => Ok(k),
            (Len::Const(n), _) if n % terms.together() == 0 => Ok(Len::Const(terms.lines(n))),
            _ => Err(Refused("a sum whose length is no constant of whole groups".into())),
        };
        let (k, strip) = (lines(k)?, lines(strip)?);
        if let Some(group) = terms.group() {
            return self.grouped(shape, (k, strip, terms, group), a, b, body);
        }
        let lanes = self.a.width.lanes();
        let (rows, cols) = (i64::from(shape.0), i64::from(shape.1));
        let vectors = (cols + lanes - 1) / lanes;
        let accs = rows * vectors;
        let all = i64::from(self.a.width.registers());
        let rest = cols % lanes;
        // The right operand's vectors (one row reads whole ones from memory) and one element of the left one.
        let held = match terms {
            Terms::Halves => 0,
            _ if rows > 1 => vectors,
            _ => i64::from(rest > 0),
        };
        let needed = if terms == Terms::Halves { 5 } else { held + 1 };
        if accs + needed + i64::from(rest > 0) > all {
            return Err(Refused(format!("{rows} x {cols} accumulators")));
        }
        let counter = self.general()?;
        let o = self.operands(rows, vectors, (strip, terms), a, b)?;
        let acc = |r: i64, v: i64| (r * vectors + v) as V;
        for i in 0..accs as V {
            self.a.op3(Op3::Xor, i, i, Rm::Reg(i))?;
        }
        let mut spare: Vec<V> = (accs as V..all as V).collect();
        // A tile that begins inside of a strip has nothing to read behind its last column.
        let mask = if rest > 0 { Some(self.known_mask(rest, &mut spare)?) } else { None };
        let first = o.right.len() - held as usize;
        let sum = if terms == Terms::Pairs { Op3::DotBf16 } else { Op3::Fma231 };
        let halves =
            (terms == Terms::Halves).then(|| Halves::new(&mut spare, accs + 4 + 2 * vectors <= all, vectors));
        if let Some(h) = &halves {
            let upper = self.a.constant(0xffff_0000);
            self.a.op2(Op2::Move, h.upper, upper)?;
        }
        let term = |e: &mut Self, u: i64| -> Result<(), Refused> {
            if let Some(h) = &halves {
                return e.halves(h, &o, u, mask, &acc);
            }
            for (v, (base, at)) in o.right.iter().enumerate().skip(first) {
                let masked = if v + 1 == o.right.len() { mask } else { None };
                e.a.load(
                    spare[v - first],
                    MemoryOperand::with_base_displ(*base, at + u * STRIP * 4),
                    4,
                    masked,
                )?;
            }
            let lefts = &spare[held as usize..];
            for (r, row) in o.rows.iter().enumerate() {
                let x = lefts[r % lefts.len().min(4)];
                e.a.broadcast(x, row.at(u * 4), 4)?;
                for (v, (base, at)) in o.right.iter().enumerate() {
                    let b = match v.checked_sub(first) {
                        Some(v) => Rm::Reg(spare[v]),
                        None => Rm::Mem(MemoryOperand::with_base_displ(*base, at + u * STRIP * 4)),
                    };
                    e.a.op3(sum, acc(r as i64, v as i64), x, b)?;
                }
            }
            Ok(())
        };
        let sums = Sums::of(k, UNROLL, accs as usize);
        let helpers = match (&halves, spare.as_slice()) {
            (Some(h), _) => (h.left, h.vectors[0].0),
            (None, [a, b, ..]) => (*a, *b),
            _ if sums.whole() => (0, 0),
            _ => return Err(Refused("too few vector registers".into())),
        };
        let add_parts =
            |e: &mut Self| (0..accs as V).try_for_each(|i| e.add_part(sums, i, usize::from(i), helpers));
        self.begin_totals(sums, helpers.0)?;
        match k {
            Len::Const(n) => {
                let turns = n / UNROLL;
                if turns > 0 {
                    let top = self.a.label();
                    let turns = i32::try_from(turns).map_err(|_| Refused("a sum beyond 31 bits".into()))?;
                    self.push(Instruction::with2(Code::Mov_r32_imm32, counter.full_register32(), turns))?;
                    self.a.place(top);
                    self.at_parts(sums, (counter, PART), add_parts)?;
                    for u in 0..UNROLL {
                        term(self, u)?;
                    }
                    self.bring_nearer(&o)?;
                    self.advance(&o, UNROLL)?;
                    self.push(Instruction::with1(Code::Dec_rm64, counter))?;
                    self.push(Instruction::with_branch(Code::Jne_rel32_64, top))?;
                }
                for u in 0..n % UNROLL {
                    term(self, u)?;
                }
            }
            Len::Local(local) => local.unbound(),
            Len::Arg(i) => {
                for (unroll, shift) in [(UNROLL, true), (1, false)] {
                    let (top, after) = (self.a.label(), self.a.label());
                    let m = self.argument(self.p.ptrs + i);
                    self.push(Instruction::with2(Code::Mov_r64_rm64, counter, m))?;
                    if shift {
                        self.push(Instruction::with2(Code::Sar_rm64_imm8, counter, 2))?;
                    } else {
                        self.push(Instruction::with2(Code::And_rm64_imm32, counter, (UNROLL - 1) as i32))?;
                    }
                    self.push(Instruction::with2(Code::Test_rm64_r64, counter, counter))?;
                    self.push(Instruction::with_branch(Code::Jle_rel32_64, after))?;
                    self.a.place(top);
                    if shift {
                        self.at_parts(sums, (counter, PART), add_parts)?;
                    }
                    for u in 0..unroll {
                        term(self, u)?;
                    }
                    if shift {
                        self.bring_nearer(&o)?;
                    }
                    self.advance(&o, unroll)?;
                    self.push(Instruction::with1(Code::Dec_rm64, counter))?;
                    self.push(Instruction::with_branch(Code::Jne_rel32_64, top))?;
                    self.a.place(after);
                }
            }
        }
        self.add_totals(sums, &(0..accs as V).collect::<Vec<V>>(), helpers)?;
        self.used = 0;
        spare.extend(halves.iter().flat_map(Halves::registers));
        let tail = mask.map(|mask| Tail { mask, count: Count::Known(rest) });
        self.epilogue((rows, vectors), body, spare, tail)
    }

    /// Brings nearer what a turn may, and goes on from there.
    pub fn bring_nearer(&mut self, o: &Operands) -> Result<(), Refused> {
        let Some((r, lines)) = o.ahead else { return Ok(()) };
        for line in 0..i64::from(lines) {
            self.push(Instruction::with1(Code::Prefetcht1_m8, MemoryOperand::with_base_displ(r, 64 * line)))?;
        }
        self.push(Instruction::with2(Code::Add_rm64_imm32, r, 64 * i32::from(lines)))
    }

    /// Moves the operands along the sum.
    pub fn advance(&mut self, o: &Operands, turns: i64) -> Result<(), Refused> {
        for (r, bytes) in &o.moving {
            self.push(Instruction::with2(Code::Add_rm64_imm32, *r, (turns * bytes) as i32))?;
        }
        Ok(())
    }

    /// Two terms of each sum: the lower and the upper halves of the right operand's elements.
    fn halves(
        &mut self,
        h: &Halves,
        o: &Operands,
        u: i64,
        mask: Option<Mask>,
        acc: &impl Fn(i64, i64) -> V,
    ) -> Result<(), Refused> {
        let right = |e: &mut Self, v: usize, (low, high): (V, V)| -> Result<(), Refused> {
            let (base, at) = o.right[v];
            let masked = if v + 1 == o.right.len() { mask } else { None };
            e.a.load(low, MemoryOperand::with_base_displ(base, at + u * STRIP * 4), 4, masked)?;
            e.a.op3(Op3::And, high, h.upper, Rm::Reg(low))?;
            e.a.shift(Shift::Left, low, low, 16)
        };
        let left =
            |e: &mut Self, row: &LeftRow, half: i64| e.a.broadcast(h.left, row.at(u * 8 + half * 4), 4);
        // All vectors at once, or one after another.
        let step = h.vectors.len().max(1);
        for first in (0..o.right.len()).step_by(step) {
            let turn = first..(first + step).min(o.right.len());
            for (v, at) in turn.clone().zip(&h.vectors) {
                right(self, v, *at)?;
            }
            for (r, row) in o.rows.iter().enumerate() {
                for half in 0..2 {
                    left(self, row, half)?;
                    for (v, (low, high)) in turn.clone().zip(&h.vectors) {
                        let x = if half == 0 { *low } else { *high };
                        self.a.op3(Op3::Fma231, acc(r as i64, v as i64), h.left, Rm::Reg(x))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Addresses of the rows, and of the strips of so many lines.
    pub fn operands(
        &mut self,
        rows: i64,
        vectors: i64,
        (strip, terms): (Len, Terms),
        a: (u16, Len),
        b: u16,
    ) -> Result<Operands, Refused> {
        let ahead = match self.ahead {
            Some(Ahead { ptr, lines }) if lines > 0 => Some((self.pointer(ptr)?, lines)),
            _ => None,
        };
        let mut o = Operands { rows: Vec::new(), moving: Vec::new(), ahead, right: Vec::new() };
        let pa = self.pointer(a.0)?;
        let term = 4 * terms.left(terms.together());
        let line = 4 * STRIP * terms.lines(terms.together());
        o.moving.push((pa, term));
        match a.1 {
            Len::Const(n) if i32::try_from(rows * n * 4 + UNROLL * term).is_ok() => {
                o.rows =
                    (0..rows).map(|r| LeftRow { base: pa, index: None, displacement: r * n * 4 }).collect()
            }
            Len::Const(_) => return Err(Refused("rows too far apart".into())),
            Len::Local(local) => local.unbound(),
            Len::Arg(i) => {
                // Three rows a register: at it, one stride and two strides on.
                let stride = self.integer(i)?;
                self.push(Instruction::with2(Code::Shl_rm64_imm8, stride, 2))?;
                let mut base = pa;
                for r in 0..rows {
                    if r > 0 && r % 3 == 0 {
                        let next = self.general()?;
                        // next = base + 3 * stride
                        self.push(Instruction::with2(
                            Code::Lea_r64_m,
                            next,
                            MemoryOperand::with_base_index_scale(base, stride, 2),
                        ))?;
                        self.push(Instruction::with2(Code::Add_r64_rm64, next, stride))?;
                        o.moving.push((next, term));
                        base = next;
                    }
                    let index = [None, Some((stride, 1)), Some((stride, 2))][r as usize % 3];
                    o.rows.push(LeftRow { base, index, displacement: 0 });
                }
            }
        }
        let lanes = self.a.width.lanes();
        let mut base = self.pointer(b)?;
        o.moving.push((base, line));
        let mut last = 0;
        for v in 0..vectors {
            let (s, inside) = (v * lanes / STRIP, v * lanes % STRIP);
            match strip {
                // Strips of a known length lie at constant distances.
                Len::Const(n) => {
                    let at = s * n * STRIP * 4 + inside * 4;
                    if i32::try_from(at + UNROLL * line).is_err() {
                        return Err(Refused("strips too far apart".into()));
                    }
                    o.right.push((base, at));
                }
                Len::Local(local) => local.unbound(),
                Len::Arg(i) => {
                    if s != last {
                        let next = self.general()?;
                        let m = self.argument(self.p.ptrs + i);
                        self.push(Instruction::with2(Code::Mov_r64_rm64, next, m))?;
                        self.push(Instruction::with2(Code::Shl_rm64_imm8, next, 6))?;
                        self.push(Instruction::with2(Code::Add_r64_rm64, next, base))?;
                        o.moving.push((next, line));
                        base = next;
                        last = s;
                    }
                    o.right.push((base, inside * 4));
                }
            }
        }
        Ok(o)
    }

    /// The body for each accumulator, row by row.
    pub fn epilogue(
        &mut self,
        (rows, vectors): (i64, i64),
        body: &[Inst],
        spare: Vec<V>,
        last: Option<Tail>,
    ) -> Result<(), Refused> {
        let lanes = self.a.width.lanes();
        let mut bases: BTreeMap<u16, Register> = BTreeMap::new();
        let mut strides: BTreeMap<u16, Register> = BTreeMap::new();
        for inst in body {
            let (Inst::Load { ptr, row_step, mem, .. } | Inst::Store { ptr, row_step, mem, .. }) = inst
            else {
                continue;
            };
            if *ptr >= DERIVED {
                return Err(Refused("a derived pointer in a tile".into()));
            }
            if bases.contains_key(ptr) {
                continue;
            }
            let r = self.pointer(*ptr)?;
            bases.insert(*ptr, r);
            if let Len::Arg(i) = row_step {
                let s = self.integer(*i)?;
                let shift = mem.size().trailing_zeros() as i32;
                self.push(Instruction::with2(Code::Shl_rm64_imm8, s, shift))?;
                strides.insert(*ptr, s);
            }
        }
        let mut free: Vec<V> = spare.into_iter().rev().collect();
        for r in 0..rows {
            for v in 0..vectors {
                let tail = if v + 1 == vectors { last } else { None };
                let acc = (r * vectors + v) as V;
                let place = Place {
                    bases: &bases,
                    index: None,
                    plus: v * lanes,
                    row: r,
                    tail,
                    acc: Some(acc),
                    scalar: false,
                    without: &[],
                };
                if !body.iter().any(|i| matches!(i, Inst::Acc)) {
                    free.push(acc);
                }
                self.body(body, &place, &[], &mut free)?;
            }
            if r + 1 < rows {
                for (ptr, s) in &strides {
                    self.push(Instruction::with2(Code::Add_r64_rm64, bases[ptr], *s))?;
                }
            }
        }
        Ok(())
    }
}
